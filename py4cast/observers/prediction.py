"""PredictionPlot: forecast, truth and error of a few samples, side by side."""

from typing import Any

import numpy as np

from py4cast.namedtensor import NamedTensor
from py4cast.observers.base import ErrorObserver, emit
from py4cast.observers.colours import DIFFERENCE, ColourTable, table_of
from py4cast.observers.display import display_of
from py4cast.observers.learned import draw_learned
from py4cast.observers.style import LABEL, TICK, TITLE
from py4cast.observers.titles import of_case, times_of
from py4cast.variables import shorter_arc

__all__ = ["PredictionPlot"]


class PredictionPlot(ErrorObserver):
    """Creates maps of the first samples of an epoch: a row per feature, truth, forecast and error at the last lead time.

    Args:
        num_samples_to_plot: samples to draw.
        num_features_to_plot: features to draw, from the first; None for (at most 6 of) all.
        prefix: the first part of the figures' names.
    """

    def __init__(
        self, num_samples_to_plot: int = 1, num_features_to_plot: int | None = None, prefix: str = "test"
    ) -> None:
        self._num_samples, self._num_features, self.prefix = num_samples_to_plot, num_features_to_plot, prefix
        self._samples: list[tuple[NamedTensor, NamedTensor, str]] = []

    def update(self, obj: Any, prediction: NamedTensor, target: NamedTensor) -> None:
        times = times_of(obj)
        lead = prediction.dim_size("timestep") * obj.info.step_duration
        for i in range(prediction.dim_size("batch")):
            if len(self._samples) < self._num_samples:
                last = {"batch": i, "timestep": -1}
                title = of_case(None if times is None else times[i], lead)
                self._samples.append((prediction.select(**last).to("cpu"), target.select(**last).to("cpu"), title))

    def on_step_end(self, obj: Any) -> None:
        from matplotlib.figure import Figure

        difference = ColourTable(DIFFERENCE, is_symmetric=True)
        for number, (prediction, target, when) in enumerate(self._samples):
            names = prediction.feature_names[: self._num_features or 6]
            figure = Figure(figsize=(10.5, 2.9 * len(names)), layout="constrained")
            axes = figure.subplots(len(names), 3, squeeze=False)
            for row, name in enumerate(names):
                forecast = prediction[name].squeeze(-1).float().numpy()
                truth = target[name].squeeze(-1).float().numpy()
                variable = obj.info.variable(name)
                shown, error = display_of(variable), shorter_arc(np.asarray(forecast - truth), variable.turn)
                table, of_error = table_of(shown.variable), shown._replace(offset=0.0)
                span = table.span(shown.values(truth))
                columns = (
                    ("truth", truth, shown, table, span),
                    ("forecast", forecast, shown, table, span),
                    ("forecast - truth", error, of_error, difference, None),
                )
                for column, (title, field, how, colours, limits) in enumerate(columns):
                    panel = axes[row, column]
                    mesh = draw_learned(
                        panel, obj.info, variable, field, f"{shown.name}: {title}", limits, how, colours
                    )
                    bar = figure.colorbar(mesh, ax=panel, shrink=0.85)
                    bar.set_label(shown.units, fontsize=LABEL)
                    bar.ax.tick_params(labelsize=TICK)
            figure.suptitle(when, fontsize=TITLE)
            emit(obj, f"{self.prefix}_prediction_{number}", figure)
        self._samples.clear()
