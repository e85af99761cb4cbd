"""Outputs: the files of a forecast, each written as its lead times are ready."""

import logging
import string
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from py4cast.errors import DataError, SettingsError, nearest
from py4cast.formats import Heading, Put, WriterABC, writer_for
from py4cast.formats.stations import read_places
from py4cast.grid import Grid
from py4cast.regrid import Regridder
from py4cast.stretched import part_of
from py4cast.variables import towards
from py4cast.vectors import VectorTurn, mate_of

__all__ = ["Outputs", "Series", "check_pattern", "heading_of_part", "path_of", "stamp"]

logger = logging.getLogger(__name__)

_HOUR = np.timedelta64(3600, "s")
_PLACES = ("init_time", "lead_time")


def check_pattern(text: str, flag: str) -> None:
    """SettingsError when a path has a place for something else than `{init_time}` and `{lead_time}`, as they are written here."""
    try:
        fields = [
            (place, form, conversion)
            for _, place, form, conversion in string.Formatter().parse(text)
            if place is not None
        ]
    except ValueError as error:
        raise SettingsError(f"{flag} {text!r}: {error}") from None
    for place, form, conversion in fields:
        if form or conversion:
            raise SettingsError(
                f"{flag} {text!r}: expected {{{place}}} alone; times are written as 20190330T00 and 006"
            )
        if place not in _PLACES:
            raise SettingsError(f"{flag} {text!r}: unknown place {{{place}}}{nearest(place, _PLACES)}")


def path_of(text: str, init_time: np.datetime64, lead_time: np.timedelta64) -> Path:
    """The path of a lead time: `{init_time}` as 20190330T00 (with minutes T0030, with seconds T003015), `{lead_time}` as hours 006, with minutes 000h30."""
    hours, rest = divmod(lead_time, _HOUR)
    lead = f"{int(hours):03d}" + (f"h{int(rest / np.timedelta64(60, 's')):02d}" if rest else "")
    return Path(text.format(init_time=stamp(init_time), lead_time=lead))


def stamp(when: np.datetime64) -> str:
    """A time as names of files have it, which every flag that takes a time reads: 20190330T00, T0030, T003015."""
    whole = np.datetime_as_string(when.astype("datetime64[s]")).replace("-", "").replace(":", "")
    return whole.removesuffix("00").removesuffix("00") if whole.endswith("0000") else whole.removesuffix("00")


def _turned_pairs(heading: Heading) -> list[tuple[int, int]]:
    """Places of the first and second components that run along the axes of a grid, among the variables.

    Raises:
        DataError: one whose other component is not forecast.
    """
    if not heading.grid.is_projected:
        return []
    pairs, places = [], {v.name: i for i, v in enumerate(heading.variables)}
    for index, variable in enumerate(heading.variables):
        if variable.axes != "grid":
            continue
        mate = mate_of(variable, heading.variables)
        if mate is None:
            raise DataError(
                f"--series: {variable.name} runs along the axes of its grid, and its other component is not forecast; "
                f"at a station it means nothing"
            )
        if mate[1]:
            pairs.append((index, places[mate[0].name]))
    return pairs


class Series:
    """Creates the forecast at the stations of a file, in a `.csv` or `.nc`; linear between the cells.

    Args:
        path: to write.
        stations: file of the places.
        heading: of the forecast.

    Raises:
        SettingsError: another ending.
        DataError: no station lies on the grid.
    """

    def __init__(self, path: str, stations: str, heading: Heading) -> None:
        if Path(path).suffix not in (".csv", ".nc"):
            raise SettingsError(f"--series {path}: expected a name that ends in .csv or .nc")
        places = read_places(stations)
        everywhere = Grid(places.latitude[None], places.longitude[None])
        inside = Regridder(heading.grid, everywhere, "linear").covered[0]
        outside = [n for n, is_in in zip(places.names, inside, strict=True) if not is_in]
        if outside:
            logger.warning(
                "%d stations lie outside the grid and are left out: %s", len(outside), ", ".join(outside[:5])
            )
        points = Grid(places.latitude[None, inside], places.longitude[None, inside])
        names = tuple(n for n, is_in in zip(places.names, inside, strict=True) if is_in)
        self._pairs = _turned_pairs(heading)
        variables = [
            replace(v, standard_name=towards(v.standard_name)) if self._pairs else v for v in heading.variables
        ]
        self.heading = replace(heading, grid=points, stations=names, variables=variables)
        self.path = path_of(path, heading.init_time, heading.lead_times[0])
        self._regridder = Regridder(heading.grid, points, "linear")
        self._turn = VectorTurn(heading.grid, "grid", points, "earth", self._regridder) if self._pairs else None

    def values(self, fields: NDArray[np.float32]) -> NDArray[np.float32]:
        """The values of a lead time at the stations, `heading.shape`."""
        values = np.empty(self.heading.shape, dtype=np.float32)
        planes = np.moveaxis(fields, -1, 0).reshape(-1, *fields.shape[-3:-1])
        out = [self._regridder(np.ascontiguousarray(p)) for p in planes]
        if self._turn is not None:
            num_members = len(planes) // fields.shape[-1]
            for first, second in self._pairs:
                for u, v in ((first * num_members + m, second * num_members + m) for m in range(num_members)):
                    out[u], out[v] = self._turn(planes[u], planes[v])
        values[...] = np.moveaxis(np.stack(out).reshape(fields.shape[-1], *values.shape[:-1]), 0, -1)
        return values


def heading_of_part(heading: Heading, part: str) -> tuple[slice, Heading]:
    """The cells of a part of a stretched grid, and the heading of a forecast on it; SettingsError where it has no such part."""
    cells, grid = part_of(heading.grid, part)
    imposed = None if heading.imposed is None else heading.imposed[:, cells].reshape(grid.shape)
    return cells, replace(heading, grid=grid, imposed=imposed)


class Outputs:
    """Creates the files of a forecast; they stand at their names when they are whole.

    A path with `{lead_time}` becomes a file per lead time, which stands as soon as it is written; any other path one
    file of all lead times, which stands at the end.

    Args:
        paths: of the files; their endings choose the formats.
        heading: of the forecast.
        series: at stations, written too.
        part: of a stretched grid that the files hold; all of it by default.

    Raises:
        SettingsError: an unknown ending, a part that the grid does not have.
    """

    def __init__(
        self, paths: Sequence[str], heading: Heading, series: Series | None = None, part: str | None = None
    ) -> None:
        self._series = series
        self._cells: slice | None = None
        if part is not None:
            self._cells, heading = heading_of_part(heading, part)
        self._put_series: Put | None = None
        self.heading, self.written = heading, list[Path]()
        self._stack, self._step = ExitStack(), 0
        self._wholes: list[Put] = []
        self._each: list[tuple[str, WriterABC]] = []
        self._plans = [(path, writer_for(path)) for path in paths]

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for text, writer in self._plans:
                if "{lead_time" in text:
                    self._each.append((text, writer))
                    continue
                path = path_of(text, self.heading.init_time, self.heading.lead_times[0])
                self._wholes.append(stack.enter_context(writer.open(path, self.heading)))
                self.written.append(path)
            if self._series is not None:
                writer = writer_for(self._series.path)
                self._put_series = stack.enter_context(writer.open(self._series.path, self._series.heading))
                self.written.append(self._series.path)
            self._stack = stack.pop_all()
        return self

    def put(self, values: NDArray[np.float32]) -> None:
        """Writes the next lead time, of the shape of the whole grid."""
        if self._series is not None and self._put_series is not None:
            self._put_series(self._series.values(values))
        if self._cells is not None:
            values = np.ascontiguousarray(values[..., self._cells, :]).reshape(self.heading.shape)
        for put in self._wholes:
            put(values)
        leads = [self.heading.since, *self.heading.lead_times]
        for text, writer in self._each:
            before, lead = leads[self._step : self._step + 2]
            path = path_of(text, self.heading.init_time, lead)
            with writer.open(path, replace(self.heading, lead_times=[lead], since=before)) as put:
                put(values)
            self.written.append(path)
        self._step += 1

    def __exit__(self, *error: object) -> None:
        self._stack.__exit__(*error)  # type: ignore[arg-type]
