"""ScoreSet: all that a verification found, as named arrays that files, tables and pages are made of."""

import csv
import io
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from py4cast.errors import SettingsError, nearest
from py4cast.grid import Grid
from py4cast.html import facts, table
from py4cast.metrics.base import MetricABC
from py4cast.metrics.rows import Rows
from py4cast.text import csv_cell

__all__ = ["ScoreArray", "ScoreSet"]

_ALWAYS = ("rmse", "mae", "bias")  # said to be undefined rather than left out


@dataclass(frozen=True, slots=True)
class ScoreArray:
    """A named array of scores with its dimensions.

    Args:
        dims: names of its dimensions.
        values: float64.
        attrs: `long_name`, `units`, `orientation`, ... as text.
    """

    dims: tuple[str, ...]
    values: NDArray[Any]
    attrs: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class ScoreSet:
    """Creates the scores of some systems over the same forecasts.

    Args:
        systems: names; the first is the one that is verified, the others its references.
        lead_times: distances from the start.
        units: of every variable by name, wind pairs behind the features.
        num_features: that are no wind pairs.
        arrays: by metric, `(system, lead_time, variable, ...)`; `<metric>_low` and `_high` bound its confidence
            interval, `<metric>_gain` (and its bounds) is how much better the first system is than each reference,
            `(reference, lead_time, variable, ...)`.
        coordinates: of the further dimensions.
        num_forecasts: that were scored.
        init_times: starts of the forecasts, sorted, where they are known.
        rows: what every forecast contributed, by system.
        document: settings, variables and lineage as plain JSON values.
        grid: where the cells are; None for stations.
    """

    systems: Sequence[str]
    lead_times: Sequence[np.timedelta64]
    units: Mapping[str, str]
    num_features: int
    arrays: dict[str, ScoreArray] = field(default_factory=dict)
    coordinates: dict[str, ScoreArray] = field(default_factory=dict)
    num_forecasts: int = 0
    init_times: NDArray[np.datetime64] = field(default_factory=lambda: np.array([], dtype="datetime64[s]"))
    rows: Mapping[str, Rows] = field(default_factory=dict)
    document: Mapping[str, Any] = field(default_factory=dict)
    grid: Grid | None = None

    @property
    def lead_hours(self) -> list[float]:
        """The lead times of the scores [h]."""
        return [round(float(t / np.timedelta64(1, "s")) / 3600, 6) for t in self.lead_times]

    @property
    def variables(self) -> list[str]:
        """Names of the variables and wind pairs."""
        return list(self.units)

    @property
    def metrics(self) -> list[str]:
        """The names of the metrics that were scored."""
        return [n for n, a in self.arrays.items() if a.dims[0] == "system" and "of" not in a.attrs]

    def put(self, name: str, metric: MetricABC, parts: Sequence[Tensor | None], leading: str = "system") -> None:
        """Adds an array of a metric: values `(timestep, features, ...)` of several systems on all variables.

        Args:
            name: of the array; where it is not the metric's own it is derived from it (a bound, a gain).
            metric: that the values are of.
            parts: one per system or reference; None, and NaN, where there is none.
            leading: `system` or `reference`.
        """
        like = next(p for p in parts if p is not None)
        extra = max((tuple(p.shape[2:]) for p in parts if p is not None), default=())
        whole = np.full((len(parts), like.shape[0], len(self.units), *extra), np.nan)
        places = [self.variables.index(feature) for feature in metric.features]
        for i, part in enumerate(parts):
            if part is not None:
                # a reference may have fewer members, and so fewer ranks
                inside = tuple(slice(0, n) for n in part.shape[2:])
                for k, place in enumerate(places):
                    whole[i, :, place][:, *inside] = part[:, k].cpu().numpy()
        units = {metric.units(feature) for feature in metric.features}
        attrs = {
            "long_name": metric.long_name, "units": units.pop() if len(units) == 1 else "",
            "orientation": metric.orientation or "",
        }  # fmt: skip
        attrs |= {} if name == metric.name else {"of": metric.name}
        self.arrays[name] = ScoreArray(
            (leading, "lead_time", "variable", *(d.name for d in metric.dimensions)), whole, attrs
        )
        self._put_coordinates(metric)

    def _put_coordinates(self, metric: MetricABC) -> None:
        """The coordinates of a metric's further dimensions; metrics that share one each know those of their features."""
        for dimension in metric.dimensions:
            values, attrs = np.asarray(dimension.values), {"units": dimension.units}
            if values.ndim != 2:
                self.coordinates[dimension.name] = ScoreArray((dimension.name,), values, attrs)
                continue
            known = self.coordinates.get(dimension.name)
            whole = np.full((len(self.units), values.shape[1]), np.nan) if known is None else known.values
            whole[[self.variables.index(feature) for feature in metric.features]] = values
            self.coordinates[dimension.name] = ScoreArray(("variable", dimension.name), whole, attrs)

    def table(self, metric: str, system: str) -> NDArray[np.float64]:
        """`(lead_time, variable, ...)` of a metric; SettingsError for a name that is not there."""
        if metric not in self.metrics:
            raise SettingsError(f"no metric {metric!r} in these scores{nearest(metric, self.metrics)}")
        if system not in self.systems:
            raise SettingsError(f"no system {system!r} in these scores{nearest(system, self.systems)}")
        return np.asarray(self.arrays[metric].values[list(self.systems).index(system)])

    def _repr_html_(self) -> str:
        metric = "rmse" if "rmse" in self.metrics else next(iter(self.metrics), "")
        known = [
            ("forecasts", self.num_forecasts),
            ("systems", ", ".join(self.systems)),
            ("metrics", ", ".join(self.metrics)),
        ]
        if not metric or self.arrays[metric].values.ndim != 3:
            return facts("Scores", known)
        rows = [
            [f"{variable} [{self.units[variable]}]", system, *(_shown(v) for v in self.table(metric, system)[:, place])]
            for place, variable in enumerate(self.variables)
            for system in self.systems
            if np.isfinite(self.table(metric, system)[:, place]).any()
        ]
        return facts(f"Scores: {metric}", known) + table(
            ["variable", "system", *(f"+{h:g} h" for h in self.lead_hours)], rows
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: system → variable → metric → one number per lead time.

        Metrics with further dimensions (thresholds, wavelengths) are in the other files alone.
        """
        document: dict[str, Any] = {"lead_times_h": self.lead_hours}
        for system in self.systems:
            document[system] = {}
            for i, variable in enumerate(self.variables):
                tables = {m: self.table(m, system)[:, i] for m in self.metrics if self.arrays[m].values.ndim == 3}
                document[system][variable] = {
                    m: [float(v) if math.isfinite(v) else None for v in t]
                    for m, t in tables.items()
                    if np.isfinite(t).any() or (m in _ALWAYS and i < self.num_features)
                }
        # of single forecasts nothing is said
        members = int(self.document.get("num_members", 1))
        told = {"num_members": members} if members > 1 else {}
        return {**document, "units": dict(self.units), "num_forecasts": self.num_forecasts, **told}

    def to_csv(self) -> str:
        """A row per system, variable, metric, lead time and place along further dimensions; empty where undefined.

        Spectra are left out: they would be most of it.
        """
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["system", "variable", "units", "metric", "at", "lead_time_h", "value", "low", "high"])
        for metric in self.metrics:
            array = self.arrays[metric]
            bounds = [self.arrays[f"{metric}_{end}"].values if f"{metric}_{end}" in self.arrays else None for end in ("low", "high")]  # fmt: skip
            extra = array.dims[3:]
            if "wavelength" in extra:
                continue
            places = list(itertools.product(*(range(n) for n in array.values.shape[3:])))
            for s, system in enumerate(self.systems):
                for v, variable in enumerate(self.variables):
                    is_always = metric in _ALWAYS and v < self.num_features and system == self.systems[0]
                    if not (is_always or np.isfinite(array.values[s, :, v]).any()):
                        continue
                    units = array.attrs.get("units") or self.units[variable]
                    for place in places:
                        at = ";".join(self._place(dim, i, v) for dim, i in zip(extra, place, strict=True))
                        for step, hours in enumerate(self.lead_hours):
                            index = (s, step, v, *place)
                            numbers = [array.values, *bounds]
                            texts = ["" if b is None else _text(float(b[index])) for b in numbers]
                            names = map(csv_cell, (system, variable, units, metric, at))
                            writer.writerow([*names, hours, *texts])
        return stream.getvalue()

    def _place(self, dim: str, index: int, variable: int) -> str:
        """`threshold=0.1`, as a coordinate says."""
        coordinate = self.coordinates.get(dim)
        if coordinate is None:
            return f"{dim}={index}"
        values = coordinate.values[variable] if coordinate.dims[0] == "variable" else coordinate.values
        value = values[index]
        return f"{dim}={value:.6g}" if np.issubdtype(coordinate.values.dtype, np.number) else f"{dim}={value}"


def _shown(value: float) -> str:
    return f"{value:.4g}" if math.isfinite(value) else "-"


def _text(value: float) -> str:
    return repr(value) if math.isfinite(value) else ""
