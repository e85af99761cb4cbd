from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import eccodes
import numpy as np
import pytest
from numpy.typing import NDArray

from py4cast.errors import DataError, SettingsError
from py4cast.formats import Fields, Heading, Record, open_reader, writer_for
from py4cast.formats.grib_writer import GribWriter, check_identity
from py4cast.formats.reduced import gaussian_rows
from py4cast.grid import Grid
from py4cast.projection import inverse
from py4cast.variables import Variable

INIT = np.datetime64("2023-12-31T21:30", "s")
MINUTE = np.timedelta64(60, "s")
T2M = Variable(name="t2m", short_name="2t", units="K", level=2, type_of_level="heightAboveGround")
RAIN = Variable(name="tp", short_name="tp", units="kg m-2", accumulated=True)
GRID = Grid(np.array([12.0, 11.5]), np.array([-1.0, 0.0, 1.0]))


def pressure(level: float, units: str = "K") -> Variable:
    return Variable(name=f"t{level:g}", short_name="t", units=units, level=level, type_of_level="isobaricInhPa")


def write(
    path: Path, variables: Sequence[Variable], values: Any = None, grid: Grid = GRID, minutes: Sequence[int] = (60,)
) -> Path:
    values = np.full((len(minutes), *grid.shape, len(variables)), 280) if values is None else values
    leads = [m * MINUTE for m in minutes]
    writer_for(path).write(path, Fields(np.asarray(values, dtype=np.float32), variables, grid, INIT, leads))
    return path


@contextmanager
def message(path: Path) -> Iterator[int]:
    with path.open("rb") as stream:
        handle = eccodes.codes_grib_new_from_file(stream)
        yield handle
        eccodes.codes_release(handle)


def keys_of(path: Path, names: Mapping[str, Any]) -> dict[str, Any]:
    with message(path) as handle:
        return {name: eccodes.codes_get(handle, name, type(value)) for name, value in names.items()}


def fields_of(path: Path) -> list[tuple[Record, NDArray[np.float32]]]:
    with open_reader(path) as reader:
        return [(record, reader.read(record)) for record in reader.records()]


def test_a_message_says_when_where_and_how(tmp_path: Path) -> None:
    expected = {
        "edition": 2, "dataDate": 20231231, "dataTime": 2130, "validityDate": 20240101, "validityTime": 0,
        "bitsPerValue": 24, "gridType": "regular_ll", "Ni": 3, "Nj": 2, "jScansPositively": 0, "iScansNegatively": 0,
        "latitudeOfFirstGridPointInDegrees": 12.0, "latitudeOfLastGridPointInDegrees": 11.5,
        "longitudeOfFirstGridPointInDegrees": 359.0, "longitudeOfLastGridPointInDegrees": 1.0,
        "iDirectionIncrementInDegrees": 1.0, "jDirectionIncrementInDegrees": 0.5,
        "shortName": "2t", "typeOfLevel": "heightAboveGround", "level": 2, "units": "K",
    }  # fmt: skip
    values = np.arange(6.0).reshape(1, 2, 3, 1)
    assert keys_of(write(tmp_path / "o.grib2", [T2M], values, minutes=(150,)), expected) == expected


@pytest.mark.parametrize("down", [False, True])
def test_a_lambert_grid_is_told_by_its_parallels_and_steps(tmp_path: Path, down: bool) -> None:
    projection = {
        "grid_mapping_name": "lambert_conformal_conic", "standard_parallel": 33.0, "earth_radius": 6_370_000.4,
        "longitude_of_central_meridian": -97.0, "latitude_of_projection_origin": 34.0,
    }  # fmt: skip
    x, y = np.array([-4000.0, -1000.0, 2000.0]), np.array([0.0, 2500.0])
    y = y[::-1] if down else y
    lat, lon = inverse(projection, *np.meshgrid(x, y))
    expected = {
        "gridType": "lambert", "Nx": 3, "Ny": 2, "DxInMetres": 3000.0, "DyInMetres": 2500.0, "LoVInDegrees": 263.0,
        "LaDInDegrees": 34.0, "Latin1InDegrees": 33.0, "Latin2InDegrees": 33.0, "jScansPositively": int(not down),
        "shapeOfTheEarth": 1, "radius": 6_370_000.0,
    }  # fmt: skip
    path = write(tmp_path / "o.grib2", [T2M], grid=Grid(lat, lon, x, y, projection))
    assert keys_of(path, expected) == expected
    corner = {"latitudeOfFirstGridPointInDegrees": lat[0, 0], "longitudeOfFirstGridPointInDegrees": lon[0, 0] + 360}
    assert keys_of(path, dict.fromkeys(corner, 0.0)) == pytest.approx(corner, abs=2e-6)


def test_lead_times_stand_in_the_longest_unit_that_holds_them_and_the_one_before(tmp_path: Path) -> None:
    seconds = np.array([30, 900, 5400, 7200, 259200])
    heading = Heading([T2M], GRID, INIT, [np.timedelta64(s, "s") for s in seconds])
    path = tmp_path / "o.grib2"
    with GribWriter().open(path, heading) as put:
        for s in seconds:
            put(np.full((2, 3, 1), s, dtype=np.float32))
    for record, field in fields_of(path):
        np.testing.assert_array_equal(field, record.lead_time.astype(np.int64), strict=False)
    assert [r.lead_time.astype(int) for r, _ in fields_of(path)] == seconds.tolist()
    units = []
    with path.open("rb") as stream:
        while handle := eccodes.codes_grib_new_from_file(stream):
            units.append(eccodes.codes_get(handle, "indicatorOfUnitForForecastTime", int))
            eccodes.codes_release(handle)
    assert units == [13, 13, 0, 0, 1], "code table 4.4: second, minute, hour"


def test_the_first_sum_runs_from_the_lead_time_before_it(tmp_path: Path) -> None:
    leads = [30 * MINUTE, 60 * MINUTE, 240 * MINUTE]
    heading = Heading([RAIN], GRID, INIT, leads, since=15 * MINUTE)
    with GribWriter().open(tmp_path / "o.grib2", heading) as put:
        for _ in leads:
            put(np.ones((2, 3, 1), dtype=np.float32))
    spans: list[tuple[float, float]] = [
        (r.keys["since"] / MINUTE, float(r.lead_time / MINUTE)) for r, _ in fields_of(tmp_path / "o.grib2")
    ]
    assert spans == [(15.0, 30.0), (30.0, 60.0), (60.0, 240.0)]


@pytest.mark.parametrize("width", [1.01, 1.5, 1.99])
def test_values_are_off_by_at_most_half_a_packed_step(tmp_path: Path, width: float) -> None:
    values = width * np.random.default_rng(0).random((1, 20, 30, 1)).astype(np.float32)
    values[0, 0, :2, 0] = 0, width
    path = write(tmp_path / "o.grib2", [T2M], values, Grid(np.arange(20.0), np.arange(30.0)))
    with message(path) as handle:
        step = 2.0 ** eccodes.codes_get(handle, "binaryScaleFactor", int)
        error = np.abs(eccodes.codes_get_values(handle) - values.ravel())
    # 2²⁴ − 1 steps must span the range, and a step is a power of two
    assert step == 2.0 ** np.ceil(np.log2(width / (2**24 - 1)))
    assert 0.25 * step < error.max() <= 0.5 * step * (1 + 1e-9)


@pytest.mark.parametrize("ascending", [True, False])
def test_what_is_not_finite_is_missing(tmp_path: Path, ascending: bool) -> None:
    values = np.arange(12, dtype=np.float32).reshape(2, 2, 3, 1)
    values[0, 0, 1], values[0, 1, 2], values[1] = np.nan, np.inf, np.nan
    grid = Grid(GRID.latitude[::-1] if ascending else GRID.latitude, GRID.longitude)
    first, second = fields_of(write(tmp_path / "o.grib2", [T2M], values, grid, (60, 120)))
    np.testing.assert_allclose(first[1], [[0, np.nan, 2], [3, 4, np.nan]], atol=1e-6)
    assert np.isnan(second[1]).all()


def test_members_are_numbered(tmp_path: Path) -> None:
    path, members = tmp_path / "o.grib2", (0, 3)
    values = np.arange(2 * 2 * 3 * 2, dtype=np.float32).reshape(1, 2, 2, 3, 2)
    writer_for(path).write(path, Fields(values, [T2M, RAIN], GRID, INIT, [60 * MINUTE], {}, members))
    fields = {(record.short_name, record.member): field for record, field in fields_of(path)}
    assert set(fields) == {(name, member) for name in ("2t", "tp") for member in members}
    for i, member in enumerate(members):
        np.testing.assert_allclose(fields["2t", member], values[0, i, ..., 0], atol=1e-5)
        np.testing.assert_allclose(fields["tp", member], values[0, i, ..., 1], atol=1e-5)
    assert keys_of(path, {"numberOfForecastsInEnsemble": 0, "productDefinitionTemplateNumber": 0}) == {
        "numberOfForecastsInEnsemble": 2, "productDefinitionTemplateNumber": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ((0, 300), "member 300"),
        ((-1, 0), "member -1"),
        (tuple(range(1, 256)), "member 255"),
        (tuple(range(255)), "255 members"),
    ],
)
def test_members_that_grib_has_no_number_for_are_refused(tmp_path: Path, members: tuple[int, ...], told: str) -> None:
    heading = Heading([T2M], GRID, INIT, [60 * MINUTE], members=members)
    with (
        pytest.raises(SettingsError, match=f"{told}: GRIB has at most 254, numbered 0 to 254; write NetCDF or Zarr"),
        writer_for("a.grib2").open(tmp_path / "a.grib2", heading),
    ):
        pass
    assert not list(tmp_path.iterdir())


def test_levels_of_one_parameter_keep_their_level_and_units(tmp_path: Path) -> None:
    variables = [pressure(850), pressure(500, "degC"), pressure(250), pressure(300, "degC"), T2M]
    values = np.array([281.0, -20.0, 220.0, -50.0, 290.0], dtype=np.float32)
    fields = fields_of(write(tmp_path / "o.grib2", variables, np.broadcast_to(values, (1, 2, 3, 5))))
    assert [(r.short_name, r.level) for r, _ in fields] == [("t", 850), ("t", 500), ("t", 250), ("t", 300), ("2t", 2)]
    kelvin = [281.0, 253.15, 220.0, 223.15, 290.0]
    np.testing.assert_allclose([field.mean() for _, field in fields], kelvin, rtol=1e-6)


def test_further_keys_are_set(tmp_path: Path) -> None:
    keys = {"generatingProcessIdentifier": 17, "parameterNumber": 6}
    variable = Variable(name="dew", short_name="2t", units="K", type_of_level="surface", level=0, grib=keys)
    path = write(tmp_path / "o.grib2", [variable])
    # code table 4.2, discipline 0, category 0: number 6 is the dew-point temperature
    assert keys_of(path, {**keys, "shortName": ""}) == {**keys, "shortName": "dpt"}


def test_a_variable_without_a_short_name_is_called_by_its_name(tmp_path: Path) -> None:
    variable = Variable(name="msl", units="Pa", type_of_level="meanSea")
    assert [r.short_name for r, _ in fields_of(write(tmp_path / "o.grib2", [variable]))] == ["msl"]


@pytest.mark.parametrize(
    ("variable", "message"),
    [
        (
            Variable(name="x", short_name="2t", grib={"parameterNumber": 191}),
            r"x: GRIB knows no parameter '2t' with these keys \(the keys together name no parameter\); set grib keys",
        ),
        (
            Variable(name="x", short_name="2t", grib={"no_such_key": 1}),
            r"x: GRIB knows no parameter '2t' with these keys \(Key/value not found\)",
        ),
    ],
)
def test_keys_that_name_nothing_are_refused(tmp_path: Path, variable: Variable, message: str) -> None:
    with pytest.raises(DataError, match=message):
        write(tmp_path / "o.grib2", [variable])
    assert not list(tmp_path.iterdir())


STEREOGRAPHIC = Grid(
    np.array([[60.0, 61.0], [62.0, 63.0]]), np.array([[0.0, 1.0], [2.0, 3.0]]), np.arange(2.0), np.arange(2.0),
    {"grid_mapping_name": "polar_stereographic"},
)  # fmt: skip


@pytest.mark.parametrize(
    ("grid", "name"),
    [
        (STEREOGRAPHIC, "'polar_stereographic'"),
        (Grid.plane(8, 1e6), "'doubly_periodic_plane'"),
    ],
)
def test_grids_that_have_no_encoding_are_refused(tmp_path: Path, grid: Grid, name: str) -> None:
    message = rf"GRIB output: no encoding for a grid on {name}; write NetCDF instead \(--output forecast.nc\)"
    with pytest.raises(DataError, match=message):
        write(tmp_path / "o.grib2", [T2M], grid=grid)
    assert not list(tmp_path.iterdir())


def message_of(path: Path, *keys: str) -> list[object]:
    values = keys_of(path, dict.fromkeys(keys, 0))
    return [values[k] for k in keys]


ORIGIN = ("centre", "subCentre", "generatingProcessIdentifier", "typeOfGeneratingProcess", "typeOfProcessedData", "significanceOfReferenceTime")  # fmt: skip


def test_a_forecast_says_that_it_is_one_and_nobody_elses(tmp_path: Path) -> None:
    assert message_of(write(tmp_path / "o.grib2", [T2M]), *ORIGIN) == [255, 0, 255, 2, 1, 1]
    writer_for(tmp_path / "m.grib2").write(tmp_path / "m.grib2", Fields(np.zeros((1, 2, 2, 3, 1), np.float32), [T2M], GRID, INIT, [60 * MINUTE], {}, (0, 1)))  # fmt: skip
    assert message_of(tmp_path / "m.grib2", *ORIGIN) == [255, 0, 255, 4, 4, 1], "members of an ensemble"


def test_keys_of_the_heading_are_in_every_message(tmp_path: Path) -> None:
    keys = {"centre": "lfpw", "subCentre": 3, "generatingProcessIdentifier": 211, "typeOfProcessedData": 2}
    heading = Heading([T2M, RAIN], GRID, INIT, [60 * MINUTE], grib=keys)
    with writer_for(tmp_path / "o.grib2").open(tmp_path / "o.grib2", heading) as put:
        put(np.zeros(heading.shape, np.float32))
    assert message_of(tmp_path / "o.grib2", *ORIGIN) == [84, 3, 211, 2, 2, 1]
    wrong = Heading([T2M], GRID, INIT, [60 * MINUTE], grib={"centri": 1})
    with (
        pytest.raises(SettingsError, match="GRIB key centri=1"),
        writer_for(tmp_path / "p.grib2").open(tmp_path / "p.grib2", wrong),
    ):
        pass


@pytest.mark.parametrize("name", ["t2m", "2m_temperature", "2t"])
def test_names_of_the_climate_data_store_are_known(tmp_path: Path, name: str) -> None:
    variable = Variable(name=name, units="K", level=2, type_of_level="heightAboveGround")
    path = write(tmp_path / "o.grib2", [variable])
    assert [r.short_name for r, _ in fields_of(path)] == ["2t"]
    assert fields_of(path)[0][0].matches(variable)


def test_the_parameter_that_a_user_names_wins(tmp_path: Path) -> None:
    by_id = Variable(name="anything", units="m", grib={"paramId": 228228})
    numbers = {"discipline": 0, "parameterCategory": 1, "parameterNumber": 211}
    path = write(tmp_path / "o.grib2", [Variable(name="own", units="K", grib={**numbers})])
    assert keys_of(path, dict.fromkeys(numbers, 0)) == numbers
    path = write(tmp_path / "p.grib2", [by_id])
    assert keys_of(path, {"paramId": 0}) == {"paramId": 228228}


def test_a_unit_that_does_not_convert_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="x: GRIB has this parameter in 'K'.*set units or grib keys"):
        write(tmp_path / "o.grib2", [Variable(name="x", short_name="2t", units="Pa")])
    assert not list(tmp_path.iterdir())


def test_levels_that_are_no_whole_numbers(tmp_path: Path) -> None:
    variables = [Variable(name="t", units="K", level=x, type_of_level="isobaricInhPa") for x in (0.5, 850)]
    keys = {"scaledValueOfFirstFixedSurface": 0, "scaleFactorOfFirstFixedSurface": 0}
    assert keys_of(write(tmp_path / "o.grib2", variables[:1]), keys) == {
        "scaledValueOfFirstFixedSurface": 50, "scaleFactorOfFirstFixedSurface": 0,
    }  # fmt: skip
    depth = Variable(name="t", units="K", level=2.5, type_of_level="heightAboveGround")
    assert keys_of(write(tmp_path / "p.grib2", [depth]), keys) == {
        "scaledValueOfFirstFixedSurface": 25, "scaleFactorOfFirstFixedSurface": 1,
    }  # fmt: skip


def test_seconds_of_the_start_stay(tmp_path: Path) -> None:
    heading = Heading([T2M], GRID, np.datetime64("2020-01-01T06:30:15"), [60 * MINUTE])
    with writer_for(tmp_path / "o.grib2").open(tmp_path / "o.grib2", heading) as put:
        put(np.zeros(heading.shape, np.float32))
    assert keys_of(tmp_path / "o.grib2", {"dataTime": 0, "second": 0}) == {"dataTime": 630, "second": 15}


def test_keys_are_checked_before_they_are_trained_on(caplog: pytest.LogCaptureFixture) -> None:
    check_identity(Variable(name="x", units="K", grib={"paramId": 167}))
    with pytest.raises(SettingsError, match=r"variables\.x\.grib: x: GRIB knows no parameter 'x' with these keys"):
        check_identity(Variable(name="x", units="K", grib={"paramId": 999_999_999}))
    assert not caplog.records
    check_identity(Variable(name="t", units="K", grib={"no_such_key": 1}))
    assert "variables.t.grib: a forecast cannot be written to GRIB with these keys" in caplog.text, (
        "it may be written elsewhere"
    )


@pytest.mark.parametrize("rows", [slice(None), slice(3, 20)], ids=["globe", "part"])
@pytest.mark.parametrize("north_first", [True, False])
def test_rows_of_a_gaussian_grid_are_told_as_such(tmp_path: Path, rows: slice, north_first: bool) -> None:
    lat = gaussian_rows(64)[0][rows]
    grid = Grid(lat if north_first else lat[::-1], np.arange(128) * 2.8125)
    values = np.arange(lat.size * 128, dtype=float).reshape(1, lat.size, 128, 1)
    path = write(tmp_path / "o.grib2", [T2M], values, grid=grid)
    with open_reader(path) as reader:
        (record,) = reader.records()
        np.testing.assert_allclose(reader.grid(record).latitude, grid.latitude, atol=1e-6)
        np.testing.assert_allclose(reader.read(record), values[0, ..., 0], atol=1e-3)
    assert keys_of(path, {"gridType": "", "N": 0}) == {"gridType": "regular_gg", "N": 32}


@pytest.mark.parametrize(
    ("grid", "told"),
    [
        (Grid(np.rad2deg(np.arcsin(np.tanh(np.linspace(-1, 1, 9)))), np.arange(12.0)), "the latitudes are not evenly spaced and not those of a Gaussian"),
        (Grid(np.arange(5.0), np.array([0.0, 1.0, 2.0, 4.0])), "the longitudes are not evenly spaced; write NetCDF"),
    ],
    ids=["mercator", "longitudes"],
)  # fmt: skip
def test_spacings_that_grib_cannot_tell_are_refused(tmp_path: Path, grid: Grid, told: str) -> None:
    with pytest.raises(DataError, match=told):
        write(tmp_path / "o.grib2", [T2M], grid=grid)
    assert not (tmp_path / "o.grib2").exists()


@pytest.mark.parametrize(
    ("short", "units", "step_type"),
    [("tp", "kg m-2", "accum"), ("ssrd", "J m-2", "accum"), ("sf", "kg m-2", "accum"), ("2t", "K", "instant")],
)  # fmt: skip
def test_what_grib_has_over_a_period_is_over_the_last_step(
    tmp_path: Path, short: str, units: str, step_type: str
) -> None:
    # a variable of hourly amounts, whose files held no sums since a start
    variable = Variable(name=short, short_name=short, units=units)
    path = write(tmp_path / "x.grib2", [variable], minutes=(60, 120, 180))
    ranges = []
    with path.open("rb") as stream:
        while (handle := eccodes.codes_grib_new_from_file(stream)) is not None:
            assert eccodes.codes_get(handle, "stepType", str) == step_type
            ranges.append(eccodes.codes_get(handle, "stepRange", str))
            eccodes.codes_release(handle)
    assert ranges == (["1", "2", "3"] if step_type == "instant" else ["0-1", "1-2", "2-3"])
