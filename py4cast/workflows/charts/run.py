"""plot --kind: charts beside maps, from files to a picture."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from py4cast.cubes.base import CubeABC
from py4cast.errors import SettingsError, nearest
from py4cast.observers.base import write_figure
from py4cast.regrid import Method
from py4cast.workflows.charts.asked import Asked, place_on
from py4cast.workflows.charts.kinds import KINDS, Kind
from py4cast.workflows.chosen import chosen_variables, in_columns, open_shown, units_in
from py4cast.workflows.counterpart import Counterpart, told_difference
from py4cast.workflows.view.moments import Moment, chosen_moments

__all__ = ["chart"]


def chart(
    kind: str,
    files: Sequence[str | os.PathLike[str]],
    output: Path,
    variables: Sequence[str] = (),
    init_time: str | None = None,
    lead_times: Sequence[str] = (),
    times: Sequence[str] = (),
    at: str | None = None,
    units: Mapping[str, str] | None = None,
    against: Sequence[str | os.PathLike[str]] = (),
    along: str = "longitude",
    regrid: Method | None = None,
    where: Mapping[str, Any] | None = None,
) -> Path:
    """Draws one chart of a kind, and writes it.

    Args:
        kind: hovmoller, meteogram, profile or skewt.
        files: GRIB, NetCDF, Zarr, or a prepared store.
        output: a `.png`.
        variables: by name; by default the first ones that fit.
        init_time: start of the forecast, where the files hold several.
        lead_times: of a forecast; by default all.
        times: of a series; by default all.
        at: the place, `LATITUDE,LONGITUDE`.
        units: that are shown, by variable.
        against: files of another forecast or of the analysis, whose difference a Hovmöller diagram shows.
        along: longitude or latitude, of a Hovmöller diagram.
        regrid: how these come to the grid of the first.
        where: keys that the fields must have, and their values.

    Raises:
        SettingsError: a kind, a name, a place or a time that is not there, or MetPy that is not installed.
        DataError: files that cannot be read, or that hold nothing for the kind.
    """
    chosen_kind = _checked(kind, output, at, against)
    cube, other = open_shown(files, () if chosen_kind.is_of_columns else variables, where), None
    try:
        place = None if at is None else place_on(cube.grid, at)
        if chosen_kind.is_of_columns:
            variables = in_columns(cube, variables)
            units = {name: text for asked, text in (units or {}).items() for name in in_columns(cube, [asked])}
        shown = chosen_variables(cube, variables, chosen_kind.most_variables)
        units = units_in(cube, units or {})
        moments = chosen_moments(cube, init_time, lead_times, times)
        if not cube.axis.is_series:
            moments.sort(key=lambda moment: moment.valid)
        if against:
            pairs = [(moment.valid, moment.start) for moment in moments]
            other = Counterpart(against, cube, [v.name for v in shown], pairs, regrid)
        title = ", ".join(filter(None, [_title(cube, moments), told_difference(files, against)]))
        asked = Asked(cube, shown, moments, title, units or {}, place, other, along)
        figure = chosen_kind.draw(asked)
    finally:
        cube.close()
        if other is not None:
            other.close()
    write_figure(output, figure)
    return output


def _checked(kind: str, output: Path, at: str | None, against: Sequence[str | os.PathLike[str]]) -> Kind:
    """The kind, where what is asked goes with it."""
    if kind not in KINDS:
        raise SettingsError(f"--kind {kind}{nearest(kind, ['map', *KINDS])}")
    if output.suffix != ".png":
        raise SettingsError(f"--output {output}: expected a name that ends in .png")
    if KINDS[kind].needs_place != (at is not None):
        raise SettingsError(f"--at: --kind {kind} {'needs a place' if KINDS[kind].needs_place else 'has none'}")
    if against and not KINDS[kind].takes_other:
        raise SettingsError(f"--with: --kind {kind} shows no difference; --kind map and hovmoller do")
    return KINDS[kind]


def _title(cube: CubeABC, moments: Sequence[Moment]) -> str:
    """What the times are of."""
    first, last = moments[0].title, moments[-1].title
    if cube.axis.is_series:
        return " to ".join(dict.fromkeys((first, last)))
    count = len(moments[0].instants)
    members = f", {count} members" if count > 1 else ""
    return f"forecast from {first.split(' +')[0]}{members}"
