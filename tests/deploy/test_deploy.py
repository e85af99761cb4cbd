"""The programs of deploy/, built from what is installed, against Python."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from py4cast.steppers import StepGiven, open_stepper
from tests import forecasters
from tests.workflows.export.test_run import exported

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
STEPS = 12

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("make", "cc"))), reason="no C compiler here (apt-get install gcc make)"
)


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("build")
    words = ["make", "-C", str(DEPLOY), f"BUILD={folder}", f"PYTHON={sys.executable}"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "arning" not in done.stderr, done.stderr
    return folder


PROGRAMS = ("run_step", "run_step_f") if shutil.which("gfortran") else ("run_step",)


def inputs(num_forcing: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    shape = forecasters.GRID.shape
    state = (np.array([280, 3, -2]) + rng.normal(size=(2, *shape, 3))).astype(np.float32)
    border = (np.array([280, 3, -2]) + rng.normal(size=(STEPS, *shape, 3))).astype(np.float32)
    border[:, :, ::5] = np.nan
    forcing = np.abs(rng.normal(size=(STEPS, *shape, num_forcing))).astype(np.float32)
    return state, forcing, border


def run(build: Path, program: str, *words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(build / program), *map(str, words)], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("border_size", "forcings"), [(0, ("hour", "toa_radiation")), (2, ("hour",)), (2, ())])
def test_twelve_steps_agree_with_python(
    build: Path, tmp_path: Path, border_size: int, forcings: tuple[str, ...]
) -> None:
    step = exported(tmp_path, border_size=border_size, forcings=forcings)
    stepper = open_stepper(step)
    state, forcing, border = inputs(len(stepper.info.forcing))
    for name, values in (("state", state), ("forcing", forcing), ("border", border)):
        values.tofile(tmp_path / f"{name}.bin")
    words = [
        tmp_path / "state.bin",
        tmp_path / "forcing.bin" if forcings else "-",
        tmp_path / "border.bin" if border_size else "-",
    ]
    given = [StepGiven(forcing[None, i] if forcings else None, border[None, i]) for i in range(STEPS)]
    wanted = np.concatenate(list(stepper.rollout(state[None], given)))
    for program in PROGRAMS:
        done = run(build, program, step, STEPS, *words, tmp_path / "out.bin")
        assert done.returncode == 0, done.stderr
        forecast = np.fromfile(tmp_path / "out.bin", np.float32).reshape(STEPS, *forecasters.GRID.shape, 4)
        np.testing.assert_allclose(forecast, wanted, rtol=1e-5, atol=1e-4)
        if border_size:
            imposed = stepper.info.border[..., None] & np.isfinite(border)
            np.testing.assert_allclose(forecast[..., :3][imposed], border[imposed], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("program", PROGRAMS)
def test_what_goes_wrong_is_told(build: Path, tmp_path: Path, program: str) -> None:
    step = exported(tmp_path)
    state, forcing, _ = inputs(3)
    state.tofile(tmp_path / "state.bin")
    forcing[:2].tofile(tmp_path / "short.bin")
    out = tmp_path / "out.bin"
    assert run(build, program).returncode == 2
    done = run(build, program, tmp_path / "none.onnx", 1, "-", "-", "-", out)
    assert done.returncode == 3 and "none.onnx" in done.stderr
    done = run(build, program, step, 3, tmp_path / "state.bin", tmp_path / "short.bin", "-", out)
    assert done.returncode == 3 and "short.bin" in done.stderr
    (tmp_path / "cut.onnx").write_bytes(step.read_bytes()[:2000])
    assert run(build, program, tmp_path / "cut.onnx", 1, "-", "-", "-", out).returncode == 3
