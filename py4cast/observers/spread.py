"""SpreadPlot: does the spread of an ensemble tell its error?"""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from py4cast.metrics import Aggregator, Layout, make_metrics
from py4cast.namedtensor import NamedTensor
from py4cast.observers.base import ErrorObserver, emit
from py4cast.observers.display import display_of
from py4cast.observers.style import LABEL, NOTE, PANEL, SERIES, TICK, TITLE
from py4cast.observers.titles import Starts

__all__ = ["SpreadPlot"]

_MAX_FEATURES = 6


class SpreadPlot(ErrorObserver):
    """Creates curves of spread and of the error of the ensemble's mean over lead time, a panel per feature.

    Nothing is drawn of forecasts without a dimension `member`.
    """

    takes_members: ClassVar[bool] = True

    def __init__(self) -> None:
        self._aggregator: Aggregator | None = None
        self._starts = Starts()

    def update(self, obj: Any, prediction: NamedTensor, target: NamedTensor) -> None:
        if "member" not in prediction.names:
            return
        if self._aggregator is None:
            layout = Layout.of(obj.info).to(prediction.device).for_system(prediction.dim_size("member"))
            self._aggregator = Aggregator(make_metrics(layout, ["spread", "rmse"]), layout)
        self._aggregator.update(prediction.tensor, target.tensor)
        self._starts.see(obj, target.dim_size("batch"))

    def pack(self) -> Any:
        if self._aggregator is None:
            return None
        return self._aggregator.layout.num_members, self._aggregator.pack(), self._starts.pack()

    def take_over(self, obj: Any, packs: Sequence[Any]) -> None:
        self._aggregator, self._starts = None, Starts()
        for members, sums, starts in (pack for pack in packs if pack is not None):
            if self._aggregator is None:
                layout = Layout.of(obj.info).for_system(members)
                self._aggregator = Aggregator(make_metrics(layout, ["spread", "rmse"]), layout)
            self._aggregator.add_packed(sums)
            self._starts.add_packed(starts)

    def on_step_end(self, obj: Any) -> None:
        from matplotlib.figure import Figure

        if self._aggregator is None:
            return
        values = {name: value.cpu().numpy() for name, value in self._aggregator.values().items()}
        self._aggregator = None
        names = obj.info.predicted[:_MAX_FEATURES]
        hours = np.arange(1, len(values["rmse"]) + 1) * obj.info.step_duration / np.timedelta64(3600, "s")
        columns = min(3, len(names))
        rows = -(-len(names) // columns)
        figure = Figure(figsize=(3.6 * columns, 2.7 * rows), layout="constrained")
        panels = list(np.ravel(figure.subplots(rows, columns, squeeze=False)))
        for axes, name in zip(panels, names, strict=False):
            place, shown = obj.info.predicted.index(name), display_of(obj.info.variable(name))
            axes.plot(
                hours,
                shown.scale * values["rmse"][:, place],
                "o-",
                color=SERIES[1],
                label="RMSE of the mean",
                markersize=3,
            )
            axes.plot(
                hours, shown.scale * values["spread"][:, place], "o-", color=SERIES[0], label="spread", markersize=3
            )
            axes.set_ylim(bottom=0)
            axes.set_title(shown.title, fontsize=PANEL)
            axes.set_xlabel("lead time [h]", fontsize=LABEL)
            axes.tick_params(labelsize=TICK)
        panels[0].legend(fontsize=NOTE)
        for axes in panels[len(names) :]:
            axes.set_visible(False)
        figure.suptitle(self._starts.title("spread and error"), fontsize=TITLE)
        emit(obj, f"{self.prefix}_spread", figure)
