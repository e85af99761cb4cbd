"""StateErrorPlot: a card of RMSE, feature by lead time."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from py4cast.metrics import Aggregator, Layout, make_metrics
from py4cast.namedtensor import NamedTensor
from py4cast.observers.base import ErrorObserver, emit
from py4cast.observers.colours import ink_on
from py4cast.observers.display import display_of
from py4cast.observers.style import LABEL, NOTE, PANEL, TITLE
from py4cast.observers.titles import Starts

__all__ = ["StateErrorPlot"]


class StateErrorPlot(ErrorObserver):
    """Creates a table of one metric, a row per feature, coloured by its growth over lead time.

    Args:
        metric: `rmse` or `mae`.
        prefix: the first part of the figure's name.
    """

    def __init__(self, metric: str = "rmse", prefix: str = "test") -> None:
        self._metric, self.prefix = metric, prefix
        self._aggregator: Aggregator | None = None
        self._starts = Starts()

    def update(self, obj: Any, prediction: NamedTensor, target: NamedTensor) -> None:
        if self._aggregator is None:
            layout = Layout.of(obj.info).to(prediction.device)
            self._aggregator = Aggregator(make_metrics(layout, [self._metric]), layout)
        self._aggregator.update(prediction.tensor, target.tensor)
        self._starts.see(obj, target.dim_size("batch"))

    def pack(self) -> Any:
        return None if self._aggregator is None else (self._aggregator.pack(), self._starts.pack())

    def take_over(self, obj: Any, packs: Sequence[Any]) -> None:
        layout, self._starts = Layout.of(obj.info), Starts()
        self._aggregator = Aggregator(make_metrics(layout, [self._metric]), layout)
        for sums, starts in (pack for pack in packs if pack is not None):
            self._aggregator.add_packed(sums)
            self._starts.add_packed(starts)

    def on_step_end(self, obj: Any) -> None:
        from matplotlib.figure import Figure

        if self._aggregator is None:
            return
        values = self._aggregator.values()[self._metric].cpu().numpy()
        self._aggregator = None
        names = obj.info.predicted
        # errors are in the units of their variables
        shown = [display_of(obj.info.variable(name)) for name in names]
        values = values * np.array([how.scale for how in shown])
        hours = (np.arange(1, len(values) + 1) * obj.info.step_duration) / np.timedelta64(3600, "s")
        figure = Figure(figsize=(2 + 0.75 * len(hours), 1.2 + 0.4 * len(names)), layout="constrained")
        axes = figure.subplots()
        relative = values / np.maximum(np.nanmax(values, axis=0, keepdims=True), 1e-30)
        image = axes.imshow(relative.T, cmap="YlOrRd", aspect="auto", vmin=0, vmax=1)
        for step, row in enumerate(values):
            for index, value in enumerate(row):
                shade = image.cmap(image.norm(relative[step, index]))
                axes.text(step, index, f"{value:.3g}", ha="center", va="center", fontsize=NOTE, color=ink_on(shade))
        axes.set_yticks(range(len(names)), [f"{how.name} [{how.units}]" for how in shown], fontsize=LABEL)
        axes.set_xticks(range(len(hours)), [f"{h:g}" for h in hours], fontsize=LABEL)
        axes.set_xlabel("lead time [h]", fontsize=LABEL)
        axes.set_title(self._metric.upper(), fontsize=PANEL)
        figure.suptitle(self._starts.title("errors"), fontsize=TITLE)
        emit(obj, f"{self.prefix}_state_error_{self._metric}", figure)
