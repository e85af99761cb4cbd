"""The update rules against closed forms, in standardised units, with a network whose output is known."""

from dataclasses import replace

import pytest
import torch

from py4cast.errors import SettingsError
from py4cast.forecaster import Forecaster
from py4cast.statistics import Stats
from py4cast.strategies import registry
from py4cast.testing import make_batch, make_info
from py4cast.variables import Variable

INFO = make_info()
MEAN = INFO.diff_stats.to_list("mean", INFO.prognostic)
STD = INFO.diff_stats.to_list("std", INFO.prognostic)


def strategy(name: str, info=INFO, **settings):
    kind = registry.get(name)
    return kind(kind.settings_kls(**settings), info)


def states(steps: int = 2) -> torch.Tensor:
    return torch.randn(2, steps, 17, 23, 2)


def network(x: torch.Tensor) -> torch.Tensor:
    """Three outputs that depend on every input."""
    total = x.sum(-1, keepdim=True)
    return torch.cat([0.1 * total, torch.tanh(total), 0.5 * total + 1], dim=-1)


FORCING = torch.randn(2, 4, 17, 23, 2)
TRUTH = torch.randn(2, 4, 17, 23, 3)


def test_input_is_states_statics_forcing() -> None:
    plan, window = strategy("diff_ar"), states(3)
    x = plan.assemble(window, FORCING[:, 0])
    expected = torch.cat(
        [window[:, 0], window[:, 1], window[:, 2], plan.statics.expand(2, 17, 23, 2), FORCING[:, 0]], -1
    )
    assert torch.equal(x, expected) and x.shape[-1] == plan.num_input_features(INFO, 3)


def test_diff_ar_adds_the_output() -> None:
    plan, past = strategy("diff_ar"), states()
    window = past
    for i, found in enumerate(plan.rollout(network, past, FORCING, 4, TRUTH)):
        y = network(plan.assemble(window, FORCING[:, i]))
        assert torch.allclose(found[..., :2], window[:, -1] + y[..., :2]), "the state moves by the output"
        assert torch.equal(found[..., 2:], y[..., 2:]), "a diagnostic is the output"
        window = torch.stack([window[:, 1], found[..., :2]], 1)


@pytest.mark.parametrize("num_inter_steps", [1, 3])
def test_scaled_ar_adds_the_scaled_output_and_imposes_the_border(num_inter_steps: int) -> None:
    plan, past = strategy("scaled_ar", num_inter_steps=num_inter_steps), states(1)
    border = INFO.statics.border_mask.bool()
    state = past[:, -1]
    for i, found in enumerate(plan.rollout(network, past, FORCING, 4, TRUTH)):
        for _ in range(num_inter_steps):
            y = network(plan.assemble(state.unsqueeze(1), FORCING[:, i]))
            free = torch.cat([state + STD * y[..., :2] + MEAN, y[..., 2:]], -1)
            full = torch.where(border, TRUTH[:, i], free)
            state = full[..., :2]
        assert torch.allclose(found, full, atol=1e-5)
        ring = border.squeeze(-1)
        assert torch.equal(found[:, ring], TRUTH[:, i][:, ring])


def test_truth_that_is_missing_in_the_border_is_not_imposed() -> None:
    plan, past = strategy("scaled_ar"), states()
    truth = TRUTH.clone()
    truth[:, :, 0, 0] = torch.nan
    assert all(torch.isfinite(p).all() for p in plan.rollout(network, past, FORCING, 4, truth))


def test_downscaling_sees_no_past() -> None:
    plan = strategy("downscaling")
    first = list(plan.rollout(network, states(), FORCING, 3))
    again = list(plan.rollout(network, states(), FORCING, 3))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert plan.num_input_features(INFO, 2) == 2 + 2
    x = torch.cat([plan.statics.expand(2, 17, 23, 2), FORCING[:, 1]], -1)
    assert torch.equal(first[1], network(x))


def test_downscaling_adds_the_coarse_field_in_the_targets_units() -> None:
    coarse = [Variable(name=f"coarse_{n}", role="forcing", units="K") for n in ("a", "b", "d")]
    rows = {v.name: {"mean": 10.0 * i, "std": 3.0, "min": 0, "max": 1, "count": 1} for i, v in enumerate(coarse)}
    info = replace(
        INFO, variables=[v for v in INFO.variables if v.is_predicted] + coarse, stats=INFO.stats | Stats(rows)
    )
    plan = strategy("downscaling", info, coarse_prefix="coarse_")
    forcing = torch.randn(2, 1, 17, 23, 3)
    (found,) = plan.rollout(lambda x: torch.zeros(*x.shape[:-1], 3), states(), forcing, 1)
    for i, name in enumerate(("a", "b", "d")):
        physical = forcing[:, 0, ..., i] * 3.0 + 10.0 * i
        expected = (physical - info.stats[name]["mean"]) / info.stats[name]["std"]
        assert torch.allclose(found[..., i], expected, atol=1e-5)
    with pytest.raises(SettingsError, match="no forcing 'fine_a' for 'a'"):
        strategy("downscaling", info, coarse_prefix="fine_")


def test_land_stays_at_rest() -> None:
    valid = torch.ones(17, 23, dtype=torch.bool)
    valid[4:9, 5:11] = False
    info = make_info(valid=valid.numpy())
    past = states()
    past[:, :, ~valid] = torch.nan
    for found in strategy("diff_ar", info).rollout(network, past, FORCING, 3):
        assert torch.isfinite(found).all() and (found[:, ~valid] == 0).all()


def test_steps_that_do_not_fit_are_refused() -> None:
    with pytest.raises(SettingsError, match="num_inter_steps 2 needs num_input_steps 1, found 2"):
        Forecaster.build(INFO, "halfunet", "scaled_ar", 2, {"num_filters": 4}, {"num_inter_steps": 2})
    with pytest.raises(SettingsError, match=r"strategy\.num_inter_steps: unknown setting"):
        Forecaster.build(INFO, "halfunet", "diff_ar", 1, {"num_filters": 4}, {"num_inter_steps": 2})
    bare = replace(INFO, variables=[v for v in INFO.variables if v.is_predicted])
    with pytest.raises(SettingsError, match="downscaling needs forcings"):
        Forecaster.build(bare, "halfunet", "downscaling", 1, {"num_filters": 4})


def test_the_window_slides_over_truth_in_training() -> None:
    info = make_info()
    forecaster = Forecaster.build(info, "halfunet", "scaled_ar", 2, {"num_filters": 4})
    batch = make_batch(info)
    from py4cast.losses import registry as losses

    loss = losses.get("mse")(info)
    expected = []
    states_, forcing, truth = forecaster._standardised(batch)
    forecaster.eval()
    for i, prediction in enumerate(forecaster.strategy.rollout(forecaster.network, states_, forcing, 3, truth)):
        expected.append(loss(prediction[:, None], truth[:, i : i + 1]))
    assert torch.allclose(forecaster.training_loss(batch, loss), torch.cat(expected, 1), rtol=1e-5)
