import pytest
import torch
from torch import Tensor

from py4cast.errors import SettingsError
from py4cast.losses import LossABC, LossTerms, registry
from py4cast.testing import check_loss, make_info

INFO = make_info((9, 12), border_size=1)
SHAPE = (2, 3, 9, 12, len(INFO.predicted))


@pytest.mark.parametrize("name", registry.builtin_names)
def test_every_loss_keeps_the_contract(name: str) -> None:
    check_loss(name)


@pytest.mark.parametrize("name", ["mse", "mae"])
def test_parts_of_a_domain_add_up(name: str) -> None:
    loss, generator = registry.get(name)(INFO), torch.Generator().manual_seed(0)
    y, truth = (torch.randn(SHAPE, generator=generator) for _ in range(2))
    truth[0, 1, 2:5, 3, 0] = torch.nan
    west = torch.zeros(SHAPE[2:4], dtype=torch.bool)
    west[:, :5] = True
    parts = [loss.terms(y, truth, mask.unsqueeze(-1)) for mask in (west, ~west)]
    torch.testing.assert_close((parts[0] + parts[1]).mean(), loss(y, truth))
    whole = loss.terms(y, y)
    torch.testing.assert_close(whole.weight, torch.ones_like(whole.weight))


def test_what_is_nowhere_known_adds_nothing() -> None:
    terms = LossTerms(torch.tensor([[[3.0, 0.0]]]), torch.tensor([[[2.0, 0.0]]]))
    torch.testing.assert_close(terms.mean(), torch.tensor([[1.5]]))


class Older(LossABC):
    """As a plugin wrote one: forward alone."""

    def forward(self, prediction: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:  # type: ignore[override]
        return (prediction - target).square().mean((2, 3, 4))


def test_a_loss_that_gives_forward_alone_has_terms() -> None:
    loss, y = Older(INFO), torch.randn(SHAPE)
    terms = loss.terms(y, torch.zeros_like(y))
    torch.testing.assert_close(terms.mean(), y.square().mean((2, 3, 4)))
    assert terms.weight.shape == (2, 3, 1) and bool((terms.weight == 1).all())


def test_a_loss_that_gives_neither_cannot_be_made() -> None:
    class Empty(LossABC):
        pass

    with pytest.raises(TypeError, match="abstract method '?terms"):
        Empty(INFO)


def test_a_loss_of_whole_fields_has_no_map() -> None:
    class Whole(LossABC):
        def terms(self, prediction, target, mask=None):
            return LossTerms(prediction.sum((2, 3)), torch.ones(2, 3, len(INFO.predicted)))

    with pytest.raises(SettingsError, match="loss Whole: is of whole fields and has no value for a cell"):
        Whole(INFO)(torch.zeros(SHAPE), torch.zeros(SHAPE), reduce_spatial_dim=False)
