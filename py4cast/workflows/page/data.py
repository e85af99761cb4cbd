"""What the page of scores shows, as plain JSON values: numbers of five digits, images, paths."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from py4cast.grid import Grid
from py4cast.metrics.score_set import ScoreArray, ScoreSet
from py4cast.observers.colours import DIFFERENCE, ColourTable
from py4cast.observers.images import coast_path, proportions
from py4cast.observers.raster import rectangle_of
from py4cast.variables import Variable
from py4cast.workflows.page.cases import case_entries
from py4cast.workflows.page.numbers import rounded
from py4cast.workflows.page.pictures import images_of, without_border
from py4cast.workflows.page.worst import CaseSource

__all__ = ["page_data"]

_MAX_MAP_LEADS, _MAX_MAP_VARIABLES = 12, 30
_EVENTS = {
    "pod": "probability of detection",
    "far": "false alarm ratio",
    "csi": "critical success index",
    "ets": "equitable threat score",
    "frequency_bias": "frequency bias",
}
_ERROR = ColourTable("YlOrRd", is_from_zero=True)
_BOTH = ColourTable(DIFFERENCE, is_symmetric=True)


def page_data(scores: ScoreSet, source: CaseSource | None, num_cases: int = 2) -> dict[str, Any]:
    """The data of the page.

    Args:
        scores: what was found.
        source: of the worst cases' fields; None leaves them out.
        num_cases: worst forecasts of each variable.
    """
    grid = None if source is None else source.grid
    described = {v["name"]: Variable.from_dict(v) for v in scores.document.get("variables", [])}
    variables = [
        described.get(n, Variable(name=n, units=scores.units[n])) for n in scores.variables[: scores.num_features]
    ]
    plain = [m for m in scores.metrics if scores.arrays[m].values.ndim == 3]
    document: dict[str, Any] = {
        "systems": list(scores.systems),
        "leads": scores.lead_hours,
        "variables": scores.variables,
        "units": list(scores.units.values()),
        "metrics": {name: _metric(scores, name) for name in plain},
        "first_metric": "rmse" if "rmse" in plain else plain[0],
        "spectra": _spectra(scores),
        "events": _events(scores),
        "ensemble": _ensemble(scores),
        "maps": None,
        "cases": [],
    }
    if grid is not None and source is not None:
        border: NDArray[np.bool_] | None = getattr(source, "border", None)
        document["maps"] = _maps(scores, variables, grid, border)
        document["cases"] = case_entries(scores, variables[:_MAX_MAP_VARIABLES], grid, source, num_cases, border)
    elif source is not None and (stations := getattr(source, "stations", None)) is not None:
        names, places = stations
        document["cases"] = case_entries(scores, variables[:_MAX_MAP_VARIABLES], places, source, num_cases, None, names)
    return document


def _metric(scores: ScoreSet, name: str) -> dict[str, Any]:
    array = scores.arrays[name]
    document: dict[str, Any] = {
        "long_name": array.attrs.get("long_name", name),
        "units": array.attrs.get("units", ""),
        "orientation": array.attrs.get("orientation", ""),
        "relative": array.attrs.get("orientation") == "low",
        "values": rounded(array.values),
    }
    for end in ("low", "high", "gain", "gain_low", "gain_high"):
        if f"{name}_{end}" in scores.arrays:
            document[end] = rounded(scores.arrays[f"{name}_{end}"].values)
    return document


def _spectra(scores: ScoreSet) -> dict[str, Any] | None:
    if "spectrum" not in scores.arrays:
        return None
    values = scores.arrays["spectrum"].values[0]
    wavelengths = scores.coordinates["wavelength"].values
    step = max(1, len(wavelengths) // 64)
    parts = ("forecast", "truth", "error")
    return {
        "wavelengths": rounded(wavelengths[::step]),
        "values": [
            [{part: rounded(table[::step, i]) for i, part in enumerate(parts)} if np.isfinite(table).any() else None for table in lead]
            for lead in values
        ],
    }  # fmt: skip


def _thresholds(scores: ScoreSet, names: Sequence[str]) -> list[Any]:
    coordinate = scores.coordinates["threshold"].values
    return [rounded(coordinate[scores.variables.index(n)]) for n in names]


def _with_events(scores: ScoreSet, array: ScoreArray) -> list[str]:
    return [n for i, n in enumerate(scores.variables) if np.isfinite(array.values[0, :, i]).any()]


def _events(scores: ScoreSet) -> dict[str, Any] | None:
    if "csi" not in scores.arrays:
        return None
    limits = scores.coordinates["threshold"].values
    names = [n for i, n in enumerate(scores.variables) if np.isfinite(limits[i]).any()]
    places = [scores.variables.index(n) for n in names]
    rows = {label: rounded(scores.arrays[m].values[0][:, places]) for m, label in _EVENTS.items() if m in scores.arrays}
    if "fss" in scores.arrays:
        fss = scores.arrays["fss"].values[0][:, places]
        for i, scale in enumerate(scores.coordinates["scale"].values):
            rows[f"fractions skill score, {scale:g} cells"] = rounded(fss[..., i])
    return {"names": names, "thresholds": _thresholds(scores, names), "rows": rows}


def _ensemble(scores: ScoreSet) -> dict[str, Any] | None:
    if "rank_histogram" not in scores.arrays:
        return None
    document: dict[str, Any] = {"ranks": rounded(scores.arrays["rank_histogram"].values[0]), "reliability": None}
    if "reliability" in scores.arrays:
        array = scores.arrays["reliability"]
        names = _with_events(scores, array)
        places = [scores.variables.index(n) for n in names]
        pairs = array.values[0][:, places][..., 1:]  # (lead, name, threshold, bin, probability and frequency)
        document["reliability"] = {"names": names, "thresholds": _thresholds(scores, names), "values": rounded(pairs)}
    return document


def _maps(
    scores: ScoreSet, variables: Sequence[Variable], grid: Grid, border: NDArray[np.bool_] | None
) -> dict[str, Any] | None:
    if "bias_map" not in scores.arrays:
        return None
    bias, rmse = (scores.arrays[n].values for n in ("bias_map", "rmse_map"))
    count = min(_MAX_MAP_LEADS, bias.shape[0])
    leads = sorted({round(i * (bias.shape[0] - 1) / max(1, count - 1)) for i in range(count)})
    fields = {}
    for i, variable in enumerate(variables[:_MAX_MAP_VARIABLES]):
        fields[variable.name] = {
            "bias": images_of([without_border(bias[t, i], border) for t in leads], grid, _BOTH),
            "rmse": images_of([without_border(rmse[t, i], border) for t in leads], grid, _ERROR),
        }
    shown = rectangle_of(grid)
    rows, columns = shown.shape
    return {
        "leads": leads, "fields": fields, "rows": rows, "columns": columns, "proportions": round(proportions(shown), 4),
        "coast": coast_path(shown),
    }  # fmt: skip
