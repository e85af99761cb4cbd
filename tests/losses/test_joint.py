import math

import pytest
import torch

from py4cast.errors import SettingsError
from py4cast.losses import registry
from py4cast.losses.crps import CRPS, CRPSSettings
from py4cast.losses.joint import (
    CRPSOfDifferences,
    CRPSOfMeans,
    DifferenceSettings,
    EnergyScore,
    EnergySettings,
    MeansSettings,
)
from py4cast.losses.sum import SumOfLosses, SumSettings, Term
from py4cast.settings import decode
from py4cast.testing import make_info

INFO = make_info((16, 16), border_size=0, diagnostic=False)
JOINT = ["crps_of_differences", "crps_of_means", "energy_score", "sum"]


def scale() -> float:
    std = INFO.diff_stats.to_list("std", INFO.predicted)
    return float((torch.tensor([INFO.state_weights[n] for n in INFO.predicted]) / std).sum())


def smooth(*lead: int, seed: int, side: int = 4) -> torch.Tensor:
    """Normal numbers of variance 1 that are the same in blocks of side × side cells."""
    x = torch.randn(*lead, 16 // side, 16 // side, 2, generator=torch.Generator().manual_seed(seed))
    return x.repeat_interleave(side, -3).repeat_interleave(side, -2)


def test_the_crps_of_normal_differences_is_its_closed_form() -> None:
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(64, 8, 1, 16, 16, 2, generator=generator), torch.randn(64, 1, 16, 16, 2, generator=generator)
    loss = CRPSOfDifferences(INFO, DifferenceSettings(distances=(1,), alpha=1.0))
    # differences of two standard normal numbers have the deviation √2
    assert float(loss(x, y).mean()) == pytest.approx(math.sqrt(2 / math.pi) * scale(), rel=0.01)


def test_the_crps_of_normal_means_is_its_closed_form() -> None:
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(64, 8, 1, 16, 16, 2, generator=generator), torch.randn(64, 1, 16, 16, 2, generator=generator)
    loss = CRPSOfMeans(INFO, MeansSettings(sizes=(4,), alpha=1.0))
    assert float(loss(x, y).mean()) == pytest.approx(0.25 / math.sqrt(math.pi) * scale(), rel=0.03)


@pytest.mark.parametrize(("kind", "side"), [(CRPSOfDifferences, 4), (CRPSOfMeans, 4), (EnergyScore, 16)])
def test_they_see_what_the_crps_of_cells_does_not(kind, side: int) -> None:
    """Members with the law of every cell and another one of the field: white where the truth is smooth."""
    truth = smooth(64, 1, seed=0, side=side)
    right, white = smooth(64, 8, 1, seed=1, side=side), smooth(64, 8, 1, seed=2, side=1)
    cells = CRPS(INFO, CRPSSettings(alpha=1.0))
    assert float(cells(white, truth).mean()) == pytest.approx(float(cells(right, truth).mean()), rel=0.15)
    loss = kind(INFO)
    assert float(loss(white, truth).mean()) > 1.05 * float(loss(right, truth).mean())


def test_the_energy_score_of_a_constant_field_is_its_crps() -> None:
    x, y = torch.randn(3, 5, 1, 1, 1, 1), torch.randn(3, 1, 1, 1, 1)
    wide = [v.expand(*v.shape[:-3], 16, 16, 1) for v in (x, y)]
    info = make_info((16, 16), border_size=0, diagnostic=False)
    both = [torch.cat([v, torch.zeros_like(v)], -1) for v in wide]
    for alpha in (0.0, 0.95, 1.0):
        energy = EnergyScore(info, EnergySettings(alpha=alpha))(*both)
        crps = CRPS(info, CRPSSettings(alpha=alpha))(*both)
        first, weights = info.predicted[0], info.state_weights
        std = info.diff_stats.to_list("std", info.predicted)
        # ‖x‖ = √w/σ_Δ·|x|
        factor = math.sqrt(weights[first]) / float(std[0]) / (weights[first] / float(std[0]))
        torch.testing.assert_close(energy, crps * factor, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", JOINT)
def test_members_are_exchangeable_and_what_is_missing_changes_nothing(name: str) -> None:
    loss = registry.get(name)(INFO)
    x, y = torch.randn(2, 4, 1, 16, 16, 2), torch.randn(2, 1, 16, 16, 2)
    torch.testing.assert_close(loss(x[:, [2, 0, 3, 1]], y), loss(x, y))
    y[0, 0, 3, 4, 0] = torch.nan
    other = x.clone().requires_grad_()
    before = loss(other, y)
    with torch.no_grad():
        changed = x.clone()
        changed[0, :, 0, 3, 4, 0] += 100.0
    torch.testing.assert_close(loss(changed, y), before)
    before.sum().backward()
    assert bool(torch.isfinite(other.grad).all()) and float(other.grad[0, :, 0, 3, 4, 0].abs().sum()) == 0.0
    nothing = loss(x, torch.full_like(y, torch.nan))
    assert nothing.tolist() == [[0.0], [0.0]]


@pytest.mark.parametrize("name", JOINT)
def test_gradients_are_right(name: str) -> None:
    loss = registry.get(name)(INFO)
    y = torch.randn(1, 1, 16, 16, 2)
    x = torch.randn(1, 3, 1, 16, 16, 2, requires_grad=True)
    (slope,) = torch.autograd.grad(loss(x, y).sum(), x)
    direction = torch.randn_like(x)
    step = 4e-3
    with torch.no_grad():
        numeric = (loss(x + step * direction, y) - loss(x - step * direction, y)).sum() / (2 * step)
    assert float((slope * direction).sum()) == pytest.approx(float(numeric), rel=0.05, abs=2e-2)


def test_a_sum_adds_up_and_is_judged_by_the_fair_crps() -> None:
    x, y = torch.randn(2, 4, 3, 16, 16, 2), torch.randn(2, 3, 16, 16, 2)
    settings = SumSettings(
        terms=(Term(loss="crps", weight=2.0, settings={"alpha": 0.5}), Term(loss="energy_score", weight=0.5))
    )
    loss = SumOfLosses(INFO, settings)
    parts = 2.0 * CRPS(INFO, CRPSSettings(alpha=0.5))(x, y) + 0.5 * EnergyScore(INFO)(x, y)
    torch.testing.assert_close(loss(x, y), parts)
    torch.testing.assert_close(loss.for_validation()(x, y), CRPS(INFO, CRPSSettings(alpha=1.0))(x, y))
    torch.testing.assert_close(loss.cells(x, y), CRPS(INFO, CRPSSettings(alpha=0.5)).cells(x, y))


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ([], "at least one loss"),
        ([{"loss": "crps", "weight": 0}], "weight 0 of crps: expected more than 0"),
    ],
)
def test_sums_that_are_none_are_refused(terms: list, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        decode(SumSettings, {"terms": terms})


def test_a_sum_refuses_what_it_cannot_add() -> None:
    for terms, message in (
        ([{"loss": "sum"}], "a sum within a sum"),
        ([{"loss": "crsp"}], "did you mean 'crps'"),
        ([{"loss": "crps", "settings": {"alpah": 1}}], "alpha"),
    ):
        with pytest.raises(SettingsError, match=message):
            SumOfLosses(INFO, decode(SumSettings, {"terms": terms}))


@pytest.mark.parametrize(
    ("kind", "document"),
    [
        (DifferenceSettings, {"distances": [0]}),
        (DifferenceSettings, {"distances": []}),
        (MeansSettings, {"sizes": [1]}),
        (MeansSettings, {"alpha": 1.5}),
        (EnergySettings, {"alpha": -1}),
    ],
)
def test_settings_that_mean_nothing_are_refused(kind, document: dict) -> None:
    with pytest.raises(SettingsError, match="expected"):
        decode(kind, document)
