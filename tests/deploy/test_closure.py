"""A solver in Fortran that calls an exported closure, against the same run in Python."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from py4cast.datasets import DatasetABC, get_datasets
from py4cast.errors import SettingsError
from py4cast.forecaster import Forecaster
from py4cast.workflows.export.rate import RATE, RateNetwork, export_rate
from py4cast.workflows.export.run import Export, export
from tests.command import py4cast
from tests.deploy.test_deploy import build, run  # noqa: F401

TINY = ["fine=32", "coarse=16", "step=0.02", "spinup=8", "num_train=12", "num_valid=26", "num_test=32"]
STEPS = 24


@pytest.fixture(scope="module")
def qg(tmp_path_factory: pytest.TempPathFactory) -> tuple[DatasetABC, DatasetABC, DatasetABC]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PY4CAST_ROOTDIR", str(tmp_path_factory.mktemp("qg")))
        return get_datasets("qg", 1, 1, STEPS, None, TINY)


def saved(data: DatasetABC, folder: Path, derived: tuple[str, ...]) -> tuple[Forecaster, Path]:
    torch.manual_seed(0)
    settings = {"derived": list(derived), "num_substeps": 2}
    own = Forecaster.build(data.info, "cnn", "hybrid", 1, {"num_filters": 8, "num_layers": 2}, settings)
    path = folder / "forecaster.safetensors"
    own.save(path)
    return own.eval(), path


@pytest.mark.parametrize("derived", [(), ("stream_function",)])
def test_the_exported_rate_is_the_networks(
    qg: tuple[DatasetABC, ...], tmp_path: Path, derived: tuple[str, ...]
) -> None:
    own, path = saved(qg[0], tmp_path, derived)
    assert export_rate(path, tmp_path / "closure.onnx") < 1e-4
    header = json.loads({p.key: p.value for p in onnx.load(tmp_path / "closure.onnx").metadata_props}[RATE])
    assert header["state"] == [["vorticity", "s-1"]] and header["rate"] == [["vorticity", "s-1 s-1"]]
    assert [n for n, _ in header["forcing"]] == list(derived)
    assert header["halo"] == 4 and header["removes_mean"] and header["num_substeps"] == 2
    assert (header["coupling"], header["term"], header["physics"], header["learned"]) == (
        "tendency",
        None,
        "barotropic",
        {},
    )
    assert header["physics_settings"]["drag"] == own.strategy.physics.settings.drag  # type: ignore[union-attr]
    # what the strategy itself calls the rate of the same state
    batch = qg[2].read_batch([0])
    state = batch.inputs.tensor
    hybrid = own.strategy
    extra = hybrid.physics.derive(state[:, -1], derived) if derived else state[:, -1, ..., :0]  # type: ignore[union-attr,operator]
    with torch.no_grad():
        found = RateNetwork(own)(state, extra if derived else None)
        diagnosed = own.forecast(batch, 1)["subgrid_tendency"][:, 0]
    torch.testing.assert_close(found, diagnosed, atol=1e-4 * float(diagnosed.abs().max()), rtol=1e-4)


@pytest.mark.skipif(not all(map(shutil.which, ("make", "cc", "gfortran"))), reason="no Fortran compiler here")
@pytest.mark.parametrize("derived", [(), ("stream_function",)])
def test_a_fortran_solver_reproduces_the_python_run(
    build: Path,  # noqa: F811
    qg: tuple[DatasetABC, ...],
    tmp_path: Path,
    derived: tuple[str, ...],
) -> None:
    own, path = saved(qg[0], tmp_path, derived)
    export_rate(path, tmp_path / "closure.onnx")
    batch = qg[2].read_batch([0])
    assert batch.forcing is not None
    batch.inputs.tensor.numpy().tofile(tmp_path / "state.bin")
    batch.forcing.tensor.contiguous().numpy().tofile(tmp_path / "wind.bin")
    physics = qg[0].info.lineage["physics"]["barotropic"]
    step = qg[0].info.step_duration / np.timedelta64(1, "s")
    lines = [f"  {name} = {value}" for name, value in physics.items()]
    lines += [f"  num_steps = {STEPS}", "  num_substeps = 2", f"  step_s = {step}", "  length = 10080000.0"]
    lines += [f"  gives_stream_function = {'.true.' if derived else '.false.'}"]
    (tmp_path / "flow.nml").write_text("&parameters\n" + "\n".join(lines) + "\n/\n")
    words = [tmp_path / n for n in ("closure.onnx", "flow.nml", "state.bin", "wind.bin", "out.bin")]
    done = run(build, "run_closure_f", *words)
    assert done.returncode == 0, done.stderr
    found = np.fromfile(tmp_path / "out.bin", np.float32).reshape(STEPS, 16, 16)
    wanted = own.forecast(batch)["vorticity"].numpy()[0, ..., 0]
    bare = Forecaster.build(qg[0].info, "zero", "hybrid", 1, {}, {"num_substeps": 2}).forecast(batch)
    difference = np.abs(found - wanted).max((1, 2)) / wanted.std()
    assert difference.max() < 1e-4, difference
    effect = np.abs(bare["vorticity"].numpy()[0, ..., 0] - wanted)[-1].max() / wanted.std()
    assert effect > 1e-2, "the closure has changed the flow"


def test_what_has_no_export_says_what_to_do(qg: tuple[DatasetABC, ...], tmp_path: Path) -> None:
    _, path = saved(qg[0], tmp_path, ())
    with pytest.raises(SettingsError, match="strategy 'hybrid': a step of its physics has no ONNX; .* --rate"):
        export(Export(forecaster=str(path), output=str(tmp_path / "step.onnx")))
    other = Forecaster.build(qg[0].info, "cnn", "diff_ar", 1, {"num_filters": 8})
    other.save(tmp_path / "other.safetensors")
    with pytest.raises(SettingsError, match="of the strategy hybrid alone; this Forecaster has 'diff_ar'"):
        export_rate(tmp_path / "other.safetensors", tmp_path / "closure.onnx")


def test_the_command_line_exports_the_rate(qg: tuple[DatasetABC, ...], tmp_path: Path) -> None:
    _, path = saved(qg[0], tmp_path, ())
    done: subprocess.CompletedProcess[str] = py4cast(
        "export", "--forecaster", str(path), "--rate", "--output", str(tmp_path / "closure.onnx")
    )
    assert done.returncode == 0 and "closure.onnx" in done.stdout, done.stderr
    assert "freed of its mean over the whole grid" in done.stderr
