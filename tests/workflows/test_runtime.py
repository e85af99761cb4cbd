"""Forecasting where nothing but the packages of constraints-runtime.txt is installed."""

import importlib.metadata
import subprocess
import venv
from pathlib import Path

import numpy as np
import pytest

from tests import forecasters
from tests.workflows.export.test_run import exported
from tests.workflows.forecast.test_run import START, analyses, expected, values_of

ROOT = Path(__file__).resolve().parents[2]


def pins(name: str) -> dict[str, str]:
    lines = (ROOT / name).read_text().splitlines()
    found = (line.split("==") for line in lines if "==" in line and not line.startswith("#"))
    return {key.strip().lower().replace("_", "-"): version.strip() for key, version in found}


def test_the_pins_are_those_of_the_whole_environment() -> None:
    whole, few = pins("constraints.txt"), pins("constraints-runtime.txt")
    assert few.items() <= whole.items() and len(few) < 25
    assert not {"torch", "pytorch-lightning", "onnx", "scipy", "matplotlib"} & set(few)


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter that finds py4cast and the pinned packages alone, which are links to those installed here."""
    folder = tmp_path_factory.mktemp("runtime")
    venv.create(folder, with_pip=False, symlinks=True)
    (site,) = folder.glob("lib/python3*/site-packages")
    for name in pins("constraints-runtime.txt"):
        files = importlib.metadata.files(name)
        assert files, f"{name} is not installed"
        for top in {f.parts[0] for f in files} - {"..", "__pycache__"}:
            source = Path(str(files[0].locate())).parents[len(files[0].parts) - 1] / top
            if not (site / top).exists():
                (site / top).symlink_to(source)
    (site / "py4cast").symlink_to(ROOT / "py4cast")
    (site / "py4cast_plugin_mfai.py").symlink_to(ROOT / "py4cast_plugin_mfai.py")
    return folder / "bin" / "python"


def run(python: Path, *words: str) -> subprocess.CompletedProcess[str]:
    code = "import sys; from py4cast.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [str(python), "-W", "error", "-c", code, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=python.parent)


@pytest.mark.parametrize("form", ["GRIB", "NetCDF"])
def test_the_minimal_environment_forecasts_as_torch_does(python: Path, tmp_path: Path, form: str) -> None:
    step, source = exported(tmp_path), analyses(tmp_path / "in", form)
    words = ("forecast", "--model", str(step), "--input", source, "--num_steps", "4", "--init_time", str(START))
    done = run(python, *words, "--output", str(tmp_path / "f.nc"), str(tmp_path / "f.grib2"))
    assert done.returncode == 0, done.stderr
    own = forecasters.forecaster()
    std = own.info.stats.to_list("std", own.info.predicted).numpy()
    difference = np.abs(values_of(tmp_path / "f.nc") - expected(own)) / std
    assert difference.max() < (1e-4 if form == "NetCDF" else 1e-3), "GRIB rounds its input"
    assert (tmp_path / "f.grib2").stat().st_size > 1000


def test_what_is_not_there_is_named(python: Path, tmp_path: Path) -> None:
    step, source = exported(tmp_path), analyses(tmp_path / "in", "NetCDF")
    words = ("forecast", "--model", str(step), "--input", source, "--num_steps", "1")
    done = run(python, *words, "--output", str(tmp_path / "f.zarr"))
    assert done.returncode == 2 and "needs the package 'zarr'" in done.stderr and len(done.stderr.splitlines()) == 1
    done = run(
        python, *words[:2], str(tmp_path / "forecaster.safetensors"), *words[3:], "--output", str(tmp_path / "f.nc")
    )
    assert done.returncode == 2 and "needs the package 'torch'" in done.stderr and len(done.stderr.splitlines()) == 1
