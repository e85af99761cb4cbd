"""SpatialErrorPlot: where the loss comes from, a map per lead time."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from py4cast.namedtensor import NamedTensor
from py4cast.observers.base import ErrorObserver, emit
from py4cast.observers.colours import ColourTable
from py4cast.observers.learned import draw_learned
from py4cast.observers.style import TICK, TITLE
from py4cast.observers.titles import Starts
from py4cast.variables import Variable

__all__ = ["SpatialErrorPlot"]

_LOSS = Variable(name="loss")
_MAX_MAPS = 6


class SpatialErrorPlot(ErrorObserver):
    """Creates maps of the mean loss at (at most 6) lead times.

    Args:
        prefix: the first part of the figure's name.
    """

    def __init__(self, prefix: str = "test") -> None:
        self.prefix = prefix
        self._sum: torch.Tensor | None = None
        self._count = 0
        self._starts = Starts()

    def update(self, obj: Any, prediction: NamedTensor, target: NamedTensor) -> None:
        loss = obj.loss(prediction, target, reduce_spatial_dim=False).detach().double().cpu()
        self._sum = loss.sum(0) if self._sum is None else self._sum + loss.sum(0)
        self._count += loss.shape[0]
        self._starts.see(obj, loss.shape[0])

    def pack(self) -> Any:
        return None if self._sum is None else (self._sum.numpy(), self._count, self._starts.pack())

    def take_over(self, obj: Any, packs: Sequence[Any]) -> None:
        self._sum, self._count, self._starts = None, 0, Starts()
        for values, count, starts in (pack for pack in packs if pack is not None):
            fields = torch.from_numpy(values)
            self._sum = fields if self._sum is None else self._sum + fields
            self._count += count
            self._starts.add_packed(starts)

    def on_step_end(self, obj: Any) -> None:
        from matplotlib.figure import Figure

        if self._sum is None:
            return
        fields = (self._sum / self._count).numpy()
        self._sum, self._count = None, 0
        steps = np.unique(np.linspace(0, len(fields) - 1, _MAX_MAPS).round().astype(int))
        figure = Figure(figsize=(3.4 * len(steps), 3.2), layout="constrained")
        axes = figure.subplots(1, len(steps), squeeze=False)[0]
        table = ColourTable("YlOrRd", is_from_zero=True)
        top = float(np.nanquantile(fields[steps], 0.99)) or 1.0
        for axis, step in zip(axes, steps, strict=True):
            hours = (step + 1) * obj.info.step_duration / np.timedelta64(3600, "s")
            field, title = np.where(fields[step] > 0, fields[step], np.nan), f"mean loss at +{hours:g} h"
            mesh = draw_learned(axis, obj.info, _LOSS, field, title, (0.0, top), table=table)
            figure.colorbar(mesh, ax=axis, shrink=0.85).ax.tick_params(labelsize=TICK)
        figure.suptitle(self._starts.title("mean loss"), fontsize=TITLE)
        emit(obj, f"{self.prefix}_spatial_error", figure)
