"""A Dataset in, a Dataset out: the forecast that the command line makes of the same states."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import py4cast
from py4cast.errors import DataError, SettingsError
from py4cast.workflows.forecast.run import Forecast, forecast
from tests import forecast_files as made
from tests import forecasters
from tests.workflows.forecast.test_run import START, expected, saved

NAMES = ["t2m", "u10", "v10", "tp"]


def values_of(data: xr.Dataset) -> np.ndarray:
    return np.stack([data[n].values for n in NAMES], -1)


def test_it_is_the_forecast_of_the_same_batch() -> None:
    own = forecasters.forecaster().train()
    data = own.forecast(made.analyses(), num_steps=4, init_time=str(START))
    np.testing.assert_allclose(values_of(data), expected(own.eval()), atol=1e-5)
    assert data["t2m"].dims == ("lead_time", "latitude", "longitude")
    assert (data["lead_time"].values == np.arange(1, 5) * forecasters.STEP).all()
    assert data["init_time"].values == START and data["valid_time"].values[1] == START + 2 * forecasters.STEP
    assert data["t2m"].attrs == {
        "units": "K", "long_name": "t2m", "standard_name": "air_temperature", "GRIB_level": 2, "GRIB_typeOfLevel": "heightAboveGround",
    }  # fmt: skip
    assert data.attrs["Conventions"].startswith("CF-")


def test_the_mode_of_the_network_stays() -> None:
    own = forecasters.forecaster()
    own.train()
    own.forecast(made.analyses(), 1)
    assert own.training
    own.eval().forecast(made.analyses(), 1)
    assert not own.training


@pytest.mark.parametrize("form", ["celsius", "turned", "other names", "lazy", "one instant each"])
def test_whatever_the_dataset_calls_its_fields(form: str) -> None:
    own, data = forecasters.forecaster(), made.analyses()
    if form == "celsius":
        data["t2m"] = (data["t2m"] - 273.15).assign_attrs(units="degC", standard_name="air_temperature")
    if form == "turned":
        data = data.isel(latitude=slice(None, None, -1)).transpose("longitude", ...)
    if form == "other names":
        data = data.rename(t2m="temperature_2m", u10="uwind", v10="vwind", latitude="lat", longitude="lon")
    if form == "lazy":
        data = data.chunk({"time": 1})
    if form == "one instant each":
        data = data.isel(time=slice(0, 6)).assign_attrs(flag=True, odd={"a": 1})
    found = own.forecast(data, num_steps=4, init_time=START)
    np.testing.assert_allclose(values_of(found), expected(own), atol=1e-3)


def test_by_default_it_starts_from_the_last_states() -> None:
    own = forecasters.forecaster()
    data = own.forecast(made.analyses().isel(time=slice(0, 6)), num_steps=4)
    assert data["init_time"].values == START
    np.testing.assert_allclose(values_of(data), expected(own), atol=1e-5)


def test_several_starts_are_a_dimension() -> None:
    own = forecasters.forecaster()
    data = own.forecast(made.analyses(), num_steps=2, init_time=[made.TIMES[4], made.TIMES[5]])
    assert data["t2m"].dims == ("init_time", "lead_time", "latitude", "longitude")
    assert (data["init_time"].values == made.TIMES[[4, 5]]).all()
    np.testing.assert_allclose(data["t2m"].values[1], expected(own)[:2, ..., 0], atol=1e-5)
    assert data["valid_time"].dims == ("init_time", "lead_time")


def test_what_it_lacks_is_told_in_words_of_python() -> None:
    own = forecasters.forecaster()
    with pytest.raises(DataError, match=r"^the dataset: lacks prognostic 'u10' .*; use rename=\{'THEIRS': 'OURS'\}"):
        own.forecast(made.analyses().drop_vars("u10"), 1)
    odd = made.analyses().rename(u10="speed")
    odd["speed"].attrs = {"units": "m s-1"}
    assert own.forecast(odd, 1, rename={"speed": "u10"}).sizes["lead_time"] == 1
    with pytest.raises(DataError, match="the dataset: no state at 2031-01-01"):
        own.forecast(made.analyses(), 1, init_time="2031-01-01T00")
    with pytest.raises(DataError, match="the dataset: found list; expected an xarray.Dataset"):
        own.forecast([1], 1)
    with pytest.raises(SettingsError, match="--num_steps 0|num_steps"):
        own.forecast(made.analyses(), 0)
    wrong = made.analyses()
    wrong["t2m"].attrs["units"] = "m"
    with pytest.raises(DataError, match="t2m"):
        own.forecast(wrong, 1)
    coarse = made.analyses().isel(latitude=slice(None, None, 2))
    with pytest.raises(DataError, match="grid"):
        own.forecast(coarse, 1)


def test_what_comes_out_is_what_the_command_line_writes(tmp_path: Path) -> None:
    own, path = saved(tmp_path)
    data = own.forecast(made.analyses(), num_steps=3, init_time=START)
    data.to_netcdf(tmp_path / "python.nc")
    file = made.write(tmp_path / "in", "an.nc", made.analyses())
    asked = Forecast(forecaster=path, input=[file], init_time=str(START), num_steps=3, output=[str(tmp_path / "c.nc")])
    with xr.open_dataset(forecast(asked)[0], decode_timedelta=False) as theirs:
        np.testing.assert_allclose(values_of(data), values_of(theirs), atol=1e-5)


def test_a_border_that_is_imposed_comes_from_a_driving_model() -> None:
    own = forecasters.forecaster(border_size=2)
    with pytest.raises(DataError, match="give a driving model's files by boundary, or use free_border=True"):
        own.forecast(made.analyses(), 2, init_time=START)
    free = own.forecast(made.analyses(), 2, init_time=START, free_border=True)
    driven = own.forecast(made.analyses(), 2, init_time=START, boundary=made.analyses())
    assert not np.allclose(free["t2m"], driven["t2m"])
    place = int((START - made.START) / forecasters.STEP) + 1
    np.testing.assert_allclose(driven["t2m"].values[0, 0], made.truth_of("t2m")[place, 0], atol=1e-4)
    assert "imposed" not in free.variables, "nothing is imposed"
    np.testing.assert_array_equal(driven["imposed"], forecasters.GRID.border_mask(2))


def test_what_is_imposed_is_not_scored(tmp_path: Path) -> None:
    own, truth = forecasters.forecaster(border_size=2), made.analyses()
    driven = own.forecast(truth, 2, init_time=list(made.TIMES[3:8]), boundary=truth)
    scores = py4cast.verify(driven, truth, metrics=["rmse"], climatology="none")
    places = [int((t - made.START) / forecasters.STEP) + 1 for t in made.TIMES[3:8]]
    error = driven["u10"].values[:, 0] - made.truth_of("u10")[places]
    weights = np.where(forecasters.GRID.border_mask(2), 0.0, forecasters.GRID.area_weights())
    wanted = np.sqrt(((error**2).mean(0) * weights).sum() / weights.sum())
    assert float(scores["rmse"].sel(system="forecast", variable="u10")[0]) == pytest.approx(wanted, rel=1e-4)
    driven.to_netcdf(tmp_path / "f.nc")
    same = py4cast.verify(tmp_path / "f.nc", truth, metrics=["rmse"], climatology="none")
    np.testing.assert_allclose(same["rmse"], scores["rmse"], rtol=1e-6)


def test_its_variables_stand_each_at_its_own_level_also_in_a_file(tmp_path: Path) -> None:
    data = forecasters.forecaster().forecast(made.analyses(), num_steps=2, init_time=[made.TIMES[4], made.TIMES[5]])
    assert not [name for name, c in data.coords.items() if c.ndim == 0 and "Ground" in str(name)]
    data.to_netcdf(tmp_path / "f.nc")
    from py4cast.cubes.files import open_fields

    levels = {v.name: v.level for v in open_fields([tmp_path / "f.nc"]).variables}
    assert levels["t2m"] == 2.0 and levels["tp"] is None


@pytest.mark.parametrize("order", [{"longitude": -1}, {"longitude": -1, "latitude": -1}], ids=["mirrored", "both"])
def test_rows_and_columns_may_run_the_other_way(order: dict[str, int]) -> None:
    own, turned = forecasters.forecaster(), {name: slice(None, None, way) for name, way in order.items()}
    found = own.forecast(made.analyses().isel(turned), 2, init_time=START)
    np.testing.assert_array_equal(found["t2m"], own.forecast(made.analyses(), 2, init_time=START)["t2m"])
