"""Hierarchical networks: up at first, an exchange, down at last."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from py4cast.grid import Grid
from py4cast.models.graph.graph import Graph
from py4cast.models.graph.hierarchy import HierarchicalModel
from py4cast.models.graph.settings import GraphSettings
from tests.models.graph.small_graphs import COUNTS, interaction, rows_of, tiny_graph

GRID = Grid(np.array([50.0, 49.0]), np.array([0.0, 1.0, 2.0]))
GRAPH = tiny_graph(3)


class Doubling(HierarchicalModel):
    """Its exchange doubles nodes and triples edges downward."""

    def make_exchange(self, graph: Graph) -> None:
        self.exchanged = graph.num_levels

    def exchange(
        self, nodes: list[Tensor], same: list[Tensor], up: list[Tensor], down: list[Tensor]
    ) -> tuple[list[Tensor], list[Tensor]]:
        assert (len(nodes), len(same), len(up), len(down)) == (3, 3, 2, 2)
        return [2 * n for n in nodes], [3 * e for e in down]


def make() -> Doubling:
    return Doubling(5, 3, GraphSettings(hidden_dims=4), GRID, GRAPH).double()


def test_levels_speak_upward_then_exchange_then_listen_downward() -> None:
    model = make()
    terms = model.static_terms()
    finest = torch.randn(4, 2, 4, dtype=torch.float64)
    first, second = model.mesh_init_gnns
    middle, _ = interaction(first, finest, terms["mesh_1"], terms["up_0"])
    top, _ = interaction(second, middle, terms["mesh_2"], terms["up_1"])
    near, far = model.mesh_read_gnns
    middle, _ = interaction(far, 2 * top, 2 * middle, 3 * terms["down_1"])
    expected, _ = interaction(near, middle, 2 * finest, 3 * terms["down_0"])
    torch.testing.assert_close(model.process(finest, terms), expected)


def test_static_terms_are_embeddings_of_every_level_and_set() -> None:
    model = make()
    terms = model.static_terms()
    levels = {f"{kind}_{k}" for kind, count in {"mesh": 3, "same": 3, "up": 2, "down": 2}.items() for k in range(count)}
    assert set(terms) == levels | {"mesh"} and terms["mesh"] is terms["mesh_0"]
    for level in range(3):
        expected = model.mesh_embedders[level](rows_of(GRAPH.nodes[level]))
        torch.testing.assert_close(terms[f"mesh_{level}"], expected)
    torch.testing.assert_close(terms["down_1"], model.mesh_down_embedders[1](rows_of(GRAPH.down[1].features)))
    torch.testing.assert_close(terms["up_0"], model.mesh_up_embedders[0](rows_of(GRAPH.up[0].features)))


def test_networks_between_levels_have_the_sizes_of_both() -> None:
    model: Any = make()
    sizes = {
        kind: [(n.connections.num_senders, n.connections.num_receivers) for n in model.between(GRAPH, kind)]
        for kind in ("same", "up", "down")
    }
    fine, middle, coarse = COUNTS
    assert sizes["same"] == [(fine, fine), (middle, middle), (coarse, coarse)]
    assert sizes["up"] == [(fine, middle), (middle, coarse)] and sizes["down"] == [(middle, fine), (coarse, middle)]
    assert all(n.update_edges for n in model.mesh_init_gnns) and not any(n.update_edges for n in model.mesh_read_gnns)


def test_of_one_level_the_exchange_is_all_that_happens() -> None:
    class Single(Doubling):
        def exchange(
            self, nodes: list[Tensor], same: list[Tensor], up: list[Tensor], down: list[Tensor]
        ) -> tuple[list[Tensor], list[Tensor]]:
            return [5 * n for n in nodes], down

    model = Single(5, 3, GraphSettings(hidden_dims=4), GRID, tiny_graph(1)).double()
    finest = torch.randn(4, 2, 4, dtype=torch.float64)
    assert torch.equal(model.process(finest, model.static_terms()), 5 * finest)
