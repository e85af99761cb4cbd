"""The programs of deploy/, built from what is installed, against Python."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from py4cast.forecaster import Forecaster
from py4cast.noise import Noise
from py4cast.steppers import StepGiven, open_stepper
from py4cast.workflows.export.run import Export, export
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


@pytest.mark.parametrize("noise", ["cells", "vector"])
def test_members_are_those_of_python(build: Path, tmp_path: Path, noise: str) -> None:
    torch.manual_seed(0)
    strategy = {"noise": noise, **({"num_noise": 5} if noise == "vector" else {})}
    network = {"num_filters": 8, "norm": "group"}
    own = Forecaster.build(forecasters.info(forcings=("hour",)), "halfunet", "ensemble", 2, network, strategy).eval()
    with torch.no_grad():  # what the noise comes in by begins with zeros
        for weights in own.parameters():
            weights.add_(0.05 * torch.randn_like(weights))
    own.save(tmp_path / "f.safetensors")
    step = tmp_path / "step.onnx"
    export(Export(forecaster=str(tmp_path / "f.safetensors"), output=str(step), num_steps=1))
    stepper = open_stepper(step)
    state, forcing, _ = inputs(len(stepper.info.forcing))
    state.tofile(tmp_path / "state.bin")
    forcing.tofile(tmp_path / "forcing.bin")
    start, seed, grid = np.datetime64("2021-07-03T12", "s"), 20_000_000_003, forecasters.GRID.shape
    forecasts = {}
    for member in (0, 7):
        given = [
            StepGiven(forcing[None, i], None, noise=stepper.info.noise.draw(seed, [start], [member], i, grid)[0])
            for i in range(3)
        ]
        wanted = np.concatenate(list(stepper.rollout(state[None], given)))
        words = (step, 3, tmp_path / "state.bin", tmp_path / "three.bin", "-", tmp_path / "out.bin")
        forcing[:3].tofile(tmp_path / "three.bin")
        for program in PROGRAMS:
            done = run(build, program, *words, seed, start.astype(int), member)
            assert done.returncode == 0, done.stderr
            forecasts[member] = np.fromfile(tmp_path / "out.bin", np.float32).reshape(wanted.shape)
            np.testing.assert_allclose(forecasts[member], wanted, rtol=1e-5, atol=1e-4)
    assert np.abs(forecasts[0] - forecasts[7]).max() > 1e-3
    done = run(build, "run_step", *words)
    assert done.returncode == 4 and "it takes noise, and no member was begun" in done.stderr


def test_numbers_of_c_are_those_of_numpy(tmp_path: Path) -> None:
    source = '#include <stdio.h>\n#include <stdlib.h>\n#include "py4cast_noise.h"\n' + (
        "int main(int argc, char **argv) {\n  size_t n = 2000000;\n  float *x = malloc(n * sizeof(float));\n"
        "  if (argc != 5 || !x) return 1;\n  p4c_noise(atoll(argv[1]), atoll(argv[2]), atoi(argv[3]), atoi(argv[4]), x, n);\n"
        "  return fwrite(x, sizeof(float), n, stdout) != n;\n}\n"
    )
    (tmp_path / "draw.c").write_text(source)
    words = ["cc", "-O2", "-std=c99", f"-I{DEPLOY}", str(tmp_path / "draw.c"), str(DEPLOY / "py4cast_noise.c"), "-o", str(tmp_path / "draw"), "-lm"]  # fmt: skip
    subprocess.run(words, check=True)
    for seed, start, member, step in ((0, "2020-01-01T00", 0, 0), (-(2**62), "1903-01-01T06", 2**30, 119)):
        instant = np.datetime64(start, "s")
        (wanted,) = Noise("vector", 2_000_000).draw(seed, [instant], [member], step, (1, 1))[0]
        asked = [str(tmp_path / "draw"), str(seed), str(instant.astype(int)), str(member), str(step)]
        drawn = np.frombuffer(subprocess.run(asked, capture_output=True, check=True).stdout, np.float32)
        # beyond the ziggurat's last layer too, and in its wedges
        assert np.abs(wanted).max() > 4.5
        np.testing.assert_array_equal(drawn, wanted)
