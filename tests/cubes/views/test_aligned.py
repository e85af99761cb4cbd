import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from py4cast.axis import TimeAxis
from py4cast.cubes.memory import MemoryCube
from py4cast.cubes.views.aligned import AlignedCube, Matched, match_variables, why_unmatched
from py4cast.errors import DataError, SettingsError
from py4cast.formats.reduced import octahedral
from py4cast.grid import Grid
from py4cast.testing import check_cube
from py4cast.variables import Variable
from tests.cubes.numbered import GRID, hours, numbered, planes_of, value


def var(name: str, units: str = "", level: float | None = None, kind: str | None = None, **more: str) -> Variable:
    return Variable(
        name=name, units=units, level=level, type_of_level=kind, short_name=more.get("short", ""),
        standard_name=more.get("standard", ""),
    )  # fmt: skip


def pairs(first: Sequence[Variable], second: Sequence[Variable], *wanted: str, **renamed: str) -> list[tuple[str, str]]:
    """Names in the second source and in the first."""
    return [(m.variable.name, m.name) for m in match_variables(first, second, wanted, renamed)]


def test_names_match_first_in_the_order_of_the_second_source() -> None:
    first = [var("a"), var("b"), var("c")]
    assert pairs(first, [var("c"), var("x"), var("a")]) == [("c", "c"), ("a", "a")]
    assert pairs(first, [var("c"), var("a"), var("b")], "b", "c") == [("c", "c"), ("b", "b")]


@pytest.mark.parametrize(
    ("first", "second", "is_same"),
    [
        (var("t2m", short="2t"), var("temp", short="2t"), True),
        (var("tas", standard="air_temperature"), var("t2m"), True),
        (var("t2m"), var("2t"), True),
        (var("t2m", level=2.0, kind="heightAboveGround"), var("tas", standard="air_temperature"), True),
        (
            var("t850", level=850.0, kind="isobaricInhPa", short="t"),
            var("ta", level=850.0, kind="isobaricInhPa", short="t"),
            True,
        ),
        (
            var("t850", level=850.0, kind="isobaricInhPa", short="t"),
            var("ta", level=500.0, kind="isobaricInhPa", short="t"),
            False,
        ),
        (var("t850", level=850.0, kind="isobaricInhPa", short="t"), var("tas", standard="air_temperature"), False),
        (var("u10"), var("v10m", standard="northward_wind"), False),
        (var("x"), var("y"), False),
    ],
)
def test_other_names_match_by_what_they_are_and_at_which_level(
    first: Variable, second: Variable, is_same: bool
) -> None:
    if is_same:
        assert pairs([first], [second]) == [(second.name, first.name)]
    else:
        with pytest.raises(DataError, match="have no variable in common"):
            match_variables([first], [second])


def test_two_candidates_are_no_match_until_one_is_named() -> None:
    first = [var("low", standard="air_temperature"), var("high", standard="air_temperature"), var("b")]
    second = [var("t2m"), var("b")]
    assert pairs(first, second) == [("b", "b")]
    assert pairs(first, second, t2m="high") == [("t2m", "high"), ("b", "b")]


def test_a_name_that_is_renamed_wins_over_the_same_name() -> None:
    assert pairs([var("a"), var("b")], [var("a")], a="b") == [("a", "b")]


def test_units_are_converted_and_the_second_sources_kept(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="py4cast"):
        kelvin, rain, free = match_variables(
            [var("t", "degC"), var("tp", "m"), var("x")], [var("t", "K"), var("tp", "kg m-2"), var("x", "Pa")]
        )
    assert (kelvin.scale, kelvin.offset) == pytest.approx((1.0, 273.15)) and kelvin.variable.units == "K"
    assert (rain.scale, rain.offset) == (1000.0, 0.0)
    assert (free.scale, free.offset, free.variable.units) == (1.0, 0.0, "Pa"), "no units are taken as they are"
    assert "t: the forecast's degC become K" in caplog.messages and len(caplog.messages) == 2
    (taken,) = match_variables([var("y", "m s**-1", standard="s")], [var("y")])
    assert (taken.variable.units, taken.variable.standard_name) == ("m s**-1", "s")
    assert match_variables([var("t", "m/s")], [var("t", "m s-1")])[0].scale == 1.0


def test_what_is_asked_for_in_vain_is_refused() -> None:
    first, second = [var("a"), var("b")], [var("a"), var("c")]
    both = "the forecast has a, b; the truth has a, c; use --rename FORECAST=TRUTH"
    with pytest.raises(SettingsError, match=f"--variables c,d: not in both; {both}"):
        match_variables(first, second, ["a", "c", "d"])
    with pytest.raises(SettingsError, match="--rename bb=c: no variable 'bb' in the forecast; did you mean 'b'"):
        match_variables(first, second, renamed={"c": "bb"})
    with pytest.raises(SettingsError, match="--rename b=cc: no variable 'cc' in the truth; did you mean 'c'"):
        match_variables(first, second, renamed={"cc": "b"})
    with pytest.raises(DataError, match=r"file and model have no variable in common: the file has b; the model has c"):
        match_variables(first[1:], second[1:], words=("file", "model"))
    with pytest.raises(
        DataError, match="variable a: the forecast is in 'K', the truth in 'm s-1'; they cannot be converted"
    ):
        match_variables([var("a", "K")], [var("a", "m s-1")])


def matched(name: str = "t", scale: float = 1.0, offset: float = 0.0, new: str = "") -> Matched:
    return Matched(Variable(name=new or name, units="K"), name, scale, offset)


def test_variables_come_under_the_other_names_in_the_other_units() -> None:
    source = numbered(hours(0, 3), "tu")
    cube = AlignedCube(source, [matched("u", 2.0, 10.0, new="wind"), matched("t")])
    assert cube.names == ["wind", "t"] and cube.grid is source.grid and cube.covered.all()
    wind = np.array([2 * value(1, i) + 10 for i in range(3)])
    np.testing.assert_array_equal(planes_of(cube), [wind, [value(0, i) for i in range(3)]])
    np.testing.assert_array_equal(planes_of(cube, ["t"], 1, 2)[0], [value(0, 1)])
    source._values[1, 2] = np.nan
    assert cube.available(["wind"]).tolist() == [True, True, False] and cube.available(["t"]).all()
    assert np.isnan(planes_of(cube, ["wind"])[0, 2]).all(), "what is missing stays missing"
    check_cube(cube)


def test_rows_that_run_the_other_way_are_turned() -> None:
    target = Grid(GRID.latitude[::-1], GRID.longitude + 360.0)
    cube = AlignedCube(numbered(hours(0, 2)), [matched()], target)
    np.testing.assert_array_equal(planes_of(cube)[0], [value(0, i)[::-1] for i in range(2)])
    assert cube.shape == (3, 4) and cube.grid is target and cube.covered.all()


def test_fields_come_to_the_places_that_are_wanted_and_are_nan_outside() -> None:
    target = Grid(np.array([51.5, 50.25]), np.array([0.5, 2.25, 5.0]))
    cube = AlignedCube(numbered(hours(0, 2)), [matched("t", 1.0, -1.0)], target, "linear")
    # rows are 1 degree apart from 52 on and add 1/4 each, columns 1 degree from 0 on and add 1/32 each
    expected = np.add.outer([0.5 / 4, 1.75 / 4], [0.5 / 32, 2.25 / 32, np.nan]) - 1
    np.testing.assert_allclose(planes_of(cube)[0], [expected, expected + 1], atol=1e-6)
    assert cube.covered.tolist() == [[True, True, False]] * 2 and cube.shape == (2, 3)


def test_points_take_the_nearest_cell_and_a_shift_of_their_own() -> None:
    points = Grid.points([51.9, 50.2], [0.1, 2.9], areas=[1.0, 1.0])
    shift = np.array([[0.5, -1.5]])
    cube = AlignedCube(numbered(hours(0, 1), "tu"), [matched("t"), matched("u")], points, "nearest", {"t": shift})
    plain = np.array([[0.0, 2 / 4 + 3 / 32]])
    np.testing.assert_array_equal(planes_of(cube)[:, 0], [plain + shift, plain + 1000])


def test_another_grid_needs_a_method() -> None:
    target = Grid(np.array([51.5, 50.5]), np.array([0.5, 1.5]))
    with pytest.raises(
        DataError,
        match=r"grids differ: the file is on 3 x 4 .*; the model is on 2 x 2 .*; use --regrid linear "
        r"\(or nearest, mean\) to bring the file to the model's grid",
    ):
        AlignedCube(numbered(hours(0, 1)), [matched()], target, words=("file", "model"))


def test_a_fingerprint_tells_source_grid_and_variables() -> None:
    source, near = numbered(hours(0, 2), "tu"), Grid(np.array([51.5, 50.5]), np.array([0.5, 1.5]))
    cubes = [
        AlignedCube(source, [matched("t")]),
        AlignedCube(source, [matched("u")]),
        AlignedCube(source, [matched("t")], near, "linear"),
        AlignedCube(numbered(hours(0, 2), "tu", first=1), [matched("t")]),
    ]
    assert len({c.fingerprint for c in cubes}) == 4


def test_another_unit_or_name_of_the_source_is_another_view() -> None:
    source = numbered(hours(0, 4))
    name, other = source.names[0], source.names[-1]
    matched = [
        Matched(var("t"), name),
        Matched(var("t"), name, 1.0, -273.15),
        Matched(var("t"), name, 2.0),
        *([Matched(var("t"), other)] if other != name else []),
    ]
    assert len({AlignedCube(source, [m]).fingerprint for m in matched}) == len(matched)


def test_the_same_points_in_another_order_are_found() -> None:
    points = octahedral(6)
    order = np.random.default_rng(0).permutation(points.shape[1])
    turned = Grid.points(points.latitude[0, order], points.longitude[0, order] + 360.0, points.areas[0, order])
    values = np.arange(points.shape[1], dtype=np.float32).reshape(1, 1, *points.shape)
    source = MemoryCube([Variable(name="t", units="K")], hours(0, 1), points, values)
    view = AlignedCube(source, [matched()], turned)
    np.testing.assert_array_equal(planes_of(view)[0, 0, 0], order)
    moved = Grid.points(turned.latitude[0] + 0.5, turned.longitude[0], turned.areas[0])
    with pytest.raises(DataError, match="grids differ: the .* is on 360 points"):
        AlignedCube(source, [matched()], moved)


def _one(name: str, level: float | None = None, kind: str | None = None, **more: Any) -> Variable:
    return Variable(name=name, level=level, type_of_level=kind, **more)


def test_fields_of_one_name_at_other_levels_are_others() -> None:
    at_850, at_500, nowhere = (_one("t", level, None if level is None else "isobaricInhPa") for level in (850.0, 500.0, None))  # fmt: skip
    with pytest.raises(DataError, match="no variable in common"):
        match_variables([at_850], [at_500])
    assert [m.name for m in match_variables([at_850], [nowhere])] == ["t"], "one of them does not say"
    high, low = (_one("u", level, "heightAboveGround", standard_name="eastward_wind") for level in (100.0, 10.0))
    with pytest.raises(DataError, match="no variable in common"):
        match_variables([high], [low])
    assert match_variables([_one("t2m", 2.0, "heightAboveGround")], [_one("t2m", 1.5, "heightAboveGround")])


@pytest.mark.parametrize("units", ["degree", "radian"])
def test_a_direction_between_two_is_that_of_their_unit_vectors(units: str) -> None:
    turn = 360.0 if units == "degree" else 2 * np.pi
    variable = _one("dd", units=units, standard_name="wind_from_direction")
    source = Grid(np.array([50.0, 49.0]), np.array([0.0, 1.0]))
    values = np.array([[355.0, 5.0], [355.0, 5.0]]) * (turn / 360.0)
    cube = MemoryCube([variable], TimeAxis.series(np.array(["2020-01-01"], "datetime64[s]")), source, values[None, None].astype(np.float32))  # fmt: skip
    target = _one("dd", units="degree", standard_name="wind_from_direction")
    view = AlignedCube(cube, match_variables([variable], [target]), Grid(np.array([49.5]), np.array([0.5])), "linear")
    out = np.empty((1, 1, 1, 1), np.float32)
    view.read(["dd"], 0, 1, out)
    assert min(out.item(), 360 - out.item()) < 1e-3


@pytest.mark.parametrize("word", ["unknown", "~", " ", "Unknown"])
def test_a_cf_name_that_says_that_there_is_none_is_none(word: str) -> None:
    # what ecCodes and cfgrib write of parameters that CF does not know
    dew, skin = var("d2m", standard=word, short="2d"), var("skt", standard=word)
    assert dew.standard_name == "" and skin.standard_name == ""
    with pytest.raises(DataError, match="no variable in common"):
        pairs([dew, skin], [var("t2m", standard=word)])


def test_why_there_is_no_match_is_told() -> None:
    wanted = var("vo", level=850.0, kind="isobaricInhPa", standard="atmosphere_relative_vorticity")
    elsewhere = var("vo", level=500.0, kind="isobaricInhPa", standard="atmosphere_relative_vorticity")
    assert why_unmatched([elsewhere], wanted) == "; its vo is at 500 (isobaricInhPa)"
    msl = var("msl", standard="air_pressure_at_mean_sea_level")
    both = [var(name, standard="air_pressure_at_mean_sea_level") for name in "ab"]
    assert why_unmatched(both, msl) == "; a and b both are such"
    assert why_unmatched([var("x")], msl) == ""


@pytest.mark.parametrize("is_turned", [False, True])
def test_the_same_globe_from_another_meridian_on_is_the_same_grid(is_turned: bool) -> None:
    lat, lon = np.linspace(90, -90, 7), np.arange(0, 360, 30.0)
    order = np.argsort((lon + 180) % 360 - 180)
    rows = slice(None, None, -1) if is_turned else slice(None)
    values = np.random.default_rng(0).normal(size=(1, 7, 12)).astype(np.float32)
    source = MemoryCube(
        [var("a", "K")], TimeAxis.series(np.array(["2020-01-01"], "datetime64[s]")), Grid(lat, lon), values[None]
    )
    target = Grid(lat[rows], ((lon + 180) % 360 - 180)[order])
    out = np.empty((1, 1, 7, 12), np.float32)
    AlignedCube(source, [Matched(var("a", "K"), "a")], target).read(["a"], 0, 1, out)
    np.testing.assert_array_equal(out[0, 0], values[0][rows][:, order])
    with pytest.raises(DataError, match="grids differ"):
        AlignedCube(source, [Matched(var("a", "K"), "a")], Grid(lat, lon + 15))
