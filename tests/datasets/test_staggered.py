"""Velocities on the sides of the cells (Arakawa C-grid): brought to the grid of the rest, or kept apart as an input."""

from pathlib import Path

import numpy as np
import xarray as xr

from py4cast.datasets import get_datasets
from py4cast.forecaster import Forecaster
from py4cast.losses import registry as losses
from tests.weather_files import HOUR, START, describe, write_json

ROWS, COLUMNS, STEPS = 12, 16, 48
LATITUDE, LONGITUDE = 45.0 + 0.5 * np.arange(ROWS), -4.0 + 0.5 * np.arange(COLUMNS)
ISLAND = (slice(4, 6), slice(7, 10))


def plane(name: str, latitude: np.ndarray, longitude: np.ndarray) -> np.ndarray:
    """A field that is linear in the coordinates, so that it can be interpolated exactly."""
    slope = {"sst": 1.0, "u": 0.1, "v": -0.2}[name]
    base = slope * (0.3 * latitude[:, None] + longitude[None, :])
    swing = 1 + 0.2 * np.sin(0.5 * np.arange(STEPS))
    return (swing[:, None, None] * base + (280 if name == "sst" else 0)).astype(np.float32)


def write(folder: Path, name: str, latitude: np.ndarray, longitude: np.ndarray, units: str, **attributes: str) -> None:
    field = plane(name, latitude, longitude)
    field[:, *ISLAND] = np.nan
    times = (START + np.arange(STEPS) * HOUR).astype("datetime64[ns]")
    coords = {
        "time": times,
        "latitude": ("latitude", latitude, {"units": "degrees_north", "standard_name": "latitude"}),
        "longitude": ("longitude", longitude, {"units": "degrees_east", "standard_name": "longitude"}),
    }
    data = {name: (("time", "latitude", "longitude"), field, {"units": units, **attributes})}
    folder.mkdir(parents=True, exist_ok=True)
    xr.Dataset(data, coords).to_netcdf(folder / f"{name}.nc", engine="netcdf4")


def ocean(folder: Path) -> None:
    """Temperature in the middle of the cells, u on their eastern sides, v on their northern ones, and an island."""
    write(folder, "sst", LATITUDE, LONGITUDE, "K", standard_name="sea_surface_temperature")
    write(folder, "u", LATITUDE, LONGITUDE + 0.25, "m s-1", standard_name="sea_water_x_velocity")
    write(folder, "v", LATITUDE + 0.25, LONGITUDE, "m s-1", standard_name="sea_water_y_velocity")


def document(folder: Path, **variables: dict) -> Path:
    described = {
        "sst": {"role": "prognostic", "units": "K", "nan": "mask", "files": ["sst.nc"]},
        **variables,
    }
    return write_json(
        folder / "ocean.json",
        describe(folder, variables=described, forcings=[], statics=["valid_mask"], grid={"border_size": 0}),
    )


def test_staggered_velocities_come_to_the_middle_of_the_cells(tmp_path: Path) -> None:
    ocean(tmp_path)
    staggered = {
        name: {"role": "prognostic", "units": "m s-1", "nan": "mask", "regrid": "linear", "files": [f"{name}.nc"]}
        for name in ("u", "v")
    }
    train, _, _ = get_datasets("gridded", 1, 1, 1, document(tmp_path, **staggered))
    info = train.info
    assert info.grid.shape == (ROWS, COLUMNS) and info.prognostic == ["sst", "u", "v"]
    assert info.variable("sst").standard_name == "sea_surface_temperature"
    item = train[3]
    for name in ("u", "v"):
        found, exact = item.inputs[name][0, ..., 0].numpy(), plane(name, LATITUDE, LONGITUDE)[3]
        there = np.isfinite(found)
        # half a cell beyond the outermost side the nearest one stands; beside the island a neighbour is missing
        inside = there.copy()
        inside[0], inside[:, 0] = False, False
        np.testing.assert_allclose(found[inside], exact[inside], atol=1e-5)
        assert 0.8 < there.mean() < 1 and not there[ISLAND].any()
    valid = info.statics.valid_mask[..., 0].numpy()
    assert not valid[ISLAND].any() and valid[:3].all() and valid[:, :6].all()
    forecaster = Forecaster.build(info, "cnn", "scaled_ar", 1, {"num_filters": 4})
    batch = train.read_batch([0, 5])
    loss = forecaster.training_loss(batch, losses.get("mse")(info))
    assert bool((loss > 0).all()) and bool(np.isfinite(loss.detach().numpy()).all())
    forecast = forecaster.eval().forecast(batch).tensor[0, 0, ..., 0].numpy()
    assert np.array_equal(np.isfinite(forecast), valid)


def test_staggered_velocities_can_be_kept_apart(tmp_path: Path) -> None:
    ocean(tmp_path)
    path = document(tmp_path)
    described = {"u": {"store": str(tmp_path / "u.nc")}, "v": {"store": str(tmp_path / "v.nc")}}
    overrides = [f"inputs.{name}.store={source['store']}" for name, source in described.items()]
    train, _, _ = get_datasets("gridded", 1, 1, 1, path, overrides)
    info = train.info
    assert set(info.inputs) == {"u", "v"} and info.prognostic == ["sst"]
    np.testing.assert_allclose(info.inputs["u"].grid.longitude, LONGITUDE + 0.25)
    np.testing.assert_allclose(info.inputs["v"].grid.latitude, LATITUDE + 0.25)
    batch = train.read_batch([2])
    found = batch["u"].tensor[0, 0, ..., 0].numpy()
    exact = plane("u", LATITUDE, LONGITUDE + 0.25)[3]
    sea = np.isfinite(found)
    np.testing.assert_allclose(found[sea], exact[sea], atol=1e-5)
    assert not sea[ISLAND].any()
