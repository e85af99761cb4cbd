"""What graph networks share: embeddings of edges that are alike, the way to the mesh and back, and whose graph it is."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from py4cast.grid import Grid
from py4cast.models.graph import base
from py4cast.models.graph.graph import Connections
from py4cast.models.graph.graphlam import GraphLAM
from py4cast.models.graph.interaction import InteractionNetwork
from py4cast.models.graph.settings import GraphSettings
from py4cast.testing import make_info
from tests.models.graph.small_graphs import NUM_CELLS, interaction, rows_of, tiny_graph

GRID = Grid(np.array([50.0, 49.0]), np.array([0.0, 1.0, 2.0]))
SMALL = GraphSettings(hidden_dims=4, processor_layers=1)
GRAPH = tiny_graph()


def network(settings: GraphSettings = SMALL) -> GraphLAM:
    return GraphLAM(5, 3, settings, GRID, GRAPH).double()


def alike(connections: Connections) -> Connections:
    """The edges with two kinds of features only, in turn."""
    kinds = np.array([[1.0, 0.5, 0.25], [2.0, -1.0, 0.0]], np.float32)
    return replace(connections, features=kinds[np.arange(connections.num_edges) % 2])


def test_cells_speak_to_the_mesh_and_hear_it_as_the_formula_says() -> None:
    model = network()
    x = torch.randn(2, NUM_CELLS, 5, dtype=torch.float64)
    v = model.grid_embedder(x.transpose(0, 1))
    m = model.mesh_embedder(rows_of(GRAPH.nodes[0])).expand(-1, 2, -1)
    m, _ = interaction(model.g2m_gnn, v, m, model.g2m_embedder(rows_of(GRAPH.grid_to_mesh.features)))
    v = v + model.encoding_grid_mlp(v)
    m, _ = interaction(model.processor[0], m, m, model.m2m_embedder(rows_of(GRAPH.same[0].features)))
    v, _ = interaction(model.m2g_gnn, m, v, model.m2g_embedder(rows_of(GRAPH.mesh_to_grid.features)))
    torch.testing.assert_close(model(x), model.output_map(v).transpose(0, 1))


def test_terms_that_are_given_are_those_that_it_makes() -> None:
    model = network()
    x, terms = torch.randn(2, NUM_CELLS, 5, dtype=torch.float64), model.precompute()
    assert {name: tuple(term.shape) for name, term in terms.items()} == {
        "g2m": (GRAPH.grid_to_mesh.num_edges, 1, 4), "m2g": (GRAPH.mesh_to_grid.num_edges, 1, 4),
        "mesh": (4, 1, 4), "same": (GRAPH.same[0].num_edges, 1, 4),
    }  # fmt: skip
    assert torch.equal(model(x, terms), model(x))
    assert not torch.allclose(model(x, {name: 2 * term for name, term in terms.items()}), model(x))


def test_of_edges_that_are_alike_one_is_embedded() -> None:
    graph = replace(GRAPH, mesh_to_grid=alike(GRAPH.mesh_to_grid))
    model: Any = GraphLAM(5, 3, SMALL, GRID, graph).double()
    assert model.m2g_features.shape == (2, 1, 3) and model.g2m_index is None
    features = rows_of(graph.mesh_to_grid.features)
    torch.testing.assert_close(model.embedded("m2g", model.m2g_embedder), model.m2g_embedder(features))
    term = model.m2g_gnn.edge_term(model.m2g_embedder(features))
    torch.testing.assert_close(model.static_term("m2g", model.m2g_gnn, model.m2g_embedder), term)


def test_where_half_of_the_edges_differ_each_is_embedded() -> None:
    features = np.repeat(np.eye(3, dtype=np.float32), 2, axis=0)
    half = Connections(np.zeros(6, np.int64), np.arange(6), features)
    model: Any = GraphLAM(5, 3, SMALL, GRID, replace(GRAPH, mesh_to_grid=half))
    assert model.m2g_index is None and torch.equal(model.m2g_features[:, 0], torch.from_numpy(features))


def test_messages_are_joined_as_the_settings_say() -> None:
    graphs: Mapping[str, GraphLAM] = {
        how: network(replace(SMALL, mesh_aggr=how)) for how in ("sum", "mean")
    }  # fmt: skip
    for how, model in graphs.items():
        joins = [m.connections for m in model.modules() if isinstance(m, InteractionNetwork)]
        assert len(joins) == 3 and all(c.is_mean == (how == "mean") for c in joins)


def test_a_graph_that_is_given_is_not_looked_for(monkeypatch: pytest.MonkeyPatch, own_root: Path) -> None:
    monkeypatch.setattr(base, "cached_graph", lambda *_: pytest.fail("looked for"))
    assert int(network().graph_digest) == GRAPH.digest
    GraphLAM.rank_zero_setup(SMALL, make_info().statics)
    assert not list(own_root.rglob("*.npz"))


def test_only_the_digest_of_the_graph_is_kept_with_the_weights() -> None:
    state, weights = network().state_dict(), dict(network().named_parameters())
    assert set(state) - set(weights) == {"graph_digest"}


def test_weights_without_a_digest_are_taken_and_those_of_another_graph_are_not() -> None:
    model = network()
    state = model.state_dict()
    del state["graph_digest"]
    assert model.load_state_dict(state).missing_keys == []
    wrapped = nn.ModuleDict({"model": model})
    wrong = wrapped.state_dict() | {"model.graph_digest": torch.tensor(GRAPH.digest - 1)}
    with pytest.raises(RuntimeError, match="lays over the grid is not the one that the weights were trained on"):
        wrapped.load_state_dict(wrong)
