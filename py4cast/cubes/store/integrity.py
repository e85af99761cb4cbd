"""Integrity: what a store remembers of its small files, so that one that is lost, cut, swapped or changed is named.

Planes carry their CRC-32C beside them; a table of them, one number per instant and variable, tells a shard that was
exchanged for another. The marker holds the checksums of that table, of the moments and of every other small file, and
its own. They cost one read of files that are read anyway.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from py4cast.cubes.store.layout import TABLES, read_array, read_table
from py4cast.errors import DataError, SettingsError
from py4cast.settings import parse_json

__all__ = ["Integrity", "crc_of", "sealed", "small_files", "unsealed"]

_SEAL = "checksum"
# what changes while a store is built, or holds checksums of its own
_LEFT_OUT = ("lock", "journal.jsonl", "py4cast.json", "counts")


def _crc(data: bytes) -> int:
    return int(google_crc32c.value(data))


def sealed(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with a checksum of itself."""
    return {**document, _SEAL: _seal(document)}


def unsealed(path: Path, versions: Sequence[int]) -> dict[str, Any]:
    """A document that `sealed` made, or one of before there were seals.

    Raises:
        DataError: it is damaged, or of a version that is not among `versions`.
    """
    where = str(path)
    try:
        document = parse_json(path.read_text(errors="replace"), where)
    except SettingsError as error:
        raise DataError(f"{error}; remove it and prepare the store again") from None
    if not isinstance(document, dict) or "version" not in document:
        raise DataError(f"{where}: damaged, or no description of a store; remove it and prepare it again")
    if document["version"] not in versions:
        raise DataError(
            f"{path.parent}: store of version {document['version']}, this py4cast reads version {versions[-1]}; prepare it again"
        )
    if _SEAL in document and document[_SEAL] != _seal(document):
        raise DataError(f"{where}: damaged (checksum); remove it and prepare the store again")
    return document


def _seal(document: Mapping[str, Any]) -> int:
    rest = {k: v for k, v in document.items() if k != _SEAL}
    return _crc(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode())


def small_files(folder: Path, variables: Iterable[str]) -> dict[str, int]:
    """CRC-32C of all files of a finished store but its planes and tables, by their place in it."""
    with_chunks = {*variables, *TABLES}
    paths: list[Path] = []
    for path in folder.iterdir():
        if path.name in _LEFT_OUT or path.name.startswith("."):
            continue
        if path.name in with_chunks:
            paths.append(path / "zarr.json")
        else:
            paths += [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    return {p.relative_to(folder).as_posix(): _crc(p.read_bytes()) for p in sorted(paths)}


class Integrity:
    """Creates what compares the small files of a store with what its marker remembers.

    Args:
        folder: the store.
        meta: its marker; one of a version that remembered nothing is not compared.
    """

    def __init__(self, folder: Path, meta: Mapping[str, Any]) -> None:
        self._folder = folder
        self._files: Mapping[str, int] = meta.get("files", {})
        self._tables: Mapping[str, list[int]] = meta.get("tables", {})
        self.has_table = "checksums" in self._tables

    def array(self, name: str) -> NDArray[Any]:
        """A small array of the store, by its name.

        Raises:
            DataError: a file of it is lost or not as it was.
        """
        problem = next(self._problems(p for p in self._files if p.startswith(f"{name}/")), None)
        if problem is not None:
            raise DataError(problem)
        folder = self._folder / name
        try:
            return read_array(folder)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{folder}: lost or damaged ({error}); remove it and prepare the store again") from None

    def table(self, name: str, block: int, count: int, width: tuple[int, ...], full: int) -> NDArray[Any]:
        """The first `count` instants of one block of a table, `(count, *width)`.

        Raises:
            DataError: it is lost, damaged, or another block's.
        """
        values = read_table(self._folder, name, block, full, width)[:count]
        if name in self._tables and self._tables[name][block] != crc_of(values):
            raise DataError(
                f"{self._folder / name}: block {block} is another one's; remove it and prepare the store again"
            )
        return values

    def problems(self) -> Iterator[str]:
        """One line per small file that is lost or not as it was."""
        yield from self._problems(self._files)

    def _problems(self, places: Iterable[str]) -> Iterator[str]:
        for place in places:
            path = self._folder / place
            try:
                data = path.read_bytes()
            except OSError:
                yield f"{path}: lost; remove it and prepare the store again"
                continue
            if _crc(data) != self._files[place]:
                yield f"{path}: damaged or exchanged (checksum); remove it and prepare the store again"


def crc_of(values: NDArray[Any]) -> int:
    """CRC-32C of the numbers of an array."""
    return _crc(np.ascontiguousarray(values).tobytes())
