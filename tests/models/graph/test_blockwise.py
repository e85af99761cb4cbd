"""Layers in blocks against the same layers written plainly: results, gradients, lower precision."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from py4cast.models.graph import blockwise as module
from py4cast.models.graph.edges import Edges
from py4cast.models.graph.interaction import InteractionNetwork, MessageSum, embed, make_mlp, run_mlp


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ROWS_CPU", 7)


def edges(degree: int | None, is_mean: bool = False) -> Edges:
    """Six senders, eleven receivers; without a fixed degree, receiver 4 and the last one hear nobody."""
    generator = np.random.default_rng(0)
    if degree is not None:
        receivers = np.repeat(np.arange(11), degree)
    else:
        receivers = np.sort(generator.choice([0, 1, 2, 3, 5, 6, 7, 8, 9], 25))
    return Edges(generator.integers(0, 6, receivers.size), receivers, 6, 11, is_mean)


def plain(net: InteractionNetwork | MessageSum, senders: Tensor, receivers: Tensor, e: Tensor) -> tuple[Tensor, Tensor]:
    """As the reference writes it: m = MLP([e, xⱼ, xᵢ]), a = Σ m, x' = x + MLP([x, a]), e' = e + m."""
    own, batch = net.connections, max(senders.shape[1], receivers.shape[1], e.shape[1])
    senders, receivers, e = (t.expand(-1, batch, -1) for t in (senders, receivers, e))
    m = net.edge_mlp(torch.cat([e, senders[own.senders], receivers[own.receivers]], -1))
    a = torch.zeros(own.num_receivers, batch, net.hidden, dtype=m.dtype).index_add(0, own.receivers, m)
    if own.is_mean:
        a = a / torch.bincount(own.receivers, minlength=own.num_receivers).clamp(min=1).view(-1, 1, 1)
    return receivers + net.aggr_mlp(torch.cat([receivers, a], -1)) if isinstance(net, InteractionNetwork) else a, e + m


@pytest.mark.parametrize("degree", [None, 3])
@pytest.mark.parametrize("batches", [(2, 2, 2), (2, 1, 1), (1, 2, 1), (1, 1, 2), (1, 1, 1)])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("kind", [InteractionNetwork, MessageSum])
def test_results_and_gradients_are_the_plain_ones(kind: type, layers: int, batches: tuple, degree: int | None) -> None:
    torch.manual_seed(0)
    net = kind(edges(degree), 4, layers).double()
    sizes = (6, 11, net.connections.num_edges)
    inputs = [torch.randn(n, b, 4, dtype=torch.float64, requires_grad=True) for n, b in zip(sizes, batches, strict=True)]  # fmt: skip
    wanted = [*inputs, *net.parameters()]
    weights = None
    for run in (net, lambda *a: plain(net, *a)):
        nodes, changed = run(*inputs)
        weights = weights or (torch.randn_like(nodes), torch.randn_like(changed))
        grads = torch.autograd.grad((nodes * weights[0]).sum() + (changed * weights[1]).sum(), wanted)
        if run is net:
            first = (nodes, changed, *grads)
    for a, b in zip(first, (nodes, changed, *grads), strict=True):
        assert torch.allclose(a, b, atol=1e-12)
    for without in (torch.no_grad, torch.inference_mode):
        with without():
            assert torch.allclose(net(*(t.detach() for t in inputs))[0], nodes, atol=1e-12)


@pytest.mark.parametrize("keeps", [True, False])
def test_gradcheck(keeps: bool) -> None:
    torch.manual_seed(1)
    net = InteractionNetwork(edges(None, is_mean=True), 2, 1, update_edges=False).double()
    term = torch.randn(25, 1, 2, dtype=torch.float64, requires_grad=True)
    nodes = torch.randn(11, 2, 2, dtype=torch.float64, requires_grad=True)
    table = torch.randn(6, 2, 2, dtype=torch.float64, requires_grad=True)

    def layer(nodes: Tensor, table: Tensor, term: Tensor) -> Tensor:
        run = lambda block: (net.on_block(block, block.nodes[0]), None)  # noqa: E731
        return module.blockwise(run, [net], [nodes], net.connections, net.project(table), [term], keeps)[0]

    assert torch.autograd.gradcheck(layer, (nodes, table, term))


def test_mean_is_the_plain_mean() -> None:
    net = InteractionNetwork(edges(None, is_mean=True), 4, 1).double()
    inputs = [torch.randn(n, 2, 4, dtype=torch.float64) for n in (6, 11, 25)]
    assert torch.allclose(net(*inputs)[0], plain(net, *inputs)[0], atol=1e-12)


def test_bfloat16_is_near_float32() -> None:
    torch.manual_seed(0)
    net = InteractionNetwork(edges(3), 16, 1)
    inputs = [torch.randn(n, 2, 16, requires_grad=True) for n in (6, 11, 33)]
    found = []
    for enabled in (False, True):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            nodes, changed = net(*inputs)
        loss = nodes.float().square().mean() + changed.float().mean()
        found.append([nodes, *torch.autograd.grad(loss, [*inputs, net.edge_mlp[0].weight, net.aggr_mlp[2].weight])])
    for a, b in zip(*found, strict=True):
        assert a.shape == b.shape and bool((a - b.float()).abs().max() < 0.05 * a.abs().max())


def test_nothing_requires_gradients_when_weights_are_frozen() -> None:
    net = InteractionNetwork(edges(3), 4, 1).requires_grad_(False)
    senders = torch.randn(6, 2, 4, requires_grad=True)
    nodes, _ = net(senders, torch.randn(11, 2, 4), torch.randn(33, 2, 4))
    nodes.sum().backward()
    assert senders.grad is not None and float(senders.grad.abs().max()) > 0
    assert not net(senders.detach(), torch.randn(11, 2, 4), torch.randn(33, 2, 4))[0].requires_grad


def test_embedding_is_the_mlp() -> None:
    mlp = make_mlp(3, 5, 2).double()
    x = torch.randn(20, 2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.allclose(embed(mlp, x), mlp(x), atol=1e-12) and torch.allclose(run_mlp(mlp, x), mlp(x), atol=1e-12)
    for a, b in zip(torch.autograd.grad(embed(mlp, x).square().sum(), [x, *mlp.parameters()]), torch.autograd.grad(mlp(x).square().sum(), [x, *mlp.parameters()]), strict=True):  # fmt: skip
        assert torch.allclose(a, b, atol=1e-10)


def test_head_has_no_norm() -> None:
    head = make_mlp(4, 4, 1, 3)
    x = torch.randn(5, 4)
    assert torch.allclose(run_mlp(head, x), F.linear(F.silu(head[0](x)), head[2].weight, head[2].bias))


@pytest.mark.parametrize(
    ("senders", "receivers", "message"),
    [([0, 1], [1, 0], "receivers must be sorted"), ([0, 7], [0, 1], "sender 7 of 6"), ([0], [0, 1], "must be 1-D and of one size"),
     ([0, 1], [0, 11], "receiver 11 of 11"), ([-1, 1], [0, 1], "sender -1 of 6")],
)  # fmt: skip
def test_wrong_edges_are_refused(senders: list, receivers: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Edges(np.array(senders), np.array(receivers), 6, 11)
