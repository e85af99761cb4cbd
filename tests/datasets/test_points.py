"""Points from the files to the forecast: a reduced Gaussian grid is trained on, forecast, scored, drawn and written again."""

import json
from pathlib import Path
from typing import Any

import eccodes
import numpy as np
import pytest
import torch
import xarray as xr
import zarr

from py4cast.cubes.files import open_fields
from py4cast.cubes.views.aligned import AlignedCube, match_variables
from py4cast.datasets import get_datasets
from py4cast.errors import SettingsError
from py4cast.forecaster import Forecaster
from py4cast.formats import Heading, writer_for
from py4cast.formats.reduced import octahedral
from py4cast.grid import Grid
from py4cast.metrics import Layout, make_metrics
from py4cast.models import build_network
from py4cast.variables import Variable
from py4cast.workflows.config import build_config
from py4cast.workflows.forecast.run import Forecast, forecast
from py4cast.workflows.hindcast.run import hindcast
from py4cast.workflows.hindcast.starts import Starts
from py4cast.workflows.new.dataset import propose
from py4cast.workflows.prepare import prepare
from py4cast.workflows.train.run import train
from tests.cubes.foreign.test_anemoi import store as anemoi_store
from tests.weather_files import write_json

O8 = octahedral(8)
START, STEP = np.datetime64("2020-01-01T00", "s"), np.timedelta64(6, "h")
VARIABLES = [
    Variable(name="t2m", short_name="2t", units="K", level=2, type_of_level="heightAboveGround"),
    Variable(name="msl", short_name="msl", units="Pa"),
]


def wave(step: int) -> np.ndarray:
    """Waves that travel eastward, `(1, ngrid, variable)`."""
    lat, lon = np.deg2rad(O8.latitude), np.deg2rad(O8.longitude)
    t = 285 - 40 * np.sin(lat) ** 2 + 5 * np.cos(lat) ** 2 * np.cos(3 * lon - 0.6 * step)
    p = 101300 + 800 * np.cos(lat) ** 2 * np.sin(2 * lon - 0.5 * step)
    return np.stack([t, p], -1).astype(np.float32)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("o8")
    for step in range(48):
        heading = Heading(VARIABLES, O8, START + step * STEP, [np.timedelta64(0, "h")])
        with writer_for(folder / "x.grib2").open(folder / f"a_{step:02}.grib2", heading) as put:
            put(wave(step))
    return folder


def document(tmp_path: Path, files: Path, **changes: Any) -> Path:
    def period(first: int, last: int) -> dict[str, str]:
        return {"start": str(START + first * STEP), "end": str(START + last * STEP)}

    settings = {
        "root": str(files), "files": ["a_*.grib2"], "step": "6h", "forcings": ["toa_radiation"],
        "variables": {
            "t2m": {"short_name": "2t", "level": 2, "type_of_level": "heightAboveGround"}, "msl": {"short_name": "msl"},
        },
        "periods": {"train": period(0, 31), "valid": period(32, 39), "test": period(40, 47)},
    }  # fmt: skip
    return write_json(tmp_path / "o8.json", settings | changes)


def test_a_reduced_gaussian_grid_from_files_to_files(tmp_path: Path, files: Path) -> None:
    described = document(tmp_path, files)
    config = build_config(
        {
            "dataset": {"name": "gridded", "settings": json.loads(described.read_text())},
            "model": {"name": "graphlam", "settings": {"hidden_dims": 32, "processor_layers": 2}},
            "train": {"epochs": 10, "num_pred_steps_val_test": 2, "batch_size": 2, "plots": [], "no_log": True},
            "optim": {"lr": 0.002, "num_warmup_steps": 5},
        },
        [],
    )  # fmt: skip
    folder = train(config, run_name="o8")
    with xr.open_dataset(folder / "scores.nc") as scores:
        rmse = scores["rmse"].isel(lead_time=0).sel(variable="t2m")
        assert float(rmse.sel(system="model")) < 0.9 * float(rmse.sel(system="persistence"))
    assert (folder / "report.html").stat().st_size > 20_000
    outputs = [str(tmp_path / f"f.{suffix}") for suffix in ("grib2", "nc")]
    words = {"init_time": str(START + 41 * STEP), "num_steps": 3}
    source = sorted(str(p) for p in files.glob("a_*.grib2"))
    forecast(Forecast(forecaster=str(folder / "forecaster.safetensors"), input=source, output=outputs, **words))
    with Path(outputs[0]).open("rb") as stream:
        told = []
        while (handle := eccodes.codes_grib_new_from_file(stream)) is not None:
            told.append(
                [eccodes.codes_get(handle, k) for k in ("gridType", "numberOfDataPoints", "isOctahedral", "step")]
            )
            eccodes.codes_release(handle)
    assert told == [["reduced_gg", 544, 1, step] for step in (6, 12, 18) for _ in range(2)]
    with xr.open_dataset(outputs[1], decode_timedelta=False) as data:
        assert data["t2m"].dims == ("time", "cell") and data.sizes["cell"] == 544
        truth = np.stack([wave(42 + i)[0, :, 0] for i in range(3)])
        assert float(np.abs(data["t2m"].values - truth).mean()) < 3.0


@pytest.mark.parametrize("model", ["graphlam", "hilam", "hilamparallel", "graphtransformer", "transformer"])
def test_graph_networks_take_points(tmp_path: Path, files: Path, model: str) -> None:
    train_, *_ = get_datasets("gridded", 2, 1, 2, document(tmp_path, files))
    assert train_.info.statics.grid_static_features.feature_names[:3] == [
        "sin_latitude",
        "sin_longitude",
        "cos_longitude",
    ]
    torch.manual_seed(0)
    settings = {"hidden_dims": 8, "processor_layers": 1}
    forecaster = Forecaster.build(train_.info, model, "scaled_ar", 2, settings)
    batch = train_.read_batch([0, 1])
    assert forecaster.eval().forecast(batch, 1).tensor.shape == (2, 1, 1, 544, 2)


def test_what_points_cannot_do_is_told(tmp_path: Path, files: Path) -> None:
    described = document(tmp_path, files)
    info = get_datasets("gridded", 2, 1, 2, described)[0].info
    with pytest.raises(SettingsError, match="model 'halfunet' takes no grid of points; models that do: .*graphlam"):
        build_network("halfunet", 5, 3, {}, info.grid, info.statics)
    names = {m.name for m in make_metrics(Layout.of(info))}
    assert {"rmse", "spectrum"} <= names and not names & {"fss", "gradient_error"}
    with pytest.raises(SettingsError, match="statics: 'x' counts rows or columns, which points do not have"):
        get_datasets("gridded", 2, 1, 2, document(tmp_path, files, statics=["x"]))
    with pytest.raises(SettingsError, match="border_size 3: points have no sides"):
        get_datasets("gridded", 2, 1, 2, document(tmp_path, files, grid={"border_size": 3}))
    with pytest.raises(SettingsError, match="mesh 'rectangular' stands in rows and columns; points have none"):
        Forecaster.build(info, "graphlam", "scaled_ar", 2, {"mesh": "rectangular"})


def test_an_anemoi_store_of_points_is_trained_on_as_it_is(tmp_path: Path) -> None:
    row = Grid(np.array([50.0]), np.arange(544.0) / 1000)
    path = anemoi_store(tmp_path / "a", list(range(0, 24, 6)), grid=row)
    for name, values in (("latitudes", O8.latitude[0]), ("longitudes", O8.longitude[0])):
        zarr.open_array(path / name, mode="r+")[...] = values
    first, last = (str(START + hour * np.timedelta64(1, "h")) for hour in (0, 18))
    period = {"start": first, "end": last}
    settings = {
        "source": {"store": str(path)}, "step": "6h", "variables": {"t": {}, "u": {}},
        "periods": {"train": period, "valid": period, "test": period},
    }  # fmt: skip
    train_, *_ = get_datasets("virtual", 1, 1, 2, write_json(tmp_path / "v.json", settings))
    assert train_.info.grid.same_as(O8) and train_.info.grid.rows == O8.rows and len(train_) == 3
    forecaster = Forecaster.build(train_.info, "graphlam", "diff_ar", 1, {"hidden_dims": 8, "processor_layers": 1})
    forecaster.save(tmp_path / "f.safetensors")
    again = Forecaster.load(tmp_path / "f.safetensors")
    assert again.info.grid.same_as(O8) and again.info.grid.rows == O8.rows
    assert again.eval().forecast(train_.read_batch([1]), 1).tensor.shape == (1, 1, 1, 544, 2)


def test_a_region_within_the_globe_is_trained_on_as_one_grid(tmp_path: Path, files: Path) -> None:
    """Stretched: the region's own cells and the globe's round it; scored and learned on either, written for one of them."""
    north = Grid(np.linspace(62.0, 40.0, 12), np.arange(-8.0, 16.0, 2.0))
    for step in range(48):
        lat, lon = np.deg2rad(north.latitude_2d()), np.deg2rad(north.longitude_2d())
        t = 285 - 40 * np.sin(lat) ** 2 + 5 * np.cos(lat) ** 2 * np.cos(3 * lon - 0.6 * step)
        p = 101300 + 800 * np.cos(lat) ** 2 * np.sin(2 * lon - 0.5 * step)
        heading = Heading(VARIABLES, north, START + step * STEP, [np.timedelta64(0, "h")])
        with writer_for("x.grib2").open(tmp_path / f"north_{step:02}.grib2", heading) as put:
            put(np.stack([t, p], -1).astype(np.float32))
    described, stores = json.loads(document(tmp_path, files).read_text()), []
    for name, root, pattern in (("globe", files, "a_*.grib2"), ("north", tmp_path, "north_*.grib2")):
        path = write_json(tmp_path / f"{name}.json", {**described, "root": str(root), "files": [pattern]})
        prepare("gridded", path, tmp_path / name, num_workers=1)
        stores.append({"store": str(tmp_path / name)})
    settings = {
        "source": {"cutout": stores[::-1], "min_distance_km": 150.0}, "step": "6h", "periods": described["periods"],
        "variables": {"t2m": {}, "msl": {}}, "forcings": ["toa_radiation"],
    }  # fmt: skip
    config = build_config(
        {
            "dataset": {"name": "virtual", "settings": settings},
            "model": {"name": "graphtransformer", "settings": {"hidden_dims": 16, "processor_layers": 1}},
            "train": {"epochs": 2, "num_pred_steps_val_test": 2, "batch_size": 4, "plots": [], "no_log": True},
            "loss": {"areas": {"north": {"part": "region"}, "rest": {"part": "globe"}}, "shares": {"north": 2.0}},
            "scores": {"areas": {"north": {"part": "region"}, "rest": {"part": "globe"}}},
        },
        [],
    )  # fmt: skip
    folder = train(config, run_name="stretched")
    with xr.open_dataset(folder / "scores.nc") as scores:
        mean, *parts = (scores[name].isel(lead_time=0, system=0).values for name in ("rmse", "rmse_north", "rmse_rest"))
        assert scores["rmse_north"].attrs["long_name"] == "root mean square error, north"
        assert (np.minimum(*parts) < mean).all() and (mean < np.maximum(*parts)).all()
    words = {"forecaster": str(folder / "forecaster.safetensors"), "init_time": str(START + 41 * STEP), "num_steps": 1}
    whole, region, globe = (str(tmp_path / f"{part}.nc") for part in ("all", "region", "globe"))
    forecast(Forecast(**words, output=[whole]))
    forecast(Forecast(**words, output=[region, str(tmp_path / "region.grib2")], part="region"))
    forecast(Forecast(**words, output=[globe], part="globe"))
    with xr.open_dataset(whole) as a, xr.open_dataset(region) as b, xr.open_dataset(globe) as c:
        values = a["t2m"].values[0]
        assert b["t2m"].shape == (1, 12, 12) and b["t2m"].values.size + c["t2m"].values.size == values.size
        np.testing.assert_array_equal(np.concatenate([b["t2m"].values.ravel(), c["t2m"].values.ravel()]), values)
    with (tmp_path / "region.grib2").open("rb") as stream:
        handle = eccodes.codes_grib_new_from_file(stream)
        assert [eccodes.codes_get(handle, k) for k in ("gridType", "Ni", "Nj")] == ["regular_ll", 12, 12]
        eccodes.codes_release(handle)
    starts = Starts(np.array([START + step * STEP for step in (40, 41)]), True)
    for part, path in (("region", region), ("globe", globe)):
        hindcast(
            Forecast(
                **words,
                output=[str(tmp_path / f"{part}.zarr")],
                part=part,
            ),
            starts,
        )
        with xr.open_zarr(tmp_path / f"{part}.zarr") as many, xr.open_dataset(path) as one:
            np.testing.assert_allclose(many["t2m"].values[1], one["t2m"].values, atol=1e-4)
    with pytest.raises(SettingsError, match="no part 'west'"):
        forecast(Forecast(**words, output=[whole], part="west"))
    bordered = write_json(tmp_path / "bordered.json", {**settings, "grid": {"border_part": "globe"}})
    train_, *_ = get_datasets("virtual", 2, 1, 1, bordered)
    forecaster = Forecaster.build(train_.info, "graphlam", "scaled_ar", 2, {"hidden_dims": 8, "processor_layers": 1})
    forecaster.save(tmp_path / "bordered.safetensors")
    forecaster, batch = Forecaster.load(tmp_path / "bordered.safetensors").eval(), train_.read_batch([0])
    predicted, truth = forecaster.forecast(batch, 1).tensor[0, 0, 0], batch.outputs.tensor[0, 0, 0]
    assert torch.equal(predicted[144:], truth[144:]), "the globe is given"
    assert not torch.allclose(predicted[:144], truth[:144], rtol=1e-3)


def test_a_box_of_points_is_prepared(tmp_path: Path, files: Path) -> None:
    box = {"south": 20.0, "north": 80.0, "west": -60.0, "east": 60.0}
    train_, *_ = get_datasets("gridded", 2, 1, 1, document(tmp_path, files, grid={"box": box}))
    lat, lon = O8.latitude[0], (O8.longitude[0] + 180) % 360 - 180
    inside = np.flatnonzero((lat > 20) & (lat < 80) & (np.abs(lon) <= 60))
    np.testing.assert_allclose(train_.info.grid.latitude[0], lat[inside], atol=1e-5)
    values = train_.read_batch([0]).inputs["t2m"][0, 1, 0].flatten().numpy()
    np.testing.assert_allclose(values, wave(1)[0, inside, 0], atol=0.01)


def test_the_same_points_in_another_order_in_another_file_are_put_in_order(tmp_path: Path) -> None:
    """Two programs that write one grid need not sort its cells alike; the fixed field is of a third one."""
    rng = np.random.default_rng(3)
    orders = {"a": np.arange(544), "b": rng.permutation(544), "orog": rng.permutation(544)}
    for name, order in orders.items():
        times = START + np.arange(24 if name != "b" else 30) * STEP + (24 * STEP if name == "b" else 0 * STEP)
        values = np.stack([wave(i + 24 * (name == "b"))[0, order, 0] for i in range(times.size)])
        places = {"lat": ("cell", O8.latitude[0, order], {"units": "degrees_north"}), "lon": ("cell", O8.longitude[0, order], {"units": "degrees_east"})}  # fmt: skip
        field = (
            {"orog": ("cell", O8.latitude[0, order] + 100, {"units": "m"})}
            if name == "orog"
            else {"t2m": (("time", "cell"), values, {"units": "K"})}
        )
        coords = places if name == "orog" else {"time": times.astype("datetime64[ns]"), **places}
        xr.Dataset(field, coords).to_netcdf(tmp_path / f"{name}.nc")
    described, remarks = propose([str(tmp_path / "*.nc")])
    assert not [r for r in remarks if "left out" in r or "another grid" in r] and "regrid" not in json.dumps(described)
    described["store"] = str(tmp_path / "store")
    store = prepare("gridded", write_json(tmp_path / "d.json", described))
    assert store.axis.size == 54
    out = np.empty((1, 54, 1, 544), dtype=np.float32)
    store.read(["t2m"], 0, 54, out)
    expected = np.stack([wave(i)[..., 0] for i in range(54)])
    np.testing.assert_allclose(out[0], expected, atol=2e-2)
    np.testing.assert_allclose(store.static_fields()["orog"], O8.latitude + 100, rtol=1e-6)


def test_a_forecast_whose_points_stand_in_another_order_is_verified_as_it_is(tmp_path: Path) -> None:
    order = np.random.default_rng(4).permutation(544)
    for name, index in (("f", order), ("t", np.arange(544))):
        xr.Dataset(
            {"t2m": (("time", "cell"), np.stack([wave(i)[0, index, 0] for i in range(5)]), {"units": "K"})},
            {"time": (START + np.arange(5) * STEP).astype("datetime64[ns]"), "lat": ("cell", O8.latitude[0, index], {"units": "degrees_north"}),
             "lon": ("cell", O8.longitude[0, index], {"units": "degrees_east"})},
        ).to_netcdf(tmp_path / f"{name}.nc")  # fmt: skip
    forecast_cube, truth = (open_fields([str(tmp_path / f"{n}.nc")]) for n in "ft")
    aligned = AlignedCube(forecast_cube, match_variables(forecast_cube.variables, truth.variables), truth.grid)
    out, held = (np.empty((1, 5, 1, 544), dtype=np.float32) for _ in range(2))
    aligned.read(["t2m"], 0, 5, out)
    truth.read(["t2m"], 0, 5, held)
    np.testing.assert_array_equal(out, held)
