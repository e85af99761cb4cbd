"""HiLAM: a sweep down, then one up, level after level."""

from itertools import pairwise
from typing import Any

import numpy as np
import torch

from py4cast.grid import Grid
from py4cast.models.graph.hilam import HiLAM
from py4cast.models.graph.settings import GraphSettings
from tests.models.graph.small_graphs import COUNTS, interaction, tiny_graph

GRID = Grid(np.array([50.0, 49.0]), np.array([0.0, 1.0, 2.0]))


def test_a_sweep_goes_down_within_and_between_levels_then_up() -> None:
    graph = tiny_graph(2)
    model: Any = HiLAM(5, 3, GraphSettings(hidden_dims=4, processor_layers=2), GRID, graph).double()
    terms = model.static_terms()
    fine, coarse = (torch.randn(n, 2, 4, dtype=torch.float64) for n in COUNTS[:2])
    before = [fine, coarse]
    same, up, down = [terms["same_0"], terms["same_1"]], terms["up_0"], terms["down_0"]
    for turn in range(2):
        below, above = model.mesh_down_same_gnns[turn], model.mesh_up_same_gnns[turn]
        coarse, same[1] = interaction(below[1], coarse, coarse, same[1])
        fine, down = interaction(model.mesh_down_gnns[turn][0], coarse, fine, down)
        fine, same[0] = interaction(below[0], fine, fine, same[0])
        fine, same[0] = interaction(above[0], fine, fine, same[0])
        coarse, up = interaction(model.mesh_up_gnns[turn][0], fine, coarse, up)
        coarse, same[1] = interaction(above[1], coarse, coarse, same[1])
    nodes, downward = model.exchange(before, [terms["same_0"], terms["same_1"]], [terms["up_0"]], [terms["down_0"]])
    for ours, plain in zip((*nodes, *downward), (fine, coarse, down), strict=True):
        torch.testing.assert_close(ours, plain)


def test_every_round_has_weights_of_its_own() -> None:
    sizes = [
        sum(p.numel() for p in HiLAM(5, 3, GraphSettings(hidden_dims=4, processor_layers=n), GRID, tiny_graph(2)).parameters())
        for n in (1, 2, 3)
    ]  # fmt: skip
    # an interaction network of width 4 has MLPs of 12 and of 8 inputs
    each = (12 * 4 + 4) + (4 * 4 + 4) + 8 + (8 * 4 + 4) + (4 * 4 + 4) + 8
    assert [b - a for a, b in pairwise(sizes)] == [6 * each, 6 * each]
