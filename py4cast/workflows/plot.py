"""plot: charts of what a file or a store holds: forecasts, analyses, any variables, one panel per lead time."""

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from py4cast.cubes.base import CubeABC
from py4cast.errors import DataError, SettingsError, nearest
from py4cast.observers.base import write_figure
from py4cast.observers.chart import WINDS, Isolines, Wind
from py4cast.observers.difference import DIFFERENCES, of_difference, stands_out
from py4cast.observers.display import display_of
from py4cast.observers.sheet import Row, draw_sheet
from py4cast.observers.titles import of_case, shown_time
from py4cast.regrid import Method
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
from py4cast.workflows.counterpart import Counterpart

__all__ = ["plot"]

logger = logging.getLogger(__name__)
_MAX_VARIABLES, _MAX_PANELS = 4, 6


class _Panel(NamedTuple):
    """One instant: its title, the time that it is of, the start of its forecast, and the instants whose mean is shown."""

    title: str
    valid: np.datetime64
    start: np.datetime64 | None
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
    *,
    units: Mapping[str, str] | None = None,
    wind_style: str = "barbs",
    against: Sequence[str | os.PathLike[str]] = (),
    regrid: Method | None = None,
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
        wind: name of the first component that is drawn, `auto` for one near the ground, `none`.
        units: that are shown, by name of the variable; by default those that forecasters use.
        wind_style: barbs, arrows or streamlines.
        against: files of another forecast or of the analysis: the difference at the valid times is drawn, with dots where
            members tell that it is none of chance.
        regrid: how these come to the grid of the first; by default another grid is refused.

    Raises:
        SettingsError: names, times and units that are not there, or several starts and none chosen.
        DataError: files that cannot be read, fields that are all missing, another grid or no common time to hold it against.
    """
    if output.suffix != ".png":
        raise SettingsError(f"--output {output}: expected a name that ends in .png")
    cube, other = open_shown(files), None
    try:
        chosen = chosen_variables(cube, variables, _MAX_VARIABLES)
        _check(cube, units or {}, wind_style)
        panels = _panels(cube, init_time, lead_times, times)
        lines, barbs = isolines_of(cube, isolines), wind_of(cube, wind)
        if against:
            moments = [(panel.valid, panel.start) for panel in panels]
            other = Counterpart(open_shown(against), cube, [v.name for v in chosen], moments, regrid)
        rows = [_row(cube, variable, panels, (units or {}).get(variable.name, ""), other) for variable in chosen]
        rows = _held(rows, panels[0], is_asked=bool(variables))
        over = _over(cube, panels, lines, barbs, wind_style, units or {})
        figure = draw_sheet(cube.grid, rows, [panel.title for panel in panels], *over)
    finally:
        cube.close()
        if other is not None:
            other.close()
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
        return [_Panel(shown_time(axis.times[p]), axis.times[p], None, (p,)) for p in places]
    if times:
        raise SettingsError("--times: of a series; the files hold forecasts: give --init_time and --lead_times")
    start = chosen_start(axis.init_times.astype("datetime64[s]"), init_time)
    steps = chosen_steps(axis, lead_times) or _evenly(axis.length)
    suffix = f", mean of {axis.num_members} members" if axis.num_members > 1 else ""
    places_of = {step: instants_of(axis, start, step) for step in steps}
    return [
        _Panel(of_case(start, axis.lead_times[s]) + suffix, axis.times[places_of[s][0]], start, places_of[s])
        for s in steps
    ]


def _evenly(count: int) -> list[int]:
    shown = min(_MAX_PANELS, count)
    if count > shown:
        logger.warning("%d of %d times are drawn; choose by --lead_times or --times", shown, count)
    return sorted({round(i * (count - 1) / max(1, shown - 1)) for i in range(shown)})


def _field(cube: CubeABC, variable: Variable, panel: _Panel) -> NDArray[np.float32]:
    """The mean over members, `(lat, lon)`."""
    return np.asarray(members_at(cube, variable.name, panel.instants).mean(0), dtype=np.float32)


def _check(cube: CubeABC, units: Mapping[str, str], wind_style: str) -> None:
    """Refuses units of a variable that is not there, and winds that nobody draws."""
    if wind_style not in WINDS:
        raise SettingsError(f"--wind_style {wind_style}{nearest(wind_style, WINDS)}")
    for name in units:
        if name not in cube.names:
            raise SettingsError(f"--units {name}: not in the files{nearest(name, cube.names)}")


def _row(cube: CubeABC, variable: Variable, panels: Sequence[_Panel], units: str, other: Counterpart | None) -> Row:
    """A variable at all times, or what it differs by from another forecast."""
    shown = display_of(variable, units)
    if other is not None:
        ours = [members_at(cube, variable.name, panel.instants) for panel in panels]
        pairs = [(members, other.members(variable.name, place)) for place, members in enumerate(ours)]
        fields = [np.asarray(a.mean(0) - b.mean(0), dtype=np.float32) for a, b in pairs]
        row = Row(variable, fields, of_difference(shown), DIFFERENCES, [stands_out(a, b) for a, b in pairs])
    else:
        row = Row(variable, [_field(cube, variable, panel) for panel in panels], shown)
    return row


def _held(rows: Sequence[Row], panel: _Panel, is_asked: bool) -> list[Row]:
    """The rows that hold values; one that was asked for and holds none is refused, others are left out and told."""
    held = [row for row in rows if any(np.isfinite(f).any() for f in row.fields)]
    empty = [row.variable.name for row in rows if not any(np.isfinite(f).any() for f in row.fields)]
    if empty and (is_asked or not held):
        raise DataError(f"{', '.join(empty)}: all values are missing at {panel.title}")
    if empty:
        logger.warning("%s: left out, all values are missing at %s", ", ".join(empty), panel.title)
    return held


def _over(
    cube: CubeABC, panels: Sequence[_Panel], lines: Variable | None, barbs: tuple[Variable, Variable] | None, wind_style: str,
    units: Mapping[str, str],
) -> tuple[list[Isolines] | None, list[Wind] | None]:  # fmt: skip
    """Lines and wind of every time."""
    isolines = winds = None
    if lines is not None:
        isolines = [Isolines(lines, _field(cube, lines, panel), units.get(lines.name, "")) for panel in panels]
    if barbs is not None:
        first, second = barbs
        winds = [Wind(first, _field(cube, first, p), _field(cube, second, p), wind_style) for p in panels]
    return isolines, winds
