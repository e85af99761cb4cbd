import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

from py4cast.errors import DataError, SettingsError
from py4cast.formats.stations import Stations
from py4cast.grid import Grid
from py4cast.metrics import ScoreSettings
from py4cast.workflows.verify.file_case import FileCase, VerifyFiles, observed, points_on
from tests import forecast_files as made
from tests.forecast_files import HOUR, LEADS, STARTS

GRID = Grid(made.LATITUDE, made.LONGITUDE)


@pytest.fixture
def forecast(tmp_path: Path) -> str:
    return made.write(tmp_path, "forecasts.nc", made.forecasts())


@pytest.fixture
def truth(tmp_path: Path) -> str:
    return made.write(tmp_path, "analyses.nc", made.analyses())


@pytest.fixture
def opened() -> Iterator[list[FileCase]]:
    cases: list[FileCase] = []
    yield cases
    for case in cases:
        case.close()


def stations_at(latitude: list[float], longitude: list[float], units: dict[str, str] | None = None) -> Stations:
    count = len(latitude)
    names = [f"s{i}" for i in range(count)]
    known = {"t2m": "K"} if units is None else units
    return Stations(
        Path("made.csv"), names, np.array(latitude), np.array(longitude), np.full(count, 10.0), made.TIMES[:2], known,
        np.zeros((2, count, len(known)), dtype=np.float32),
    )  # fmt: skip


@pytest.mark.parametrize("sources", [{}, {"truth": ["a.nc"], "stations": "s.csv"}])
def test_one_kind_of_truth_is_needed(sources: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="needs either --truth FILES or --stations FILE"):
        VerifyFiles(forecast=["f.nc"], **sources)


@pytest.mark.parametrize("name", ["forecast", "persistence", "climatology"])
def test_a_reference_may_not_take_the_name_of_a_system(name: str) -> None:
    with pytest.raises(SettingsError, match=f"--reference {name}: the name is taken"):
        VerifyFiles(forecast=["f.nc"], truth=["a.nc"], references={"free": ["x.nc"], name: ["y.nc"]})


def test_the_description_holds_whole_paths_and_plain_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/somewhere")
    described = VerifyFiles(
        forecast=["f/*.nc", "~/g.nc"], stations="s.csv", variables=("t2m",), renamed={"t2m": "2t"}, accumulated=("tp",),
        interpolation="nearest", num_steps=2,
    ).described()  # fmt: skip
    assert described == {
        "forecast": [str(tmp_path / "f/*.nc"), "/somewhere/g.nc"],
        "truth": [],
        "stations": str(tmp_path / "s.csv"),
        "variables": ["t2m"],
        "renamed": {"t2m": "2t"},
        "accumulated": ["tp"],
        "regrid": None,
        "interpolation": "nearest",
        "orography": None,
        "num_steps": 2,
    }


def test_a_described_case_is_opened_again(forecast: str, truth: str, opened: list[FileCase]) -> None:
    asked = VerifyFiles(forecast=[forecast], truth=[truth], variables=["v10", "t2m"], num_steps=2, climatology="none")
    opened.append(FileCase.again({"asked": asked.described()}))
    again = opened[0]
    assert again.features == ["t2m", "v10"] and again.lead_times.tolist() == LEADS[:2].tolist()
    assert again.climatology is None and not again.layout.has_climatology and again.layout.rain is None
    difference = np.subtract(*(t.numpy() for t in again.fields(STARTS[1])))
    assert difference.shape == (2, 12, 16, 2)
    np.testing.assert_allclose(difference.mean((1, 2)), [[0.5, 1.0], [1.0, 1.0]], atol=1e-4)


def test_only_lead_times_after_the_start_that_all_systems_have_are_scored(
    tmp_path: Path, truth: str, opened: list[FileCase]
) -> None:
    from_zero = made.forecasts().assign_coords(lead_time=(LEADS - 6 * HOUR).astype("timedelta64[ns]"))
    forecast = made.write(tmp_path, "zero.nc", from_zero)
    other = made.write(tmp_path, "other.nc", made.forecasts().isel(lead_time=[1, 2]))
    opened.append(FileCase(VerifyFiles([forecast], [truth], climatology="none")))
    assert (opened[0].lead_times / HOUR).tolist() == [6, 12]
    assert opened[0].layout.step_duration == 6 * HOUR
    opened.append(FileCase(VerifyFiles([forecast], [truth], references={"b": [other]}, climatology="none")))
    assert (opened[1].lead_times / HOUR).tolist() == [12]
    assert opened[1].layout.step_duration == 12 * HOUR
    starts = made.write(tmp_path, "starts.nc", from_zero.isel(lead_time=[0]))
    with pytest.raises(DataError, match="--forecast.*: its only lead time is 0 h, as of analyses"):
        FileCase(VerifyFiles([starts], [truth], climatology="none"))
    late = made.write(
        tmp_path, "late.nc", made.forecasts().assign_coords(lead_time=(LEADS + HOUR).astype("timedelta64[ns]"))
    )
    with pytest.raises(
        DataError, match="--reference c: no lead time in common.*; c has 7, 13, 19 h, the forecast 6, 12 h"
    ):
        FileCase(VerifyFiles([forecast], [truth], references={"c": [late]}, climatology="none"))


def test_starts_are_those_of_the_period(forecast: str, truth: str, opened: list[FileCase]) -> None:
    asked = VerifyFiles([forecast], [truth], climatology="none", first=STARTS[2], last=STARTS[5] + HOUR)
    opened.append(FileCase(asked))
    assert opened[0].init_times.tolist() == STARTS[2:6].tolist()


def test_weights_are_those_of_the_truths_cells(forecast: str, truth: str, opened: list[FileCase]) -> None:
    opened.append(FileCase(VerifyFiles([forecast], [truth], climatology="none")))
    edges = np.deg2rad(np.linspace(56.25, 50.25, 13))
    bands = -np.diff(np.sin(edges))
    expected = np.broadcast_to((bands / bands.mean())[:, None], (12, 16))
    np.testing.assert_allclose(opened[0].layout.weights, expected, rtol=1e-9)
    assert opened[0].truth_shape == (12, 16)


IMPOSED = {"standard_name": "status_flag", "flag_values": np.array([0, 1], "int8"), "flag_meanings": "forecast imposed"}
INNER = ~GRID.border_mask(2)


def imposing(data: xr.Dataset) -> xr.Dataset:
    """Forecasts whose outer two cells are marked as imposed."""
    return data.assign(imposed=(("latitude", "longitude"), (~INNER).astype("int8"), IMPOSED))


def test_imposed_cells_have_no_weight(
    tmp_path: Path, forecast: str, truth: str, opened: list[FileCase], caplog: pytest.LogCaptureFixture
) -> None:
    told = made.write(tmp_path, "told.nc", imposing(made.forecasts()))
    with caplog.at_level(logging.INFO):
        opened.append(FileCase(VerifyFiles([told], [truth], climatology="none")))
    weights = opened[0].layout.weights.numpy()
    np.testing.assert_allclose(weights, np.where(INNER, GRID.area_weights(), 0.0))
    assert "96 of 192 cells are not scored" in caplog.text and opened[0].features == ["t2m", "u10", "v10"]
    # where only a reference imposes, the same cells are scored of all
    opened.append(FileCase(VerifyFiles([forecast], [truth], references={"other": [told]}, climatology="none")))
    np.testing.assert_array_equal(opened[1].layout.weights, weights)


def test_on_another_grid_a_cell_counts_as_imposed_where_a_share_of_it_is(
    tmp_path: Path, opened: list[FileCase]
) -> None:
    told = made.write(tmp_path, "told.nc", imposing(made.forecasts()))
    coarse = made.write(
        tmp_path, "coarse.nc", made.analyses().isel(latitude=slice(None, None, 3), longitude=slice(None, None, 3))
    )
    opened.append(FileCase(VerifyFiles([told], [coarse], climatology="none", regrid="nearest")))
    np.testing.assert_array_equal(opened[0].layout.weights > 0, INNER[::3, ::3])
    turned = made.write(tmp_path, "turned.nc", made.analyses().isel(latitude=slice(None, None, -1)))
    lower = imposing(made.forecasts())
    lower["imposed"][:] = 0
    lower["imposed"][-1] = 1
    opened.append(FileCase(VerifyFiles([made.write(tmp_path, "l.nc", lower)], [turned], climatology="none")))
    assert (opened[1].layout.weights[0] == 0).all() and (opened[1].layout.weights[1:] > 0).all()


def test_the_sides_of_a_forecast_that_says_nothing_are_left_out_where_that_is_asked_for(
    tmp_path: Path, forecast: str, truth: str, opened: list[FileCase]
) -> None:
    grib = made.write_each(tmp_path / "grib", ".grib2")
    for files in (forecast, grib):
        asked = VerifyFiles([files], [truth], climatology="none", scores=ScoreSettings(border_size=2))
        opened.append(FileCase(asked))
        np.testing.assert_allclose(opened[-1].layout.weights, np.where(INNER, GRID.area_weights(), 0.0))
    by_km = VerifyFiles([forecast], [truth], climatology="none", scores=ScoreSettings(border_km=40.0))
    opened.append(FileCase(by_km))
    is_scored = opened[-1].layout.weights.numpy() > 0
    assert not is_scored[0].any() and not is_scored[:, -1].any() and is_scored[2:-2, 3:-3].all()
    with pytest.raises(SettingsError, match="leaves no interior"):
        FileCase(VerifyFiles([forecast], [truth], climatology="none", scores=ScoreSettings(border_size=6)))
    with pytest.raises(SettingsError, match="give one of border_size, border_km"):
        FileCase(
            VerifyFiles([forecast], [truth], climatology="none", scores=ScoreSettings(border_size=2, border_km=9.0))
        )
    every = imposing(made.forecasts())
    every["imposed"][:] = 1
    with pytest.raises(DataError, match="so that none is scored"):
        FileCase(VerifyFiles([made.write(tmp_path, "e.nc", every)], [truth], climatology="none"))


def test_the_field_of_an_ensemble_is_its_mean(tmp_path: Path, truth: str, opened: list[FileCase]) -> None:
    single = made.forecasts()
    data = single.expand_dims(member=[0, 1, 2]).transpose("init_time", "member", ...).copy()
    for name in made.BIAS:
        shifted = single[name].to_numpy()[:, None] + np.array([0, 3, 6], dtype=np.float32)[None, :, None, None, None]
        data[name] = (data[name].dims, shifted, single[name].attrs)
    asked = VerifyFiles([made.write(tmp_path, "e.nc", data)], [truth], climatology="none")
    opened.append(FileCase(asked))
    assert opened[0].layout.num_members == 3
    mean, analysed = opened[0].fields(STARTS[0])
    expected = torch.tensor([made.BIAS[n] for n in opened[0].features]).T + 3
    assert torch.allclose((mean - analysed).mean((1, 2)), expected, atol=1e-4)


def test_stations_without_a_height_leave_temperatures_as_they_are(
    tmp_path: Path, forecast: str, caplog: pytest.LogCaptureFixture, opened: list[FileCase]
) -> None:
    table = made.stations().drop(columns="elevation")
    table[table.station != "far"].to_csv(tmp_path / "s.csv", index=False)
    height = xr.Dataset({"orog": (("latitude", "longitude"), np.full((12, 16), 500.0), {"units": "m"})}, made._coords())
    asked = VerifyFiles(
        [forecast], stations=str(tmp_path / "s.csv"), orography=made.write(tmp_path, "h.nc", height), climatology="none"
    )
    with caplog.at_level(logging.WARNING):
        opened.append(FileCase(asked))
    assert "no height correction of t2m: the stations have no elevation" in caplog.text
    case = opened[0]
    assert case.grid is None and case.truth_shape == (1, 2) and case.climatology is None
    assert torch.equal(case.layout.weights, torch.ones(1, 2).double())
    forecast_values, observed_values = case.fields(STARTS[0])
    warmer = (forecast_values - observed_values)[:, 0, :, case.features.index("t2m")]
    np.testing.assert_allclose(warmer, np.repeat([[0.5], [1.0], [2.0]], 2, 1), atol=1e-4)


def test_no_height_is_looked_for_without_a_temperature(
    tmp_path: Path, forecast: str, caplog: pytest.LogCaptureFixture, opened: list[FileCase]
) -> None:
    made.stations().to_csv(tmp_path / "s.csv", index=False)
    asked = VerifyFiles([forecast], stations=str(tmp_path / "s.csv"), variables=["u10"], orography="nowhere.nc")
    opened.append(FileCase(asked))
    assert "height correction" not in caplog.text and opened[0].features == ["u10"]


def test_a_case_that_fails_closes_what_it_opened(
    tmp_path: Path, forecast: str, truth: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers_closed: list[int] = []
    close = FileCase.close

    def counted(case: FileCase) -> None:
        numbers_closed.append(len(case._opened))
        close(case)

    monkeypatch.setattr(FileCase, "close", counted)
    with pytest.raises(SettingsError, match="--variables msl"):
        FileCase(VerifyFiles([forecast], [truth], variables=["msl"]))
    assert numbers_closed == [2]


def test_what_stations_observed_are_variables_in_their_units() -> None:
    warm, bare = observed(stations_at([52.0], [0.0], {"t2m": "degC", "gust": ""}))
    assert (warm.name, warm.short_name, warm.units, warm.nan) == ("t2m", "t2m", "degC", "mask")
    assert (bare.name, bare.short_name, bare.nan) == ("gust", "gust", "mask")


def test_stations_outside_are_left_out_and_some_of_them_named(caplog: pytest.LogCaptureFixture) -> None:
    stations = stations_at([52.0, *[10.0] * 7, 55.0], [-1.0, *[0.0] * 7, 1.0])
    with caplog.at_level(logging.WARNING):
        points, inside = points_on(stations, GRID)
    assert inside.tolist() == [True, *[False] * 7, True]
    assert points.shape == (1, 2) and points.latitude.tolist() == [[52.0, 55.0]]
    assert points.longitude.tolist() == [[-1.0, 1.0]]
    assert "7 of 9 stations lie outside the grid and are left out: s1, s2, s3, s4, s5 and 2 more" in caplog.text


def test_stations_that_all_lie_elsewhere_are_refused() -> None:
    with pytest.raises(
        DataError,
        match=r"made.csv: no station lies on the grid: they span latitudes -3.00 to 10.00, longitudes 20.00 to "
        r"40.00; the forecast is on 12 x 16",
    ):
        points_on(stations_at([10.0, -3.0], [40.0, 20.0]), GRID)


def test_observations_of_a_file_are_read_at_the_stations_that_are_used(
    tmp_path: Path, forecast: str, opened: list[FileCase]
) -> None:
    path = tmp_path / "s.csv"
    made.stations().to_csv(path, index=False)
    opened.append(FileCase(VerifyFiles([forecast], stations=str(path), scores=ScoreSettings(metrics=("rmse",)))))
    values = opened[0].truth.read(made.TIMES[3:4])[0]
    place = np.array([0.4 * (52.25 - 53) - 0.3 * (-1.1 + 2), 0.4 * (54.6 - 53) - 0.3 * (-4.3 + 2)])
    expected = [made.MEAN[n] + 3 * np.sin(2.1 + len(n)) + place for n in opened[0].features]
    np.testing.assert_allclose(values[0], np.stack(expected, -1), rtol=1e-6)
