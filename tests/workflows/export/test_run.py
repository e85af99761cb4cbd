import json
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from py4cast.errors import DataError, Py4castError, SettingsError
from py4cast.models import registry as models
from py4cast.steppers import StepGiven, open_stepper
from py4cast.workflows.export import run as module
from py4cast.workflows.export.run import Export, export
from py4cast.workflows.forecast.run import Forecast, forecast
from tests import forecast_files as made
from tests import forecasters
from tests.command import py4cast
from tests.contracts.test_models import SMALL
from tests.workflows.forecast.test_run import START, analyses, expected, values_of


@cache
def _exported(name: str, options: tuple[tuple[str, Any], ...]) -> dict[str, bytes]:
    """What an export reads and writes, made once for all tests of a process."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "forecaster.safetensors"
        forecasters.forecaster(**dict(options)).save(path)
        export(Export(forecaster=str(path), output=str(path.with_name(name))))
        return {p.name: p.read_bytes() for p in Path(folder).iterdir()}


def exported(folder: Path, name: str = "step.onnx", **options: object) -> Path:
    """A Forecaster and the step that is exported from it, in a folder; the path of the step."""
    for written, content in _exported(name, tuple(options.items())).items():
        (folder / written).write_bytes(content)
    return folder / name


# one of each kind: images, a mesh, a hierarchy; tests/contracts/test_models.py exports every network
QUICK = ["cnn", "halfunet", "hilam"]


@pytest.mark.parametrize("model", QUICK)
def test_models_that_export_equal_torch_over_twelve_steps(tmp_path: Path, model: str) -> None:
    own = forecasters.forecaster(2, model, SMALL[model])
    own.save(tmp_path / "f.safetensors")
    drift = export(Export(forecaster=str(tmp_path / "f.safetensors"), output=str(tmp_path / "step.onnx")))
    assert len(drift.largest) == 12 and max(drift.largest) < 1e-4, drift
    document = onnx.load(tmp_path / "step.onnx")
    assert {o.version for o in document.opset_import if o.domain == ""} == {20}
    assert not [t for t in document.graph.initializer if t.data_location == onnx.TensorProto.EXTERNAL], "one file"
    header = json.loads({p.key: p.value for p in document.metadata_props}["py4cast"])
    assert b"site-packages" not in (tmp_path / "step.onnx").read_bytes(), "no path of the machine that exported it"
    assert header["export"]["drift"] == drift.largest and header["model"] == model


@pytest.mark.parametrize(("strategy", "num_input_steps"), [("diff_ar", 1), ("scaled_ar", 3), ("downscaling", 1)])
def test_every_strategy_equals_torch(tmp_path: Path, strategy: str, num_input_steps: int) -> None:
    from py4cast.forecaster import Forecaster
    from py4cast.testing import make_batch, make_info

    info = make_info((16, 20))
    torch.manual_seed(0)
    own = Forecaster.build(info, "halfunet", strategy, num_input_steps, {"num_filters": 4}).eval()
    own.save(tmp_path / "f.safetensors")
    export(Export(forecaster=str(tmp_path / "f.safetensors"), output=str(tmp_path / "s.onnx"), num_steps=2))
    batch = make_batch(info, 3, num_input_steps, 4)
    forces = own.strategy.force_border
    wanted = own.forecast(batch, 4)[info.prognostic].tensor.numpy()
    given = [
        StepGiven(
            batch.forcing.tensor[:, i].numpy(), batch.outputs[info.prognostic].tensor[:, i].numpy() if forces else None
        )
        for i in range(4)
    ]
    found = np.stack(list(open_stepper(tmp_path / "s.onnx").rollout(batch.inputs.tensor.numpy(), given)), 1)
    std = info.stats.to_list("std", info.prognostic).numpy()
    assert np.abs((found[..., : len(info.prognostic)] - wanted) / std).max() < 1e-4


def test_the_exported_step_forecasts_as_torch_does(tmp_path: Path) -> None:
    step, source = exported(tmp_path), analyses(tmp_path / "in", "NetCDF")
    asked = Forecast(
        forecaster=str(step), input=[source], init_time=str(START), num_steps=4, output=[str(tmp_path / "f.nc")]
    )
    own = forecasters.forecaster()
    std = own.info.stats.to_list("std", own.info.predicted).numpy()
    assert np.abs((values_of(forecast(asked)[0]) - expected(own)) / std).max() < 1e-4


def test_border_values_are_blended_inside(tmp_path: Path) -> None:
    step = exported(tmp_path, border_size=2)
    source = analyses(tmp_path / "in", "NetCDF")
    own = forecasters.forecaster(2)
    border = own.info.statics.border_mask[..., 0].bool().numpy()
    words = {
        "forecaster": str(step),
        "input": [source],
        "init_time": str(START),
        "num_steps": 3,
        "output": [str(tmp_path / "f.nc")],
    }
    with pytest.raises(DataError, match="--boundary, or use --free_border"):
        forecast(Forecast(**words))
    found = values_of(forecast(Forecast(**words, boundary=[source]))[0])
    wanted = expected(own, 3, truth=True)
    np.testing.assert_allclose(found, wanted, atol=1e-4)
    np.testing.assert_allclose(
        found[:, border, 0], np.stack([made.truth_of("t2m")[6 + i] for i in range(3)])[:, border], atol=1e-4
    )
    own.strategy.force_border = False
    free = values_of(forecast(Forecast(**words, free_border=True))[0])
    np.testing.assert_allclose(free, expected(own, 3), atol=1e-4)


def test_smaller_weights_lose_little_and_say_how_much(tmp_path: Path) -> None:
    own = forecasters.forecaster(settings={"num_filters": 32})
    own.lineage["scores"] = {"model": {"t2m": {"rmse": [1.0, 2.0]}}}
    own.save(tmp_path / "f.safetensors")
    whole = tmp_path / "float32.onnx"
    export(Export(forecaster=str(tmp_path / "f.safetensors"), output=str(whole), num_steps=1))
    for weights, least, most, share in (("float16", 1e-7, 2e-2, 0.65), ("int8", 1e-5, 0.3, 0.5)):
        path = tmp_path / f"{weights}.onnx"
        drift = export(
            Export(forecaster=str(tmp_path / "f.safetensors"), output=str(path), weights=weights, num_steps=3)
        )
        assert least < drift.largest[0] < most and drift.rms[0] < drift.largest[0], weights
        assert path.stat().st_size < share * whole.stat().st_size, weights
        scale = own.info.stats["t2m"]["std"]
        assert 0 < drift.growth[0] < (drift.largest[0] * scale) ** 2, weights
        assert np.isnan(drift.growth[2]), "no score of the third step"


def test_a_pt2_is_a_program_of_its_own(tmp_path: Path) -> None:
    step = exported(tmp_path, "step.pt2")
    files = {"py4cast": ""}
    program = torch.export.load(step, extra_files=files)
    own = forecasters.forecaster()
    batch = forecasters.batch_at(own, START, 1)
    with torch.no_grad():
        found = program.module()(batch.inputs.tensor, batch.forcing.tensor[:, 0])
    np.testing.assert_allclose(found.numpy()[0], expected(own, 1)[0], atol=1e-5)
    assert json.loads(files["py4cast"])["model"] == "halfunet"
    with pytest.raises(SettingsError, match=r"step.pt2: py4cast runs no .pt2, which may hold code"):
        open_stepper(step)


def test_a_step_that_differs_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forecasters.forecaster().save(tmp_path / "f.safetensors")
    words = {"forecaster": str(tmp_path / "f.safetensors"), "output": str(tmp_path / "s.onnx")}
    advance = module.OnnxStepper.advance
    monkeypatch.setattr(module.OnnxStepper, "advance", lambda *a: (x + 1 for x in advance(*a)))
    with pytest.raises(Py4castError, match="differs from torch by 10 standard deviations; it is not written"):
        export(Export(**words))
    assert [p.name for p in tmp_path.iterdir()] == ["f.safetensors"]
    monkeypatch.setattr(models.get("halfunet"), "onnx_supported", False)
    with pytest.raises(SettingsError, match="model 'halfunet' does not export"):
        export(Export(**words))


def test_files_that_are_no_exported_step_are_named(tmp_path: Path) -> None:
    step = exported(tmp_path)
    foreign = onnx.load(step)
    del foreign.metadata_props[:]
    onnx.save(foreign, tmp_path / "foreign.onnx")
    onnx.helper.set_model_props(foreign, {"py4cast": json.dumps({"format": 99, "info": {}})})
    onnx.save(foreign, tmp_path / "later.onnx")
    onnx.helper.set_model_props(foreign, {"py4cast": json.dumps({"format": 1, "info": {"grid": 3}})})
    onnx.save(foreign, tmp_path / "odd.onnx")
    flipped = bytearray(step.read_bytes())
    flipped[len(flipped) // 3] ^= 1
    (tmp_path / "flipped.onnx").write_bytes(flipped)
    (tmp_path / "cut.onnx").write_bytes(step.read_bytes()[:3000])
    (tmp_path / "random.onnx").write_bytes(np.random.default_rng(0).bytes(5000))
    for name, text in (
        ("foreign", "not exported by py4cast"), ("later", "format 99; this py4cast reads format 1"),
        ("odd", "odd.onnx: damaged: its header lacks model"), ("cut", "damaged"), ("flipped", "damaged"), ("random", "damaged"), ("none", "no such file"),
    ):  # fmt: skip
        with pytest.raises(DataError, match=text):
            open_stepper(tmp_path / f"{name}.onnx")


def test_the_command_line(tmp_path: Path) -> None:
    forecasters.forecaster().save(tmp_path / "f.safetensors")
    out = tmp_path / "step.onnx"
    done = py4cast("export", "--forecaster", str(tmp_path / "f.safetensors"), "--output", str(out), "--num_steps", "3")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == str(out) and "18h" in done.stdout and not done.stderr
    failed = py4cast("export", "--forecaster", str(tmp_path / "f.safetensors"), "--output", str(tmp_path / "x.bin"))
    assert failed.returncode == 2 and "ends in .onnx or .pt2" in failed.stderr and len(failed.stderr.splitlines()) == 1


def test_forecasting_with_onnx_loads_neither_torch_nor_lightning(tmp_path: Path) -> None:
    step, source = exported(tmp_path), analyses(tmp_path / "in", "GRIB")
    code = f"""
import sys
class Refused:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in ('torch', 'pytorch_lightning', 'lightning', 'onnx', 'onnxscript', 'einops', 'matplotlib', 'torchmetrics'):
            raise AssertionError('import of ' + name)
sys.meta_path.insert(0, Refused())
from py4cast.cli import main
status = main(['forecast', '--model', {str(step)!r}, '--input', {source!r}, '--num_steps', '3', '--output',
               {str(tmp_path / "f.grib2")!r}, {str(tmp_path / "f.nc")!r}, {str(tmp_path / "f.zarr")!r}])
assert not {{'torch', 'pytorch_lightning'}} & set(sys.modules)
sys.exit(status)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "f.grib2").is_file() and (tmp_path / "f.zarr").is_dir()
