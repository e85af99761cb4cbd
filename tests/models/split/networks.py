"""Small networks, in float64, that are cut over ranks."""

from typing import Any, NamedTuple

import numpy as np
import torch

from py4cast.batch import Statics
from py4cast.grid import Grid
from py4cast.models import GriddedNetwork, build_network
from py4cast.namedtensor import NamedTensor

__all__ = ["CASES", "Case", "grid_of", "network_of"]


class Case(NamedTuple):
    """A network that is cut.

    Args:
        model: its name.
        settings: of it.
        grid: kind of its grid.
        most: ranks that it is tried on at most.
        is_tried_on_four: whether it stands for its kind on four.
    """

    model: str
    settings: dict[str, Any]
    grid: str = "square"
    most: int = 4
    is_tried_on_four: bool = False


_MESH = {"hidden_dims": 8, "processor_layers": 2}
CASES = {
    "cnn": Case("cnn", {"num_filters": 4, "num_layers": 3}, is_tried_on_four=True),
    "cnn round the globe": Case("cnn", {"num_filters": 4, "num_layers": 2, "kernel_size": 3}, "globe"),
    "halfunet group": Case("halfunet", {"num_filters": 8, "norm": "group"}),
    "halfunet batch": Case("halfunet", {"num_filters": 8}, is_tried_on_four=True),
    "halfunet ghost": Case("halfunet", {"num_filters": 8, "use_ghost": True, "norm": "group", "bias": True}),
    "halfunet round the globe": Case("halfunet", {"num_filters": 4, "norm": "none"}, "globe", most=2),
    "halfunet wide": Case("halfunet", {"num_filters": 4, "norm": "none", "dilation": 2}, most=2),
    "unet": Case("unet", {"init_features": 4, "norm": "group"}, is_tried_on_four=True),
    "segformer": Case(
        "segformer",
        {"dims": [4, 4, 8, 8], "heads": [1, 1, 2, 2], "ff_expansion": [2, 2, 2, 2], "num_layers": 1, "decoder_dim": 8,
         "num_downsampling_chans": 4, "norm": "batch"},
        most=2,
    ),
    "graphlam": Case("graphlam", _MESH),
    "graphlam of points": Case("graphlam", _MESH, "points", is_tried_on_four=True),
    "hilam": Case("hilam", _MESH, is_tried_on_four=True),
    "hilam of means": Case("hilam", {**_MESH, "mesh_aggr": "mean"}, "globe"),
    "hilamparallel": Case("hilamparallel", {**_MESH, "mesh_aggr": "mean"}),
}  # fmt: skip


def grid_of(kind: str) -> Grid:
    """A square of 60 × 44 cells, a globe of 20 × 36, or 700 points."""
    if kind == "globe":
        return Grid(np.linspace(85.5, -85.5, 20), np.arange(0, 360, 10.0))
    if kind == "points":
        rng = np.random.default_rng(0)
        return Grid.points(rng.uniform(40, 60, 700), rng.uniform(-10, 20, 700))
    return Grid(np.linspace(40, 50, 60), np.linspace(0, 9, 44))


def network_of(name: str) -> tuple[GriddedNetwork, Grid]:
    """The network of a case in training, and its grid."""
    case = CASES[name]
    grid = grid_of(case.grid)
    torch.manual_seed(0)
    features = NamedTensor(torch.zeros(*grid.shape, 1), ["lat", "lon", "features"], ["z"])
    network, _ = build_network(case.model, 4, 2, case.settings, grid, Statics.build(grid, features))
    return network.double(), grid
