"""The types of the package, as a checker sees them from a program elsewhere."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import py4cast

PROGRAM = """
import xarray as xr

import py4cast
from py4cast.forecaster import Forecaster


def rmse(path: str, past: xr.Dataset, truth: xr.Dataset) -> xr.Dataset:
    forecast = Forecaster.load(path).forecast(past, num_steps=3)
    return py4cast.verify(forecast, truth, metrics=["rmse"])


steps: str = Forecaster.load("f").num_input_steps
"""

# types of others, which take long to be looked at, are none of the program's
SETTINGS = """
[mypy]
[mypy-torch.*,pytorch_lightning.*,lightning_fabric.*,torchmetrics.*,matplotlib.*,zarr.*,scipy.*,pandas.*,rich.*,fsspec.*]
follow_imports = skip
"""


@pytest.mark.slow
def test_a_checker_elsewhere_sees_the_types(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    assert (Path(py4cast.__file__).parent / "py.typed").is_file()
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "mypy.ini").write_text(SETTINGS)
    words = [
        sys.executable,
        "-m",
        "mypy",
        "--follow-imports=silent",
        "--cache-dir",
        str(tmp_path / "cache"),
        "--config-file",
        "mypy.ini",
        "program.py",
    ]
    # an editable install is none that a checker finds
    env = {**os.environ, "MYPYPATH": str(Path(py4cast.__file__).parents[1])}
    done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=300)
    told = [line for line in done.stdout.splitlines() if "error" in line]
    assert len(told) == 2 and 'has type "int", variable has type "str"' in told[0], done.stdout + done.stderr
