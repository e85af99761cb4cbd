"""Contracts of file formats: a reader lists the fields of one file and reads them; a writer writes forecasts.

Neither knows of any dataset. All times are UTC, `datetime64[s]`; all fields `(lat, lon)`, rows and columns
in the order of the grid that the reader gives.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self, final

import numpy as np
from numpy.typing import NDArray

from py4cast.atomic import atomic_path
from py4cast.grid import Grid
from py4cast.variables import GRIB_NAMES, Variable

__all__ = [
    "ArrayDescription",
    "Fields",
    "Heading",
    "Put",
    "PutStep",
    "ReaderABC",
    "Record",
    "WriterABC",
    "plain_level",
    "same_key",
]


def plain_level(kind: str | None, level: float | None) -> tuple[str | None, float | None]:
    """Type and value of a level, pressures in hPa however they are counted."""
    if kind == "isobaricInPa":
        return "isobaricInhPa", None if level is None else level / 100.0
    return kind, level


def same_key(value: Any, wanted: Any) -> bool:
    """Whether a key has the value that a setting asks for; `0001`, 1 and 1.0 are one."""
    if str(value) == str(wanted):
        return True
    try:
        return float(value) == float(wanted)
    except (TypeError, ValueError):
        return False


@dataclass(frozen=True, slots=True)
class Record:
    """One field in a file: what it is, when it is valid, and where it lies.

    Args:
        short_name: name of the parameter in the file.
        level: its level, if it has one.
        type_of_level: what the level is.
        init_time: start of the forecast, or the time of the analysis; None for a field without time.
        lead_time: distance from it.
        member: ensemble member, if any.
        units: as the file says, possibly empty.
        keys: further keys by which a field can be singled out.
        locator: what the reader needs to find it again.
        grid_key: equal for the records of one file that share a grid.
    """

    short_name: str
    level: float | None
    type_of_level: str | None
    init_time: np.datetime64 | None
    lead_time: np.timedelta64
    member: int | None
    units: str
    locator: tuple[Any, ...]
    grid_key: str = ""
    standard_name: str = ""
    keys: Mapping[str, Any] = field(default_factory=dict)

    @property
    def valid_time(self) -> np.datetime64 | None:
        """When the field is valid, `init_time + lead_time`; None for one without time."""
        return None if self.init_time is None else self.init_time + self.lead_time

    def matches(self, variable: Variable) -> bool:
        """Whether this field is the variable, by name, level, type of level and those further GRIB keys that it has."""
        name = variable.sought
        if not {name, GRIB_NAMES.get(name, name)} & {self.short_name, self.keys.get("cf_name"), self.standard_name}:
            return False
        if self.keys.get("is_bare"):
            return True  # the name alone says what it is
        kind, level = plain_level(self.type_of_level, self.level)
        wanted_kind, wanted = plain_level(variable.type_of_level, variable.level)
        if wanted is not None and (level is None or abs(level - wanted) > 1e-6):
            return False
        if wanted_kind and kind and kind != wanted_kind:
            return False
        return all(same_key(self.keys[k], v) for k, v in variable.grib.items() if k in self.keys)


@dataclass(frozen=True, slots=True)
class ArrayDescription:
    """What files of bare arrays hold, which they do not say themselves: NumPy files, and NetCDF without coordinates.

    Args:
        path: the end of a file's path, with `{name}` for the variable, `{member}`, and `%Y %m %d %H %M %S` for the
            start. A NumPy file whose path is another holds one field without time, called like the file.
        grid: where the cells are, rows and columns as in the arrays.
        dims: names of the arrays' dimensions, among `lat lon lead_time member`, in order.
        lead_times: along `lead_time`.
        members: along `member`.
        units: by variable.
        key: of the array within an `.npz` file; its only one by default.
        names: of NetCDF dimensions: what the files call `lat lon lead_time level`.
        level_type: of the levels of a NetCDF file.
    """

    path: str
    grid: Grid
    dims: tuple[str, ...] = ("lat", "lon")
    lead_times: tuple[np.timedelta64, ...] = ()
    members: tuple[int, ...] = ()
    units: Mapping[str, str] = field(default_factory=dict)
    key: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    level_type: str | None = None


class ReaderABC(ABC):
    """Abstract reader of one file.

    Attributes:
        suffixes: endings that its files have.
        beginnings: first bytes that tell them.

    Raises (all methods):
        DataError: the file is missing, truncated, of another format, or holds a grid that is not rectangular;
            names the file.
    """

    suffixes: ClassVar[tuple[str, ...]]
    beginnings: ClassVar[tuple[bytes, ...]] = ()

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def fits(cls, path: Path, first_bytes: bytes) -> bool:
        """Whether it reads a file or folder; cheap. By default a file that begins as one of `beginnings`.

        Args:
            path: of the file or folder.
            first_bytes: the first 64 bytes of a file; empty for a folder.
        """
        return first_bytes.startswith(cls.beginnings) if cls.beginnings else False

    @abstractmethod
    def records(self) -> list[Record]:
        """All fields of the file, in its order."""

    def key(self, record: Record, name: str) -> Any:
        """The value of a further key of a field; by default one of `record.keys`.

        Raises:
            KeyError: files of this format have no such key.
        """
        return record.keys[name]

    @property
    def imposed(self) -> NDArray[np.bool_] | None:
        """Cells whose values were imposed, not forecast, `(lat, lon)`; None where the file names none."""
        return None

    @abstractmethod
    def grid(self, record: Record) -> Grid:
        """The grid of a field."""

    @abstractmethod
    def read(self, record: Record) -> NDArray[np.float32]:
        """The values of a field, `(lat, lon)`, NaN where missing."""

    def close(self) -> None:
        """Closes the file, after which nothing more is read."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class Heading:
    """What a forecast is, apart from its values.

    Args:
        variables: one per feature, in order.
        grid: where the cells are; points `(1, station)` for a series at stations.
        init_time: start of the forecast.
        lead_times: one per timestep.
        attributes: title, institution, lineage, ... as text.
        members: numbers of the ensemble's members, empty for a single forecast.
        since: lead time before the first one, from which a sum runs.
        stations: their names where the grid is of points `(1, station)`, empty for fields.
        grib: keys of every GRIB message, such as `centre`; those of a variable win.
        imposed: cells whose values are imposed, not forecast, `(lat, lon)`; CF files say so, GRIB has no place for it.
    """

    variables: Sequence[Variable]
    grid: Grid
    init_time: np.datetime64
    lead_times: Sequence[np.timedelta64]
    attributes: Mapping[str, str] = field(default_factory=dict)
    members: tuple[int, ...] = ()
    since: np.timedelta64 = np.timedelta64(0, "s")
    stations: tuple[str, ...] = ()
    grib: Mapping[str, Any] = field(default_factory=dict)
    imposed: NDArray[np.bool_] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the values of one lead time, `(lat, lon, features)`, a leading `member` for an ensemble."""
        return (*((len(self.members),) if self.members else ()), *self.grid.shape, len(self.variables))


@dataclass(frozen=True, slots=True)
class Fields:
    """A forecast in physical units, ready to be written.

    Args:
        values: `(timestep, lat, lon, features)`, or `(timestep, member, lat, lon, features)`.
        variables: one per feature, in order.
        grid: where the cells are.
        init_time: start of the forecast.
        lead_times: one per timestep.
        attributes: title, institution, lineage, ... as text.
        members: numbers of the members, empty for a single forecast.
    """

    values: NDArray[np.float32]
    variables: Sequence[Variable]
    grid: Grid
    init_time: np.datetime64
    lead_times: Sequence[np.timedelta64]
    attributes: Mapping[str, str] = field(default_factory=dict)
    members: tuple[int, ...] = ()

    @property
    def heading(self) -> Heading:
        """What it is, apart from its values."""
        return Heading(self.variables, self.grid, self.init_time, self.lead_times, self.attributes, self.members)


Put = Callable[[NDArray[np.float32]], None]
PutStep = Callable[[int, NDArray[np.float32]], None]


class WriterABC(ABC):
    """Abstract writer of forecasts to one file each, lead time after lead time, whole or not at all.

    Attributes:
        suffixes: endings of the files.
        temporary_suffix: of the file while it is written, for libraries that choose a format by it.
    """

    suffixes: ClassVar[tuple[str, ...]]
    temporary_suffix: ClassVar[str] = ""

    @abstractmethod
    def begin(self, temporary: Path, heading: Heading) -> AbstractContextManager[PutStep]:
        """Begins a file; gives what puts the values of a step in, and ends the file when the block ends."""

    @final
    @contextmanager
    def open(self, path: Path, heading: Heading) -> Iterator[Put]:
        """Gives a function that takes the values of each lead time in turn, `heading.shape`; the file stands at the end.

        Raises:
            SpaceError: the disk is full; nothing of the file is left.
            DataError: the format cannot hold the variables or the grid.
        """
        with atomic_path(path, suffix=self.temporary_suffix) as temporary:
            count = 0
            with self.begin(temporary, heading) as put:

                def put_next(values: NDArray[np.float32]) -> None:
                    nonlocal count
                    if values.shape != heading.shape:
                        raise ValueError(f"values of shape {values.shape}, expected {heading.shape}")
                    put(count, values)
                    count += 1

                yield put_next
                if count < len(heading.lead_times):
                    raise ValueError(f"{count} lead times written of {len(heading.lead_times)}")

    @final
    def write(self, path: Path, forecast: Fields) -> None:
        """Writes a whole forecast to `path`; raises as `open` does."""
        with self.open(path, forecast.heading) as put:
            for values in forecast.values:
                put(values)
