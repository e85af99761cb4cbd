"""Steps of months: monthly means are trained on, forecast and dated by the calendar, wherever in the month files date them."""

from pathlib import Path
from typing import Any

import cftime
import numpy as np
import pytest
import torch
import xarray as xr

from py4cast.datasets import get_datasets
from py4cast.errors import SettingsError
from py4cast.forecaster import Forecaster
from py4cast.workflows.forecast.run import Forecast, forecast
from py4cast.workflows.verify.split import verify
from tests.weather_files import write_json

VALUES = (
    np.random.default_rng(0).normal(size=(48, 8, 9)) + 10 * np.cos(2 * np.pi * np.arange(48) / 12)[:, None, None] + 280
)
PERIODS = {
    "train": {"start": "2010-01-01", "end": "2011-12-31"}, "valid": {"start": "2012-01-01", "end": "2012-12-31"},
    "test": {"start": "2013-01-01", "end": "2013-12-31"},
}  # fmt: skip


def monthly(path: Path, dated: str = "middle", calendar: str = "standard") -> Path:
    """Monthly means, dated in the middle, at the beginning or towards the end of their months."""
    path.parent.mkdir(parents=True, exist_ok=True)
    day = {"beginning": 1, "middle": 16, "end": 28}[dated]
    units = "days since 1990-01-01"
    dates = [cftime.datetime(2010 + i // 12, i % 12 + 1, day, 12 * (day > 1), calendar=calendar) for i in range(48)]
    days = cftime.date2num(dates, units, calendar)
    data = xr.Dataset(
        {"tas": (("time", "lat", "lon"), VALUES.astype(np.float32), {"units": "K"})},
        {
            "time": ("time", days, {"units": units, "calendar": calendar}),
            "lat": ("lat", np.linspace(50, 43, 8), {"units": "degrees_north"}),
            "lon": ("lon", np.arange(9.0), {"units": "degrees_east"}),
        },
    )
    data.to_netcdf(path)
    return path


def document(tmp_path: Path, **changes: Any) -> Path:
    settings = {
        "root": str(tmp_path / "in"), "files": ["a.nc"], "variables": {"tas": {"units": "K"}}, "step": "1mon", "periods": PERIODS,
        "forcings": ["day_of_year", "toa_radiation"],
    }  # fmt: skip
    return write_json(tmp_path / "d.json", settings | changes)


@pytest.mark.parametrize(
    ("dated", "calendar"),
    [("middle", "standard"), ("beginning", "standard"), ("end", "noleap"), ("middle", "noleap"), ("middle", "360_day")],
)
def test_a_month_is_a_step_wherever_it_is_dated(tmp_path: Path, dated: str, calendar: str) -> None:
    monthly(tmp_path / "in" / "a.nc", dated, calendar)
    train, _, test = get_datasets("gridded", 2, 1, 3, document(tmp_path))
    assert (len(train), len(test)) == (22, 8)
    item = test[0]
    assert str(item.init_time) == "2013-02-01T00:00:00"
    np.testing.assert_array_equal(item.inputs.tensor[..., 0].numpy(), VALUES[36:38].astype(np.float32))
    np.testing.assert_array_equal(item.outputs.tensor[..., 0].numpy(), VALUES[38:41].astype(np.float32))
    # March, April and May: the day of the year is that of their beginnings, the sun that of the whole month
    angle = 2 * np.pi * np.array([59, 90, 120]) / 365.2425
    np.testing.assert_allclose(item.forcing["sin_day_of_year"][:, 0, 0, 0].numpy(), np.sin(angle), atol=2e-2)
    sun = item.forcing["toa_radiation"][:, 0, 0, 0].numpy()
    assert (np.diff(sun) > 50).all() and 200 < sun[0] < 320, "rises through spring at 50 degrees north"


def test_seasons_are_three_months(tmp_path: Path) -> None:
    monthly(tmp_path / "in" / "a.nc")
    train, *_ = get_datasets("gridded", 1, 1, 1, document(tmp_path, step="3mon"))
    assert len(train) == 7 and [str(t)[:7] for t in train.init_times[:2]] == ["2010-01", "2010-04"]
    np.testing.assert_array_equal(train[1].inputs.tensor[0, ..., 0].numpy(), VALUES[3].astype(np.float32))


def test_forecasts_are_dated_by_the_calendar(tmp_path: Path) -> None:
    source = monthly(tmp_path / "in" / "a.nc")
    described = document(tmp_path)
    train, *_ = get_datasets("gridded", 2, 1, 3, described)
    torch.manual_seed(0)
    forecaster = Forecaster.build(train.info, "halfunet", "scaled_ar", 2, {"num_filters": 4}).eval()
    forecaster.save(tmp_path / "f.safetensors")
    expected = ["2013-11-01", "2013-12-01", "2014-01-01", "2014-02-01", "2014-03-01"]
    outputs = [str(tmp_path / "f.nc"), str(tmp_path / "f.grib2")]
    forecast(Forecast(forecaster=str(tmp_path / "f.safetensors"), init_time="2013-10-01", num_steps=2, output=outputs[:1], path=str(described)))  # fmt: skip
    with xr.open_dataset(outputs[0], decode_timedelta=True) as data:
        assert [str(t)[:10] for t in data["time"].values] == expected[:2]
        through_dataset = data["tas"].values
    wanted = forecaster.forecast(get_datasets("gridded", 2, 1, 2, described)[2].read_batch([8])).tensor[0, ..., 0]
    np.testing.assert_allclose(through_dataset, wanted.numpy(), atol=1e-3)
    scores, _ = verify(tmp_path / "f.safetensors", "gridded", described, num_steps=2, has_maps=False)
    assert scores.num_forecasts == 9 and np.isfinite(scores.arrays["rmse"].values).all()
    assert source.exists()


def test_a_step_of_months_is_of_a_series_alone(tmp_path: Path) -> None:
    monthly(tmp_path / "in" / "a.nc")
    with pytest.raises(SettingsError, match="step 1mon: months are steps of a series; forecasts have steps of hours"):
        get_datasets("gridded", 1, 1, 1, document(tmp_path, forecasts={"last": "90d"}))


def test_a_month_that_lacks_is_a_gap(tmp_path: Path) -> None:
    path = monthly(tmp_path / "in" / "a.nc")
    with xr.open_dataset(path, decode_times=False) as data:
        part = data.isel(time=[i for i in range(48) if i != 10]).load()
    part.to_netcdf(path)
    train, *_ = get_datasets("gridded", 2, 1, 3, document(tmp_path))
    assert len(train) == 22 - 3, "windows of three instants that hold November 2010"


def test_a_virtual_dataset_counts_months_too(tmp_path: Path) -> None:
    path = monthly(tmp_path / "in" / "a.nc", "middle")
    settings = {"source": {"store": str(path)}, "variables": {"tas": {}}, "step": "1mon", "periods": PERIODS}
    train, _, test = get_datasets("virtual", 2, 1, 3, write_json(tmp_path / "v.json", settings))
    assert (len(train), len(test)) == (22, 8) and str(test[0].init_time) == "2013-02-01T00:00:00"
    np.testing.assert_array_equal(test[0].outputs.tensor[..., 0].numpy(), VALUES[38:41].astype(np.float32))
