"""FurtherInput: what cells hear of values at places of their own: stations, buoys, a coarser model.

    v ← IN(p → v),  p = MLP([z, k]),  with k = 1 where a value is known

for the cells v nearest to each point p: no point is unheard, and what it costs grows with the points alone. The other cells
hear of it through the mesh. A point of which nothing is known says nothing. At first nothing changes the cells: the norm
behind the last layer begins with zeros.
"""

from math import prod

import numpy as np
import torch
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
        num_nearest: cells that hear a point, the nearest, as far as there are so many.
    """
    from_points, to_cells = (EARTH_RADIUS * grid.xyz().reshape(-1, 3) for grid in (points, cells))
    count = min(num_nearest, len(to_cells))
    nearest = np.asarray(cKDTree(to_cells).query(from_points, k=np.arange(1, count + 1))[1], np.int64)
    receivers, senders = unique_pairs(np.stack([nearest.ravel(), np.repeat(np.arange(len(from_points)), count)]))
    features = on_sphere(from_points[senders], to_cells[receivers])
    median = float(np.median(features[:, 0])) or 1.0
    return Connections(senders, receivers, (features / median).astype(np.float32))


class FurtherInput(nn.Module):
    """Creates what the cells of a grid hear of a further input.

    Args:
        info: of the input.
        grid: whose cells hear it.
        hidden: width of cells.
        hidden_layers: of each MLP.
        num_nearest: cells that hear a point.
    """

    features: Tensor
    hearing: Tensor

    def __init__(self, info: InputInfo, grid: Grid, hidden: int, hidden_layers: int, num_nearest: int) -> None:
        super().__init__()
        connections = heard(info.grid, grid, num_nearest)
        self._num_features = len(info.names)
        # the cells that hear anything, and each edge's place among them
        hearing, receivers = np.unique(connections.receivers, return_inverse=True)
        self.register_buffer("hearing", torch.from_numpy(hearing), persistent=False)
        edges = Edges(connections.senders, receivers.reshape(-1), prod(info.grid.shape), hearing.size)
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

        table, before = gnn.project(embed(self.point_embedder, points)), cells.index_select(0, self.hearing)
        after = blockwise(layer, [gnn], [before], gnn.connections, table, [term])[0]
        return cells.index_add(0, self.hearing, after - before)
