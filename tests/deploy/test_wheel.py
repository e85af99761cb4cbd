"""The wheel holds all that the package reads at run time, and works where nothing else of the repository is."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT


@pytest.mark.slow
def test_a_wheel_holds_pages_and_coasts_and_runs_from_an_empty_folder(tmp_path: Path) -> None:
    pytest.importorskip("setuptools", reason="a wheel is built by setuptools")
    if not (ROOT / ".git").exists():
        pytest.skip("the sources are copied out of the repository, which is not here")
    sources = tmp_path / "sources"
    subprocess.run(["git", "-C", str(ROOT), "checkout-index", "-a", f"--prefix={sources}/"], check=True)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    words = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(tmp_path), str(sources)]
    subprocess.run([*pip, *words], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("py4cast-*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    read = [p for p in (ROOT / "py4cast").rglob("*") if p.suffix not in (".py", ".pyc") and p.is_file()]
    for path in read:
        assert str(path.relative_to(ROOT)) in names, path
    assert not any(name.startswith(("tests/", "doc/", "benchmarks/")) for name in names)
    target = tmp_path / "installed"
    subprocess.run([*pip, "install", "--no-deps", "--target", str(target), str(wheel)], check=True, capture_output=True)
    environment = {**os.environ, "PYTHONPATH": str(target), "PY4CAST_ROOTDIR": str(tmp_path / "runs")}
    code = "import py4cast, sys; from py4cast.cli import main; print(py4cast.__file__); sys.exit(main(['plugins']))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert str(target) in done.stdout and "halfunet" in done.stdout
