import pytest
import torch
from torch import nn

from py4cast.forecaster import Forecaster
from py4cast.losses import registry as losses
from py4cast.models.recomputed import recomputed
from py4cast.testing import make_batch, make_info


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5), nn.Conv2d(4, 2, 1)
    )


def learned(is_recomputed: bool) -> dict[str, torch.Tensor]:
    net, x = network(), torch.randn(3, 2, 5, 6, generator=torch.Generator().manual_seed(1)).requires_grad_()
    torch.manual_seed(2)
    for _ in range(2):
        y = recomputed(net, net, x) if is_recomputed else net(x)
        y.square().mean().backward()
    gradients = {f"grad {name}": weight.grad for name, weight in net.named_parameters()}
    return {"x": x.grad, **gradients, **dict(net.named_buffers()), "next": torch.randn(3)}


def test_gradients_statistics_and_random_numbers_are_those_of_the_call() -> None:
    plain, again = learned(False), learned(True)
    for name, values in plain.items():
        torch.testing.assert_close(again[name], values, msg=lambda m, n=name: f"{n}: {m}")
    assert int(again["1.num_batches_tracked"]) == 2


def test_gradients_come_through_what_else_it_is_given() -> None:
    weight = torch.tensor(2.0, requires_grad=True)
    layer, other = nn.Linear(1, 1), torch.tensor([3.0], requires_grad=True)

    def call(x: torch.Tensor, terms: dict, power: int) -> torch.Tensor:
        return (layer(x) * terms["scale"][0]) ** power

    terms = {"scale": [weight * 1.0]}
    y = recomputed(call, layer, other, terms, 2)
    y.backward()
    plain = [t.grad.clone() for t in (weight, other, layer.weight)]
    for tensor in (weight, other, layer.weight):
        tensor.grad = None
    call(other, {"scale": [weight * 1.0]}, 2).backward()
    for expected, tensor in zip((weight, other, layer.weight), plain, strict=True):
        torch.testing.assert_close(tensor, expected.grad)


def test_mixed_precision_is_that_of_the_call() -> None:
    layer, x, kinds = nn.Linear(4, 4), torch.randn(2, 4), []

    def call(x: torch.Tensor) -> torch.Tensor:
        y = layer(x)
        kinds.append(y.dtype)
        return y

    with torch.autocast("cpu", torch.bfloat16):
        y = recomputed(call, layer, x)
    y.float().sum().backward()
    assert kinds == [torch.bfloat16, torch.bfloat16]


@pytest.mark.parametrize("name", ["halfunet", "graphlam"])
def test_a_network_is_called_once_more_and_no_oftener(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from py4cast.models.graph import blockwise

    # blocks of few rows, each of which is a graph of its own
    monkeypatch.setattr(blockwise, "_ROWS_CPU", 64)
    info = make_info((27, 30))
    small = {"num_filters": 4} if name == "halfunet" else {"hidden_dims": 8, "processor_layers": 2}
    forecaster = Forecaster.build(info, name, "scaled_ar", 2, small, use_checkpoint=True)
    calls: list[int] = []
    forecaster.network.model.register_forward_pre_hook(lambda *_: calls.append(1))
    forecaster.training_loss(make_batch(info, num_pred_steps=3), losses.get("mse")(info)).mean().backward()
    assert len(calls) == 2 * 3
