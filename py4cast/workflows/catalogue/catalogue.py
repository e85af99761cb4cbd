"""Catalogue: what was made from what, on plain SQLite: datasets, Forecasters, exported steps, scores.

An item is known by a fingerprint that its file holds (`id`), has a name and a version of it, and edges to what it was
made from, which need not be in the catalogue. Files are copied beside the database, so that `fetch` gives them back
when the run's folder is gone; stores, which are large, are only pointed at. Two processes may write at once: a write is
one transaction that waits for the other.
"""

import json
import os
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from py4cast.atomic import atomic_path, check_name, sha256_of
from py4cast.errors import DataError, SettingsError, nearest

__all__ = ["Catalogue", "Item", "sha256_of"]

_WAIT_S = 60.0
_TABLES = """
CREATE TABLE IF NOT EXISTS items (
  id TEXT PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL, path TEXT NOT NULL,
  copy TEXT NOT NULL, created TEXT NOT NULL, registered TEXT NOT NULL, note TEXT NOT NULL, facts TEXT NOT NULL,
  UNIQUE (name, version)
);
CREATE TABLE IF NOT EXISTS edges (
  child TEXT NOT NULL, parent TEXT NOT NULL, relation TEXT NOT NULL, PRIMARY KEY (child, parent, relation)
);
"""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing in a catalogue.

    Args:
        id: fingerprint.
        kind: dataset, forecaster, step or scores.
        path: where it was when it was registered.
        facts: what it says of itself, plain JSON values.
        parents: `(id, relation)` of what it was made from.
        created: UTC, as it says.
        is_copied: whether the catalogue keeps a copy.
        name: in the catalogue.
        version: of the name, from 1.
        registered: UTC.
        note: of who registered it.
        copy: the copy, relative to the catalogue; empty when there is none.
    """

    id: str
    kind: str
    path: str
    facts: Mapping[str, Any]
    parents: tuple[tuple[str, str], ...] = ()
    created: str = ""
    is_copied: bool = False
    name: str = ""
    version: int = 0
    registered: str = ""
    note: str = ""
    copy: str = ""

    @property
    def label(self) -> str:
        """`name:version`, by which it is asked for."""
        return f"{self.name}:{self.version}"


class Catalogue:
    """Opens a catalogue, and makes it where there is none.

    Args:
        place: a folder, or the path of an SQLite file (`.sqlite`, `.db`).

    Raises:
        DataError: the file is no catalogue.
    """

    def __init__(self, place: str | os.PathLike[str]) -> None:
        given = Path(place).expanduser().absolute()
        self.path = given if given.suffix in (".sqlite", ".db") else given / "catalogue.sqlite"
        self.folder = self.path.parent
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._writing() as base:
            base.executescript(_TABLES)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        base = sqlite3.connect(self.path, timeout=_WAIT_S, isolation_level=None)
        base.row_factory = sqlite3.Row
        try:
            yield base
        except sqlite3.OperationalError as error:
            raise DataError(f"{self.path}: {error}") from None
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.IntegrityError):
                raise
            raise DataError(f"{self.path}: no catalogue of py4cast: {error}") from None
        finally:
            base.close()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction; another process's is waited for."""
        with self._open() as base:
            base.execute("BEGIN IMMEDIATE")
            try:
                yield base
            except BaseException:
                if base.in_transaction:
                    base.execute("ROLLBACK")
                raise
            if base.in_transaction:
                base.execute("COMMIT")

    def register(self, item: Item, name: str, note: str = "") -> Item:
        """Adds an item under a name, as its next version; one that is there already keeps its name and version.

        Raises:
            SettingsError: a name that is no part of a path.
            SpaceError: no room for the copy.
        """
        check_name(name, "--name")
        check_name(item.id, f"{item.path}: the fingerprint", DataError)
        held = self._by_id(item.id)
        if held is not None:
            with self._writing() as base:
                _add_edges(base, item)
            return held
        copy = ""
        if item.is_copied:
            # called by its bytes, so that no item takes the place of another one's copy
            copy = check_name(f"{sha256_of(Path(item.path))}{Path(item.path).suffix}", "the copy")
            with atomic_path(self.folder / "files" / copy) as temporary:
                shutil.copyfile(item.path, temporary)
                if not copy.startswith(sha256_of(temporary)):
                    raise DataError(f"{item.path}: it changed while it was copied; register it again")
            copy = f"files/{copy}"
        now = f"{np.datetime64('now', 's')}Z"
        with self._writing() as base:
            (version,) = base.execute(
                "SELECT COALESCE(MAX(version), 0) + 1 FROM items WHERE name = ?", (name,)
            ).fetchone()
            values = (
                item.id, item.kind, name, version, item.path, copy, item.created, now, note, json.dumps(dict(item.facts)),
            )  # fmt: skip
            # another process may have been first
            base.execute(f"INSERT OR IGNORE INTO items VALUES ({', '.join('?' * len(values))})", values)
            _add_edges(base, item)
        known = self._by_id(item.id)
        assert known is not None, "just written"
        return known

    def items(self, kind: str | None = None) -> list[Item]:
        """All items, by kind, name and version."""
        with self._open() as base:
            rows = base.execute("SELECT * FROM items ORDER BY kind, name, version").fetchall()
        return [i for i in map(_item, rows) if kind is None or i.kind == kind]

    def _by_id(self, identity: str) -> Item | None:
        with self._open() as base:
            row = base.execute("SELECT * FROM items WHERE id = ?", (identity,)).fetchone()
        return None if row is None else _item(row)

    def find(self, text: str) -> Item:
        """The item `name`, in its last version, `name:version`, or one by the beginning of its id.

        Raises:
            SettingsError: there is none, or several begin so; names the nearest.
        """
        items = self.items()
        name, _, version = text.partition(":")
        named = [i for i in items if i.name == name and (not version or str(i.version) == version)]
        if named:
            return max(named, key=lambda i: i.version)
        begin = [i for i in items if len(text) >= 6 and i.id.startswith(text)]
        if len(begin) == 1:
            return begin[0]
        if begin:
            raise SettingsError(f"{text!r}: several items begin so: {', '.join(i.label for i in begin)}")
        raise SettingsError(
            f"{self.path}: no item {text!r}{nearest(text, [i.name for i in items] + [i.label for i in items])}"
        )

    def lineage(self, item: Item) -> list[tuple[int, str, str, Item | None]]:
        """What an item was made from, and what was made from it: `(depth, relation, id, item)`, depth < 0 for ancestors.

        An item that is not in the catalogue is None.
        """
        with self._open() as base:
            edges = [tuple(row) for row in base.execute("SELECT child, parent, relation FROM edges").fetchall()]
        items: list[tuple[int, str, str, Item | None]] = []
        for sign, here, there in ((-1, 0, 1), (1, 1, 0)):
            level, seen = [item.id], {item.id}
            for depth in range(1, 20):
                ahead = [(edge[there], edge[2]) for edge in edges if edge[here] in level and edge[there] not in seen]
                items += [
                    (sign * depth, relation, other, self._by_id(other)) for other, relation in dict.fromkeys(ahead)
                ]
                level = [other for other, _ in ahead]
                seen |= set(level)
        return sorted(items, key=lambda row: row[0])

    def fetch(self, item: Item, output: str | os.PathLike[str]) -> Path:
        """Copies an item's file to `output`, a file or a folder.

        Raises:
            SettingsError: a store, which the catalogue only points at.
            DataError: the copy is gone, or is not what was registered.
        """
        if not item.copy:
            raise SettingsError(f"{item.label}: the catalogue holds no copy of a {item.kind}; it was at {item.path}")
        copy = check_name(item.copy.removeprefix("files/"), f"{self.path}: the copy", DataError)
        source, target = self.folder / "files" / copy, Path(output)
        if target.is_dir():
            try:
                target = target / check_name(Path(item.path).name, "the file")
            except SettingsError as error:
                raise SettingsError(f"{error}; give --output a file instead of a folder") from None
        if not source.is_file():
            raise DataError(f"{source}: the catalogue's copy of {item.label} is gone")
        with atomic_path(target) as temporary:
            shutil.copyfile(source, temporary)
            # copies are called by their checksums
            if (digest := sha256_of(temporary)) != copy.partition(".")[0]:
                raise DataError(
                    f"{source}: the catalogue's copy of {item.label} has changed: its checksum is {digest[:16]}…"
                )
        return target


def _add_edges(base: sqlite3.Connection, item: Item) -> None:
    rows = [(item.id, parent, relation) for parent, relation in item.parents]
    base.executemany("INSERT OR IGNORE INTO edges VALUES (?, ?, ?)", rows)


def _item(row: sqlite3.Row) -> Item:
    return Item(
        row["id"], row["kind"], row["path"], json.loads(row["facts"]), (), row["created"], bool(row["copy"]), row["name"],
        row["version"], row["registered"], row["note"], row["copy"],
    )  # fmt: skip
