"""GraphLAM: rounds of messages on one mesh."""

import numpy as np
import torch

from py4cast.grid import Grid
from py4cast.models.graph.graphlam import GraphLAM
from py4cast.models.graph.settings import GraphSettings
from tests.models.graph.small_graphs import interaction, tiny_graph

GRID = Grid(np.array([50.0, 49.0]), np.array([0.0, 1.0, 2.0]))


def test_rounds_pass_nodes_and_edges_on() -> None:
    model = GraphLAM(5, 3, GraphSettings(hidden_dims=4, processor_layers=3), GRID, tiny_graph()).double()
    assert [layer.update_edges for layer in model.processor] == [True, True, False], "the last edges are read by nobody"
    terms = model.static_terms()
    mesh, edges = torch.randn(4, 2, 4, dtype=torch.float64), terms["same"]
    expected = mesh
    for layer in model.processor:
        expected, edges = interaction(layer, expected, expected, edges)
    torch.testing.assert_close(model.process(mesh, terms), expected)
