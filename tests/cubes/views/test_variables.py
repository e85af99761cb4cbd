import numpy as np
import pytest

from py4cast.cubes.views.variables import JoinCube, RenamedCube
from py4cast.errors import DataError, SettingsError
from py4cast.grid import Grid
from py4cast.testing import check_cube
from tests.cubes.numbered import forecasts, hours, numbered, planes_of, value


def test_variables_are_kept_in_the_order_of_select_under_their_new_names() -> None:
    source = numbered(hours(0, 2), "abc")
    cube = RenamedCube.choose(source, ["c", "b", "a"], ["b"], {"a": "first", "b": "unused"})
    assert cube.names == ["c", "first"] and cube.variable("first").short_name == "a"
    np.testing.assert_array_equal(planes_of(cube), [[value(v, i) for i in (0, 1)] for v in (2, 0)])
    assert cube.grid is source.grid and cube.axis is source.axis
    check_cube(cube)


def test_a_name_may_be_given_to_another_variable() -> None:
    cube = RenamedCube.choose(numbered(hours(0, 1), "ab"), None, None, {"a": "b", "b": "a"})
    np.testing.assert_array_equal(planes_of(cube, ["a"])[0, 0], value(1, 0))
    part = np.empty((2, 1, 2, 1), dtype=np.float32)
    cube.read_window(["a", "b"], 0, 1, slice(1, 3), slice(2, 3), part)
    np.testing.assert_array_equal(part[:, 0], [value(1, 0)[1:, 2:3], value(0, 0)[1:, 2:3]])


def test_statistics_and_masks_go_by_the_new_names() -> None:
    source = numbered(hours(0, 3), "ab")
    source._values[0, 1] = np.nan
    source._values[1, :, 0, 0] = np.nan
    cube = RenamedCube.choose(source, None, None, {"a": "b", "b": "a"})
    assert cube.available(["b"]).tolist() == [True, False, True] and cube.available(["a"]).all()
    assert cube.valid_mask(["b"]).all() and np.argwhere(~cube.valid_mask(["a"])).tolist() == [[0, 0]]
    fields, steps = cube.statistics(np.ones(3, dtype=bool))
    assert list(fields) == list(steps) == ["b", "a"]
    assert (fields["a"]["count"], fields["b"]["count"]) == (33, 24)
    assert (steps["a"]["count"], steps["b"]["count"]) == (22, 0)
    assert fields["a"]["max"] == 1000 + 2 + 2 / 4 + 3 / 32
    assert list(cube.statistics(np.ones(3, dtype=bool), ["a"])[0]) == ["a"]


@pytest.mark.parametrize(
    ("select", "drop", "rename", "said"),
    [
        (["a", "d"], None, {}, "select: no variable 'd'; valid: a, b, c"),
        (None, ["dd"], {}, "drop: no variable 'dd'; valid"),
        (None, None, {"A": "x"}, "rename: no variable 'A'; did you mean 'a'"),
        (None, None, {"a": "c"}, "rename: two variables would be called the same: c, b, c"),
        (["a"], ["a"], {}, "select and drop: no variable is left"),
    ],
)
def test_choices_that_cannot_be_are_refused(
    select: list[str] | None, drop: list[str] | None, rename: dict[str, str], said: str
) -> None:
    with pytest.raises(SettingsError, match=said):
        RenamedCube.choose(numbered(hours(0, 1), "abc"), select, drop, rename)


def test_an_old_name_is_not_known_any_more() -> None:
    cube = RenamedCube.choose(numbered(hours(0, 1), "ab"), None, None, {"a": "x"})
    for ask in (cube.available, cube.valid_mask, lambda names: planes_of(cube, names)):
        with pytest.raises(ValueError, match=r"no variable 'a'; valid: b, x"):
            ask(["a"])


def test_other_names_and_another_order_have_other_fingerprints() -> None:
    source = numbered(hours(0, 1), "ab")
    cubes = [RenamedCube.choose(source, s, None, r) for s, r in ((None, {}), (["b", "a"], {}), (None, {"a": "x"}))]
    assert len({c.fingerprint for c in cubes} | {source.fingerprint}) == 4


def test_each_variable_is_read_from_its_part_in_any_order() -> None:
    one, two = numbered(hours(0, 4), "ab"), numbered(hours(0, 4), "cd", first=50)
    cube = JoinCube([one, two])
    numbers, first = {"a": 0, "b": 1, "c": 0, "d": 1}, {"a": 0, "b": 0, "c": 50, "d": 50}
    assert cube.names == ["a", "b", "c", "d"]
    for names in (["a", "b", "c", "d"], ["d", "a", "c"], ["b", "d", "a"], ["c"]):
        expected = np.array([[value(numbers[n], first[n] + i) for i in (1, 2)] for n in names])
        np.testing.assert_array_equal(planes_of(cube, names, 1, 3), expected)
        part = np.empty((len(names), 2, 1, 2), dtype=np.float32)
        cube.read_window(names, 1, 3, slice(1, 2), slice(0, 2), part)
        np.testing.assert_array_equal(part, expected[:, :, 1:2, :2])
        assert list(cube.statistics(np.ones(4, dtype=bool), names)[0]) == names
    check_cube(cube)


def test_an_instant_and_a_cell_count_where_every_part_holds_them() -> None:
    one, two = numbered(hours(0, 3), "a"), numbered(hours(0, 3), "b")
    one._values[0, 0], two._values[0, 2] = np.nan, np.nan
    one._values[0, :, 0, 0], two._values[0, :, 1, 1] = np.nan, np.nan
    cube = JoinCube([one, two])
    assert cube.available(["b", "a"]).tolist() == [False, True, False]
    assert cube.available(["a"]).tolist() == [False, True, True]
    assert np.argwhere(~cube.valid_mask(["a", "b"])).tolist() == [[0, 0], [1, 1]]
    assert np.argwhere(~cube.valid_mask(["b"])).tolist() == [[1, 1]]


def test_parts_come_to_their_common_instants_with_their_statistics() -> None:
    cube = JoinCube([numbered(hours(0, 5), "a"), numbered(hours(2, 6), "b", first=2)])
    assert cube.axis.size == 3
    np.testing.assert_array_equal(planes_of(cube)[0], planes_of(cube)[1])
    fields, steps = cube.statistics(np.array([True, True, False]))
    mean = 2.5 + 1 / 4 + 1.5 / 32
    assert fields["a"] == fields["b"] and fields["a"]["mean"] == pytest.approx(mean, rel=1e-12)
    assert steps["b"] == {"mean": 1.0, "std": 0.0, "min": 1.0, "max": 1.0, "count": 12.0}


def test_runs_of_forecasts_are_joined_as_they_are() -> None:
    axis = forecasts([0, 12], [6, 12], (0, 1))
    cube = JoinCube([numbered(axis, "a"), numbered(axis, "b")])
    assert cube.axis is axis and cube.axis.shape == (2, 2, 2)


def test_parts_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError, match="join: 'b' is in two of the sources; drop or rename one"):
        JoinCube([numbered(hours(0, 1), "ab"), numbered(hours(0, 1), "b")])
    with pytest.raises(DataError, match="grids differ"):
        JoinCube([numbered(hours(0, 1), "a"), numbered(hours(0, 1), "b", Grid(np.array([1.0]), np.array([2.0])))])
    with pytest.raises(DataError, match="sources have no common instants"):
        JoinCube([numbered(hours(0, 2), "a"), numbered(hours(2, 2), "b")])
    with pytest.raises(ValueError, match="no variable 'c'; valid: a, b"):
        JoinCube([numbered(hours(0, 1), "ab")]).available(["a", "c"])


def test_a_join_has_the_fixed_fields_of_all_parts_and_closes_them() -> None:
    parts = [numbered(hours(0, 1), "a"), numbered(hours(0, 1), "b", fixed=True)]
    cube = JoinCube(parts)
    assert set(cube.static_fields()) == {"orog"} and cube.fingerprint != JoinCube(parts[:1]).fingerprint
    cube.close()
    assert getattr(parts[1], "closings", 0) == 1
