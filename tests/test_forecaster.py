import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from py4cast.batch import ItemBatch
from py4cast.errors import DataError, NumericalError, SettingsError
from py4cast.forecaster import Forecaster
from py4cast.testing import make_batch, make_info

INFO = make_info()


def build(strategy: str = "scaled_ar", info=INFO, **settings) -> Forecaster:
    torch.manual_seed(0)
    return Forecaster.build(info, "halfunet", strategy, 2, {"num_filters": 4, **settings}).eval()


def test_forward_is_one_step_in_physical_units() -> None:
    forecaster, batch = build("diff_ar"), make_batch(INFO)
    with torch.no_grad():
        one = forecaster(batch.inputs.tensor, batch.forcing.tensor[:, 0])
    assert torch.allclose(one, forecaster.forecast(batch, 1).tensor[:, 0], atol=1e-5)
    window = (batch.inputs.tensor - forecaster.states.mean) / forecaster.states.std
    forcing = (batch.forcing.tensor[:, 0] - forecaster.forcings.mean) / forecaster.forcings.std
    x = forecaster.strategy.assemble(window.float(), forcing.float())
    with torch.no_grad():
        y = forecaster.network(x)
    expected = (window[:, -1] + y[..., :2]) * forecaster.states.std + forecaster.states.mean
    assert torch.allclose(one[..., :2], expected.float(), atol=1e-4)


def test_rollout_is_a_generator_of_named_fields() -> None:
    steps = build().rollout(make_batch(INFO), 2)
    first = next(steps)
    assert first.names == ["batch", "lat", "lon", "features"] and first.feature_names == ["a", "b", "d"]
    assert len(list(steps)) == 1


def test_the_order_of_features_does_not_matter() -> None:
    forecaster, batch = build(), make_batch(INFO)
    turned = ItemBatch(
        inputs=batch.inputs[["b", "a"]], forcing=batch.forcing[["g", "f"]], outputs=batch.outputs[["d", "b", "a"]]
    )
    assert torch.equal(forecaster.forecast(turned).tensor, forecaster.forecast(batch).tensor)


def test_what_lacks_is_named() -> None:
    forecaster, batch = build(), make_batch(INFO)
    with pytest.raises(DataError, match=r"features \['b'\] are missing; given \['a'\]"):
        forecaster.forecast(ItemBatch({**batch.fields, "inputs": batch.inputs[["a"]]}))
    with pytest.raises(DataError, match="no forcing given; this Forecaster needs f, g"):
        forecaster.forecast(ItemBatch(inputs=batch.inputs))
    with pytest.raises(DataError, match="3 past states given; this Forecaster takes 2"):
        forecaster.forecast(make_batch(INFO, num_input_steps=3))
    with pytest.raises(DataError, match="5 steps asked for, forcing covers 3"):
        forecaster.forecast(batch, 5)
    with pytest.raises(SettingsError, match="num_input_steps 0"):
        Forecaster.build(INFO, "halfunet", "diff_ar", 0)


def test_a_forecast_that_is_not_finite_names_variable_and_lead_time() -> None:
    forecaster, batch = build("diff_ar"), make_batch(INFO)
    with torch.no_grad():
        forecaster.network.model.output.weight[1].fill_(torch.inf)
    with pytest.raises(NumericalError, match=r"the forecast of b is not finite at lead time 3600 seconds"):
        forecaster.forecast(batch)


def test_cells_without_data_come_out_as_nan_and_do_not_matter() -> None:
    valid = torch.ones(17, 23, dtype=torch.bool)
    valid[3:6, 3:6] = False
    info = make_info(valid=valid.numpy())
    forecaster, batch = build("diff_ar", info), make_batch(info)
    holes = batch.inputs.tensor.clone()
    holes[:, :, ~valid] = torch.nan
    found = forecaster.forecast(ItemBatch({**batch.fields, "inputs": batch.inputs.like(holes)}))
    assert torch.isnan(found.tensor[:, :, ~valid]).all() and torch.isfinite(found.tensor[:, :, valid]).all()


@pytest.mark.parametrize("strategy", ["diff_ar", "scaled_ar", "downscaling"])
def test_save_and_load_give_the_same_forecast(tmp_path: Path, strategy: str) -> None:
    forecaster, batch = build(strategy), make_batch(INFO)
    forecaster.save(tmp_path / "f.safetensors", note="by hand")
    loaded = Forecaster.load(tmp_path / "f.safetensors")
    assert torch.equal(loaded.forecast(batch).tensor, forecaster.forecast(batch).tensor)
    assert loaded.lineage["note"] == "by hand" and not loaded.training
    loaded.info.check_same(INFO)
    assert ("halfunet" in loaded.describe() and "scaled_ar" in loaded.describe()) or strategy != "scaled_ar"


def test_the_file_is_open_and_holds_no_code(tmp_path: Path) -> None:
    from safetensors import safe_open

    build().save(tmp_path / "f.safetensors")
    with safe_open(tmp_path / "f.safetensors", framework="numpy") as file:
        header = json.loads(file.metadata()["py4cast"])
        assert {"network.output.weight", "info.grid.latitude", "info.statics.features"} <= set(file.keys())
    assert header["model"] == "halfunet" and header["info"]["variables"][0]["name"] == "a"
    assert header["info"]["stats"]["a"]["mean"] == 1.0


def test_damaged_and_foreign_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "f.safetensors"
    build().save(path)
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[-3] ^= 1
    cases = {
        "damaged: its tensors fail the checksum": bytes(flipped),
        "damaged, or no saved Forecaster": whole[:-100],
        "or no saved Forecaster": b"\x80\x04\x95 pickled evil",
    }
    for message, content in cases.items():
        path.write_bytes(content)
        with pytest.raises(DataError, match=message):
            Forecaster.load(path)
    save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(DataError, match="no Forecaster of py4cast"):
        Forecaster.load(path)
    with pytest.raises(DataError, match="no such file"):
        Forecaster.load(tmp_path / "none.safetensors")


def change_header(path: Path, **changes) -> None:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["py4cast"])
    header.pop("header_sha256", None)
    save_file(load_file(path), path, metadata={"py4cast": json.dumps({**header, **changes})})


def test_what_is_not_installed_here_is_named(tmp_path: Path) -> None:
    path = tmp_path / "f.safetensors"
    build().save(path)
    change_header(path, model="wondernet")
    with pytest.raises(SettingsError, match="unknown model 'wondernet'"):
        Forecaster.load(path)
    change_header(path, model="unet", model_settings={"init_features": 4})
    with pytest.raises(
        DataError, match="ask for a network of more than the 2088 weights|its weights do not fit the model 'unet'"
    ):
        Forecaster.load(path)
    change_header(path, format=99)
    with pytest.raises(DataError, match="Forecaster of format 99"):
        Forecaster.load(path)


def test_a_killed_save_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "f.safetensors"
    build().save(path)
    before = path.read_bytes()
    code = f"""
import os, signal, safetensors.torch as st
from py4cast.forecaster import Forecaster
f = Forecaster.load({str(path)!r})
real = st.save_file
def dying(tensors, name, metadata):
    real(tensors, name, metadata=metadata)
    os.kill(os.getpid(), signal.SIGKILL)
st.save_file = dying
f.save({str(path)!r})
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    assert path.read_bytes() == before


def test_data_that_do_not_fit_are_refused() -> None:
    other = replace(INFO, variables=[v for v in INFO.variables if v.name != "f"])
    with pytest.raises(DataError, match="lacks forcing 'f'"):
        build().info.check_same(other)
