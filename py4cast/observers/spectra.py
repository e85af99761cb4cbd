"""SpectraPlot: the power of forecast, truth and error by wavelength."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from py4cast.metrics import Aggregator, Layout, MetricABC, make_metrics
from py4cast.metrics.spectral import Spectrum
from py4cast.namedtensor import NamedTensor
from py4cast.observers.base import ErrorObserver, emit
from py4cast.observers.display import display_of
from py4cast.observers.style import INK, LABEL, NOTE, PANEL, SERIES, TICK, TITLE
from py4cast.observers.titles import Starts, of_case

__all__ = ["SpectraPlot"]

_MAX_FEATURES, _MAX_SAMPLES = 6, 8


class SpectraPlot(ErrorObserver):
    """Creates spectra at the last lead time over the first (at most 8) forecasts of an epoch, a panel per feature.

    What lies below the truth at short waves is smoothed away; where the error reaches the truth nothing is forecast.
    """

    def __init__(self) -> None:
        self._aggregator: Aggregator | None = None
        self._starts, self._lead = Starts(), np.timedelta64(0, "s")
        self._metric: MetricABC | None = None

    def update(self, obj: Any, prediction: NamedTensor, target: NamedTensor) -> None:
        layout = Layout.of(obj.info).to(prediction.device)
        if Spectrum.lacking(layout):
            return
        if self._aggregator is None:
            self._metric = make_metrics(layout, ["spectrum"])[0]
            self._aggregator = Aggregator([self._metric], layout)
        wanted = _MAX_SAMPLES - self._aggregator.num_forecasts
        if wanted > 0:
            self._aggregator.update(prediction.tensor[:wanted, -1:], target.tensor[:wanted, -1:])
            self._starts.see(obj, min(wanted, target.dim_size("batch")))
            self._lead = target.dim_size("timestep") * obj.info.step_duration

    def pack(self) -> Any:
        return None if self._aggregator is None else (self._aggregator.pack(), self._starts.pack(), self._lead)

    def take_over(self, obj: Any, packs: Sequence[Any]) -> None:
        self._aggregator, self._starts = None, Starts()
        for sums, starts, lead in (pack for pack in packs if pack is not None):
            if self._aggregator is None:
                layout = Layout.of(obj.info)
                self._metric = make_metrics(layout, ["spectrum"])[0]
                self._aggregator = Aggregator([self._metric], layout)
            self._aggregator.add_packed(sums)
            self._starts.add_packed(starts)
            self._lead = lead

    def on_step_end(self, obj: Any) -> None:
        from matplotlib.figure import Figure
        from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

        if self._aggregator is None or self._metric is None:
            return
        power = self._aggregator.values()["spectrum"][0].cpu().numpy()
        wavelengths = np.asarray(self._metric.dimensions[0].values)
        self._aggregator = None
        names = obj.info.predicted[:_MAX_FEATURES]
        columns = min(3, len(names))
        rows = -(-len(names) // columns)
        figure = Figure(figsize=(3.6 * columns, 2.9 * rows), layout="constrained")
        panels = list(np.ravel(figure.subplots(rows, columns, squeeze=False)))
        parts = (("forecast", SERIES[0], "-"), ("truth", INK, "-"), ("error", SERIES[1], "--"))
        for axes, name in zip(panels, names, strict=False):
            shown = display_of(obj.info.variable(name))
            for i, (label, colour, style) in enumerate(parts):
                held = shown.scale**2 * power[obj.info.predicted.index(name), :, i]
                axes.loglog(
                    wavelengths, np.where(held > 0, held, np.nan), style, color=colour, label=label, linewidth=1.2
                )
            axes.invert_xaxis()
            axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axes.xaxis.set_major_formatter(ScalarFormatter())
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.set_title(f"{shown.name} [({shown.units})²]", fontsize=PANEL)
            axes.set_xlabel("wavelength [km]", fontsize=LABEL)
            axes.tick_params(labelsize=TICK)
        panels[0].legend(fontsize=NOTE)
        for axes in panels[len(names) :]:
            axes.set_visible(False)
        figure.suptitle(self._starts.title(f"spectra at {of_case(None, self._lead)}"), fontsize=TITLE)
        emit(obj, f"{self.prefix}_spectra", figure)
