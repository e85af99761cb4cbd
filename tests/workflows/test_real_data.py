"""The main job on real files: GRIB and NetCDF in, a skilful forecast out."""

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from py4cast.datasets import get_datasets
from py4cast.testing import check_dataset
from py4cast.workflows.config import build_config, named_from
from py4cast.workflows.export.run import Export, export
from py4cast.workflows.forecast.run import Forecast, forecast
from py4cast.workflows.train.run import train
from tests.conftest import ROOT
from tests.weather_files import write_json

pytestmark = pytest.mark.real_data


def config(name: str, root: Path, model: list[str], **settings):
    document = {
        "dataset": named_from("gridded", ROOT / "config" / "datasets" / f"{name}.json"),
        "train": {"plots": [], "no_log": True, **settings},
    }
    return build_config(document, [f"dataset.root={root}", *model])


def rmse(folder: Path, system: str, variable: str) -> np.ndarray:
    scores = json.loads((folder / "scores.json").read_text())
    return np.array(scores[system][variable]["rmse"])


@pytest.mark.slow
def test_era5_uk_beats_persistence_and_the_stencil_and_is_operated(real_data: Path, tmp_path: Path) -> None:
    settings = {"epochs": 4, "num_pred_steps_val_test": 6, "val_interval": 4}
    folder = train(config("era5_uk", real_data, ["model.num_filters=32"], **settings), run_name="uk")
    model, persistence = rmse(folder, "model", "t2m"), rmse(folder, "persistence", "t2m")
    # a linear 5 x 5 stencil gains 38 % on persistence one step ahead
    assert model[0] < 0.62 * persistence[0] and (model < 0.8 * persistence).all(), (model, persistence)
    asked = Forecast(
        forecaster=str(folder / "forecaster.safetensors"), init_time="2019-03-31T23", num_steps=24, output=[str(tmp_path / "uk.nc")],
        path=str(ROOT / "config" / "datasets" / "era5_uk.json"), overrides=[f"root={real_data}"],
    )  # fmt: skip
    (path,) = forecast(asked)
    with xr.open_dataset(path, decode_timedelta=True) as data:
        assert str(data["time"].values[-1])[:13] == "2019-04-01T23"
        assert float(data["t2m"].min()) > 265 and float(data["t2m"].max()) < 300
        assert data["t2m"].attrs["standard_name"] == "air_temperature"
        through_dataset = data["t2m"].values
    # the same forecast from the service's own file, by torch and by the exported step
    step, source = tmp_path / "step.onnx", str(real_data / "series" / "era5_uk_hourly_t2m_2019-03.grib")
    drift = export(Export(forecaster=asked.forecaster, output=str(step), num_steps=24))
    assert max(drift.largest) < 1e-3
    for model in (asked.forecaster, str(step)):
        made = forecast(Forecast(forecaster=model, input=[source], num_steps=24, output=[str(tmp_path / "f.nc"), str(tmp_path / "f.grib2")]))  # fmt: skip
        with xr.open_dataset(made[0], decode_timedelta=True) as data:
            assert str(data["init_time"].values)[:13] == "2019-03-31T23", "the last time of the file"
            np.testing.assert_allclose(data["t2m"].values, through_dataset, atol=5e-3)


def test_globcurrent_runs_with_its_land_mask(real_data: Path) -> None:
    folder = train(
        config("globcurrent", real_data, ["model.num_filters=8"], epochs=2, num_pred_steps_val_test=2), run_name="gc"
    )
    assert np.isfinite(rmse(folder, "model", "u")).all()
    _, _, test = get_datasets("gridded", 2, 1, 2, folder / "dataset.json")
    check_dataset(test)
    valid = test.info.statics.valid_mask[..., 0].numpy()
    assert 0.2 < 1 - valid.mean() < 0.26, "land is 23 %"
    from py4cast.forecaster import Forecaster

    found = Forecaster.load(folder / "forecaster.safetensors").forecast(test.read_batch([0])).tensor.numpy()
    assert np.isnan(found[:, :, ~valid]).all() and np.isfinite(found[:, :, valid]).all()


def test_arome_arctic_runs_on_its_projection_with_levels_and_border(real_data: Path) -> None:
    overrides = ["model.num_filters=4", "dataset.grid.subgrid=[0,48,0,40]"]
    settings = {"epochs": 1, "num_pred_steps_val_test": 2}
    document = config("arome_arctic", real_data, overrides, **settings).to_dict()
    document["strategy"] = {"name": "scaled_ar", "settings": {}}
    folder = train(build_config(document, []), run_name="aa")
    _, _, test = get_datasets("gridded", 2, 1, 2, folder / "dataset.json")
    info = test.info
    assert info.grid.projection["grid_mapping_name"] == "lambert_conformal_conic" and info.static == [
        "x",
        "y",
        "border_mask",
        "orography",
    ]
    assert {"t_850_isobaricInhPa", "z_500_isobaricInhPa"} <= set(info.prognostic) and info.diagnostic == ["tcc", "tp"]
    from py4cast.forecaster import Forecaster

    batch = test.read_batch([0])
    ring = info.statics.border_mask.bool()[..., 0]
    forecast_ = Forecaster.load(folder / "forecaster.safetensors").forecast(batch)
    np.testing.assert_allclose(
        forecast_.tensor[:, :, ring].numpy(), batch.outputs.tensor[:, :, ring].numpy(), rtol=1e-4, atol=1e-5
    )


def test_era5_global_has_poles_date_line_and_a_level(real_data: Path) -> None:
    train_, _, test = get_datasets(
        "gridded", 2, 1, 4, ROOT / "config" / "datasets" / "era5_global.json", [f"root={real_data}"]
    )
    info = train_.info
    assert (
        info.grid.is_periodic and info.variable("vo").level == 850 and info.state_weights["vo"] == pytest.approx(1.85)
    )
    assert train_.init_times[-1] < np.datetime64("2026-01-13") < test.init_times[0], "two files, one series"
    check_dataset(test)


def test_missing_instants_and_corners_of_the_storm(
    real_data: Path, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    variables = {name: {"nan": "mask"} for name in ("t", "p", "u", "v", "u500", "v500")}
    variables["t"]["units"] = "K"
    document = {
        "name": "storm", "files": ["series/nmc_storm1996_6h_tpuv_northamerica.nc"], "step": "6h", "variables": variables,
        "periods": {
            "train": {"start": "1996-01-05", "end": "1996-01-14"}, "valid": {"start": "1996-01-15", "end": "1996-01-17"},
            "test": {"start": "1996-01-18", "end": "1996-01-20"},
        },
    }  # fmt: skip
    train_, _, test = get_datasets("gridded", 1, 1, 2, write_json(tmp_path / "s.json", document), [f"root={real_data}"])
    assert "v is missing at 2 of 64 instants" in caplog.text and "v500 is missing at 1" in caplog.text
    start = np.datetime64("1996-01-05T00", "s")
    steps = {int((t - start) / np.timedelta64(6, "h")) for t in train_.init_times}
    assert steps == {i for i in range(39) if not {i, i + 1} & {17, 36, 37}}
    assert train_.info.statics.valid_mask.float().mean() == pytest.approx(1 - 0.189, abs=0.02)
    check_dataset(test)


def test_polar_stereographic_currents_without_latitudes(real_data: Path, tmp_path: Path) -> None:
    document = {
        "name": "norkyst", "files": ["ocean/norkyst800_hourly_uv_2015-11-16_crop.nc"], "step": "1h",
        "variables": {"u": {"nan": "mask", "units": "m s-1"}, "v": {"nan": "mask", "units": "m s-1"}},
        "periods": {
            "train": {"start": "2015-11-16", "end": "2015-11-17"}, "valid": {"start": "2015-11-18T00", "end": "2015-11-18T08"},
            "test": {"start": "2015-11-18T09", "end": "2015-11-18T18"},
        },
    }  # fmt: skip
    train_, _, _ = get_datasets("gridded", 2, 1, 2, write_json(tmp_path / "n.json", document), [f"root={real_data}"])
    dy, dx = train_.info.grid.spacing()
    assert (dy, dx) == pytest.approx((800, 800), rel=0.03) and train_.info.grid.latitude.shape == (128, 192)
    check_dataset(train_)
