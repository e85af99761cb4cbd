import numpy as np
import pytest

from py4cast.axis import TimeAxis
from py4cast.cubes.memory import MemoryCube
from py4cast.grid import Grid
from py4cast.testing import check_cube
from py4cast.variables import Variable

START, HOUR = np.datetime64("2020-01-01T00", "s"), np.timedelta64(3600, "s")
GRID = Grid(np.linspace(50, 40, 4), np.linspace(0, 8, 5))


def cube(holes: bool = False) -> MemoryCube:
    values = np.random.default_rng(0).normal(5, 2, (2, 6, 4, 5)).astype(np.float32)
    if holes:
        values[0, 2] = np.nan
        values[1, :, 0, 0] = np.nan
    return MemoryCube(
        [Variable(name="a"), Variable(name="b")], TimeAxis.series(START + np.arange(6) * HOUR), GRID, values
    )


def test_it_keeps_the_contract() -> None:
    check_cube(cube())
    check_cube(cube(holes=True))


def test_what_is_there_and_where() -> None:
    held = cube(holes=True)
    assert held.available(["a"]).tolist() == [True, True, False, True, True, True] and held.available(["b"]).all()
    assert not held.valid_mask(["b"])[0, 0] and held.valid_mask(["b"]).sum() == 19 and held.valid_mask(["a"]).all()


def test_differences_count_where_both_instants_are_inside() -> None:
    held, inside = cube(), np.array([True, True, False, True, True, True])
    planes = np.empty((1, 6, 4, 5), dtype=np.float32)
    held.read(["a"], 0, 6, planes)
    _, differences = held.statistics(inside, ["a"])
    steps = np.diff(planes[0].astype(np.float64), axis=0)[[0, 3, 4]]
    assert differences["a"]["count"] == steps.size
    assert differences["a"]["mean"] == pytest.approx(steps.mean(), rel=1e-9)
    assert differences["a"]["std"] == pytest.approx(steps.std(), rel=1e-9)


def test_its_fingerprint_is_of_the_values() -> None:
    assert cube().fingerprint == cube().fingerprint != cube(holes=True).fingerprint


def test_an_unknown_variable_names_the_nearest() -> None:
    with pytest.raises(ValueError, match="no variable 'aa'; did you mean 'a'"):
        cube().read(["aa"], 0, 1, np.empty((1, 1, 4, 5), dtype=np.float32))
    with pytest.raises(ValueError, match="no variable 'c'"):
        cube().variable("c")
