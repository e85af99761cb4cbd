"""Transformer: attention over edges between cells and mesh, windowed self-attention along the mesh."""

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from py4cast.models.graph.attentive import AttentionModel
from py4cast.models.graph.base import Terms
from py4cast.models.graph.graph import Graph
from py4cast.models.graph.settings import WindowSettings
from py4cast.models.graph.windowed import WindowedAttention

__all__ = ["Transformer"]


class Transformer(AttentionModel):
    """Creates a transformer: m = SA(m) along the order of the mesh, `processor_layers` times.

    The order is by rows, from north to south (or along the second axis of a map) and from west to east in each.

    Reference: S. Lang et al. (2024), AIFS: ECMWF's data-driven forecasting system, arXiv 2406.01465.
    """

    settings_kls: ClassVar[type] = WindowSettings
    settings: WindowSettings
    reference = "Lang et al. (2024), arXiv 2406.01465"
    global_mesh: ClassVar[Literal["icosahedral", "octahedral"]] = "octahedral"
    order: Tensor
    back: Tensor

    def make_processor(self, graph: Graph) -> None:
        order = torch.from_numpy(graph.order)
        self.register_buffer("order", order, persistent=False)
        self.register_buffer("back", order.argsort(), persistent=False)
        s = self.settings
        self.processor = nn.ModuleList(
            [WindowedAttention(s.hidden_dims, s.num_heads, s.mlp_ratio, s.window) for _ in range(s.processor_layers)]
        )

    def shards(self) -> list[nn.Module]:
        return list(self.processor)

    def static_terms(self) -> Terms:
        return {}

    def process(self, mesh: Tensor, terms: Terms) -> Tensor:
        nodes = mesh.index_select(0, self.order)
        for layer in self.processor:
            nodes = layer(nodes)
        return nodes.index_select(0, self.back)
