import pytest
import torch

from py4cast.errors import SettingsError
from py4cast.rollout_length import RolloutLength
from py4cast.workflows.config import build_config


def test_a_schedule_says_how_many_steps_from_an_epoch_on() -> None:
    rollout = RolloutLength([(0, 1), (3, 2), (5, 8)])
    assert [rollout.of(epoch, 0, 4) for epoch in range(6)] == [1, 1, 1, 2, 2, 4]
    assert RolloutLength().of(7, 0, 4) == 4


def test_drawn_steps_are_a_function_of_the_batch() -> None:
    rollout = RolloutLength(is_random=True, seed=3)
    drawn = [rollout.of(0, batch, 4) for batch in range(400)]
    assert drawn == [RolloutLength(is_random=True, seed=3).of(9, batch, 4) for batch in range(400)]
    assert min(torch.bincount(torch.tensor(drawn))[1:].tolist()) > 60 and set(drawn) == {1, 2, 3, 4}


def test_lead_times_weigh_what_they_are_said_to() -> None:
    loss = torch.tensor([[1.0, 2.0, 4.0], [3.0, 4.0, 6.0]])
    assert float(RolloutLength().mean(loss)) == pytest.approx(20 / 6)
    assert float(RolloutLength(weights=[1.0, 0.5]).mean(loss)) == pytest.approx((2 + 1.5 + 2.5) / 2)
    assert float(RolloutLength(weights=[0.0, 1.0]).mean(loss[:, :1])) == 0.0


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ({"rollout_schedule": [[1, 2]]}, "expected epochs that grow from 0"),
        ({"rollout_schedule": [[0, 1], [0, 2]]}, "expected epochs that grow from 0"),
        ({"rollout_schedule": [[0, 4], [2, 1]]}, "steps of at least 1 that never fall"),
        ({"rollout_schedule": [[0, 0]]}, "steps of at least 1"),
        (
            {"rollout_schedule": [[0, 1], [2, 4]], "num_pred_steps_train": 2},
            "up to 4 steps, num_pred_steps_train says 2",
        ),
        ({"ema": 1.0}, "ema 1: expected a decay between 0 and 1"),
        ({"gradient_clip": 0}, "gradient_clip 0: expected more than 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(train: dict, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        build_config({"train": train}, [])


def test_the_longest_rollout_is_what_samples_must_hold() -> None:
    assert build_config({"train": {"rollout_schedule": [[0, 1], [2, 4]]}}, []).train.longest_rollout == 4
    assert build_config({"train": {"num_pred_steps_train": 3}}, []).train.longest_rollout == 3
    with pytest.raises(SettingsError, match="lead_weights"):
        build_config({"loss": {"lead_weights": [0.0]}}, [])
