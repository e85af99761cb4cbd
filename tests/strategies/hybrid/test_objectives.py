from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from py4cast.dataset_info import DatasetInfo
from py4cast.errors import SettingsError
from py4cast.given import Samples
from py4cast.statistics import Stats
from py4cast.strategies.hybrid.objectives import OBJECTIVES, Online, segment_length, spectral_error
from py4cast.strategies.hybrid.settings import HybridSettings
from py4cast.strategies.hybrid.strategy import Hybrid
from tests.strategies.hybrid.decays import CELLS, HOUR_S, INFO, ONE, factor, silent, standardised

pytestmark = pytest.mark.usefixtures("decays")


def hybrid_of(physics: str = "decay", info: DatasetInfo = INFO, **settings: Any) -> Hybrid:
    return Hybrid(HybridSettings(physics=physics, **settings), info)


class Told:
    """A loss that keeps what it was given."""

    prediction: Tensor
    truth: Tensor

    def __call__(self, prediction: Tensor, truth: Tensor) -> Tensor:
        self.prediction, self.truth = prediction, truth
        return torch.zeros(prediction.shape[:2])


def samples_of(steps: int, features: int = 3, states: int = 2) -> Samples:
    """A start at a = 10 and b = 20 (a alone for one state), a random truth."""
    start = torch.tensor([standardised("a", 10.0), standardised("b", 20.0)])[:states]
    window = start.expand(2, 1, *CELLS, states).clone()
    return Samples(window, torch.zeros(2, steps, *CELLS, 2), torch.randn(2, steps, *CELLS, features))


@pytest.mark.parametrize(("steps", "length"), [(1, 1), (4, 4), (9, 9), (10, 5), (16, 8), (37, 13), (100, 25)])
def test_segments_are_as_long_as_three_roots(steps: int, length: int) -> None:
    assert segment_length(steps) == length


def test_the_spectral_error_of_one_wave_is_that_of_its_shell() -> None:
    """Seven shells of 16 points: ten times too high a wave is two decades off in one of them."""
    # cos(4 x) without round-off
    truth = torch.tensor([1.0, 0.0, -1.0, 0.0]).repeat(4).reshape(1, 16, 1, 1).expand(1, 16, 16, 1)
    assert float(spectral_error(10 * truth, truth, 1)) == pytest.approx(2**2 / 7, rel=1e-3)
    both = torch.cat([truth, 100 * truth], -1)
    assert float(spectral_error(both, torch.cat([truth, truth], -1), 1)) == pytest.approx(0.0, abs=1e-6)
    assert float(spectral_error(both, torch.cat([truth, truth], -1), 2)) == pytest.approx(4**2 / 7 / 2, rel=1e-3)


def test_the_spectrum_needs_a_doubly_periodic_grid() -> None:
    with pytest.raises(SettingsError, match="spectral_weight: the spectrum's error needs a doubly periodic grid"):
        hybrid_of(spectral_weight=1.0)
    assert Online(HybridSettings(), INFO).spectral_weight == 0.0


def test_the_scale_of_the_spectrum_is_that_of_a_steps_changes() -> None:
    weights = INFO.state_weights
    expected = (weights["a"] / 0.2**2 + weights["b"] / 0.3**2) / 2
    assert Online(HybridSettings(), INFO).scale == pytest.approx(expected, rel=1e-6)
    changes = {**{n: INFO.diff_stats[n] for n in INFO.predicted}, "a": {**INFO.diff_stats["a"], "std": 0.0}}
    info = replace(INFO, diff_stats=Stats(changes))
    assert Online(HybridSettings(), info).scale == pytest.approx((weights["a"] + weights["b"] / 0.3**2) / 2, rel=1e-6)


def test_horizons_by_the_batch_of_training() -> None:
    online = Online(HybridSettings(horizons=((0, 1), (5, 3), (9, 2))), INFO)
    assert [online.horizon(update, 3) for update in (0, 4, 5, 8, 9, 100)] == [1, 1, 3, 3, 2, 2]
    assert Online(HybridSettings(), INFO).horizon(7, 4) == 4
    with pytest.raises(SettingsError, match="horizons: 3 steps at batch 5, the samples hold 2; set num_pred_steps_tr"):
        online.horizon(5, 2)


def test_online_goes_through_the_physics() -> None:
    hybrid, told, samples = hybrid_of(), Told(), samples_of(3)
    hybrid.training_loss(silent(3), told, samples)
    for step in range(3):
        left = factor(HOUR_S) ** (step + 1)
        expected = torch.tensor([standardised("a", 10.0 * left), standardised("b", 20.0 * left), 0.0])
        torch.testing.assert_close(told.prediction[:, step], expected.expand(2, *CELLS, 3), rtol=1e-5, atol=1e-5)
    assert torch.equal(told.truth, samples.truth), "all three are learned"


def test_online_leaves_out_what_the_physics_derives() -> None:
    told, samples = Told(), samples_of(2)
    hybrid_of("forced").training_loss(silent(2), told, samples)
    assert told.truth[..., 2].isnan().all() and torch.equal(told.truth[..., :2], samples.truth[..., :2])


def test_online_goes_as_far_as_the_horizon_in_training_alone() -> None:
    hybrid, told = hybrid_of(horizons=((0, 1), (1, 2))), Told()
    lengths = []
    for is_training in (True, True, False):
        hybrid.train(is_training).training_loss(silent(3), told, samples_of(3))
        lengths.append(told.prediction.shape[1])
    assert lengths == [1, 2, 3] and int(hybrid.updates) == 2
    with pytest.raises(SettingsError, match="horizons: 2 steps at batch 1, the samples hold 1"):
        hybrid_of(horizons=((0, 1), (1, 2))).train().training_loss(silent(3), told, samples_of(1))


def test_offline_sees_the_truth_at_every_instant() -> None:
    """The rate is the network's output with what the closure adds, 1 over σ = 4 of d."""
    hybrid, told, samples = hybrid_of("single", ONE, subgrid="d", training="offline"), Told(), samples_of(3, 2, 1)
    samples.truth[0, 0, 1, 1, 0] = torch.nan
    seen: list[Tensor] = []

    def network(x: Tensor) -> Tensor:
        seen.append(x)
        return torch.full((2, *CELLS, 1), 2.0)

    hybrid.training_loss(network, told, samples)
    torch.testing.assert_close(seen[0][..., 0], samples.states[:, 0, ..., 0])
    torch.testing.assert_close(seen[1][..., 0], samples.truth[:, 0, ..., 0].nan_to_num(0.0))
    torch.testing.assert_close(told.prediction[..., 1], torch.full((2, 3, *CELLS), 2.0 + 1 / 4))
    torch.testing.assert_close(told.prediction[..., 0], samples.truth[..., 0], equal_nan=True)
    assert torch.equal(told.truth[..., 1], samples.truth[..., 1])
    assert not OBJECTIVES["offline"].steps_physics and OBJECTIVES["increments"].steps_physics


def test_increments_correct_a_short_forecast_at_its_end() -> None:
    """Three steps for a network that sees the forcing of the fourth; a rate of one step's change per hour."""
    hybrid, told, samples = hybrid_of(training="increments"), Told(), samples_of(4)
    seen: list[Tensor] = []

    def network(x: Tensor) -> Tensor:
        seen.append(x)
        return torch.tensor([1.0, 0.0, 0.5]).expand(2, *CELLS, 3)

    hybrid.training_loss(network, told, samples)
    left = factor(HOUR_S) ** 3
    forecast = torch.tensor([standardised("a", 10.0 * left), standardised("b", 20.0 * left)])
    assert len(seen) == 1, "the short forecast is the physics' alone"
    torch.testing.assert_close(seen[0][..., :2], forecast.expand(2, *CELLS, 2), rtol=1e-5, atol=1e-5)
    corrected = torch.tensor([standardised("a", 10.0 * left + 3 * 2 * 0.2), float(forecast[1]), 0.5])
    torch.testing.assert_close(told.prediction, corrected.expand(2, 1, *CELLS, 3), rtol=1e-5, atol=1e-5)
    assert torch.equal(told.truth, samples.truth[:, 2:3])


def test_further_inputs_are_not_trained_through_physics() -> None:
    samples = samples_of(1)._replace(inputs={"radar": torch.zeros(2, 1, *CELLS, 1)})
    with pytest.raises(SettingsError, match="hybrid: models with further inputs are not trained through physics"):
        hybrid_of().training_loss(silent(3), Told(), samples)
