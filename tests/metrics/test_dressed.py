import math

import numpy as np
import pytest
import torch

from py4cast.metrics.batches import BatchVerification, SampledVerification
from py4cast.metrics.dressed import Dressed
from py4cast.metrics.layout import ScoreSettings
from py4cast.testing import make_batch, make_info

INFO = make_info((16, 16))
NAMES = INFO.predicted
RMSE = {name: [0.5 * (i + 1), 1.0 * (i + 1)] for i, name in enumerate(NAMES)}
STARTS = np.array(["2020-01-01T00", "2020-01-01T06"], dtype="datetime64[s]")


def test_members_have_the_spread_of_the_errors_about_the_forecast() -> None:
    forecast = torch.randn(2, 2, 16, 16, len(NAMES), generator=torch.Generator().manual_seed(0))
    members = Dressed(RMSE, NAMES).members(forecast, STARTS, 50)
    assert members.shape == (2, 50, 2, 16, 16, len(NAMES))
    spread = (members - forecast.unsqueeze(1)).square().mean((0, 1, 3, 4)).sqrt()
    torch.testing.assert_close(spread, torch.tensor([RMSE[n] for n in NAMES]).T, rtol=0.02, atol=0)
    few = Dressed(RMSE, NAMES).members(forecast[1:], STARTS[1:], 3)
    assert torch.equal(few[0], members[1, :3])


def test_the_reference_has_the_crps_of_its_normal_law() -> None:
    batch = make_batch(INFO, num_pred_steps=2)
    target = batch.outputs[NAMES].tensor
    generator = torch.Generator().manual_seed(1)
    scale = torch.tensor([RMSE[n] for n in NAMES]).T[:, None, None, :]
    mean = target + scale * torch.randn(target.shape, generator=generator)
    members = mean.unsqueeze(1).repeat(1, 20, 1, 1, 1, 1)
    settings = ScoreSettings(metrics=("rmse", "fair_crps", "spread_skill"))
    check = BatchVerification(INFO, settings=settings, num_members=20, dressed=Dressed(RMSE, NAMES))
    check.update(batch, members)
    scores = check.scores()
    assert scores.systems == ["model", "gaussian", "persistence"]
    for i, name in enumerate(NAMES):
        for step in range(2):
            expected = RMSE[name][step] / math.sqrt(math.pi)
            assert scores.table("fair_crps", "gaussian")[step, i] == pytest.approx(expected, rel=0.15)
            assert scores.table("spread_skill", "gaussian")[step, i] == pytest.approx(1.0, abs=0.15)


def test_another_forecast_can_be_dressed() -> None:
    batch = make_batch(INFO, num_pred_steps=2)
    target = batch.outputs[NAMES].tensor
    tiny = {name: [1e-6, 1e-6] for name in NAMES}
    settings = ScoreSettings(metrics=("rmse", "fair_crps"))
    check = BatchVerification(
        INFO, settings=settings, num_members=4, dressed=Dressed(tiny, NAMES), dressed_forecast=lambda b: target + 3.0
    )
    check.update(batch, torch.randn(target.shape[0], 4, *target.shape[1:]))
    np.testing.assert_allclose(check.scores().table("rmse", "gaussian"), 3.0, rtol=1e-4)


def test_a_single_forecast_has_no_such_reference() -> None:
    check = BatchVerification(INFO, num_members=1, dressed=Dressed(RMSE, NAMES))
    assert "gaussian" not in check.scores().systems


@pytest.mark.parametrize(
    ("rmse", "num_steps"),
    [(None, 1), ({}, 1), (RMSE, 3), ({**RMSE, NAMES[0]: [math.nan, 1.0]}, 2), ({**RMSE, NAMES[0]: 3.0}, 1)],
    ids=["none", "empty", "short", "nan", "odd"],
)
def test_errors_that_are_not_known_are_none(rmse: object, num_steps: int) -> None:
    assert Dressed.of(rmse, NAMES, num_steps) is None


def test_a_validation_tells_its_errors() -> None:
    batch = make_batch(INFO, num_pred_steps=2)
    check = SampledVerification(INFO)
    check.update(batch, batch.outputs[NAMES].tensor + 2.0)
    errors = check.rmse()
    assert list(errors) == NAMES
    np.testing.assert_allclose([errors[n] for n in NAMES], 2.0, rtol=1e-5)
