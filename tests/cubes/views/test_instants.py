import numpy as np
import pytest

from py4cast.axis import TimeAxis
from py4cast.cubes.views.instants import ConcatCube, MembersCube, TimesCube, align, check_same_grid, digest
from py4cast.errors import DataError, SettingsError
from py4cast.grid import Grid
from py4cast.testing import check_cube
from tests.cubes.numbered import forecasts, hours, numbered, planes_of, value
from tests.cubes.views.test_views import check_statistics
from tests.weather_files import HOUR, START


def instants_of(cube: TimesCube | MembersCube | ConcatCube) -> list[float]:
    """The numbers of the source's instants, as they stand in the corner of the planes."""
    return [float(x) for x in planes_of(cube)[0, :, 0, 0]]


def test_both_ends_of_a_period_are_kept() -> None:
    cube = TimesCube.choose(numbered(hours(0, 10)), "2020-01-01T03", "2020-01-01T07", None)
    assert instants_of(cube) == [3, 4, 5, 6, 7]
    assert cube.times.tolist() == (START + np.arange(3, 8) * HOUR).tolist()


def test_a_bare_date_ends_with_its_day() -> None:
    cube = TimesCube.choose(numbered(hours(0, 30)), None, "2020-01-01", None)
    assert instants_of(cube) == list(range(24))


def test_a_frequency_counts_from_the_first_instant_that_is_kept() -> None:
    cube = TimesCube.choose(numbered(hours(0, 12)), "2020-01-01T01", None, "3h")
    assert instants_of(cube) == [1, 4, 7, 10] and cube.axis.step == 3 * HOUR
    np.testing.assert_array_equal(planes_of(cube, start=1, stop=3)[0], [value(0, 4), value(0, 7)])


def test_of_forecasts_the_period_is_of_starts_and_the_frequency_of_lead_times() -> None:
    source = numbered(forecasts([0, 12, 24], [0, 3, 6, 9], (4, 7)), fixed=True)
    cube = TimesCube.choose(source, "2020-01-01T06", "2020-01-02T00", "6h")
    # a start has 2 members of 4 lead times: start 1 begins at 8, start 2 at 16
    assert instants_of(cube) == [8, 10, 12, 14, 16, 18, 20, 22]
    assert cube.axis.shape == (2, 2, 2) and cube.axis.members == (4, 7)
    assert (cube.axis.lead_times / HOUR).tolist() == [0, 6]
    check_cube(cube)


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        (
            "2021-01-01",
            None,
            "nothing from 2021-01-01 to the end; the source holds 2020-01-01T00:00:00 to 2020-01-01T05",
        ),
        (None, "2019-12-31", "nothing from the start to 2019-12-31; the source holds"),
    ],
)
def test_a_period_without_instants_says_what_is_there(start: str | None, end: str | None, said: str) -> None:
    with pytest.raises(DataError, match=said):
        TimesCube.choose(numbered(hours(0, 6)), start, end, None)


@pytest.mark.parametrize(("count", "step", "said"), [(6, "2h", "3h"), (6, "4h", "3h"), (1, "3h", "0d")])
def test_a_frequency_that_no_instants_have_is_refused(count: int, step: str, said: str) -> None:
    with pytest.raises(SettingsError, match=f"frequency {step}: no multiple of the source's step, {said}"):
        TimesCube.choose(numbered(hours(0, count, 3)), None, None, step)


def test_instants_in_another_order_are_read_in_that_order_and_a_missing_one_is_nan() -> None:
    source = numbered(hours(0, 6), "tu")
    cube = TimesCube(source, hours(0, 5), np.array([4, 5, -1, 2, 3]))
    expected = np.array([[value(v, i) for i in (4, 5, 0, 2, 3)] for v in (0, 1)])
    expected[:, 2] = np.nan
    np.testing.assert_array_equal(planes_of(cube), expected)
    assert cube.available(["t", "u"]).tolist() == [True, True, False, True, True]
    part = np.empty((1, 4, 2, 2), dtype=np.float32)
    cube.read_window(["u"], 1, 5, slice(0, 2), slice(1, 3), part)
    np.testing.assert_array_equal(part, expected[1:, 1:, :2, 1:3])


def test_differences_are_of_the_instants_that_are_kept_and_not_of_the_source() -> None:
    source = numbered(hours(0, 12), fixed=True)
    source._values[:] = np.random.default_rng(0).standard_normal((1, 12, 3, 4))
    for view in (
        TimesCube.choose(source, None, None, "2h"),
        TimesCube.choose(source, "2020-01-01T02", "2020-01-01T09", None),
        TimesCube(source, hours(0, 4), np.array([3, 2, 7, 8])),
    ):
        check_statistics(view, np.arange(view.axis.size) != 1)
        check_statistics(view, np.ones(view.axis.size, dtype=bool))


def test_cells_that_hold_data_only_at_instants_left_out_are_not_valid() -> None:
    source = numbered(hours(0, 4))
    source._values[0, :2, 0, 0] = np.nan
    source._values[0, :, 2, 3] = np.nan
    everywhere, first_half = TimesCube.choose(source, None, None, None), TimesCube(source, hours(0, 2), np.arange(2))
    assert np.argwhere(~everywhere.valid_mask(["t"])).tolist() == [[2, 3]]
    assert np.argwhere(~first_half.valid_mask(["t"])).tolist() == [[0, 0], [2, 3]]


def test_members_stand_in_the_order_that_is_asked_for() -> None:
    cube = MembersCube(numbered(forecasts([0, 12], [1, 2], (0, 5, 9))), (9, 0))
    assert cube.axis.members == (9, 0) and instants_of(cube) == [4, 5, 0, 1, 10, 11, 6, 7]
    check_cube(cube)


def test_a_member_that_is_not_there_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"members: no member 4; valid: 0, 5, 9"):
        MembersCube(numbered(forecasts([0], [1, 2], (0, 5, 9))), (5, 4))
    with pytest.raises(SettingsError, match=r"members: no member 0; nothing is valid here"):
        MembersCube(numbered(hours(0, 3)), (0,))


def test_a_fingerprint_tells_which_instants_of_what() -> None:
    source = numbered(hours(0, 6))
    views = [
        TimesCube.choose(source, None, None, None),
        TimesCube.choose(source, "2020-01-01T01", None, None),
        TimesCube.choose(numbered(hours(0, 6), first=1), None, None, None),
    ]
    assert len({v.fingerprint for v in views} | {source.fingerprint}) == 4
    assert views[0].fingerprint == TimesCube.choose(numbered(hours(0, 6)), None, None, None).fingerprint
    assert digest("a", 1) != digest("a", "1") and len(digest()) == 64


def test_cubes_with_the_same_instants_stay_what_they_are() -> None:
    cubes = [numbered(hours(0, 4)), numbered(hours(0, 4), "u")]
    assert all(a is b for a, b in zip(align(cubes), cubes, strict=True))


def test_cubes_come_to_their_common_instants() -> None:
    one, two, three = align([numbered(hours(0, 8)), numbered(hours(2, 8), "u", first=2), numbered(hours(1, 5), "v")])
    assert one.times.tolist() == two.times.tolist() == three.times.tolist() == (START + np.arange(2, 6) * HOUR).tolist()
    np.testing.assert_array_equal(planes_of(one)[0], [value(0, i) for i in range(2, 6)])
    np.testing.assert_array_equal(planes_of(one), planes_of(two))
    np.testing.assert_array_equal(planes_of(three)[0], [value(0, i) for i in range(1, 5)])


@pytest.mark.parametrize(
    ("axes", "said"),
    [
        ((hours(0, 4), hours(0, 4, 2)), "sources have steps of 1h and 2h; give the finer one a frequency"),
        (
            (hours(0, 4), hours(8, 4)),
            "sources have no common instants: 2020-01-01T00:00:00 to 2020-01-01T03:00:00; 2020",
        ),
        ((hours(0, 4, 2), hours(1, 4, 2)), "sources have no common instants"),
        (
            (hours(0, 4), forecasts([0], [0, 1, 2, 3, 4])),
            "only with the same starts, lead times and members; select them",
        ),
        (
            (forecasts([0], [0, 1]), forecasts([6], [0, 1])),
            "sources of forecasts can be joined only with the same starts",
        ),
    ],
)
def test_cubes_that_do_not_fit_in_time_are_refused(axes: tuple[TimeAxis, TimeAxis], said: str) -> None:
    with pytest.raises(DataError, match=said):
        align([numbered(axis) for axis in axes])


def test_periods_follow_each_other_whatever_part_is_read() -> None:
    parts = [numbered(hours(0, 3), "tu"), numbered(hours(3, 2), "ut", first=3), numbered(hours(5, 4), "tu", first=5)]
    cube = ConcatCube(parts)
    assert cube.axis.size == 9 and cube.axis.step == HOUR and cube.grid is parts[0].grid
    # the second part holds its variables in another order: they are found by name
    numbers = [[0] * 3 + [1] * 2 + [0] * 4, [1] * 3 + [0] * 2 + [1] * 4]
    expected = np.array([[value(v, i) for i, v in enumerate(row)] for row in numbers])
    for start, stop in ((0, 9), (2, 4), (4, 6), (1, 9), (8, 9)):
        np.testing.assert_array_equal(planes_of(cube, None, start, stop), expected[:, start:stop])
    check_cube(cube)


def test_a_gap_that_is_meant_is_missing_and_no_difference_crosses_it() -> None:
    cube = ConcatCube([numbered(hours(0, 2)), numbered(hours(4, 3), first=40)], fill_missing=True)
    assert cube.available(["t"]).tolist() == [True, True, False, False, True, True, True]
    assert np.isnan(planes_of(cube, None, 1, 5)[0, 1:3]).all()
    np.testing.assert_array_equal(planes_of(cube, None, 4, 6)[0], [value(0, 40), value(0, 41)])
    _, steps = cube.statistics(np.ones(7, dtype=bool))
    # one difference in the first part, two in the second, each of 12 cells and each of 1
    assert steps["t"] == {"mean": 1.0, "std": 0.0, "min": 1.0, "max": 1.0, "count": 36.0}


def test_the_difference_across_a_seam_counts_only_where_both_sides_are_inside() -> None:
    cube = ConcatCube([numbered(hours(0, 3)), numbered(hours(3, 3), first=13)])
    _, whole = cube.statistics(np.ones(6, dtype=bool))
    assert whole["t"]["count"] == 5 * 12 and whole["t"]["max"] == 11.0
    _, without = cube.statistics(np.array([True, True, False, True, True, True]))
    assert without["t"]["count"] == 3 * 12 and without["t"]["max"] == 1.0
    fields, none = cube.statistics(np.zeros(6, dtype=bool))
    assert fields["t"]["count"] == none["t"]["count"] == 0


def test_starts_of_forecasts_follow_each_other() -> None:
    cube = ConcatCube([numbered(forecasts([0, 6], [3, 6], (1, 2))), numbered(forecasts([30], [3, 6], (1, 2)), first=8)])
    assert cube.axis.shape == (3, 2, 2) and instants_of(cube) == list(range(12))
    _, steps = cube.statistics(np.ones(12, dtype=bool))
    assert steps["t"]["count"] == 6 * 12 and steps["t"]["max"] == 1.0


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (
            hours(0, 3),
            hours(5, 3),
            'is followed by 2020-01-01T05:00:00, not by one step of 1h; set "fill_missing": true',
        ),
        (
            hours(0, 3),
            hours(2, 3),
            "2020-01-01T02:00:00 is followed by 2020-01-01T02:00:00, .*; cut one with start or end",
        ),
        (hours(0, 3, 2), hours(7, 3, 2), "not by one step of 2h; cut one with start or end"),
        (hours(0, 3), forecasts([3], [0, 1]), "concat: analyses and forecasts cannot follow each other"),
        (
            hours(0, 3),
            TimeAxis.series(START + np.array([8, 14]) * HOUR),
            "concat: 2020-01-01T00:00:00 to 2020-01-01T02:00:00 has steps of 1h, another part of 6h",
        ),
        (
            forecasts([0], [0, 1]),
            forecasts([3], [0, 2]),
            "forecasts have other lead times or members; select the common",
        ),
        (forecasts([0], [0, 1], (1,)), forecasts([3], [0, 1], (2,)), "forecasts have other lead times or members"),
        (
            forecasts([0, 6], [0]),
            forecasts([6, 12], [0]),
            "concat: the starts of the forecasts do not follow each other",
        ),
    ],
)
def test_periods_that_do_not_follow_are_refused(first: TimeAxis, second: TimeAxis, said: str) -> None:
    with pytest.raises(DataError, match=said):
        ConcatCube([numbered(first), numbered(second)])


def test_a_gap_that_is_no_number_of_steps_is_refused_even_where_gaps_are_meant() -> None:
    with pytest.raises(DataError, match="cut one with start or end"):
        ConcatCube([numbered(hours(0, 3, 2)), numbered(hours(9, 3, 2))], fill_missing=True)


def test_parts_that_hold_something_else_are_refused() -> None:
    with pytest.raises(DataError, match="concat: a part lacks 'u'; valid: t"):
        ConcatCube([numbered(hours(0, 2), "tu"), numbered(hours(2, 2), "t")])
    with pytest.raises(DataError, match="concat: t is in 'K' and in 'degC'"):
        ConcatCube([numbered(hours(0, 2)), numbered(hours(2, 2), units="degC")])
    with pytest.raises(DataError, match=r"grids differ: 3 x 4 .*; 3 x 2 .*; set \"regrid\" for one of them"):
        ConcatCube(
            [numbered(hours(0, 2)), numbered(hours(2, 2), grid=Grid(np.array([52.0, 51.0, 50.0]), np.arange(2.0)))]
        )
    same = numbered(hours(0, 2), grid=Grid(np.array([52.0, 51.0, 50.00005]), np.array([0.0, 1.0, 362.0, 3.0])))
    check_same_grid(numbered(hours(0, 2)), same)


def test_a_cell_is_valid_where_any_part_holds_it() -> None:
    parts = [numbered(hours(0, 2), "tu"), numbered(hours(2, 2), "tu")]
    parts[0]._values[0, :, 0, 0] = np.nan
    parts[0]._values[1, :, 1, 1] = np.nan
    parts[1]._values[1, :, 1, 1] = np.nan
    mask = ConcatCube(parts).valid_mask(["t", "u"])
    assert np.argwhere(~mask).tolist() == [[1, 1]]


def test_fixed_fields_are_those_of_the_first_part_and_every_part_is_closed() -> None:
    parts = [numbered(hours(0, 2), fixed=True), numbered(hours(2, 2), fixed=True)]
    cube = ConcatCube(parts)
    np.testing.assert_array_equal(cube.static_fields()["orog"], value(9, 0))
    cube.close()
    assert [getattr(p, "closings", None) for p in parts] == [1, 1]
    assert cube.fingerprint != ConcatCube(parts[:1]).fingerprint


def test_one_member_of_analyses_is_a_series() -> None:
    several = numbered(forecasts([0, 6, 12], [0], (0, 5, 9)))
    cube = MembersCube(several, (5,))
    assert cube.axis.is_series and cube.axis.times.tolist() == several.axis.init_times.tolist()
    assert (
        not MembersCube(several, (5, 9)).axis.is_series
        and not MembersCube(numbered(forecasts([0, 6], [6], (0, 5))), (5,)).axis.is_series
    )
