import math

import pytest
import torch

from py4cast.errors import SettingsError
from py4cast.losses.crps import CRPS, CRPSSettings
from py4cast.scores.ensemble import crps
from py4cast.settings import decode
from py4cast.testing import make_info

INFO = make_info((6, 7), border_size=1, diagnostic=False)
CELLS = (6, 7, 2)


def inside(values: torch.Tensor) -> torch.Tensor:
    """Mean over the interior, features weighted as the loss does."""
    weights = INFO.statics.cell_weights.squeeze(-1)
    mean = torch.einsum("...xyf,xy->...f", values, weights / weights.sum())
    std = INFO.diff_stats.to_list("std", INFO.predicted)
    return (mean * torch.tensor([INFO.state_weights[n] for n in INFO.predicted]) / std).sum(-1)


@pytest.mark.parametrize(("alpha", "is_fair"), [(1.0, True), (0.0, False)])
def test_fair_and_plain_are_the_scores(alpha: float, is_fair: bool) -> None:
    x, y = torch.randn(2, 5, 3, *CELLS), torch.randn(2, 3, *CELLS)
    loss = CRPS(INFO, CRPSSettings(alpha=alpha))
    expected = inside(torch.stack([crps(members, truth, is_fair) for members, truth in zip(x, y, strict=True)]))
    torch.testing.assert_close(loss(x, y), expected, rtol=1e-4, atol=1e-5)


def test_almost_fair_lies_between() -> None:
    x, y = torch.randn(1, 4, 1, *CELLS), torch.randn(1, 1, *CELLS)
    fair, almost, plain = (float(CRPS(INFO, CRPSSettings(alpha=a))(x, y)) for a in (1.0, 0.95, 0.0))
    assert fair < almost < plain
    assert math.isclose(almost, 0.95 * fair + 0.05 * plain, rel_tol=1e-4), "linear in α"


def test_one_member_is_scored_by_its_absolute_error() -> None:
    x, y = torch.randn(2, 3, *CELLS), torch.randn(2, 3, *CELLS)
    torch.testing.assert_close(CRPS(INFO)(x, y), inside((x - y).abs()))
    torch.testing.assert_close(CRPS(INFO)(x.unsqueeze(1), y), inside((x - y).abs()))


def test_what_is_missing_leaves_neither_value_nor_gradient() -> None:
    x = torch.randn(1, 3, 1, *CELLS, requires_grad=True)
    y = torch.randn(1, 1, *CELLS)
    y[0, 0, 2, 2] = torch.nan
    CRPS(INFO)(x, y).sum().backward()
    assert x.grad is not None and bool(torch.isfinite(x.grad).all())
    assert float(x.grad[:, :, :, 2, 2].abs().max()) == 0 and float(x.grad[:, :, :, 2, 3].abs().max()) > 0


def test_the_gradient_is_that_of_differences() -> None:
    loss, y = CRPS(INFO), torch.randn(1, 1, *CELLS)
    x = torch.randn(1, 3, 1, *CELLS)
    moved = torch.zeros_like(x)
    moved[0, 1, 0, 2, 3, 0] = 1e-2
    leaf = x.clone().requires_grad_()
    loss(leaf, y).sum().backward()
    slope = float((loss(x + moved, y) - loss(x - moved, y)).sum()) / 2e-2
    assert leaf.grad is not None and math.isclose(float(leaf.grad[0, 1, 0, 2, 3, 0]), slope, rel_tol=0.02)


def test_alpha_is_checked() -> None:
    with pytest.raises(SettingsError, match=r"alpha 1\.5: expected 0 to 1"):
        decode(CRPSSettings, {"alpha": 1.5})
