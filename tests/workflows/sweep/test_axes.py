from typing import Any

import numpy as np
import pytest

from py4cast.errors import SettingsError
from py4cast.workflows.sweep.axes import axis_of


def test_a_list_is_a_choice() -> None:
    axis = axis_of("model.levels", [[1, 2], [3]])
    assert list(axis.values()) == [[1, 2], [3]]
    rng = np.random.default_rng(0)
    assert {len(axis.sample(rng)) for _ in range(30)} == {1, 2}


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("log", [False, True])
def test_a_range_is_drawn_within_its_ends(log: bool, whole: bool) -> None:
    axis = axis_of("optim.lr", {"low": 1, "high": 1000, "log": log, "whole": whole})
    rng = np.random.default_rng(0)
    drawn = np.array([axis.sample(rng) for _ in range(2000)])
    assert drawn.min() >= 1 and drawn.max() <= 1000
    middle = 31.6 if log else 500.5
    assert np.median(drawn) == pytest.approx(middle, rel=0.2)
    assert (drawn == drawn.round()).all() == whole


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ([], "space.a: an empty list"),
        (3, "space.a: found 3; expected a list of values, or a range"),
        ({"low": 1}, "expected a list of values, or a range"),
        ({"low": 1, "high": 2, "logg": True}, "unknown 'logg'; did you mean 'log'"),
        ({"low": 2, "high": 1}, "from 2 to 1; expected numbers that grow"),
        ({"low": 0, "high": 1, "log": True}, "above 0 where log is true"),
        ({"low": "1", "high": 2}, "expected numbers"),
    ],
    ids=["empty", "number", "half", "key", "falls", "log", "text"],
)
def test_what_is_no_axis_is_named(asked: Any, told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        axis_of("a", asked)


def test_a_range_is_no_grid() -> None:
    with pytest.raises(SettingsError, match=r"space\.a: a range has no end of values; give a list, or search random or optuna"):  # fmt: skip
        axis_of("a", {"low": 1, "high": 2}).values()
