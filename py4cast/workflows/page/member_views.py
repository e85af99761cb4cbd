"""What a page shows of the members of one forecast: stamps, the probability of an event, quantiles at a place."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from py4cast.grid import Grid
from py4cast.observers.colours import ColourTable
from py4cast.workflows.page.numbers import rounded
from py4cast.workflows.page.pictures import images_of

__all__ = ["QUANTILES", "meteogram", "place_name", "probability_map", "stamps"]

QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
_MAX_STAMPS = 12
_PROBABILITY = ColourTable("YlGnBu", is_from_zero=True)


def place_name(latitude: float, longitude: float) -> str:
    """A place as people write it: `48.25°N 2.30°E`."""
    east = (longitude + 180.0) % 360.0 - 180.0
    return f"{abs(latitude):.2f}°{'N' if latitude >= 0 else 'S'} {abs(east):.2f}°{'E' if east >= 0 else 'W'}"


def meteogram(
    members: NDArray[Any], truth: NDArray[Any], grid: Grid, cell: tuple[int, int], name: str = ""
) -> Mapping[str, Any]:
    """Forecast and truth at one cell over the lead times; quantiles of the members where there are several.

    Args:
        members: `(member, timestep, lat, lon)`; one for a forecast without members.
        truth: `(timestep, lat, lon)`.
        grid: of the cells.
        cell: row and column.
        name: of the place, that of a station.
    """
    row, column = cell
    where = place_name(float(grid.latitude_2d()[row, column]), float(grid.longitude_2d()[row, column]))
    name = f"{name} ({where})" if name else where
    series = members[:, :, row, column].astype(np.float64)
    shown: dict[str, Any] = {"place": name, "truth": rounded(truth[:, row, column].astype(np.float64))}
    if len(series) > 1:
        shown["quantiles"] = rounded(np.quantile(series, QUANTILES, axis=0).T)
    else:
        shown["forecast"] = rounded(series[0])
    return shown


def stamps(members: NDArray[Any], grid: Grid, table: ColourTable, span: tuple[float, float]) -> Mapping[str, Any]:
    """A small map of each member `(member, lat, lon)`, of the first twelve at most, under the colours of the truth."""
    shown = images_of(list(members[:_MAX_STAMPS]), grid, table, span)
    return {"images": shown["images"], "num_members": len(members)}


def probability_map(
    members: NDArray[Any], truth: NDArray[Any], grid: Grid, thresholds: Sequence[float]
) -> Mapping[str, Any] | None:
    """The share of the members `(member, lat, lon)` with at least a threshold, and where the truth `(lat, lon)` had it.

    The threshold is the largest of those given that some cell of the truth reaches; without any, the truth's 90th
    percentile. None where no cell of the truth is known.
    """
    held = truth[np.isfinite(truth)]
    if not held.size:
        return None
    reached = [t for t in thresholds if np.isfinite(t) and held.max() >= t]
    limit = max(reached) if reached else float(np.quantile(held, 0.9))
    missing = ~np.isfinite(members).all(0)
    share = np.where(missing, np.nan, (members >= limit).mean(0))
    occurred = np.where(np.isfinite(truth), (truth >= limit).astype(np.float64), np.nan)
    pair = images_of([share, occurred], grid, _PROBABILITY, (0.0, 1.0))
    return {
        "threshold": rounded(float(limit)), "is_percentile": not reached, "images": pair["images"], "bar": pair["bar"],
    }  # fmt: skip
