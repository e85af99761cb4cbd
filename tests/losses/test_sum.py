"""A sum of losses of members and of single forecasts, and of either alone."""

from typing import Any

import pytest
import torch

from py4cast.errors import SettingsError
from py4cast.losses import registry
from py4cast.losses.sum import SumOfLosses, SumSettings, Term
from py4cast.testing import make_info
from py4cast.workflows.config import build_config

INFO = make_info((6, 5))


def added(*names: str) -> SumOfLosses:
    return SumOfLosses(INFO, SumSettings(terms=tuple(Term(loss=n, weight=w + 1.0) for w, n in enumerate(names))))


def fields(members: int = 3, batch: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    shape = (2, 6, 5, len(INFO.predicted))
    truth = torch.randn(batch, *shape, generator=generator)
    truth[0, 0, 2, 2] = torch.nan
    return torch.randn(batch, members, *shape, generator=generator), truth


@pytest.mark.parametrize("single", ["mse", "mae", "huber", "spectral"])
@pytest.mark.parametrize("batch", [2, 3])
def test_a_loss_of_one_forecast_is_the_mean_over_members(single: str, batch: int) -> None:
    members, truth = fields(members=3, batch=batch)
    truth = truth.nan_to_num() if single == "spectral" else truth
    loss = added("crps", single)
    kind = registry.get(single)
    of_one = kind(INFO)
    expected = registry.get("crps")(INFO)(members, truth) + 2.0 * torch.stack([of_one(m, truth) for m in members.unbind(1)]).mean(0)  # fmt: skip
    torch.testing.assert_close(loss(members, truth), expected)
    assert loss.takes_members and not loss.needs_members
    mask = torch.ones(batch, 1, 6, 5, 1, dtype=torch.bool)
    mask[-1, :, 0] = False
    of_masked = torch.stack([of_one(m, truth, mask) for m in members.unbind(1)]).mean(0)
    if single != "spectral":
        torch.testing.assert_close(loss(members, truth, mask), registry.get("crps")(INFO)(members, truth, mask) + 2.0 * of_masked)  # fmt: skip


def test_what_it_takes_is_what_its_terms_take() -> None:
    alone = added("mse", "mae")
    assert not alone.takes_members and alone.is_of_cells
    members, truth = fields()
    torch.testing.assert_close(alone(members[:, 0], truth), registry.get("mse")(INFO)(members[:, 0], truth) + 2 * registry.get("mae")(INFO)(members[:, 0], truth))  # fmt: skip
    assert added("crps", "gaussian_nll").needs_members and added("crps", "mae").is_of_cells
    assert not added("crps", "crps_of_means").is_of_cells
    mixed = added("mae", "crps")
    assert type(mixed.for_validation()) is type(registry.get("crps")(INFO).for_validation())
    assert mixed.cells(members, truth).shape == (2, 2, 6, 5)


@pytest.mark.parametrize(
    ("strategy", "loss", "told"),
    [
        ("ensemble", [{"loss": "mse"}], "SumOfLosses scores one forecast, strategy Ensemble trains 4 members"),
        ("ensemble", [{"loss": "crps"}, {"loss": "mae"}], "scores every cell for itself"),
        ("ensemble", [{"loss": "gaussian_nll"}, {"loss": "crps"}], "scores every cell for itself"),
        ("graph_efm", [{"loss": "gaussian_nll"}, {"loss": "crps_of_means"}], "trains one of its posterior too"),
        ("scaled_ar", [{"loss": "gaussian_nll"}], "scores the law of members, strategy ScaledAR trains one"),
    ],
)
def test_strategies_refuse_sums_that_do_not_fit(strategy: str, loss: list[dict[str, Any]], told: str) -> None:
    from py4cast.strategies import registry as strategies

    kind = strategies.get(strategy)
    made = kind(kind.settings_kls(), INFO)
    settings = SumSettings(terms=tuple(Term(**term) for term in loss))
    with pytest.raises(SettingsError, match=told):
        made.check_loss(SumOfLosses(INFO, settings))


def test_a_loss_of_members_is_refused_before_anything_is_trained() -> None:
    from py4cast.strategies import registry as strategies

    for name in ("diff_ar", "scaled_ar"):
        kind = strategies.get(name)
        with pytest.raises(SettingsError, match="loss GaussianNLL scores the law of members, strategy .* trains one"):
            kind(kind.settings_kls(), INFO).check_loss(registry.get("gaussian_nll")(INFO))


def test_a_sum_is_asked_for_with_its_loss() -> None:
    with pytest.raises(SettingsError, match=r"loss\.sum: the loss is 'mse'; ask for --loss sum"):
        build_config({}, ['loss.sum=[{"loss": "mae"}]']).check()
    build_config({}, ['loss.sum=[{"loss": "mae"}]', "train.loss=sum"]).check()


def test_a_sum_of_nothing_is_refused() -> None:
    config = build_config({}, ["loss.sum=[]", "train.loss=sum"])
    assert config.loss.of_loss() == {"terms": []} and build_config({}, []).loss.of_loss() == {}
    with pytest.raises(SettingsError, match="terms: expected at least one loss"):
        config.check()
