from pathlib import Path

import pytest
import torch
from torch import nn

from py4cast.models.synchronised import SynchronisedBatchNorm, synchronise
from tests.gloo import met, on_ranks


def network() -> nn.Sequential:
    torch.manual_seed(0)
    layers = [nn.Conv2d(2, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU(), nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2)]
    return nn.Sequential(*layers).double()


def samples() -> torch.Tensor:
    return torch.randn(4, 2, 5, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def learned(net: nn.Module, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """Gradients and running statistics after the mean loss of samples."""
    net.zero_grad()
    (net(x) * torch.linspace(0, 1, 6).double() ** 2).square().mean().backward()
    gradients = {f"grad {name}": weight.grad for name, weight in net.named_parameters()}
    return {**gradients, **{name: buffer.clone() for name, buffer in net.named_buffers()}}


def one_of_two(rank: int, size: int, folder: str) -> None:
    with met(rank, size, folder):
        net = network()
        synchronise(net)
        result = learned(net, samples()[2 * rank : 2 * rank + 2])
        for name, values in result.items():
            if name.startswith("grad"):
                torch.distributed.all_reduce(values)
                values /= 2  # as DDP does
        if rank == 0:
            torch.save(result, f"{folder}/result.pt")


def test_two_ranks_learn_what_one_learns_of_all_samples(tmp_path: Path) -> None:
    on_ranks(one_of_two, 2, tmp_path)
    shared = torch.load(tmp_path / "result.pt", weights_only=True)
    alone = learned(network(), samples())
    assert shared.keys() == alone.keys()
    for name, values in alone.items():
        torch.testing.assert_close(shared[name], values, rtol=1e-10, atol=1e-12, msg=lambda m, n=name: f"{n}: {m}")


def test_alone_it_is_a_plain_one_and_takes_its_weights() -> None:
    plain, other = network(), network()
    plain.load_state_dict({k: v + 0.1 if v.is_floating_point() else v for k, v in plain.state_dict().items()})
    assert synchronise(other) == 2 and isinstance(other[1], SynchronisedBatchNorm)
    other.load_state_dict(plain.state_dict())
    torch.testing.assert_close(other(samples()), plain(samples()))
    torch.testing.assert_close(other.eval()(samples()), plain.eval()(samples()))
    with pytest.raises(ValueError, match="at least 2 dimensions"):
        other[1](torch.zeros(3))
