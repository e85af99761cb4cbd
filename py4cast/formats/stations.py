"""Station observations: points with a place, a height and values at times, from CSV, Parquet or NetCDF.

A table has a row per station and time with the columns `station latitude longitude time` (and `elevation` [m]), and
a column per variable, whose heading may say its units: `t2m [K]`. A NetCDF file has variables over a station and a
time dimension, as CF's time series of points do. Tables are read in pieces; the values lie in a file of their own.
"""

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from py4cast.errors import DataError, first_line, nearest
from py4cast.text import csv_text
from py4cast.units import normalise

__all__ = ["Places", "Stations", "read_places", "read_stations"]

_ROWS = 200_000
_COLUMNS = {
    "station": ("station", "station_id", "id", "name", "wmo_id", "num_sta"),
    "latitude": ("latitude", "lat"),
    "longitude": ("longitude", "lon", "lng"),
    "time": ("time", "valid_time", "date", "datetime"),
    "elevation": ("elevation", "altitude", "height", "height_sta", "elev"),
}
# dates written as numbers, by how many digits they have
_DIGITS = {8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
_EARLIEST = 1900
# how far the places of one station may lie apart [degrees]: a buoy moves about its mooring
_DRIFT = 0.1
_UNITS = re.compile(r"^(?P<name>.+?)\s*[\[(](?P<units>.*)[\])]\s*$")


@dataclass(frozen=True)
class Stations:
    """Observations at points: where they are, when, and what was seen.

    Args:
        path: where they came from.
        names: of the stations.
        latitude: [degrees north], `(station,)`.
        longitude: [degrees east].
        elevation: [m], NaN where it is not known.
        times: sorted, UTC.
        units: by variable; empty where the file does not say.
        values: `(time, station, variable)`, NaN where missing.
    """

    path: Path
    names: Sequence[str]
    latitude: NDArray[np.float64]
    longitude: NDArray[np.float64]
    elevation: NDArray[np.float64]
    times: NDArray[np.datetime64]
    units: dict[str, str]
    values: NDArray[np.float32]

    def at(self, times: NDArray[np.datetime64], names: Sequence[str]) -> NDArray[np.float32]:
        """`(time, station, variable)` at these times; NaN where nothing was observed."""
        columns = [list(self.units).index(name) for name in names]
        place = np.searchsorted(self.times, times).clip(0, max(0, self.times.size - 1))
        values = np.array(self.values[place][:, :, columns], dtype=np.float32)
        values[self.times[place] != times] = np.nan
        return values


class Places(NamedTuple):
    """Points by name, with latitude and longitude [degrees].

    Args:
        names: of the stations.
        latitude: [degrees north], `(station,)`.
        longitude: [degrees east].
    """

    names: list[str]
    latitude: NDArray[np.float64]
    longitude: NDArray[np.float64]


def read_places(path: str | Path) -> Places:
    """The places of a table with the columns `station latitude longitude`; further rows of a station are left out.

    Raises:
        DataError: no such file, no table, a column that lacks, or coordinates that are none.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise DataError(f"{file}: no such file")
    known_places: dict[str, tuple[float, float]] = {}
    for piece in _pieces(file):
        columns = _columns(file, list(piece.columns), ("elevation", "time"))
        names, lat, lon = (piece[columns[c]] for c in ("station", "latitude", "longitude"))
        try:
            for name, y, x in zip(names, lat.astype(float), lon.astype(float), strict=True):
                known_places.setdefault(str(name), (float(y), float(x)))
        except ValueError as error:
            raise DataError(f"{file}: a place that is none: {error}") from None
    places = np.array(list(known_places.values()), dtype=np.float64).reshape(-1, 2)
    if not known_places or not np.isfinite(places).all():
        raise DataError(f"{file}: {'a place without coordinates' if known_places else 'holds no stations'}")
    return Places(list(known_places), places[:, 0], places[:, 1])


def read_stations(path: str | Path) -> Stations:
    """The observations of a file, by its ending: `.csv`, `.parquet`, `.nc`.

    Raises:
        DataError: no such file, another ending, a column that lacks, coordinates or times that are none.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise DataError(f"{file}: no such file")
    suffix = file.suffix.lower()
    if suffix in (".nc", ".nc4"):
        return _from_netcdf(file)
    if suffix not in (".csv", ".txt", ".parquet"):
        raise DataError(f"{file}: stations of ending {suffix!r}; expected .csv, .parquet or .nc")
    return _from_table(file)


def _name(cell: str) -> str:
    return csv_text(cell.strip())


def _pieces(file: Path) -> Iterator[pd.DataFrame]:
    """The rows of a table, some at a time."""
    try:
        if file.suffix.lower() == ".parquet":
            from pyarrow.parquet import ParquetFile

            for batch in ParquetFile(file).iter_batches(_ROWS):
                yield batch.to_pandas()
            return
        how: dict[str, Any] = {"sep": ",", "comment": "#"}
        if file.suffix.lower() == ".txt":
            how |= {"sep": None, "engine": "python"}
        names = [c for c in pd.read_csv(file, nrows=0, **how).columns if str(c).strip().lower() in _COLUMNS["station"]]
        # a name as it stands: 07005 is no number, NA no gap
        yield from pd.read_csv(file, chunksize=_ROWS, converters=dict.fromkeys(names, _name), **how)
    except ImportError:
        raise DataError(f"{file}: reading Parquet needs pyarrow: pip install py4cast[stations]") from None
    except (ValueError, OSError, pd.errors.ParserError) as error:
        raise DataError(f"{file}: cannot be read as a table: {first_line(error)}") from None


def _columns(file: Path, headings: Sequence[str], free: Sequence[str] = ("elevation",)) -> dict[str, str]:
    """The heading of each column that every table has, but those that it may lack."""
    lower = {str(c).strip().lower(): str(c) for c in headings}
    columns = {}
    for what, names in _COLUMNS.items():
        known = [lower[n] for n in names if n in lower]
        if known:
            columns[what] = known[0]
        elif what not in free:
            raise DataError(f"{file}: no column {what!r}{nearest(what, list(lower))}")
    return columns


def _times(file: Path, column: Any) -> NDArray[np.datetime64]:
    column = _dates(file, column) if pd.api.types.is_numeric_dtype(column) else column
    try:
        parsed = pd.to_datetime(column, utc=True)
    except (ValueError, TypeError) as error:
        raise DataError(f"{file}: a time that is none: {first_line(error)[:200]}") from None
    if parsed.isna().any():
        raise DataError(
            f"{file}: {int(parsed.isna().sum())} rows have no time, first the one numbered {parsed.index[parsed.isna()][0]}"
        )
    return np.asarray(parsed.dt.tz_localize(None).to_numpy(), dtype="datetime64[s]")


def _dates(file: Path, column: Any) -> Any:
    """Numbers that are dates by their digits, such as 2020010106, as instants."""
    digits = column.dropna().astype("int64").astype(str)
    sizes = set(digits.str.len())
    form = _DIGITS.get(sizes.pop()) if len(sizes) == 1 else None
    dates = pd.to_datetime(digits, format=form or "%Y", errors="coerce")
    # seconds since 1970 may look like days of earlier centuries
    if digits.size and (form is None or dates.isna().any() or dates.min().year < _EARLIEST):
        raise DataError(
            f"{file}: times are numbers without a unit, such as {digits.iloc[0]}; expected dates, such as 2020-01-01T06:00 or 2020010106"
        )
    return dates.reindex(column.index)


def _degrees(file: Path, column: Any) -> NDArray[np.float64]:
    numbers = pd.to_numeric(column, errors="coerce")
    texts = numbers.isna() & column.notna()
    if texts.any():
        raise DataError(
            f"{file}: {column.name} {column[texts].iloc[0]!r} is no number; expected degrees, south and west below 0"
        )
    return np.asarray(numbers, np.float64)


def _take_places(
    file: Path, piece: Any, columns: Mapping[str, str], places: dict[str, tuple[float, float, float]]
) -> None:
    """Adds the places of stations that are new; DataError where one stands in two places."""
    lat, lon = (_degrees(file, piece[columns[axis]]) for axis in ("latitude", "longitude"))
    heights = piece[columns["elevation"]].to_numpy(np.float64) if "elevation" in columns else np.full(lat.size, np.nan)
    codes, names = pd.factorize(piece[columns["station"]].astype(str))
    for name, k in zip(names, np.unique(codes, return_index=True)[1], strict=True):
        places.setdefault(str(name), (float(lat[k]), float(lon[k]), float(heights[k])))
    known = np.array([places[str(name)][:2] for name in names]).reshape(-1, 2)[codes]
    moved = (np.abs(lat - known[:, 0]) > _DRIFT) | (np.abs((lon - known[:, 1] + 180.0) % 360.0 - 180.0) > _DRIFT)
    if moved.any():
        k = int(np.argmax(moved))
        raise DataError(
            f"{file}: station {names[codes[k]]} stands at {known[k, 0]:g} N {known[k, 1]:g} E and at {lat[k]:g} N {lon[k]:g} E; expected one place of each"
        )


def _put(
    file: Path, values: NDArray[np.float32], rows: Any, stations: Any, reports: NDArray[np.float32], names: list[str], times: Any
) -> None:  # fmt: skip
    """Puts reports in their places; of two of one instant an empty one says nothing, and others must be the same.

    Raises:
        DataError: two that differ.
    """
    place = rows * values.shape[1] + stations
    again = pd.Series(place).groupby(place).cumcount().to_numpy()
    for turn in range(int(again.max(initial=0)) + 1):
        here = again == turn
        known, new = values[rows[here], stations[here]], reports[here]
        differ = np.isfinite(known) & np.isfinite(new) & (known != new)
        if differ.any():
            k, column = (int(i[0]) for i in np.nonzero(differ))
            raise DataError(
                f"{file}: {names[stations[here][k]]} of {times[rows[here][k]]} stands twice, with {known[k, column]:g} and {new[k, column]:g}"
            )
        values[rows[here], stations[here]] = np.where(np.isnan(new), known, new)


def _from_table(file: Path) -> Stations:
    places: dict[str, tuple[float, float, float]] = {}
    instants: set[np.datetime64] = set()
    columns: dict[str, str] = {}
    headings: list[str] = []
    for piece in _pieces(file):
        if not columns:
            columns = _columns(file, list(piece.columns))
            taken = set(columns.values())
            headings = [str(c) for c in piece.columns if c not in taken and pd.api.types.is_numeric_dtype(piece[c])]
        instants.update(np.unique(_times(file, piece[columns["time"]])))
        _take_places(file, piece, columns, places)
    if not places or not headings:
        raise DataError(f"{file}: holds no {'rows' if not places else 'column of numbers beside the places'}")
    times = np.array(sorted(instants), dtype="datetime64[s]")
    names = list(places)
    values = _room((times.size, len(names), len(headings)))
    index = {name: i for i, name in enumerate(names)}
    for piece in _pieces(file):
        instant = _times(file, piece[columns["time"]])
        stations = piece[columns["station"]].astype(str).map(index).to_numpy()
        reports = piece[headings].to_numpy(dtype=np.float32)
        _put(file, values, np.searchsorted(times, instant), stations, reports, names, times)
    units = _units_of(file, headings)
    return _checked(file, names, np.array(list(places.values())), times, units, values)


def _units_of(file: Path, headings: Sequence[str]) -> dict[str, str]:
    """Units by the name that stands before them; DataError for a name that has several columns."""
    units: dict[str, str] = {}
    for heading in headings:
        match = _UNITS.match(heading)
        name = match["name"].strip() if match else heading
        if name in units:
            raise DataError(f"{file}: {name!r} has several columns, {heading!r} the last; expected one")
        units[name] = normalise(match["units"]) if match else ""
    return units


def _room(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """An array of NaN in a file without a name."""
    with tempfile.TemporaryFile() as stream:
        room = np.memmap(stream, dtype=np.float32, mode="w+", shape=shape)
    room[:] = np.nan
    return room


def _from_netcdf(file: Path) -> Stations:
    try:
        with xr.open_dataset(file, engine="netcdf4", decode_timedelta=False) as data:
            return _from_dataset(file, data.load())
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"{file}: cannot be read as stations: {first_line(error)}") from None


def _from_dataset(file: Path, data: xr.Dataset) -> Stations:
    names = [str(n) for n in data.variables]
    columns: dict[str, str] = {}
    for what, known in _COLUMNS.items():
        for name in names:
            array = data[name]
            if name.lower() in known or str(array.attrs.get("standard_name")) in (what, "surface_altitude" if what == "elevation" else what):  # fmt: skip
                columns.setdefault(what, name)
    for what in ("latitude", "longitude", "time"):
        if what not in columns:
            raise DataError(f"{file}: no {what}; the variables are {', '.join(names)}")
    (dim,) = data[columns["latitude"]].dims
    (time_dim,) = data[columns["time"]].dims
    chosen = [n for n in data.data_vars if set(data[n].dims) == {dim, time_dim} and n not in columns.values()]
    if not chosen:
        raise DataError(f"{file}: no variable over {dim!r} and {time_dim!r}")
    times = data[columns["time"]].to_numpy().astype("datetime64[s]")
    order = np.argsort(times)
    values = np.stack([data[n].transpose(time_dim, dim).to_numpy() for n in chosen], -1).astype(np.float32)[order]
    places = np.full((data.sizes[dim], 3), np.nan)
    for i, what in enumerate(("latitude", "longitude", "elevation")):
        if what in columns:
            places[:, i] = data[columns[what]].to_numpy()
    labels = data[columns["station"]].to_numpy() if "station" in columns else np.arange(data.sizes[dim])
    stations = [x.decode() if isinstance(x, bytes) else str(x) for x in labels.tolist()]
    units = {str(n): normalise(str(data[n].attrs["units"])) if data[n].attrs.get("units") else "" for n in chosen}
    return _checked(file, stations, places, times[order], units, values)


def _checked(
    file: Path, names: Sequence[str], places: NDArray[Any], times: NDArray[np.datetime64], units: dict[str, str],
    values: NDArray[np.float32],
) -> Stations:  # fmt: skip
    for i, name in enumerate(names):
        if not (np.isfinite(places[i, :2]).all() and abs(places[i, 0]) <= 90):
            raise DataError(f"{file}: station {name!r} lies at latitude {places[i, 0]}, longitude {places[i, 1]}")
    return Stations(file, names, places[:, 0], places[:, 1], places[:, 2], times, units, values)
