import pytest
import torch
import torch.nn.functional as F

from py4cast.models.split.moments import Moments, normalised


def alone(values: torch.Tensor) -> torch.Tensor:
    return values


@pytest.mark.parametrize("shape", [(3, 4, 5, 6), (7, 4)], ids=["image", "features"])
def test_alone_it_is_batch_norm(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    x = (5 + torch.randn(shape, dtype=torch.float64)).requires_grad_()
    weight, bias = (torch.randn(4, dtype=torch.float64).requires_grad_() for _ in range(2))
    y, mean, variance, count = normalised(x, Moments(shape[:2], 0, alone, 1e-5), weight, bias)
    torch.testing.assert_close(y, F.batch_norm(x, None, None, weight, bias, training=True, eps=1e-5))
    torch.testing.assert_close(mean[0], x.transpose(0, 1).flatten(1).mean(1))
    torch.testing.assert_close(variance[0], x.transpose(0, 1).flatten(1).var(1, correction=0))
    assert (count == x.numel() / 4).all()


@pytest.mark.parametrize("is_affine", [True, False], ids=["affine", "plain"])
def test_alone_it_is_group_norm_with_its_gradients(is_affine: bool) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 6, 4, 3, dtype=torch.float64).requires_grad_()
    weight, bias = (torch.randn(6, dtype=torch.float64).requires_grad_() if is_affine else None for _ in range(2))
    moments = Moments((2, 3, 2), 2, alone, 1e-5)
    torch.testing.assert_close(normalised(x, moments, weight, bias)[0], F.group_norm(x, 3, weight, bias, 1e-5))
    inputs = (x, weight, bias) if is_affine else (x,)
    further = () if is_affine else (None, None)
    assert torch.autograd.gradcheck(lambda *t: normalised(t[0], moments, *(t[1:] or further))[0], inputs)
