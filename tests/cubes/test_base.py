import numpy as np
import pytest

from py4cast.axis import TimeAxis
from py4cast.cubes.base import pairs_of
from tests.cubes.numbered import GRID, forecasts, hours, numbered, value


@pytest.mark.parametrize(
    ("axis", "inside", "expected"),
    [
        (hours(0, 5), "11111", "01111"),
        (hours(0, 5), "01101", "00100"),
        (hours(0, 1), "1", "0"),
        (forecasts([0, 12], [1, 2, 3]), "111111", "011011"),
        (forecasts([0], [1, 2, 3], (0, 1)), "110111", "010011"),
        (forecasts([0, 12], [1]), "11", "00"),
    ],
)
def test_a_pair_is_two_neighbours_of_one_run_that_are_inside(axis: TimeAxis, inside: str, expected: str) -> None:
    mask = np.array([c == "1" for c in inside])
    assert pairs_of(axis, mask).tolist() == [c == "1" for c in expected]
    assert mask.tolist() == [c == "1" for c in inside], "what is given stays as it is"


def test_a_window_is_a_part_of_whole_planes() -> None:
    part = np.empty((2, 2, 2, 2), dtype=np.float32)
    numbered(hours(0, 4), "ab").read_window(["b", "a"], 1, 3, slice(0, 3, 2), slice(1, 3), part)
    np.testing.assert_array_equal(part, [[value(v, i)[::2, 1:3] for i in (1, 2)] for v in (1, 0)])


def test_a_cube_says_what_it_holds() -> None:
    cube = numbered(hours(0, 4), "ab")
    assert cube.names == ["a", "b"] and cube.shape == GRID.shape == (3, 4)
    assert cube.times is cube.axis.times and cube.static_fields() == {} and cube.disk_block is None
    assert cube.variable("b") is cube.variables[1]
    with pytest.raises(ValueError, match=r"no variable 'bb'; did you mean 'b'\? \(valid: a, b\)"):
        cube.variable("bb")
