from pathlib import Path

import numpy as np
import pytest

from py4cast.cubes import forecasts as module
from py4cast.cubes.forecasts import Analyses, Forecasts, Observations
from py4cast.errors import DataError
from py4cast.formats.stations import Stations
from tests.cubes.numbered import forecasts, hours, numbered, value
from tests.weather_files import HOUR, START


def at(*offsets: int) -> np.ndarray:
    return np.asarray(START + np.array(offsets) * HOUR)


def test_a_forecast_is_read_by_its_start_and_lead_times() -> None:
    source = Forecasts(numbered(forecasts([0, 12], [6, 12, 18]), "tu"), "x")
    assert source.has(START + 12 * HOUR) and not source.has(START + 6 * HOUR) and source.num_members == 1
    fields = source.read(START + 12 * HOUR, np.array([6, 12, 18]) * HOUR)
    # the second start begins with the fourth instant
    np.testing.assert_array_equal(fields, np.stack([[value(v, i) for i in (3, 4, 5)] for v in (0, 1)], -1))


@pytest.mark.parametrize(("leads", "places"), [((6, 18), (0, 2)), ((12,), (1,)), ((12, 18), (1, 2))])
def test_lead_times_may_be_left_out(leads: tuple[int, ...], places: tuple[int, ...]) -> None:
    source = Forecasts(numbered(forecasts([0, 12], [6, 12, 18])), "x")
    fields = source.read(START, np.array(leads) * HOUR)
    np.testing.assert_array_equal(fields[..., 0], [value(0, i) for i in places])


def test_members_come_first() -> None:
    source = Forecasts(numbered(forecasts([0, 12], [6, 12], (3, 5, 8)), "tu"), "x")
    fields = source.read(START + 12 * HOUR, np.array([12]) * HOUR)
    # the second start begins with instant 6, a member has 2
    assert source.num_members == 3 and tuple(fields.shape) == (3, 1, 3, 4, 2)
    np.testing.assert_array_equal(fields[:, 0, ..., 1], [value(1, i) for i in (7, 9, 11)])


def test_a_field_that_every_member_lacks_is_nan_and_one_that_some_lack_is_refused() -> None:
    cube = numbered(forecasts([0], [6, 12], (3, 5)), "tu")
    cube._values[0, [1, 3]] = np.nan
    source, leads = Forecasts(cube, "fc.nc"), np.array([6, 12]) * HOUR
    assert bool(source.read(START, leads)[:, 1, ..., 0].isnan().all())
    cube._values[1, 3, 0, 0] = np.nan
    source.read(START, leads)
    cube._values[1, 2] = np.nan
    with pytest.raises(
        DataError, match=r"fc\.nc: member 5 lacks u of the forecast from 2020-01-01T00:00:00, which other members have"
    ):
        source.read(START, leads)


def test_analyses_and_forecasts_are_told_apart() -> None:
    with pytest.raises(DataError, match="x: holds analyses, no forecasts: its fields have no lead time"):
        Forecasts(numbered(hours(0, 2)), "x")
    with pytest.raises(DataError, match="y: holds forecasts with several lead times, where a series of analyses is"):
        Analyses(numbered(forecasts([0], [1, 2])), "y")


def test_analyses_are_read_by_time_and_missing_ones_are_nan() -> None:
    truth = Analyses(numbered(hours(0, 6), "tu"), "x")
    assert truth.has(at(-1, 0, 5, 6)).tolist() == [False, True, True, False]
    before, late, early = truth.read(at(-1, 4, 2))
    assert tuple(before.shape) == (3, 4, 2) and bool(before.isnan().all())
    for plane, instant in ((late, 4), (early, 2)):
        np.testing.assert_array_equal(plane, np.stack([value(0, instant), value(1, instant)], -1))
    assert all(bool(p.isnan().all()) for p in truth.read(at(-3, 99)))


def test_a_stretch_is_read_at_once_and_let_go_when_starts_have_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BLOCK_BYTES", 3 * 4 * 12)
    cube, reads = numbered(hours(0, 12)), list[tuple[int, int]]()
    read = cube.read

    def count(names: list[str], start: int, stop: int, out: np.ndarray) -> None:
        reads.append((start, stop))
        read(names, start, stop, out)

    monkeypatch.setattr(cube, "read", count)
    truth = Analyses(cube, "x")
    for first in range(8):
        for i, plane in enumerate(truth.read(at(first, first + 2))):
            np.testing.assert_array_equal(plane[..., 0], value(0, first + 2 * i))
        assert set(truth._kept) <= set(range(first - 1, first + 6)), "no more than what lies ahead is kept"
    assert reads == [(0, 3), (3, 6), (6, 9), (9, 12)], "each instant once, three at a time"


def test_observations_are_of_the_stations_and_variables_in_use() -> None:
    values = np.arange(2 * 3 * 2, dtype=np.float32).reshape(2, 3, 2)
    stations = Stations(
        Path("obs.csv"),
        ["a", "b", "c"],
        np.zeros(3),
        np.zeros(3),
        np.zeros(3),
        at(0, 6),
        {"t": "K", "u": "m s-1"},
        values,
    )
    truth = Observations(stations, ["u", "t"], np.array([True, False, True]))
    assert truth.what == "obs.csv" and truth.has(at(0, 3, 6)).tolist() == [True, False, True]
    last, nothing = truth.read(at(6, 3))
    assert last.tolist() == [[[7.0, 6.0], [11.0, 10.0]]] and bool(nothing.isnan().all())
    assert nothing.shape == last.shape
