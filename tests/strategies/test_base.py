from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from py4cast.dataset_info import DatasetInfo
from py4cast.errors import SettingsError
from py4cast.given import Given, Samples
from py4cast.losses import registry as losses
from py4cast.noise import NoiseKind
from py4cast.strategies.base import Network, StrategyABC
from py4cast.testing import make_info

CELLS = (4, 5)
INFO = make_info(CELLS)
LAND = np.ones(CELLS, dtype=bool)
LAND[1, 2] = False


class Adding(StrategyABC):
    """x̂(t+1) = x̂(t) + f(x), with whatever noise it is told to take."""

    settings_kls: ClassVar[type] = dict

    def __init__(
        self, info: DatasetInfo = INFO, noise: NoiseKind = "none", num_noise: int = 0, num_members: int = 1
    ) -> None:
        super().__init__({}, info)
        self.noise, self.num_noise, self.num_members = noise, num_noise, num_members

    def advance(self, model: Network, x: Tensor, state: Tensor) -> Tensor:
        y = model(x)
        return torch.cat([state + y[..., :2], y[..., 2:]], dim=-1)


def ones(x: Tensor, **_: Any) -> Tensor:
    return torch.ones(*x.shape[:-1], 3)


def states(value: float = 0.0, steps: int = 1, batch: int = 2) -> Tensor:
    return torch.full((batch, steps, *CELLS, 2), value)


def last_features(count: int) -> Network:
    """A network that gives the last features of its input, and nothing else."""

    def network(x: Tensor, condition: Tensor | None = None) -> Tensor:
        return torch.cat([x[..., -count:], torch.zeros(*x.shape[:-1], 3 - count)], dim=-1)

    return network


def test_widths_of_the_network() -> None:
    plain, vector, cells = Adding(), Adding(noise="vector", num_noise=4), Adding(noise="cells", num_noise=4)
    assert [s.num_input_features(INFO, 2) for s in (plain, vector, cells)] == [2 * 2 + 2 + 2, 8, 12]
    assert [s.condition_size for s in (plain, vector, cells)] == [0, 4, 0] and plain.num_outputs(INFO) == 3
    plain.uses_states, plain.num_extra_inputs, vector.num_conditions = False, 3, 5  # type: ignore[misc]
    assert plain.num_input_features(INFO, 2) == 4 + 3 and vector.condition_size == 9
    assert plain.learned_features(INFO) == ["a", "b", "d"]


def test_noise_of_a_step_is_that_of_all_its_advances() -> None:
    strategy = Adding(noise="cells", num_noise=2)
    strategy.num_inter_steps = 3
    assert strategy.noise_of_step.size == 6 and strategy.noise_of_step.kind == "cells"
    assert not Adding().noise_of_step and Adding().noise_of_step.size == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"noise": "none", "num_noise": 2}, "strategy Adding: noise 'none' of 2 numbers; expected none of 0"),
        ({"noise": "vector", "num_noise": 0}, "noise 'vector' of 0 numbers; expected none of 0, or vector or cells"),
        ({"noise": "cells", "num_noise": -1}, "noise 'cells' of -1 numbers"),
        ({"num_members": 0}, "num_members 0: expected at least 1"),
        ({"num_members": 2}, "num_members 2: strategy Adding takes no noise, so that all members would be the same"),
    ],
)
def test_noise_and_members_that_do_not_fit(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Adding(**settings).check(1)
    Adding(noise="vector", num_noise=1, num_members=3).check(2)


def test_inter_steps_need_one_past_state() -> None:
    strategy = Adding()
    strategy.num_inter_steps = 3
    strategy.check(1)
    with pytest.raises(SettingsError, match="num_inter_steps 3 needs num_input_steps 1, found 2"):
        strategy.check(2)


def test_members_are_scored_by_a_loss_that_takes_them() -> None:
    noisy = Adding(noise="vector", num_noise=1, num_members=3)
    noisy.check_loss(losses.get("crps")(INFO))
    with pytest.raises(SettingsError, match="loss WeightedMAE scores one forecast, strategy Adding trains 3 members"):
        noisy.check_loss(losses.get("mae")(INFO))
    Adding().check_loss(losses.get("mae")(INFO))


def test_the_input_without_forcing_or_statics() -> None:
    info = make_info(CELLS)
    window = torch.randn(2, 2, *CELLS, 2)
    strategy = Adding(info)
    assert torch.equal(strategy.assemble(window, None)[..., :4], torch.cat(window.unbind(1), -1))
    assert torch.equal(strategy.assemble(window, None)[..., 4:], strategy.statics.expand(2, *CELLS, 2))
    strategy.statics = strategy.statics[..., :0]
    assert strategy.assemble(window, None).shape[-1] == 4
    strategy.uses_states = False  # type: ignore[misc]
    forcing = torch.randn(2, *CELLS, 2)
    assert torch.equal(strategy.assemble(window, forcing), forcing)


def test_what_is_missing_is_the_mean_and_infinities_stay() -> None:
    values = torch.tensor([torch.nan, torch.inf, -torch.inf, 2.0])
    assert Adding().fill(values).tolist() == [0.0, torch.inf, -torch.inf, 2.0]
    assert Adding().fill_forcing(values).tolist() == [0.0, torch.inf, -torch.inf, 2.0]


def test_cells_that_never_hold_data_stay_at_rest() -> None:
    strategy = Adding(make_info(CELLS, valid=LAND))
    assert strategy.has_holes and not Adding().has_holes
    filled = strategy.fill_states(states(7.0))
    assert (filled[:, :, ~torch.from_numpy(LAND)] == 0).all() and filled[0, 0, 0, 0, 0] == 7.0
    prediction = strategy.step(ones, filled, None)
    assert (prediction[:, 1, 2] == 0).all() and prediction[0, 0, 0].tolist() == [8.0, 8.0, 1.0]


def test_a_border_is_imposed_where_it_is_known_and_wanted() -> None:
    strategy, border = Adding(), torch.full((2, *CELLS, 3), 5.0)
    border[..., 1] = torch.nan
    assert (strategy.step(ones, states(), None, border) == 1.0).all(), "not wanted"
    strategy.force_border = True
    prediction = strategy.step(ones, states(), None, border)
    assert prediction[0, 0, 0].tolist() == [5.0, 1.0, 5.0] and prediction[0, 1, 1].tolist() == [1.0, 1.0, 1.0]


def test_inter_steps_go_on_from_one_another() -> None:
    strategy = Adding()
    strategy.num_inter_steps = 3
    assert strategy.step(ones, states(2.0), None)[0, 1, 1].tolist() == [5.0, 5.0, 1.0]


def test_noise_of_cells_stands_last_in_the_input_and_each_advance_takes_its_own() -> None:
    strategy = Adding(noise="cells", num_noise=2)
    strategy.num_inter_steps = 2
    noise = torch.randn(2, *CELLS, 4)
    prediction = strategy.step(last_features(2), states(1.0), None, noise=noise)
    torch.testing.assert_close(prediction[..., :2], 1.0 + noise[..., :2] + noise[..., 2:])


def test_noise_of_a_vector_is_the_condition() -> None:
    seen: list[Tensor] = []

    def network(x: Tensor, condition: Tensor) -> Tensor:
        seen.append(condition)
        return ones(x)

    noise = torch.randn(2, 3)
    Adding(noise="vector", num_noise=3).step(network, states(), None, noise=noise)
    assert len(seen) == 1 and torch.equal(seen[0], noise)


@pytest.mark.parametrize(("kind", "size", "given"), [("none", 0, 2), ("vector", 3, 2), ("cells", 3, 0)])
def test_noise_of_another_size_is_refused(kind: NoiseKind, size: int, given: int) -> None:
    message = rf"strategy Adding takes {size} numbers of noise \({kind}\) per step, {given} given"
    with pytest.raises(ValueError, match=message):
        Adding(noise=kind, num_noise=size).step(ones, states(), None, noise=torch.zeros(2, given) if given else None)


def test_the_window_slides() -> None:
    strategy, prediction = Adding(), torch.full((2, *CELLS, 3), 9.0)
    later = strategy.slide(torch.cat([states(1.0), states(2.0)], 1), prediction)
    assert later[0, :, 0, 0].tolist() == [[2.0, 2.0], [9.0, 9.0]]
    assert strategy.slide(states(1.0), prediction).shape == (2, 1, *CELLS, 2)


def test_steps_are_asked_for_when_their_turn_comes() -> None:
    asked: list[int] = []

    def given() -> Any:
        for step in range(3):
            asked.append(step)
            yield Given(forcing=torch.full((2, *CELLS, 2), float(step)))

    predictions = Adding().unroll(last_features(2), states(10.0), given())
    assert asked == [] and float(next(predictions)[0, 0, 0, 0]) == 10.0 and asked == [0]
    assert [float(p[0, 0, 0, 0]) for p in predictions] == [11.0, 13.0], "x grows by the number of the step"


def test_further_inputs_go_to_the_network_filled() -> None:
    seen: list[Tensor] = []

    def network(x: Tensor, inputs: dict[str, Tensor]) -> Tensor:
        seen.append(inputs["radar"])
        return ones(x)

    radar = torch.tensor([1.0, torch.nan]).reshape(1, 2, 1, 1, 1).expand(2, 2, 6, 7, 1)
    assert len(list(Adding().rollout(network, states(), None, 2, inputs={"radar": radar}))) == 2
    assert [float(x[0, 0, 0, 0]) for x in seen] == [1.0, 0.0] and seen[0].shape == (2, 6, 7, 1)


def test_members_stand_behind_the_batch() -> None:
    strategy = Adding(noise="cells", num_noise=2)
    noise = torch.randn(3, 2, 4, *CELLS, 2)
    first, second, _ = strategy.rollout(last_features(2), states(1.0), None, 3, num_members=4, noise=lambda i: noise[i])
    assert first.shape == (2, 4, *CELLS, 3)
    torch.testing.assert_close(first[..., :2], 1.0 + noise[0])
    torch.testing.assert_close(second[..., :2], 1.0 + noise[0] + noise[1])
    with pytest.raises(SettingsError, match="num_members 4: strategy Adding takes no noise"):
        next(Adding().rollout(ones, states(), None, 1, num_members=4))


def square(prediction: Tensor, truth: Tensor) -> Tensor:
    """The mean over members, cells and features, `(batch, timestep)`."""
    if prediction.dim() == 6:
        truth = truth.unsqueeze(1).expand_as(prediction)
        return (prediction - truth).square().mean((1, 3, 4, 5))
    return (prediction - truth).square().mean((2, 3, 4))


def test_training_is_the_loss_of_the_rollout() -> None:
    samples = Samples(states(0.0), None, torch.full((2, 3, *CELLS, 3), 1.0))
    # states 1, 2, 3 beside a truth of 1, the diagnostic is right
    value = Adding().training_loss(ones, square, samples)
    torch.testing.assert_close(value, torch.tensor([[0.0, 2 / 3, 8 / 3]]).expand(2, 3))
    strategy = Adding()
    strategy.force_border = True
    imposed = samples._replace(border=torch.full((2, 3, *CELLS, 3), 1.0))
    inside = 6 / 20
    torch.testing.assert_close(strategy.training_loss(ones, square, imposed)[0], torch.tensor([0.0, 2, 8]) / 3 * inside)


def test_members_are_trained_on_the_noise_of_the_samples() -> None:
    strategy = Adding(noise="cells", num_noise=2, num_members=4)
    noise = torch.randn(2, 4, 1, *CELLS, 2)
    samples = Samples(states(0.0), None, torch.zeros(2, 1, *CELLS, 3), noise=noise)
    expected = (noise.square().sum(-1) / 3).mean((1, 3, 4))
    value = strategy.training_loss(last_features(2), square, samples)
    torch.testing.assert_close(value, expected)
    shown = torch.full((2, 4, 1, *CELLS, 3), 99.0)
    torch.testing.assert_close(strategy.validation_loss(last_features(2), square, samples, shown), expected)


def test_validation_scores_the_forecast_that_is_shown() -> None:
    samples = Samples(states(), None, torch.zeros(2, 1, *CELLS, 3))
    value = Adding().validation_loss(ones, square, samples, torch.full((2, 1, *CELLS, 3), 3.0))
    assert value.tolist() == [[9.0], [9.0]]
