"""Building a prepared store: block by block, journalled, so that work that is killed resumes where it was.

A block is written in this order: shards, moments, then one flushed line of the journal. What the journal does
not name is written again, to the same bytes. The marker file comes last and makes the store readable.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from py4cast.atomic import check_space, disk_errors, lock, sweep, write_bytes, write_json
from py4cast.datasets.catalog import Catalog
from py4cast.datasets.store import MARKER, VERSION, PreparedStore, StoreLayout, shard_bytes, write_moments
from py4cast.datasets.timeline import show_duration
from py4cast.errors import DataError, SettingsError
from py4cast.grid import Grid
from py4cast.settings import read_json
from py4cast.statistics import moments
from py4cast.variables import Variable

__all__ = ["Progress", "StoreBuilder", "check_plane"]

_BLOCK_BYTES = 64_000_000
_MAX_BLOCK = 256


class Progress(Protocol):
    """Told of the work done; the command line draws a bar."""

    def start(self, what: str, total: int) -> None:
        """A stage of `total` steps begins."""

    def step(self) -> None:
        """One step is done."""


class StoreBuilder:
    """Creates the builder of one store.

    Args:
        folder: where the store goes.
        catalog: a scanned catalog.
        grid: the grid of the planes after the window is cut out.
        window: rows and columns of the files' planes to keep.
        times: evenly spaced instants.
        recipe: what the store is made from, plain JSON values; a resumed store must have the same one.
        statics: fixed fields by name, `(lat, lon)`.
    """

    def __init__(
        self,
        folder: Path,
        catalog: Catalog,
        grid: Grid,
        window: tuple[slice, slice],
        times: NDArray[np.datetime64],
        recipe: Mapping[str, Any],
        statics: Mapping[str, NDArray[np.float32]],
    ) -> None:
        self.folder, self._catalog, self._window, self._recipe, self._statics = (
            folder,
            catalog,
            window,
            recipe,
            statics,
        )
        self._variables = [v for v in catalog.variables if v.role != "static"]
        plane = 4 * grid.shape[0] * grid.shape[1]
        block = int(np.clip(_BLOCK_BYTES // plane, 1, min(_MAX_BLOCK, times.size)))
        self.layout = StoreLayout(self._variables, grid, times, block)
        self._before: tuple[int, NDArray[np.float32]] | None = None

    @property
    def _journal(self) -> Path:
        return self.folder / "journal.jsonl"

    def build(self, progress: Progress) -> PreparedStore:
        """Writes what is missing and opens the store.

        Raises:
            SettingsError: the folder holds a store of another recipe.
            DataError: a field that cannot be read, is NaN where that is forbidden, or out of its physical range.
            SpaceError: the disk is full; what was written stays and is not written again.
            BusyError: another process builds here.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with lock(self.folder / "lock", wait_s=3600.0), disk_errors(self.folder / MARKER):
            self._begin()
            if not (self.folder / MARKER).exists():
                done = self._finished_blocks()
                todo = [b for b in range(self.layout.num_blocks) if b not in done]
                check_space(self.folder, self.layout.num_bytes * len(todo) // max(1, self.layout.num_blocks))
                progress.start("preparing", self.layout.times.size - sum(self._length(b) for b in done))
                for block in todo:
                    self._write_block(block, progress)
                self._finish()
        return PreparedStore(self.folder)

    def _begin(self) -> None:
        """Makes the folder ours: recipe first, then the arrays' metadata, then the journal that says they are whole."""
        sweep(self.folder)
        recipe_file = self.folder / "recipe.json"
        if not recipe_file.exists():
            if any(p.name != "lock" for p in self.folder.iterdir()):
                raise SettingsError(f"{self.folder}: not empty and no store of py4cast; give another folder")
            write_json(recipe_file, self._recipe)
        elif read_json(recipe_file) != json.loads(json.dumps(self._recipe)):
            raise SettingsError(
                f"{self.folder}: holds a store made from other settings or files; give another store, or remove it"
            )
        if not self._journal.exists():
            for path in self.folder.iterdir():
                if path.name not in ("lock", "recipe.json"):
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
            self.layout.create(self.folder)
            self._journal.touch()

    def _finished_blocks(self) -> dict[int, dict[str, Any]]:
        done = {}
        for line in self._journal.read_text().splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue  # empty, or cut in two by a kill
            done[int(entry["block"])] = entry
        return done

    def _length(self, block: int) -> int:
        return min(self.layout.block, self.layout.times.size - block * self.layout.block)

    def _read_instant(self, index: int) -> NDArray[np.float32]:
        """All variables at an instant, `(variable, lat, lon)`, NaN where a variable is missing."""
        time = self.layout.times[index]
        out = np.full((len(self._variables), *self.layout.grid.shape), np.nan, dtype=np.float32)
        for row, variable in enumerate(self._variables):
            plane = self._catalog.read(variable, time)
            if plane is not None:
                out[row] = plane[self._window]
                check_plane(self._catalog, variable, time, out[row])
        return out

    def _write_block(self, block: int, progress: Progress) -> None:
        first, count = block * self.layout.block, self._length(block)
        planes = np.empty((count, len(self._variables), *self.layout.grid.shape), dtype=np.float32)
        before = self._previous(first)
        for i in range(count):
            planes[i] = self._read_instant(first + i)
            progress.step()
        self._before = (first + count - 1, planes[-1].copy())
        present = np.asarray(~np.isnan(planes).all(axis=(2, 3)))
        digest = hashlib.sha256()
        for row, variable in enumerate(self._variables):
            data = shard_bytes(planes[:, row], present[:, row].tolist(), self.layout.block)
            digest.update(data)
            write_bytes(self.folder / variable.name / "c" / str(block) / "0" / "0", data)
        shape = (count, len(self._variables))
        fields = moments(planes.reshape(-1, *self.layout.grid.shape)).reshape(*shape, -1)
        steps = planes.astype(np.float64)
        steps[1:] -= planes[:-1]
        steps[0] -= before if before is not None else np.nan
        differences = moments(steps.reshape(-1, *self.layout.grid.shape)).reshape(*shape, -1)
        write_moments(self.folder, "moments", block, _finite(fields), self.layout.block)
        write_moments(self.folder, "difference_moments", block, _finite(differences), self.layout.block)
        missing = {v.name: (first + np.flatnonzero(~present[:, r])).tolist() for r, v in enumerate(self._variables)}
        self._log({"block": block, "sha256": digest.hexdigest(), "missing": missing})

    def _previous(self, first: int) -> NDArray[np.float32] | None:
        if first == 0:
            return None
        if self._before is not None and self._before[0] == first - 1:
            return self._before[1]
        return self._read_instant(first - 1)

    def _log(self, entry: Mapping[str, Any]) -> None:
        with self._journal.open("a") as stream:
            # the newline comes first, so that a line that a kill cut in two spoils no other
            stream.write("\n" + json.dumps(entry) + "\n")
            stream.flush()
            os.fsync(stream.fileno())

    def _finish(self) -> None:
        entries = self._finished_blocks()
        blocks = [entries[b] for b in range(self.layout.num_blocks)]
        missing: dict[str, list[int]] = {v.name: [] for v in self._variables}
        for entry in blocks:
            for name, indices in entry["missing"].items():
                missing[name] += indices
        grid_meta, _ = self.layout.grid.pack()
        step = self.layout.times[1] - self.layout.times[0] if self.layout.times.size > 1 else np.timedelta64(0, "s")
        meta = {
            "version": VERSION,
            "variables": [v.to_dict() for v in self._variables],
            "start": str(self.layout.times[0]),
            "step_s": int(step / np.timedelta64(1, "s")),
            "step": show_duration(step),
            "num_times": int(self.layout.times.size),
            "shape": list(self.layout.grid.shape),
            "block": self.layout.block,
            "grid": grid_meta,
            "missing": missing,
            "statics": list(self._statics),
            "recipe": self._recipe,
            "inputs": self._catalog.inputs,
            "digest": hashlib.sha256("".join(e["sha256"] for e in blocks).encode()).hexdigest(),
        }
        self._write_extras(meta)
        write_json(self.folder / MARKER, meta)

    def _write_extras(self, meta: Mapping[str, Any]) -> None:
        """Fixed fields, and how often each cell holds data."""
        counts = self._finite_counts(meta["missing"])
        extras: dict[str, NDArray[Any]] = {f"static_{n}": f for n, f in self._statics.items()}
        self.layout.add(self.folder, {"finite_count": counts, **extras})

    def _finite_counts(self, missing: Mapping[str, Sequence[int]]) -> NDArray[np.int32]:
        num_times = self.layout.times.size
        counts = np.empty((len(self._variables), *self.layout.grid.shape), dtype=np.int32)
        for row, variable in enumerate(self._variables):
            counts[row] = num_times - len(missing[variable.name])
            if variable.nan == "mask":
                counts[row] = self._count(variable)
        return counts

    def _count(self, variable: Variable) -> NDArray[np.int32]:
        count = np.zeros(self.layout.grid.shape, dtype=np.int32)
        for block in range(self.layout.num_blocks):
            path = self.folder / variable.name / "c" / str(block) / "0" / "0"
            data = path.read_bytes()
            index = np.frombuffer(data[-16 * self.layout.block - 4 : -4], dtype="<u8").reshape(-1, 2)
            for offset, length in index[index[:, 0] != np.uint64(2**64 - 1)]:
                plane = np.frombuffer(data, dtype="<f4", count=(int(length) - 4) // 4, offset=int(offset))
                count += np.isfinite(plane).reshape(count.shape)
        return count


def check_plane(catalog: Catalog, variable: Variable, time: np.datetime64, plane: NDArray[np.float32]) -> None:
    """Refuses missing values where they are forbidden, and values that Earth does not allow; infinities become NaN.

    Raises:
        DataError: names the variable, the time, the file, how many values or what range.
    """
    finite = np.isfinite(plane)
    source = catalog.source(variable, time)
    where = f"{variable.name} of {time} in {source.path if source else '?'}"
    if variable.nan == "forbid" and not finite.all():
        count = int(plane.size - finite.sum())
        raise DataError(
            f'{where}: {count} of {plane.size} values are missing; set "nan": "mask" for {variable.name} if that is meant'
        )
    plane[~finite] = np.nan
    allowed = variable.plausible_range()
    if allowed is None or not finite.any():
        return
    low, high = float(np.nanmin(plane)), float(np.nanmax(plane))
    margin = 1e-6 * max(1.0, abs(allowed[0]), abs(allowed[1]))
    if low < allowed[0] - margin or high > allowed[1] + margin:
        raise DataError(
            f"{where}: values from {low:g} to {high:g} [{variable.units}], expected within {allowed[0]:g} to {allowed[1]:g}; "
            f"are the units right, or is the file damaged?"
        )


def _finite(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Moments of nothing hold infinities as extremes; a count of 0 says it and merges as nothing."""
    return np.where(values[..., :1] > 0, values, np.array([0.0, 0.0, 0.0, np.inf, -np.inf]))
