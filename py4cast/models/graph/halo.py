"""Halo: the senders' rows that a rank lacks of a set of edges, and those of its own that the others lack."""

from typing import Any

import torch
from torch import Tensor, nn

from py4cast.models.split.group import ModelGroup

__all__ = ["Halo"]


class Halo(nn.Module):
    """Creates the exchange of senders' rows: a table of this rank's rows grows by those that come from the others.

    Args:
        group: the ranks that share a sample.
        sent_rows: of this rank's senders, for the others in their order.
        sent: how many of them go to each.
        received: how many come from each.
    """

    sent_rows: Tensor

    def __init__(self, group: ModelGroup, sent_rows: Any, sent: list[int], received: list[int]) -> None:
        super().__init__()
        self.group, self.sent, self.received = group, sent, received
        self.register_buffer("sent_rows", torch.from_numpy(sent_rows), persistent=False)

    def grown(self, rows: Tensor) -> Tensor:
        """This rank's rows and, behind them, those of the others, `(senders, batch or 1, features)`."""
        sent = rows.index_select(0, self.sent_rows)
        return torch.cat([rows, self.group.swapped(sent, self.sent, self.received)])
