"""plot --kind: charts beside maps, from files to a picture."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from py4cast.cubes.base import CubeABC
from py4cast.errors import DataError, SettingsError, nearest
from py4cast.observers.base import write_figure
from py4cast.observers.titles import of_case, shown_time
from py4cast.regrid import Method
from py4cast.timeline import instant
from py4cast.workflows.charts.asked import Asked, Time, place_on
from py4cast.workflows.charts.kinds import KINDS, Kind
from py4cast.workflows.chosen import chosen_start, chosen_steps, chosen_variables, instants_of, open_shown
from py4cast.workflows.counterpart import Counterpart

__all__ = ["chart"]

_HOUR = np.timedelta64(3600, "s")


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

    Raises:
        SettingsError: a kind, a name, a place or a time that is not there, or MetPy that is not installed.
        DataError: files that cannot be read, or that hold nothing for the kind.
    """
    chosen_kind = _checked(kind, output, at, against)
    cube, other = open_shown(files), None
    try:
        place = None if at is None else place_on(cube.grid, at)
        shown = chosen_variables(cube, variables, chosen_kind.most_variables)
        for name in units or {}:
            if name not in cube.names:
                raise SettingsError(f"--units {name}: not in the files{nearest(name, cube.names)}")
        moments, title = _times(cube, init_time, lead_times, times)
        if against:
            starts = [None if t.lead is None else t.valid - np.timedelta64(round(3600 * t.lead), "s") for t in moments]
            pairs = [(t.valid, start) for t, start in zip(moments, starts, strict=True)]
            other = Counterpart(open_shown(against), cube, [v.name for v in shown], pairs, regrid)
        figure = chosen_kind.draw(Asked(cube, shown, moments, title, units or {}, place, other, along))
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


def _times(
    cube: CubeABC, init_time: str | None, lead_times: Sequence[str], times: Sequence[str]
) -> tuple[list[Time], str]:
    """The times that are drawn, and what they are of."""
    axis = cube.axis
    if axis.is_series:
        if init_time is not None or lead_times:
            raise SettingsError("--init_time and --lead_times are of forecasts; the files hold a series: give --times")
        asked = [instant(t) for t in times]
        lacking = [t for t in asked if t not in axis.times]
        if lacking:
            raise SettingsError(
                f"--times {lacking[0]}: not in the files, which hold {axis.times[0]} to {axis.times[-1]}"
            )
        places = [int(np.flatnonzero(axis.times == t)[0]) for t in asked] or list(range(axis.size))
        moments = [Time(shown_time(axis.times[p]), axis.times[p].astype("datetime64[s]"), None, (p,)) for p in places]
        return moments, f"{moments[0].title} to {moments[-1].title}" if len(moments) > 1 else moments[0].title
    if times:
        raise SettingsError("--times: of a series; the files hold forecasts: give --init_time and --lead_times")
    start = chosen_start(axis.init_times.astype("datetime64[s]"), init_time)
    steps = sorted(chosen_steps(axis, lead_times)) or list(range(axis.length))
    if not steps:
        raise DataError("the files hold no lead time")
    moments = []
    for step in steps:
        instants = instants_of(axis, start, step)
        valid = axis.times[instants[0]].astype("datetime64[s]")
        moments.append(Time(of_case(start, axis.lead_times[step]), valid, float((valid - start) / _HOUR), instants))
    members = f", {axis.num_members} members" if axis.num_members > 1 else ""
    return moments, f"forecast from {shown_time(start)}{members}"
