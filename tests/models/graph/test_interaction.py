"""MLPs and messages against their formulas."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from py4cast.models.graph.edges import Edges
from py4cast.models.graph.interaction import InteractionNetwork, MessageSum, make_mlp, run_rest, update_nodes


def chain() -> Edges:
    """Senders 0, 1, 2 to receivers 0, 0, 1."""
    return Edges(np.array([0, 1, 2]), np.array([0, 0, 1]), 3, 2)


@pytest.mark.parametrize("hidden_layers", [1, 3])
def test_an_mlp_has_so_many_hidden_layers_and_a_norm_unless_it_is_a_head(hidden_layers: int) -> None:
    hidden = [nn.Linear, nn.SiLU] * hidden_layers
    body, head = make_mlp(3, 5, hidden_layers), make_mlp(3, 5, hidden_layers, 2)
    assert [type(layer) for layer in body] == [*hidden, nn.Linear, nn.LayerNorm]
    assert [type(layer) for layer in head] == [*hidden, nn.Linear]
    weights = [layer.weight.shape for layer in head if isinstance(layer, nn.Linear)]
    assert weights == [(5, 3), *[(5, 5)] * (hidden_layers - 1), (2, 5)]
    assert [layer.weight.shape for layer in body if isinstance(layer, nn.LayerNorm)] == [(5,)]


def test_the_rest_of_an_mlp_begins_behind_its_first_layer() -> None:
    mlp = make_mlp(3, 4, 2).double()
    first = torch.randn(6, 4, dtype=torch.float64)
    rest = nn.Sequential(*list(mlp)[1:])
    torch.testing.assert_close(run_rest(mlp, first), rest(first))
    torch.testing.assert_close(run_rest(mlp, first, start=3), nn.Sequential(*list(mlp)[3:])(first))


def test_nodes_are_updated_from_themselves_and_their_sums() -> None:
    mlp = make_mlp(8, 4, 1).double()
    nodes, sums = torch.randn(2, 5, 3, 4, dtype=torch.float64).unbind(0)
    torch.testing.assert_close(update_nodes(mlp, nodes, sums), nodes + mlp(torch.cat([nodes, sums], -1)))


def test_the_first_layer_splits_into_edge_sender_and_receiver() -> None:
    network = MessageSum(chain(), 2, 1)
    first = network.edge_mlp[0]
    assert isinstance(first, nn.Linear)
    with torch.no_grad():
        first.weight.copy_(torch.tensor([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [0.0] * 6]))
        first.bias.copy_(torch.tensor([0.5, 7.0]))
    row = torch.tensor([[[10.0, 1.0]]])
    assert network.edge_term(row).tolist() == [[[12.5, 7.0]]], "1·10 + 2·1 + 0.5"
    assert network.project(row).tolist() == [[[34.0, 0.0]]], "3·10 + 4·1, without the bias"


def test_the_term_of_edges_that_never_change_is_that_of_their_embedding() -> None:
    network, embedder = MessageSum(chain(), 4, 1).double(), make_mlp(3, 4, 1).double()
    features = torch.randn(3, 1, 3, dtype=torch.float64)
    expected = F.linear(embedder(features), network.edge_mlp[0].weight[:, :4], network.edge_mlp[0].bias)  # type: ignore[index, arg-type]
    torch.testing.assert_close(network.static_term(embedder, features), expected)


def test_edges_that_are_not_updated_come_back_as_they_were() -> None:
    network = InteractionNetwork(chain(), 4, 1, update_edges=False)
    edges = torch.randn(3, 2, 4)
    nodes, after = network(torch.randn(3, 2, 4), torch.randn(2, 2, 4), edges)
    assert after is edges and nodes.shape == (2, 2, 4)


def test_a_receiver_without_edges_hears_a_sum_of_zero() -> None:
    network = InteractionNetwork(Edges(np.array([0]), np.array([1]), 1, 2), 4, 1).double()
    senders, receivers, edges = (torch.randn(n, 1, 4, dtype=torch.float64) for n in (1, 2, 1))
    alone = receivers[0] + network.aggr_mlp(torch.cat([receivers[0], torch.zeros(1, 4)], -1))
    torch.testing.assert_close(network(senders, receivers, edges)[0][0], alone)
