"""NumPy files, `.npy` and `.npz`: bare arrays, whose meaning the settings tell.

The variable and the time stand in the file's path; leading or trailing dimensions hold lead times and members.
"""

import itertools
import re
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from py4cast.errors import DataError
from py4cast.formats.base import ArrayDescription, ReaderABC, Record
from py4cast.grid import Grid

__all__ = ["NumpyReader", "path_pattern"]

_DIGITS = {"Y": 4, "m": 2, "d": 2, "H": 2, "M": 2, "S": 2}


def path_pattern(path: str) -> re.Pattern[str]:
    """What matches the end of a path that `path` describes; groups `name`, `Y`, `m`, `d`, `H`, `M`, `S`."""
    seen: set[str] = set()
    parts = []
    for text, name, code in re.findall(r"([^{%]+)|(\{name\})|%([YmdHMS])", path):
        if text:
            parts.append(re.escape(text))
            continue
        group, inside = ("name", r"[^/]+?") if name else (code, rf"\d{{{_DIGITS[code]}}}")
        parts.append(f"(?P={group})" if group in seen else f"(?P<{group}>{inside})")
        seen.add(group)
    return re.compile("(?:^|/)" + "".join(parts) + "$")


class NumpyReader(ReaderABC):
    """Creates a reader of the fields of one NumPy file; it is mapped, and read where it is asked for."""

    suffixes: ClassVar[tuple[str, ...]] = (".npy", ".npz")

    def __init__(self, path: Path, arrays: ArrayDescription) -> None:
        super().__init__(path)
        self._arrays = arrays
        found = path_pattern(arrays.path).search(path.as_posix())
        if found is None:
            raise DataError(f"{path}: its name is not as arrays.path {arrays.path!r} says")
        parts = found.groupdict()
        self._name = parts.get("name") or next(iter(arrays.units), "")
        if not {"Y", "m", "d"} <= set(parts):
            self._time: np.datetime64 | None = None
        else:
            clock = ":".join(parts.get(c) or "00" for c in "HMS")
            try:
                self._time = np.datetime64(f"{parts['Y']}-{parts['m']}-{parts['d']}T{clock}", "s")
            except ValueError:
                raise DataError(f"{path}: no valid time in its name") from None
        self._values = self._open()

    def _open(self) -> NDArray[np.generic]:
        arrays = self._arrays
        try:
            loaded = np.load(self.path, mmap_mode="r", allow_pickle=False)
            if not isinstance(loaded, np.ndarray):
                with loaded:
                    keys = list(loaded)
                    key = arrays.key or keys[0]
                    if key not in keys:
                        raise DataError(f"{self.path}: no array {key!r}; it holds {', '.join(keys)}")
                    loaded = loaded[key]
        except DataError:
            raise
        except Exception as error:
            raise DataError(f"{self.path}: damaged, or no NumPy file: {str(error).splitlines()[0]}") from None
        sizes = {
            "lat": arrays.grid.shape[0], "lon": arrays.grid.shape[1],
            "lead_time": len(arrays.lead_times), "member": len(arrays.members),
        }  # fmt: skip
        expected = tuple(sizes[d] for d in arrays.dims)
        if loaded.shape != expected or loaded.dtype.kind not in "fiu":
            raise DataError(
                f"{self.path}: {loaded.dtype} {loaded.shape}, expected numbers ({', '.join(arrays.dims)}) of {expected}"
            )
        return np.asarray(loaded)

    def records(self) -> list[Record]:
        arrays, zero = self._arrays, np.timedelta64(0, "s")
        leads = list(enumerate(arrays.lead_times)) if "lead_time" in arrays.dims else [(-1, zero)]
        members: list[tuple[int, int | None]] = [(-1, None)]
        if "member" in arrays.dims:
            members = list(enumerate(arrays.members))
        return [
            Record(
                short_name=self._name, level=None, type_of_level=None, init_time=self._time,
                lead_time=lead.astype("timedelta64[s]"), member=member, units=arrays.units.get(self._name, ""),
                locator=(i, j), grid_key=arrays.grid.fingerprint()[:16],
            )
            for (i, lead), (j, member) in itertools.product(leads, members)
        ]  # fmt: skip

    def grid(self, record: Record) -> Grid:
        return self._arrays.grid

    def read(self, record: Record) -> NDArray[np.float32]:
        places = dict(zip(("lead_time", "member"), record.locator, strict=True))
        index = tuple(slice(None) if d in ("lat", "lon") else places[d] for d in self._arrays.dims)
        plane = self._values[index]
        if self._arrays.dims.index("lat") > self._arrays.dims.index("lon"):
            plane = plane.T
        return np.ascontiguousarray(plane, dtype=np.float32)
