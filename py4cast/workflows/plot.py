"""plot: charts of what a file or a store holds: forecasts, analyses, any variables, one panel per lead time."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from py4cast.cubes.base import CubeABC
from py4cast.errors import DataError, SettingsError
from py4cast.observers.base import write_figure
from py4cast.observers.chart import Isolines, Wind
from py4cast.observers.sheet import Row, draw_sheet
from py4cast.observers.titles import of_case, shown_time
from py4cast.timeline import instant
from py4cast.variables import Variable
from py4cast.workflows.chosen import (
    chosen_start,
    chosen_steps,
    chosen_variables,
    instants_of,
    isolines_of,
    members_at,
    open_shown,
    wind_of,
)

__all__ = ["plot"]

logger = logging.getLogger(__name__)
_MAX_VARIABLES, _MAX_PANELS = 4, 6


class _Panel(NamedTuple):
    """One instant: its title, and the instants of the cube whose mean is shown (its members')."""

    title: str
    instants: tuple[int, ...]


def plot(
    files: Sequence[str | os.PathLike[str]],
    output: Path,
    variables: Sequence[str] = (),
    init_time: str | None = None,
    lead_times: Sequence[str] = (),
    times: Sequence[str] = (),
    isolines: str = "auto",
    wind: str = "auto",
) -> Path:
    """Draws a row of charts per variable, a column per time, and writes one picture.

    Args:
        files: GRIB, NetCDF, Zarr, or a prepared store.
        output: a `.png`.
        variables: by name; by default the first four.
        init_time: start of the forecast, where the files hold several.
        lead_times: such as 6h; by default six, evenly.
        times: of a series; by default six, evenly.
        isolines: name of the variable that is drawn as lines, `auto` for pressure at the sea or geopotential, `none`.
        wind: name of the first component that is drawn as barbs, `auto` for one near the ground, `none`.

    Raises:
        SettingsError: names and times that are not there, or several starts and none chosen.
        DataError: files that cannot be read, or fields that are all missing.
    """
    if output.suffix != ".png":
        raise SettingsError(f"--output {output}: expected a name that ends in .png")
    cube = open_shown(files)
    try:
        chosen = chosen_variables(cube, variables, _MAX_VARIABLES)
        panels = _panels(cube, init_time, lead_times, times)
        lines, barbs = isolines_of(cube, isolines), wind_of(cube, wind)
        figure = _figure(cube, chosen, panels, lines, barbs)
    finally:
        cube.close()
    write_figure(output, figure)
    return output


def _panels(cube: CubeABC, init_time: str | None, lead_times: Sequence[str], times: Sequence[str]) -> list[_Panel]:
    """The instants that are drawn."""
    axis = cube.axis
    if axis.is_series:
        if init_time is not None or lead_times:
            raise SettingsError("--init_time and --lead_times are of forecasts; the files hold a series: give --times")
        asked = [instant(t) for t in times]
        for time in asked:
            if time not in axis.times:
                raise SettingsError(f"--times {time}: not in the files, which hold {axis.times[0]} to {axis.times[-1]}")
        places = [int(np.flatnonzero(axis.times == t)[0]) for t in asked] or _evenly(axis.size)
        return [_Panel(shown_time(axis.times[p]), (p,)) for p in places]
    if times:
        raise SettingsError("--times: of a series; the files hold forecasts: give --init_time and --lead_times")
    start = chosen_start(axis.init_times.astype("datetime64[s]"), init_time)
    steps = chosen_steps(axis, lead_times) or _evenly(axis.length)
    suffix = f", mean of {axis.num_members} members" if axis.num_members > 1 else ""
    return [_Panel(of_case(start, axis.lead_times[s]) + suffix, instants_of(axis, start, s)) for s in steps]


def _evenly(count: int) -> list[int]:
    shown = min(_MAX_PANELS, count)
    if count > shown:
        logger.warning("%d of %d times are drawn; choose by --lead_times or --times", shown, count)
    return sorted({round(i * (count - 1) / max(1, shown - 1)) for i in range(shown)})


def _field(cube: CubeABC, variable: Variable, panel: _Panel) -> NDArray[np.float32]:
    """The mean over members, `(lat, lon)`."""
    return np.asarray(members_at(cube, variable.name, panel.instants).mean(0), dtype=np.float32)


def _figure(
    cube: CubeABC, chosen: Sequence[Variable], panels: Sequence[_Panel], lines: Variable | None,
    barbs: tuple[Variable, Variable] | None,
) -> Any:  # fmt: skip
    rows = [Row(variable, [_field(cube, variable, panel) for panel in panels]) for variable in chosen]
    for row in rows:
        if not any(np.isfinite(f).any() for f in row.fields):
            raise DataError(f"{row.variable.name}: all values are missing at {panels[0].title}")
    isolines = None if lines is None else [Isolines(lines, _field(cube, lines, panel)) for panel in panels]
    winds = None if barbs is None else [Wind(barbs[0], *(_field(cube, b, panel) for b in barbs)) for panel in panels]
    return draw_sheet(cube.grid, rows, [panel.title for panel in panels], isolines, winds)
