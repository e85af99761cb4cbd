"""Attention over edges against its formula written edge by edge, and its gradients."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from py4cast.models.graph import blockwise
from py4cast.models.graph.along import EdgeProducts, Gathers, SparseRows
from py4cast.models.graph.attention import EdgeAttention, FeedForward
from py4cast.models.graph.edges import Edges

HEADS, HIDDEN, WIDTH = 2, 6, 4


def layer(is_even: bool, is_within: bool = False) -> EdgeAttention:
    rng = np.random.default_rng(0)
    degree = np.full(40, 3) if is_even else rng.integers(1, 7, 40)
    receivers = np.repeat(np.arange(40), degree)
    senders = rng.integers(0, 40 if is_within else 23, receivers.size)
    torch.manual_seed(1)
    edges = Edges(senders, receivers, 40 if is_within else 23, 40)
    made = EdgeAttention(EdgeProducts(edges), HIDDEN, HEADS, 4, WIDTH, is_within).double()
    for norm in {made.norm, made.sender_norm, made.feed_forward.norm}:
        nn.init.normal_(norm.weight)
    return made


def by_edge(module: EdgeAttention, senders: Tensor, receivers: Tensor, features: Tensor) -> Tensor:
    """The formula, receiver by receiver."""
    rows, edges, d = [], module.products.edges, HIDDEN // HEADS
    for i, x in enumerate(receivers):
        heard = torch.nonzero(edges.receivers == i).flatten()
        query = module.query(module.norm(x)).reshape(-1, HEADS, d)
        from_senders = module.sender_norm(senders[edges.senders[heard]])
        key, value = (
            (part(from_senders) + module.edge(features[heard])).reshape(len(heard), -1, HEADS, d)
            for part in (module.key, module.value)
        )
        shares = ((query[None] * key).sum(-1) / d**0.5).softmax(0)
        message = (shares[..., None] * value).sum(0).flatten(-2)
        x = x + module.projection(message + module.self_term(module.norm(x)))
        wide = module.feed_forward.widen(module.feed_forward.norm(x))
        rows.append(x + module.feed_forward.narrow(F.gelu(wide)))
    return torch.stack(rows)


def inputs_of(module: EdgeAttention, batch: int = 2) -> list[Tensor]:
    """Senders, receivers that are alike for the whole batch, and edges."""
    edges = module.products.edges
    shapes = ((edges.num_senders, batch, HIDDEN), (edges.num_receivers, 1, HIDDEN), (edges.num_edges, 1, WIDTH))
    return [torch.randn(shape, dtype=torch.float64).requires_grad_() for shape in shapes]


@pytest.mark.parametrize("is_even", [True, False], ids=["as many edges each", "some more, some less"])
@pytest.mark.parametrize("kind", ["sparse", "gathers"])
def test_attention_is_its_formula(is_even: bool, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values and all gradients, whether by sparse products or by gathering."""
    if kind == "gathers":
        monkeypatch.setattr(EdgeProducts, "of", lambda self, _: Gathers(self.edges))
    module = layer(is_even)
    inputs, weight, results = inputs_of(module), torch.randn(40, 2, HIDDEN).double(), []
    for run in (module, lambda *given: by_edge(module, *given)):
        y = run(*inputs)
        # a bias of all keys changes no share: its gradient is rounding alone
        parameters = [p for n, p in module.named_parameters() if n != "key.bias"]
        results.append((y, *torch.autograd.grad((y * weight).sum(), [*inputs, *parameters])))
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("is_even", [True, False], ids=["as many edges each", "some more, some less"])
def test_sparse_products_are_gathered_ones(is_even: bool) -> None:
    products = layer(is_even).products
    x, y = torch.randn(40, 2, HEADS, 3), torch.randn(23, 2, HEADS, 3)
    features = torch.randn(products.edges.num_edges, 3)
    results = []
    for along in (SparseRows(products.edges, 2 * HEADS), Gathers(products.edges)):
        scores = along.dots(x, y) + along.dots_of_edges(x, features)
        shares = along.softmax(300 * scores)
        turned = along.softmax_back(shares, scores)
        results.append(
            [
                along.sums(shares, y), along.sums_of_edges(shares, features).reshape(x.shape), along.back(turned, x),
                along.back_to_edges(turned, x), along.sums(shares, torch.ones_like(y)),
            ]
        )  # fmt: skip
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    assert torch.allclose(results[0][-1], torch.ones_like(x)), "shares sum to one, whatever the scores"


def test_large_scores_are_no_trouble() -> None:
    """No bound stands for the maximum: scores of thousands, of both signs, give shares that sum to one."""
    edges = layer(is_even=False).products.edges
    scores = 5000 * torch.randn(edges.num_edges, 3, HEADS)
    shares = edges.softmax(scores, 0, 40)
    torch.testing.assert_close(edges.total(shares, 0, 40), torch.ones(40, 3, HEADS))
    first, last = edges.edge_range(7, 19)
    assert torch.equal(edges.softmax(scores[first:last], 7, 19), shares[first:last])


def test_layers_over_the_same_edges_share_their_tables() -> None:
    module = layer(is_even=False)
    kept = module.products
    for batch in (2, 3, 1, 3):
        module(*inputs_of(module, batch))
        assert batch * HEADS in kept._sparse and len(kept._sparse) <= 2


def test_within_a_set_of_nodes_there_is_one_norm() -> None:
    module = layer(is_even=True, is_within=True)
    assert module.norm is module.sender_norm
    nodes, _, features = inputs_of(module, 1)
    torch.testing.assert_close(module(nodes, nodes, features), by_edge(module, nodes, nodes, features))


def test_the_feed_forward_keeps_one_wide_array() -> None:
    module, x = FeedForward(HIDDEN, 4).double(), torch.randn(9, 2, HIDDEN).double().requires_grad_()
    assert torch.autograd.gradcheck(module, x)
    kept: list[torch.Size] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.shape) or t, lambda t: t):
        module(x)
    assert [s[-1] for s in kept if len(s) == 3].count(4 * HIDDEN) == 1


@pytest.mark.parametrize("kind", ["sparse", "gathers"])
def test_bfloat16_is_near(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if kind == "gathers":
        monkeypatch.setattr(EdgeProducts, "of", lambda self, _: Gathers(self.edges))
    module = layer(is_even=False).float()
    inputs = [t.detach().float().requires_grad_() for t in inputs_of(module)]
    results = []
    for enabled in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            y = module(*inputs)
        results.append(torch.autograd.grad(y.float().square().sum(), inputs))
    for exact, near in zip(*results, strict=True):
        assert float((near - exact).norm() / exact.norm()) < 0.05


def test_blocks_are_of_a_size_that_the_widest_array_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    run = FeedForward.forward
    monkeypatch.setattr(FeedForward, "forward", lambda self, x: sizes.append(len(x)) or run(self, x))
    monkeypatch.setattr(blockwise, "_ROWS_CPU", 64)
    module = layer(is_even=True)
    module(*inputs_of(module))
    assert sizes == [8] * 5, "40 receivers, batch 2, hidden layers four times as wide"
