"""The contract of foreign stores: what another tool wrote, read as it is through the libraries of its format."""

import hashlib
from abc import abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from py4cast.cubes.base import Planes
from py4cast.cubes.kept import KeptCube
from py4cast.errors import DataError, first_line, nearest
from py4cast.formats.zarr_address import metadata_of
from py4cast.grid import Grid
from py4cast.remote import is_remote, url_of

__all__ = ["ForeignCube"]

_AT_ONCE = 8  # variables of a store at an address


class ForeignCube(KeptCube):
    """Abstract cube on a foreign store; a concrete one sets `variables`, `axis`, `grid` and its values when made.

    Raises:
        DataError: the store is damaged, or holds no fields on a rectangular grid.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._grid: Grid | None = None
        self._fingerprint = ""
        try:
            self.open()
        except DataError:
            raise
        except Exception as error:
            reason = first_line(error)
            reason = f"it has no {reason}" if isinstance(error, KeyError) else reason
            raise DataError(
                f"{path}: cannot be opened as {type(self).__name__.removesuffix('Cube')}: {reason}"
            ) from None
        names = [variable.name for variable in self.variables]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise DataError(f"{path}: two of its variables are called {twice!r}; expected a name for each")

    @classmethod
    @abstractmethod
    def fits(cls, path: Path) -> bool:
        """Whether the store bears the marks of this kind; cheap."""

    @abstractmethod
    def open(self) -> None:
        """Finds variables, instants and grid; reads no values."""

    @abstractmethod
    def plane_block(self, name: str, start: int, stop: int) -> NDArray[Any]:
        """The values of a variable, `(time, lat, lon)` in the order of the grid; NaN where missing."""

    @property
    def grid(self) -> Grid:
        assert self._grid is not None, "open() sets it"
        return self._grid

    @property
    def fingerprint(self) -> str:
        if not self._fingerprint:
            self._fingerprint = _fingerprint(self.path)
        return self._fingerprint

    def read(self, names: Sequence[str], start: int, stop: int, out: Planes) -> None:
        for name in names:
            if name not in self.names:
                raise DataError(f"{self.path}: no variable {name!r}{nearest(name, self.names)}")

        def read_one(row: int, name: str) -> None:
            try:
                np.copyto(out[row], self.plane_block(name, start, stop), casting="same_kind")
            except (OSError, RuntimeError, ValueError, KeyError) as error:
                when = f"{self.times[start]} to {self.times[stop - 1]}"
                reason = first_line(error)
                raise DataError(f"{self.path}: {name} of {when} cannot be read: {reason}") from None

        if len(names) > 1 and is_remote(self.path):
            # what lies far away is waited for together
            with ThreadPoolExecutor(min(_AT_ONCE, len(names))) as threads:
                list(threads.map(read_one, range(len(names)), names))
            return
        for row, name in enumerate(names):
            read_one(row, name)

    def available(self, names: Sequence[str]) -> NDArray[np.bool_]:
        return np.ones(self.axis.size, dtype=bool)


def _fingerprint(path: Path) -> str:
    """Of a store that may be large: its metadata in full, of a file its size and time."""
    digest = hashlib.sha256((url_of(path) if is_remote(path) else str(path.absolute())).encode())
    if is_remote(path) or path.is_dir():
        for text in metadata_of(path).values():
            digest.update(text.encode())
    else:
        digest.update(repr((path.stat().st_size, path.stat().st_mtime_ns)).encode())
    return digest.hexdigest()
