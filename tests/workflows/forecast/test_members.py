from typing import Any

import numpy as np
import pytest

from py4cast.errors import SettingsError
from py4cast.given import Given
from py4cast.noise import Noise
from py4cast.steppers import StepInfo
from py4cast.workflows.forecast.members import Members
from tests.forecast_files import START
from tests.forecasters import GRID, PREDICTED, STEP


def info_of(noise: Noise, num_members: int = 1) -> StepInfo:
    return StepInfo(
        header={"model": "unet", "strategy": "diff_ar"}, grid=GRID, variables=PREDICTED, step_duration=STEP,
        num_input_steps=1, border=None, valid=np.ones(GRID.shape, dtype=bool), inputs={}, noise=noise,
        num_members=num_members,
    )  # fmt: skip


QUIET, CELLS, VECTOR = info_of(Noise()), info_of(Noise("cells", 2), 3), info_of(Noise("vector", 4), 2)
STATES = np.arange(4, dtype=np.float32).reshape(2, 2, 1, 1, 1)


@pytest.mark.parametrize(
    ("info", "of_input", "num_members", "numbers"),
    [
        (QUIET, (), None, ()),
        (QUIET, (3, 7), None, (3, 7)),
        (CELLS, (), None, (0, 1, 2)),
        (CELLS, (), 1, ()),
        (CELLS, (3, 7), None, (0, 1, 2, 3, 4, 5)),
        (CELLS, (3, 7), 1, (3, 7)),
        (VECTOR, (5,), 4, (0, 1, 2, 3)),
    ],
)
def test_members_are_those_of_the_input_times_those_of_the_noise(
    info: StepInfo, of_input: tuple[int, ...], num_members: int | None, numbers: tuple[int, ...]
) -> None:
    assert Members(info, START, of_input, num_members).numbers == numbers


def test_members_of_one_state_stand_one_behind_the_other() -> None:
    members = Members(CELLS, START, (3, 7), 2)
    assert members.states(STATES)[:, 0, 0, 0, 0].tolist() == [0, 0, 2, 2]
    forcing, border, input_ = (STATES[:, 0] + k for k in (0, 10, 20))
    (step,) = members.given(iter([Given(forcing, border, {"large": input_})]))
    wide: list[Any] = [step.forcing, step.border, step.inputs["large"]]
    assert [w[:, 0, 0, 0].tolist() for w in wide] == [[0, 0, 2, 2], [10, 10, 12, 12], [20, 20, 22, 22]]
    (bare,) = members.given(iter([Given[Any]()]))
    assert bare.forcing is None and bare.border is None and not bare.inputs


def test_one_member_of_each_state_leaves_the_input_as_it_is() -> None:
    members = Members(QUIET, START, (3, 7))
    assert members.states(STATES) is STATES
    (step,) = members.given(iter([Given(STATES[:, 0])]))
    assert step.forcing is not None and np.shares_memory(step.forcing, STATES) and step.noise is None


@pytest.mark.parametrize(("info", "shape"), [(CELLS, (*GRID.shape, 2)), (VECTOR, (4,))])
def test_noise_is_that_of_the_member_and_the_step(info: StepInfo, shape: tuple[int, ...]) -> None:
    steps = list(Members(info, START, (), 3, seed=5).given(iter([Given[Any](), Given[Any]()])))
    for number, step in enumerate(steps):
        assert step.noise is not None and step.noise.shape == (3, *shape)
        for member in range(3):
            alone = info.noise.draw(5, START, [member], number, GRID.shape)[0, 0]
            np.testing.assert_array_equal(step.noise[member], alone)
    again = next(Members(info, START, (), 2, seed=5).given(iter([Given[Any]()])))
    np.testing.assert_array_equal(again.noise, np.asarray(steps[0].noise)[:2])
    other = next(Members(info, START, (), 2, seed=6).given(iter([Given[Any]()])))
    assert not np.array_equal(np.asarray(other.noise), np.asarray(again.noise))


def test_the_noise_of_a_member_of_the_input_is_of_its_number() -> None:
    (step,) = Members(VECTOR, START, (7,), 1).given(iter([Given[Any]()]))
    np.testing.assert_array_equal(step.noise, VECTOR.noise.draw(0, START, [7], 0, GRID.shape)[0])


def test_members_that_cannot_be_are_refused() -> None:
    with pytest.raises(SettingsError, match="--num_members 0: expected at least 1"):
        Members(CELLS, START, (), 0)
    with pytest.raises(SettingsError, match=r"--num_members 2: unet \(diff_ar\) takes no noise, so that all members"):
        Members(QUIET, START, (1, 2), 2)
