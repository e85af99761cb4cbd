"""NumPy files, `.npy` and `.npz`: bare arrays, whose meaning the settings tell.

The variable, the start and the member stand in the file's path; further dimensions hold lead times and members.
"""

import functools
import itertools
import re
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from py4cast.errors import DataError, first_line
from py4cast.formats.base import ArrayDescription, ReaderABC, Record
from py4cast.grid import Grid

__all__ = ["NumpyReader", "Told", "time_in_name", "told_by"]

_DIGITS = {"Y": 4, "m": 2, "d": 2, "H": 2, "M": 2, "S": 2, "j": 3}


class Told(NamedTuple):
    """What the path of a file tells: the variable, the start, the member."""

    name: str
    time: np.datetime64 | None
    member: int | None


@functools.cache
def path_pattern(path: str) -> re.Pattern[str]:
    """What matches the end of a path that `path` describes; groups `name`, `member`, `Y`, `m`, `d`, `H`, `M`, `S`, `j`."""
    seen: set[str] = set()
    parts = []
    for text, name, code in re.findall(r"([^{%]+)|\{(name|member)\}|%([YmdHMSj])", path):
        if text:
            parts.append(re.escape(text))
            continue
        group = name or code
        inside = {"name": r"[^/]+?", "member": r"\d+"}.get(name) or rf"\d{{{_DIGITS[code]}}}"
        parts.append(f"(?P={group})" if group in seen else f"(?P<{group}>{inside})")
        seen.add(group)
    return re.compile("(?:^|/)" + "".join(parts) + "$")


def told_by(path: Path, arrays: ArrayDescription) -> Told | None:
    """What a file's path tells; None when it is not as described.

    Raises:
        DataError: it holds no valid time.
    """
    match = path_pattern(arrays.path).search(path.as_posix())
    if match is None:
        return None
    parts = match.groupdict()
    time: np.datetime64 | None = None
    if {"Y", "m", "d"} <= set(parts):
        clock = ":".join(parts.get(c) or "00" for c in "HMS")
        try:
            time = np.datetime64(f"{parts['Y']}-{parts['m']}-{parts['d']}T{clock}", "s")
        except ValueError:
            raise DataError(f"{path}: no valid time in its name") from None
    name = parts.get("name") or next(iter(arrays.units), "")
    return Told(name, time, int(parts["member"]) if parts.get("member") else None)


def time_in_name(path: Path, pattern: str) -> np.datetime64:
    """The instant [UTC] that stands at the end of a path, `%Y%m%d%H.nc`, or `%Y%j` by the day of the year.

    Raises:
        DataError: the path is not as described, or holds no valid time.
    """
    match = path_pattern(pattern).search(path.as_posix())
    if match is None:
        raise DataError(f"{path}: its name is not as time.from_name describes: {pattern!r}")
    parts = match.groupdict()
    if "Y" not in parts or not ("j" in parts or "m" in parts):
        raise DataError(f"time.from_name {pattern!r}: needs %Y and %m, or %Y and %j")
    clock = ":".join(parts.get(c) or "00" for c in "HMS")
    try:
        if "j" in parts:
            day = np.datetime64(parts["Y"], "D") + np.timedelta64(int(parts["j"]) - 1, "D")
            return np.datetime64(f"{day}T{clock}", "s")
        return np.datetime64(f"{parts['Y']}-{parts['m']}-{parts.get('d') or '01'}T{clock}", "s")
    except ValueError:
        raise DataError(f"{path}: no valid time in its name") from None


class NumpyReader(ReaderABC):
    """Creates a reader of the fields of one NumPy file; it is mapped, and read where it is asked for."""

    suffixes: ClassVar[tuple[str, ...]] = (".npy", ".npz")
    beginnings: ClassVar[tuple[bytes, ...]] = (b"\x93NUM", b"PK\x03\x04")

    def __init__(self, path: Path, arrays: ArrayDescription) -> None:
        super().__init__(path)
        self._arrays = arrays
        told = told_by(path, arrays)
        self._name, self._time = (path.stem, None) if told is None else (told.name, told.time)
        self._member = None if told is None else told.member
        self._dims = ("lat", "lon") if told is None else arrays.dims
        self._values = self._open()

    def _open(self) -> NDArray[np.generic]:
        arrays = self._arrays
        try:
            if self.path.suffix == ".npz":
                with self.path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
                    keys = list(archive)
                    if arrays.key is None and len(keys) != 1:
                        raise DataError(
                            f"{self.path}: holds {len(keys)} arrays ({', '.join(keys)}); choose one by arrays.key"
                        )
                    key = arrays.key or keys[0]
                    if key not in keys:
                        raise DataError(f"{self.path}: no array {key!r}; it holds {', '.join(keys)}")
                    loaded = archive[key]
            else:
                loaded = np.load(self.path, mmap_mode="r", allow_pickle=False)
        except DataError:
            raise
        except Exception as error:
            raise DataError(f"{self.path}: damaged, or no NumPy file: {first_line(error)}") from None
        sizes = {
            "lat": arrays.grid.shape[0], "lon": arrays.grid.shape[1],
            "lead_time": len(arrays.lead_times), "member": len(arrays.members),
        }  # fmt: skip
        expected = tuple(sizes[d] for d in self._dims)
        if loaded.shape != expected or loaded.dtype.kind not in "fiu":
            raise DataError(
                f"{self.path}: {loaded.dtype} {loaded.shape}, expected numbers ({', '.join(self._dims)}) of {expected}"
            )
        return np.asarray(loaded)

    def records(self) -> list[Record]:
        arrays, zero = self._arrays, np.timedelta64(0, "s")
        leads = list(enumerate(arrays.lead_times)) if "lead_time" in self._dims else [(-1, zero)]
        members: list[tuple[int, int | None]] = [(-1, self._member)]
        if "member" in self._dims:
            members = list(enumerate(arrays.members))
        return [
            Record(
                short_name=self._name, level=None, type_of_level=None, init_time=self._time,
                lead_time=lead.astype("timedelta64[s]"), member=member, units=arrays.units.get(self._name, ""),
                locator=(i, j), grid_key="arrays", keys={"is_bare": True},
            )
            for (i, lead), (j, member) in itertools.product(leads, members)
        ]  # fmt: skip

    def grid(self, record: Record) -> Grid:
        return self._arrays.grid

    def read(self, record: Record) -> NDArray[np.float32]:
        places = dict(zip(("lead_time", "member"), record.locator, strict=True))
        index = tuple(slice(None) if d in ("lat", "lon") else places[d] for d in self._dims)
        plane = self._values[index]
        if self._dims.index("lat") > self._dims.index("lon"):
            plane = plane.T
        return np.ascontiguousarray(plane, dtype=np.float32)
