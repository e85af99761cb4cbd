import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from py4cast.cubes.store.packing import Packing
from py4cast.cubes.store.store import PreparedStore
from py4cast.datasets import preparing
from py4cast.datasets.gridded_settings import GriddedSettings
from py4cast.datasets.preparing import files_of, prepare, time_axis
from py4cast.errors import DataError, SettingsError
from py4cast.formats import Fields, writer_for
from py4cast.grid import Grid
from py4cast.progress import Preparation
from py4cast.timeline import Period, Periods
from py4cast.variables import Variable
from tests.weather_files import HOUR, START, describe, wave_fields, write_netcdf

SHAPE = (4, 5)
FIELDS = wave_fields(48, SHAPE)
PERIODS = Periods(
    train=Period(start="2020-01-01T00", end="2020-01-01T11"),
    valid=Period(start="2020-01-02T00", end="2020-01-02T05"),
    test=Period(start="2020-01-02T06", end="2020-01-02T23"),
)


def settings(folder: Path, **changes: Any) -> GriddedSettings:
    return GriddedSettings.from_dict(describe(folder, **{"grid": {}, "forcings": [], **changes}))


def made(folder: Path, **changes: Any) -> PreparedStore:
    return prepare(settings(folder, **changes), Preparation())


@pytest.fixture
def files(tmp_path: Path) -> Path:
    write_netcdf(tmp_path / "in" / "a.nc", {"t": FIELDS})
    return tmp_path / "in"


def at(*hours: float) -> np.ndarray[Any, np.dtype[np.datetime64]]:
    return START + np.round(3600 * np.array(hours)).astype("timedelta64[s]")


def test_the_axis_is_even_from_the_first_to_the_last_instant_of_the_periods() -> None:
    instants = at(0, 1, 2, 5, 11, 13, 24, 30, 40, 60)
    axis = time_axis(instants, PERIODS, HOUR)
    np.testing.assert_array_equal(axis, at(*range(41)))


def test_the_phase_is_that_of_most_instants() -> None:
    instants = at(0, 0.5, 1.5, 2, 2.5, 25.5, 31, 33.5)
    axis = time_axis(instants, PERIODS, HOUR)
    np.testing.assert_array_equal(axis, at(*np.arange(0.5, 34)))
    outside = np.sort(np.concatenate([instants, at(*np.arange(48, 60))]))
    np.testing.assert_array_equal(time_axis(outside, PERIODS, HOUR), axis, "what no period holds does not count")


def test_a_coarser_step_skips_instants() -> None:
    np.testing.assert_array_equal(time_axis(at(*range(48)), PERIODS, 6 * HOUR), at(*range(0, 48, 6)))


@pytest.mark.parametrize(
    ("hours", "message"),
    [
        ((0, 30), r"period valid \(2020-01-02T00 to 2020-01-02T05\) holds no data; the files hold 2020-01-01T00:00:00 to"),
        ((), r"period train .* holds no data; the files hold nothing"),
    ],
)  # fmt: skip
def test_a_period_without_instants_is_named(hours: tuple[float, ...], message: str) -> None:
    with pytest.raises(DataError, match=message):
        time_axis(at(*hours), PERIODS, HOUR)


def test_a_variable_has_files_of_its_own_or_those_of_the_dataset(files: Path) -> None:
    write_netcdf(files / "b.nc", {"u": FIELDS})
    asked = settings(
        files, files=["a.nc"],
        variables={
            "t": {"levels": [1, 2]}, "u": {"files": ["b.nc"]},
            "c": {"made_from": {"filter": "clip", "input": "u"}},
        },
    )  # fmt: skip
    known = files_of(asked, asked.plans())
    assert known == {"t_1": [files / "a.nc"], "t_2": [files / "a.nc"], "u": [files / "b.nc"]}
    nowhere = settings(files, files=[])
    with pytest.raises(SettingsError, match=r"variables\.t: no files given, neither here nor in dataset\.files"):
        files_of(nowhere, nowhere.plans())


def test_what_does_not_change_the_store_finds_it_again(files: Path) -> None:
    first = made(files)
    changes: list[dict[str, Any]] = [
        {"forcings": ["hour"]}, {"statics": ["x"]}, {"grid": {"border_size": 1}},
        {"variables": {"t": {"units": "K", "weight": 3.0}}}, {"inputs": {"radar": {"store": "nowhere"}}},
    ]  # fmt: skip
    (files / "a.nc").unlink()
    assert {made(files, **change).path for change in changes} == {first.path}, "the files are not looked at"
    with pytest.raises(DataError, match="no file matches"):
        made(files, variables={"t": {"units": "degC"}})


def test_a_store_of_a_folder_is_taken_over_where_it_holds_the_periods(files: Path, tmp_path: Path) -> None:
    first = made(files, store=str(tmp_path / "s"))
    moved = files.rename(tmp_path / "elsewhere")
    (moved / "a.nc").unlink()
    shorter = describe(moved)["periods"] | {"test": {"start": "2020-01-02T12", "end": "2020-01-02T20"}}
    again = made(moved, store=str(tmp_path / "s"), periods=shorter, name="other")
    assert (again.path, again.meta["digest"]) == (first.path, first.meta["digest"])
    longer = describe(moved)["periods"] | {"test": {"start": "2020-01-02T12", "end": "2020-01-03T20"}}
    for change in ({"periods": longer}, {"step": "2h"}):
        with pytest.raises(DataError, match="no file matches"):
            made(moved, store=str(tmp_path / "s"), **change)


def test_a_packed_store_holds_three_times_the_range_or_what_is_asked(files: Path) -> None:
    sampled = preparing._sampled(48)
    assert sampled[0] == 0 and sampled[-1] == 47 and np.diff(sampled).max() < 4
    hours = preparing._sampled(2208) % 24
    assert np.unique(hours).size > 12, "not one hour of the day, however long the series"
    low, high = float(FIELDS[sampled].min()), float(FIELDS[sampled].max())
    packing = made(files, store_type="uint16").packings["t"]
    assert packing.limits == pytest.approx((2 * low - high, 2 * high - low))
    asked = made(files, store_type="float16", variables={"t": {"range": [200, 340]}})
    assert asked.packings["t"] == Packing("float16", 70.0, 270.0)
    out = np.empty((1, 48, *SHAPE), dtype=np.float32)
    asked.read(["t"], 0, 48, out)
    np.testing.assert_allclose(out[0], FIELDS, atol=70 * 2.0**-12)
    assert made(files).packings == {"t": Packing()}


def test_a_range_that_nothing_tells_is_asked_for(tmp_path: Path) -> None:
    write_netcdf(tmp_path / "in" / "a.nc", {"t": FIELDS, "u": np.full_like(FIELDS, np.nan)})
    with pytest.raises(DataError, match="u: no values to find the range for the packing; give its range"):
        made(tmp_path / "in", store_type="uint16", variables={"t": {}, "u": {"nan": "mask"}})


def static(folder: Path, name: str, south: float, columns: int = 5) -> np.ndarray[Any, np.dtype[np.float32]]:
    values = np.broadcast_to(wave_fields(1, (4, columns), seed=3), (48, 4, columns))
    write_netcdf(folder / name, {"z": values}, south=south)
    return np.asarray(values[0], dtype=np.float32)


@pytest.mark.parametrize("regrid", [None, "nearest"])
def test_static_fields_are_cut_and_brought_to_the_grid(files: Path, regrid: str | None) -> None:
    z = static(files, "z.nc", 45.0)
    variables = {
        "t": {"files": ["a.nc"]}, "z": {"role": "static", "files": ["z.nc"], "regrid": regrid},
        "h": {"role": "static", "made_from": {"filter": "scale", "input": "z", "factor": 2.0}},
    }  # fmt: skip
    store = made(files, variables=variables, grid={"subgrid": [1, 4, 0, 3], "name": "cut"})
    fields = store.static_fields()
    np.testing.assert_allclose(fields["z"], z[1:4, 0:3])
    np.testing.assert_allclose(fields["h"], 2 * z[1:4, 0:3], rtol=1e-6)
    assert store.grid.name == "cut" and store.names == ["t"]


@pytest.mark.parametrize(
    ("south", "regrid", "message"),
    [
        (45.2, None, r'grids differ: static z is on 4 x 5 .*set "regrid": "linear" or "nearest" for it'),
        (46.0, "linear", r"static z on 4 x 5 .* does not cover the grid 4 x 5"),
    ],
)
def test_static_fields_elsewhere_are_refused(files: Path, south: float, regrid: str | None, message: str) -> None:
    static(files, "z.nc", south)
    with pytest.raises(DataError, match=message):
        made(files, variables={
            "t": {"files": ["a.nc"]}, "z": {"role": "static", "files": ["z.nc"], "regrid": regrid},
        })  # fmt: skip


def test_what_moves_makes_nothing_static_and_no_grid_is_none(files: Path) -> None:
    moving = {"t": {}, "h": {"role": "static", "made_from": {"filter": "scale", "input": "t"}}}
    with pytest.raises(SettingsError, match="variables: static 'h' can be made of static variables only"):
        made(files, variables=moving)
    with pytest.raises(
        DataError, match="no variable but static ones and regridded ones; there is no grid to predict on"
    ):
        made(files, variables={"t": {"regrid": "linear"}})


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Two members of forecasts from three starts, three lead times each; the last start lacks member 1."""
    grid, variable = Grid(np.arange(4.0), np.arange(5.0)), Variable(name="2t", units="K", level=2)
    leads = [h * HOUR for h in (1, 2, 3)]
    for i, start in enumerate(START + np.arange(3) * 12 * HOUR):
        members = (0, 1) if i < 2 else (0,)
        values = 280 + 10 * i + np.arange(3)[:, None] * 1.0 + 0.1 * np.array(members)[None, :]
        fields = np.broadcast_to(values[..., None, None, None], (3, len(members), 4, 5, 1)).astype(np.float32)
        path = tmp_path / "runs" / f"{i}.nc"
        path.parent.mkdir(exist_ok=True)
        writer_for(path).write(path, Fields(fields, [variable], grid, start, leads, {}, members))
    return tmp_path / "runs"


def spans(*days: tuple[str, str]) -> dict[str, dict[str, str]]:
    return {name: {"start": a, "end": b} for name, (a, b) in zip(("train", "valid", "test"), days, strict=True)}


def test_forecasts_are_stored_by_start_member_and_lead_time(runs: Path, caplog: pytest.LogCaptureFixture) -> None:
    periods = spans(
        *[("2020-01-01T00", "2020-01-01T00"), ("2020-01-01T12", "2020-01-01T12"), ("2020-01-02", "2020-01-02")]
    )
    asked: dict[str, Any] = {"variables": {"2t": {}}, "periods": periods}
    with caplog.at_level(logging.WARNING):
        store = made(runs, forecasts={"first": "1h", "last": "3h"}, **asked)
    assert store.axis.shape == (3, 2, 3) and store.axis.dims == ("init_time", "member", "lead_time")
    out = np.empty((1, 18, 4, 5), dtype=np.float32)
    store.read(["2t"], 0, 18, out)
    expected = 280 + 10 * np.arange(3)[:, None, None] + 0.1 * np.arange(2)[:, None] + np.arange(3.0)
    expected[2, 1] = np.nan
    np.testing.assert_allclose(out[0, :, 0, 0], expected.ravel(), rtol=1e-6)
    lacking = "2t is missing at 3 of 18 instants: 2020-01-02T00:00:00+1h member 1, 2020-01-02T00:00:00+2h member 1, "
    assert lacking in caplog.text
    chosen = made(runs, forecasts={"first": "2h", "last": "3h", "members": [0]}, **asked)
    assert chosen.axis.members == (0,) and chosen.axis.shape[-1] == 2
    nowhere = {**asked, "periods": {**periods, "test": {"start": "2021-01-01", "end": "2021-01-02"}}}
    message = r"period test \(2021-01-01 to 2021-01-02\) holds no forecast; the files start from 2020-01-01T00:00:00 to"
    with pytest.raises(DataError, match=message):
        made(runs, forecasts={"first": "1h", "last": "3h"}, **nowhere)


def test_instants_beside_the_steps_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    hours = np.array([0, 6, 12, 18, 24, 30, 36, 42])
    instants = PERIODS.train.first + hours * HOUR
    late = np.sort(np.append(instants, instants[1] + HOUR))
    with caplog.at_level(logging.INFO):
        time_axis(late, PERIODS, 6 * HOUR)
    (told,) = caplog.records
    assert told.levelno == logging.WARNING
    assert f"1 of 7 instants lie between the steps of 6h and are left out, such as {instants[1] + HOUR}" in told.message
