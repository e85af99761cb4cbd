"""view: from files of a forecast to one page on which it is looked at."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from py4cast.atomic import write_text
from py4cast.cubes.base import CubeABC
from py4cast.cubes.views.aligned import AlignedCube, match_variables
from py4cast.errors import DataError, SettingsError
from py4cast.observers.colours import table_of
from py4cast.observers.images import field_png
from py4cast.observers.raster import as_rectangle, rectangle_of
from py4cast.regrid import Method
from py4cast.workflows.chosen import (
    chosen_variables,
    isolines_of,
    mean_of,
    members_at,
    open_shown,
    units_in,
    wind_of,
)
from py4cast.workflows.counterpart import check_spans, name_of_files
from py4cast.workflows.terminal import Bar
from py4cast.workflows.view.moments import Moment, counterparts, moments_of
from py4cast.workflows.view.page import check_size, page_of
from py4cast.workflows.view.scene import Other, Scene, Shown

__all__ = ["view", "view_text"]

_MAX_VARIABLES = 5
MAX_MB = 12.0

Files = Sequence[str | os.PathLike[str]]


def view(
    files: Files,
    output: Path,
    variables: Sequence[str] = (),
    init_time: str | None = None,
    lead_times: Sequence[str] = (),
    against: Files = (),
    isolines: str = "auto",
    wind: str = "auto",
    thinning: int = 1,
    most_mb: float = MAX_MB,
    bar: Bar | None = None,
    units: Mapping[str, str] | None = None,
    where: Mapping[str, Any] | None = None,
    regrid: Method | None = None,
) -> Path:
    """Writes the page, whole or not at all.

    Args:
        files: GRIB, NetCDF, Zarr, or a prepared store, of one forecast.
        output: a `.html`.
        variables: by name; by default the first five.
        init_time: start of the forecast, where the files hold several.
        lead_times: such as 6h; by default all.
        against: files of another forecast or of the analysis, whose difference is shown too.
        isolines: name of the variable that is drawn as lines, `auto` for pressure or geopotential, `none`.
        wind: name of the first component of a wind, `auto` for one near the ground, `none`.
        thinning: every so many rows and columns are shown.
        most_mb: how large the page may be [MB].
        bar: that shows how far it is.
        units: to show variables in, by name; by default those that forecasters use.
        where: keys that the fields must have, such as `stepType`, and their values; by default all fields.
        regrid: how what it is held against comes to its grid: linear, nearest, mean; by default another grid is refused.

    Raises:
        SettingsError: names and times that are not there, or several starts and none chosen.
        DataError: files that cannot be read, fields that are all missing, another grid to hold it against.
        SettingsError: the page would be larger than it may.
    """
    if output.suffix not in (".html", ".htm"):
        raise SettingsError(f"--output {output}: expected a name that ends in .html")
    text = view_text(
        files, variables, init_time, lead_times, against, isolines, wind, thinning, most_mb, bar, units, where, regrid
    )
    write_text(output, text)
    return output


def view_text(
    files: Files, variables: Sequence[str] = (), init_time: str | None = None, lead_times: Sequence[str] = (),
    against: Files = (), isolines: str = "auto", wind: str = "auto", thinning: int = 1, most_mb: float = MAX_MB,
    bar: Bar | None = None, units: Mapping[str, str] | None = None, where: Mapping[str, Any] | None = None,
    regrid: Method | None = None,
) -> str:  # fmt: skip
    """The text of the page, as `view` writes it."""
    if thinning < 1:
        raise SettingsError(f"--thin {thinning}: expected at least 1")
    cube = open_shown(files, [*variables, *([isolines, wind] if variables else [])], where)
    other: CubeABC | None = None
    try:
        moments = moments_of(cube, init_time, lead_times)
        units = units_in(cube, units or {})
        chosen = chosen_variables(cube, variables, _MAX_VARIABLES)
        shown = Shown(chosen, isolines_of(cube, isolines), wind_of(cube, wind, chosen), units or {}, bool(variables))
        held = None
        if against:
            other = open_shown(against)
            members = f", mean of {other.axis.num_members} members" if other.axis.num_members > 1 else ""
            told = _in_words_of(cube, other, regrid)
            if not {v.name for v in chosen} & set(told.names):
                raise DataError(f"--with {name_of_files(against)}: has none of {', '.join(v.name for v in chosen)}")
            held = Other(name_of_files(against) + members, told, counterparts(moments, told))
            if not any(held.instants):
                raise SettingsError(
                    f"--with {held.name}: nothing is valid at the times of the forecast, {moments[0].valid} to {moments[-1].valid}"
                )
        rows, columns = (max(1, n // thinning) for n in cube.shape)
        # before a long series is read, which takes minutes
        check_size(len(shown.variables), len(moments), (rows, columns), most_mb)
        scene = Scene(cube, moments, shown, held, thinning)
        document, layers = scene.document(bar)
        return page_of(document, layers, _title(files, moments), _summary(cube, moments), _still(cube, moments[0], shown), most_mb)  # fmt: skip
    finally:
        cube.close()
        if other is not None:
            other.close()


def _in_words_of(cube: CubeABC, other: CubeABC, regrid: Method | None) -> CubeABC:
    """Another forecast or analysis in the names and the order of rows of the first, and on its grid where that is asked for."""
    words = ("--with", "first")
    try:
        matched = match_variables(other.variables, cube.variables, words=words)
    except DataError:
        return other  # what differs is told where it is drawn
    check_spans(other, cube, matched)
    try:
        if other.grid.same_as(cube.grid) and all(m.name == m.variable.name for m in matched):
            return other
        return AlignedCube(other, matched, cube.grid, regrid, words=words)
    except DataError:
        # what differs is told where it is drawn
        return other


def _title(files: Files, moments: Sequence[Moment]) -> str:
    start = "" if moments[0].lead is None else f", {moments[0].title.split(' +')[0]}"
    return f"{name_of_files(files)}{start}"


def _summary(cube: CubeABC, moments: Sequence[Moment]) -> str:
    members = f"mean and quantiles of {len(moments[0].instants)} members, " if len(moments[0].instants) > 1 else ""
    first, last = (str(moment.valid)[:16].replace("T", " ") for moment in (moments[0], moments[-1]))
    times = f"{first} UTC" if len(moments) == 1 else f"{len(moments)} times, {first} to {last} UTC"
    return f"{members}{times}, {cube.grid.describe()}"


def _still(cube: CubeABC, moment: Moment, shown: Shown) -> str:
    """The first field at the first time as a picture, of members their mean."""
    variable = shown.variables[0]
    words = shown.display(variable)
    field = words.values(mean_of(variable, members_at(cube, variable.name, moment.instants)))
    table = table_of(words.variable)
    return field_png(as_rectangle(cube.grid, field), rectangle_of(cube.grid), table, table.span(field))
