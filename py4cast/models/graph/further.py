"""FurtherInput: what cells hear of values at places of their own: stations, buoys, a coarser model.

    v ← IN(p → v),  p = MLP([z, k]),  with k = 1 where a value is known

for each cell v and its points p: the nearest ones of a cell, and the cell nearest to each point, so that no cell is deaf
and no point unheard. A point of which nothing is known says nothing. At first nothing changes the cells: the norm
behind the last layer begins with zeros.
"""

from math import prod

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor, nn

from py4cast.dataset_info import InputInfo
from py4cast.grid import EARTH_RADIUS, Grid
from py4cast.models.graph.blockwise import Block, blockwise
from py4cast.models.graph.edges import Edges
from py4cast.models.graph.geometry import on_sphere
from py4cast.models.graph.graph import Connections
from py4cast.models.graph.interaction import InteractionNetwork, embed, make_mlp, update_nodes
from py4cast.models.graph.mesh import unique_pairs

__all__ = ["FurtherInput", "heard"]


def heard(points: Grid, cells: Grid, num_nearest: int) -> Connections:
    """Edges from points to cells, with length and its components east and north over the median length.

    Args:
        points: of the input; cells of any grid.
        cells: that hear them.
        num_nearest: points that a cell hears at least, as far as there are so many.
    """
    from_points, to_cells = (EARTH_RADIUS * grid.xyz().reshape(-1, 3) for grid in (points, cells))
    of_cells = _nearest(from_points, to_cells, num_nearest)
    of_points = _nearest(to_cells, from_points, 1)[::-1]
    receivers, senders = unique_pairs(np.concatenate([of_cells, of_points], axis=1))
    features = on_sphere(from_points[senders], to_cells[receivers])
    median = float(np.median(features[:, 0])) or 1.0
    return Connections(senders, receivers, (features / median).astype(np.float32))


def _nearest(senders: NDArray[np.float64], receivers: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """Each receiver and the senders nearest to it, `(2, pairs)`."""
    count = min(count, len(senders))
    index = np.asarray(cKDTree(senders).query(receivers, k=np.arange(1, count + 1))[1], np.int64)
    return np.stack([np.repeat(np.arange(len(receivers)), count), index.ravel()])


class FurtherInput(nn.Module):
    """Creates what the cells of a grid hear of a further input.

    Args:
        info: of the input.
        grid: whose cells hear it.
        hidden: width of cells.
        hidden_layers: of each MLP.
        num_nearest: points that a cell hears at least.
    """

    features: Tensor

    def __init__(self, info: InputInfo, grid: Grid, hidden: int, hidden_layers: int, num_nearest: int) -> None:
        super().__init__()
        connections = heard(info.grid, grid, num_nearest)
        self._num_features = len(info.names)
        edges = Edges(connections.senders, connections.receivers, prod(info.grid.shape), prod(grid.shape))
        self.register_buffer("features", torch.from_numpy(connections.features).unsqueeze(1), persistent=False)
        self.point_embedder = make_mlp(2 * self._num_features, hidden, hidden_layers)
        self.edge_embedder = make_mlp(3, hidden, hidden_layers)
        self.gnn = InteractionNetwork(edges, hidden, hidden_layers, update_edges=False)
        norm = self.gnn.aggr_mlp[-1]
        nn.init.zeros_(norm.weight)  # type: ignore[arg-type]
        nn.init.zeros_(norm.bias)  # type: ignore[arg-type]

    def precompute(self) -> Tensor:
        """What its edges, which never change, add to messages, `(edges, 1, hidden)`."""
        return self.gnn.static_term(self.edge_embedder, self.features)

    def forward(self, cells: Tensor, given: Tensor, term: Tensor) -> Tensor:
        """The cells after they have heard the input, `(cells, batch, hidden)`.

        Args:
            cells: `(cells, batch, hidden)`.
            given: of the input, standardised, behind its features 1 where each is known, `(batch, lat, lon, features)`.
            term: of `precompute`.
        """
        points = given.flatten(1, 2).transpose(0, 1)
        known, gnn = points[..., self._num_features :].amax(-1, keepdim=True), self.gnn

        def layer(block: Block) -> tuple[Tensor, None]:
            receivers = block.nodes[0]
            messages = gnn.messages(block, receivers, block.edges[0])
            sums = block.reduce(messages * known.index_select(0, block.senders()))
            return update_nodes(gnn.aggr_mlp, receivers, sums), None

        table = gnn.project(embed(self.point_embedder, points))
        return blockwise(layer, [gnn], [cells], gnn.connections, table, [term])[0]
