"""ErrorPlot: forecast less truth of one sample as it grows with lead time."""

from typing import Any

import numpy as np

from py4cast.namedtensor import NamedTensor
from py4cast.observers.base import ErrorObserver, emit
from py4cast.observers.colours import DIFFERENCE, ColourTable
from py4cast.observers.display import display_of
from py4cast.observers.learned import draw_learned
from py4cast.observers.style import LABEL, TICK, TITLE
from py4cast.observers.titles import shown_time, times_of
from py4cast.variables import shorter_arc

__all__ = ["ErrorPlot"]

_MAX_FEATURES, _MAX_STEPS = 4, 4


class ErrorPlot(ErrorObserver):
    """Creates maps of the error of the first sample of an epoch: a row per feature, a column per lead time."""

    def __init__(self) -> None:
        self._error: NamedTensor | None = None
        self._when = ""

    def update(self, obj: Any, prediction: NamedTensor, target: NamedTensor) -> None:
        if self._error is None:
            first = prediction.select(batch=0)
            times = times_of(obj)
            self._when = "" if times is None else f", from {shown_time(times[0])}"
            self._error = first.like(first.tensor - target.select(batch=0).tensor).to("cpu")

    def on_step_end(self, obj: Any) -> None:
        from matplotlib.figure import Figure

        if self._error is None:
            return
        error, self._error = self._error, None
        names, last = error.feature_names[:_MAX_FEATURES], error.dim_size("timestep") - 1
        steps = np.unique(np.linspace(0, last, _MAX_STEPS).round().astype(int))
        figure = Figure(figsize=(3.2 * len(steps) + 0.6, 2.8 * len(names)), layout="constrained")
        axes = figure.subplots(len(names), len(steps), squeeze=False)
        table = ColourTable(DIFFERENCE, is_symmetric=True)
        for row, name in enumerate(names):
            variable = obj.info.variable(name)
            shown = display_of(variable)._replace(offset=0.0)
            fields = shorter_arc(error[name].squeeze(-1).float().numpy(), variable.turn)
            span = table.span(*shown.values(fields[steps]))
            for column, step in enumerate(steps):
                hours = (step + 1) * obj.info.step_duration / np.timedelta64(3600, "s")
                title = f"{shown.name}, +{hours:g} h"
                mesh = draw_learned(axes[row, column], obj.info, variable, fields[step], title, span, shown, table)
            bar = figure.colorbar(mesh, ax=list(axes[row]), shrink=0.85)
            bar.set_label(shown.units, fontsize=LABEL)
            bar.ax.tick_params(labelsize=TICK)
        figure.suptitle(f"forecast - truth{self._when}", fontsize=TITLE)
        emit(obj, f"{self.prefix}_error", figure)
