"""plot: charts of what a file or a store holds: forecasts, analyses, any variables, one panel per lead time."""

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from py4cast.cubes.base import CubeABC
from py4cast.errors import DataError, SettingsError, nearest
from py4cast.observers.base import write_figure
from py4cast.observers.chart import WINDS, Isolines, Wind
from py4cast.observers.difference import DIFFERENCES, of_difference, stands_out
from py4cast.observers.sheet import Row, draw_sheet
from py4cast.regrid import Method
from py4cast.variables import Variable
from py4cast.workflows.chosen import (
    chosen_variables,
    difference_of,
    display_in,
    in_metres_per_second,
    isolines_of,
    mean_of,
    members_at,
    open_shown,
    units_in,
    wind_of,
)
from py4cast.workflows.counterpart import Counterpart, told_difference
from py4cast.workflows.view.moments import Moment, chosen_moments

__all__ = ["plot"]

logger = logging.getLogger(__name__)
_MAX_VARIABLES, _MAX_PANELS = 4, 6


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
    where: Mapping[str, Any] | None = None,
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
        against: files of another forecast or of the analysis: the difference is drawn, dots where members tell it from chance.
        regrid: how these come to the grid of the first; by default another grid is refused.
        where: keys that the fields must have, such as `stepType`, and their values; by default all fields.

    Raises:
        SettingsError: names, times and units that are not there, or several starts and none chosen.
        DataError: files that cannot be read, fields that are all missing, another grid or no common time to hold it against.
    """
    if output.suffix != ".png":
        raise SettingsError(f"--output {output}: expected a name that ends in .png")
    if wind_style not in WINDS:
        raise SettingsError(f"--wind_style {wind_style}{nearest(wind_style, WINDS)}")
    cube, other = open_shown(files, [*variables, *([isolines, wind] if variables else [])], where), None
    try:
        chosen = chosen_variables(cube, variables, _MAX_VARIABLES)
        units = units_in(cube, units or {})
        panels = _panels(cube, init_time, lead_times, times)
        lines, barbs = isolines_of(cube, isolines), _wind(cube, wind, chosen, wind_style)
        if against:
            moments = [(panel.valid, panel.start) for panel in panels]
            other = Counterpart(against, cube, [v.name for v in chosen], moments, regrid)
        rows = [_row(cube, variable, panels, (units or {}).get(variable.name, ""), other) for variable in chosen]
        rows = _told_apart(_held(rows, panels[0], is_asked=bool(variables)))
        over = _over(cube, panels, lines, barbs, wind_style, units or {})
        figure = draw_sheet(cube.grid, rows, [p.title for p in panels], *over, told_difference(files, against))
    finally:
        cube.close()
        if other is not None:
            other.close()
    write_figure(output, figure)
    return output


def _wind(cube: CubeABC, asked: str, chosen: Sequence[Variable], style: str) -> tuple[Variable, Variable] | None:
    """The components that are drawn; SettingsError where a style is asked for and nothing is drawn in it."""
    pair = wind_of(cube, asked, chosen)
    if pair is None and style != "barbs":
        raise SettingsError(
            f"--wind_style {style}: no wind is drawn; name a component of one, or of a current, by --wind"
        )
    return pair


def _panels(cube: CubeABC, init_time: str | None, lead_times: Sequence[str], times: Sequence[str]) -> list[Moment]:
    """The times that are drawn, of an ensemble by the mean of its members."""
    moments = chosen_moments(cube, init_time, lead_times, times)
    if not (lead_times or times):
        moments = [moments[place] for place in _evenly(len(moments))]
    count = len(moments[0].instants)
    suffix = f", mean of {count} members" if count > 1 else ""
    return [moment._replace(title=moment.title + suffix) for moment in moments]


def _evenly(count: int) -> list[int]:
    shown = min(_MAX_PANELS, count)
    if count > shown:
        logger.warning("%d of %d times are drawn; choose by --lead_times or --times", shown, count)
    return sorted({round(i * (count - 1) / max(1, shown - 1)) for i in range(shown)})


def _field(cube: CubeABC, variable: Variable, panel: Moment) -> NDArray[np.float32]:
    """The mean over members, `(lat, lon)`."""
    return mean_of(variable, members_at(cube, variable.name, panel.instants))


def _row(cube: CubeABC, variable: Variable, panels: Sequence[Moment], units: str, other: Counterpart | None) -> Row:
    """A variable at all times, or what it differs by from another forecast."""
    shown = display_in(cube, variable, units)
    if other is not None:
        ours = [members_at(cube, variable.name, panel.instants) for panel in panels]
        pairs = [(members, other.members(variable.name, place)) for place, members in enumerate(ours)]
        fields = [np.asarray(difference_of(variable, a.mean(0), b.mean(0)), dtype=np.float32) for a, b in pairs]
        return Row(variable, fields, of_difference(shown), DIFFERENCES, [stands_out(a, b) for a, b in pairs])
    return Row(variable, [_field(cube, variable, panel) for panel in panels], shown)


def _told_apart(rows: Sequence[Row]) -> list[Row]:
    """Rows of one name, such as winds at two heights that a file does not tell, with what the files call them."""
    titles = [row.shown.title if row.shown is not None else "" for row in rows]
    return [
        row._replace(shown=row.shown._replace(name=f"{row.shown.name} ({row.variable.name})"))
        if row.shown is not None and titles.count(title) > 1
        else row
        for row, title in zip(rows, titles, strict=True)
    ]


def _held(rows: Sequence[Row], panel: Moment, is_asked: bool) -> list[Row]:
    """The rows that hold values; one that was asked for and holds none is refused, others are left out and told."""
    held = [row for row in rows if any(np.isfinite(f).any() for f in row.fields)]
    empty = [row.variable.name for row in rows if not any(np.isfinite(f).any() for f in row.fields)]
    if empty and (is_asked or not held):
        raise DataError(f"{', '.join(empty)}: all values are missing at {panel.title}")
    if empty:
        logger.warning("%s: left out, all values are missing at %s", ", ".join(empty), panel.title)
    return held


def _over(
    cube: CubeABC, panels: Sequence[Moment], lines: Variable | None, barbs: tuple[Variable, Variable] | None, wind_style: str,
    units: Mapping[str, str],
) -> tuple[list[Isolines] | None, list[Wind] | None]:  # fmt: skip
    """Lines and wind of every time."""
    isolines = winds = None
    if lines is not None:
        isolines = [Isolines(lines, _field(cube, lines, panel), units.get(lines.name, "")) for panel in panels]
    if barbs is not None:
        first, second = barbs
        parts = [[in_metres_per_second(v, _field(cube, v, p)) for v in (first, second)] for p in panels]
        winds = [Wind(first, u, v, wind_style) for u, v in parts]
    return isolines, winds
