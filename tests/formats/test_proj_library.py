"""ecCodes and pyproj in one process that asks for pyproj last."""

import importlib.util
import subprocess
import sys

import pytest

CODE = """
import py4cast.formats
import eccodes
import pyproj
print(pyproj.Transformer.from_crs(4326, 3857).transform(50, 3)[0])
"""


def test_pyproj_lives_beside_eccodes() -> None:
    if importlib.util.find_spec("pyproj") is None:
        pytest.skip("pyproj comes with MetPy and cartopy")
    done = subprocess.run([sys.executable, "-W", "error", "-c", CODE], capture_output=True, text=True, check=False)
    # 3 degrees of longitude on a sphere of 6378137 m
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == pytest.approx(6378137 * 3 * 3.141592653589793 / 180)


def test_a_program_that_has_loaded_eccodes_already_ends_well() -> None:
    code = "import eccodes; import py4cast.formats; import py4cast.workflows.prepare"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
