"""NodePart: the nodes of a graph that a rank has, the edges that end in them, and what their senders lack.

Cells go to ranks in pieces of equal number, by rows of a grid or by latitude of points. A node of the finest level goes where
most of the cells are that it hears, one of a coarser level where most of its children are.
"""

from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from py4cast.errors import SettingsError
from py4cast.grid import Grid
from py4cast.models.graph.graph import Connections, Graph
from py4cast.models.graph.halo import Halo
from py4cast.models.split.group import ModelGroup
from py4cast.models.split.part import PartABC

__all__ = ["NodePart", "cell_owners", "part_of"]

Index = NDArray[np.int64]


def cell_owners(grid: Grid, group: ModelGroup) -> Index:
    """The rank of every cell, row by row; SettingsError where there are fewer rows (or points) than ranks."""
    rows, columns = grid.shape
    count = rows if grid.is_rectangular else columns
    if count < group.size:
        raise SettingsError(f"--distributed domain: {count} rows for {group.size} ranks; expected a row for each")
    owners = np.repeat(np.arange(group.size), group.shares(count))
    if grid.is_rectangular:
        return np.repeat(owners, columns).astype(np.int64)
    by_latitude = np.argsort(-grid.latitude.ravel(), kind="stable")
    result = np.empty(count, np.int64)
    result[by_latitude] = owners
    return result


def _majority(owners: Index, senders: Index, receivers: Index, num_receivers: int, size: int) -> Index:
    """Of each receiver the rank that most of its senders are on, the first where several are."""
    votes = np.zeros((num_receivers, size), np.int64)
    np.add.at(votes, (receivers, owners[senders]), 1)
    return np.asarray(votes.argmax(1), np.int64)


def part_of(graph: Graph, owners: Index, group: ModelGroup) -> Graph:
    """This rank's nodes, and the edges that end in them, whose senders are numbered as in the table that their halo makes.

    Args:
        graph: whole.
        owners: the rank of every cell.
        group: the ranks.
    """
    heard = graph.grid_to_mesh
    levels = [_majority(owners, heard.senders, heard.receivers, len(graph.nodes[0]), group.size)]
    for connections, nodes in zip(graph.up, graph.nodes[1:], strict=True):
        levels.append(_majority(levels[-1], connections.senders, connections.receivers, len(nodes), group.size))
    mine = [level == group.rank for level in levels]
    pairs = list(pairwise(levels))
    return Graph(
        num_cells=int((owners == group.rank).sum()),
        nodes=tuple(nodes[m] for nodes, m in zip(graph.nodes, mine, strict=True)),
        places=tuple(places[m] for places, m in zip(graph.places, mine, strict=True)),
        grid_to_mesh=_part(heard, owners, levels[0], group),
        mesh_to_grid=_part(graph.mesh_to_grid, levels[0], owners, group),
        same=tuple(_part(c, level, level, group) for c, level in zip(graph.same, levels, strict=True)),
        up=tuple(_part(c, below, above, group) for c, (below, above) in zip(graph.up, pairs, strict=True)),
        down=tuple(_part(c, above, below, group) for c, (below, above) in zip(graph.down, pairs, strict=True)),
    )


def _part(connections: Connections, of_senders: Index, of_receivers: Index, group: ModelGroup) -> Connections:
    """The edges that end on this rank, numbered by its own receivers and the table that its halo makes."""
    rank, ends_on = group.rank, of_receivers[connections.receivers]
    # for every rank the senders that it lacks, by their owner
    lacking = [
        np.unique(connections.senders[(ends_on == r) & (of_senders[connections.senders] != r)])
        for r in range(group.size)
    ]
    here = np.flatnonzero(of_senders == rank)
    place = np.full(of_senders.size, -1, np.int64)
    place[here] = np.arange(here.size)
    sent = [wanted[of_senders[wanted] == rank] for wanted in lacking]
    mine = lacking[rank]
    # in the order of the ranks that send them
    halo = mine[np.argsort(of_senders[mine], kind="stable")]
    exchange = Halo(
        group,
        place[np.concatenate(sent)],
        [rows.size for rows in sent],
        np.bincount(of_senders[mine], minlength=group.size).tolist(),
    )
    place[halo] = here.size + np.arange(halo.size)
    receivers = np.flatnonzero(of_receivers == rank)
    number = np.full(of_receivers.size, -1, np.int64)
    number[receivers] = np.arange(receivers.size)
    kept = ends_on == rank
    return Connections(
        place[connections.senders[kept]], number[connections.receivers[kept]], connections.features[kept], exchange
    )


class NodePart(PartABC):
    """Creates a rank's part of a network of messages.

    Args:
        whole: the network, whose weights the part shares.
        part: the same network on this rank's part of the graph.
        owners: the rank of every cell.
        group: the ranks.
    """

    def __init__(self, whole: nn.Module, part: Any, owners: Index, group: ModelGroup) -> None:
        self._whole, self._part, self._group, self._count = whole, part, group, owners.size
        self._cells = torch.from_numpy(np.flatnonzero(owners == group.rank))
        self._place: tuple[Any, Any] = (None, None)
        for name, weight in whole.named_parameters():
            module, _, leaf = name.rpartition(".")
            part.get_submodule(module).register_parameter(leaf, weight)
        self._follow()

    def _follow(self) -> None:
        """Brings the part where the network is, and into its mode."""
        weight = next(self._whole.parameters())
        if (weight.device, weight.dtype) != self._place:
            self._place = (weight.device, weight.dtype)
            self._part.to(*self._place)
            self._cells = self._cells.to(weight.device)
        self._part.train(self._whole.training)

    def precompute(self) -> Any:
        self._follow()
        return self._part.precompute()

    def __call__(self, x: Tensor, *terms: Any, **further: Any) -> Tensor:
        self._follow()
        y = self._part(self._group.taken(x.flatten(1, 2), self._cells, 1), *terms, **further)
        return self._group.joined(y, self._cells, self._count, 1).reshape(*x.shape[:-1], y.shape[-1])
