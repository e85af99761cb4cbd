"""Building a prepared store: block by block, journalled, so that work that is killed resumes where it was.

Blocks are written by this process, by others on this machine, or by the workers of a Dask cluster; the journal is
kept by one. What it does not name is written again, to the same bytes. The marker file comes last and makes the
store readable. A store that is appended to stays readable as it was until its new marker is in place.
"""

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from py4cast.atomic import check_space, disk_errors, flush, lock, sweep, write_json
from py4cast.cubes.store.blocks import BlockJob, PlaneSource, counts_path, timed_block
from py4cast.cubes.store.integrity import sealed, small_files
from py4cast.cubes.store.layout import TABLES, StoreLayout, read_table
from py4cast.cubes.store.store import MANIFEST, MARKER, VERSION, PreparedStore
from py4cast.errors import DataError, SettingsError
from py4cast.progress import Progress, WorkClock
from py4cast.remote import is_remote, url_of
from py4cast.settings import digest, parse_json, read_json
from py4cast.statistics import merge_moments

__all__ = ["StoreBuilder"]

logger = logging.getLogger(__name__)
# what may change while a store stays what it is: the splits, and by appending the instants
_FREE = ("periods",)
_GROWS = ("axis", *_FREE)


class StoreBuilder:
    """Creates the builder of one store.

    Args:
        folder: where the store goes.
        layout: its variables, grid, instants and packing.
        planes: what reads the planes.
        recipe: what the store is made from, plain JSON values; a resumed store must have the same one.
        inputs: fingerprints of the files.
        statics: fixed fields by name, `(lat, lon)`.
    """

    def __init__(
        self,
        folder: Path,
        layout: StoreLayout,
        planes: PlaneSource,
        recipe: Mapping[str, Any],
        inputs: Sequence[Mapping[str, Any]],
        statics: Mapping[str, NDArray[np.float32]],
    ) -> None:
        self.folder, self.layout, self._planes = folder, layout, planes
        self._recipe: dict[str, Any] = json.loads(json.dumps({**recipe, "axis": layout.axis.to_dict()}))
        self._inputs, self._statics = [dict(i) for i in inputs], statics
        fixed = {k: v for k, v in self._recipe.items() if k not in _FREE}
        self._identity = digest({"recipe": fixed, "inputs": self._inputs})
        self._inputs_digest = digest(self._inputs)

    @property
    def _journal(self) -> Path:
        return self.folder / "journal.jsonl"

    def build(
        self, progress: Progress, executor: Executor | None = None, num_jobs: int = 1, append: bool = False,
        clock: WorkClock | None = None,
    ) -> PreparedStore:  # fmt: skip
        """Writes what is missing and opens the store.

        Args:
            progress: told of every instant.
            executor: what writes blocks, one after the other here when None.
            num_jobs: blocks handed to it at a time.
            append: whether a finished store may be given further instants.
            clock: told where the time goes.

        Raises:
            SettingsError: the folder is an address, or holds a store of another recipe.
            DataError: a field that cannot be read, is NaN where that is forbidden, or out of its physical range.
            SpaceError: the disk is full; what was written stays and is not written again.
            BusyError: another process builds here.
        """
        if is_remote(self.folder):
            raise SettingsError(f"{url_of(self.folder)}: no store is prepared at an address; give a folder here")
        self.folder.mkdir(parents=True, exist_ok=True)
        told = f"{self.folder} is being prepared by %s; waiting for it"
        on_wait = lambda owner: logger.warning(told, owner)  # noqa: E731
        with lock(self.folder / "lock", wait_s=3600.0, on_wait=on_wait), disk_errors(self.folder / MARKER):
            sweep(self.folder)
            for left in self.folder.rglob("*.partial"):
                # zarr's own temporary names; nobody else writes here
                left.unlink()
            if not self._is_finished():
                self._begin(append)
                self._write(progress, executor, num_jobs, clock or WorkClock())
                self._finish()
        return PreparedStore(self.folder)

    def _is_finished(self) -> bool:
        marker = self.folder / MARKER
        return marker.exists() and read_json(marker).get("identity") == self._identity

    def _begin(self, append: bool) -> None:
        """Makes the folder ours: recipe first, then the arrays' metadata, then the journal that says they are whole."""
        recipe_file = self.folder / "recipe.json"
        if not recipe_file.exists():
            if any(p.name != "lock" for p in self.folder.iterdir()):
                raise SettingsError(f"{self.folder}: not empty and no store of py4cast; give another folder")
            write_json(recipe_file, self._recipe)
        elif (self.folder / MARKER).exists():
            self._check_growth(append)
        elif _differences(self._recipe, read_json(recipe_file), _FREE):
            raise SettingsError(
                f"{self.folder}: holds an unfinished store made from other settings or files; give another store, or remove it"
            )
        elif self._journal.exists() and any(
            e.get("inputs", self._inputs_digest) != self._inputs_digest for e in self._entries_logged()
        ):
            # ranges and statics are those of the files, too
            logger.warning("%s: its files have changed since it was begun; it is made anew", self.folder)
            self._journal.unlink()
        if not self._journal.exists():
            for path in self.folder.iterdir():
                if path.name not in ("lock", "recipe.json"):
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
            self.layout.create(self.folder)
            self._journal.touch()

    def _check_growth(self, append: bool) -> None:
        """Refuses to turn a finished store into anything but itself with further instants."""
        store = PreparedStore(self.folder)
        if store.meta["identity"] == self._identity:
            return
        # a list of files may have become longer; what the files are is told by their fingerprints
        changed = _differences(_without_files(self._recipe), _without_files(store.recipe()), _GROWS)
        if changed:
            raise SettingsError(
                f"{self.folder}: holds a store made from other settings ({', '.join(changed)}); give another store, or remove it"
            )
        mine, held = self.layout.axis, store.axis
        same = mine.size >= held.size and bool((mine.times[: held.size] == held.times).all())
        if not same or mine.lead_times[: held.length].size != held.length or mine.members != held.members:
            raise SettingsError(
                f"{self.folder}: holds {held.times[0]} to {held.times[-1]}, which {mine.times[0]} to {mine.times[-1]} does not "
                f"begin with; only later instants can be appended"
            )
        known = {entry["file"]: entry for entry in store.manifest()["inputs"]}
        gone = sorted(known.keys() - {entry["file"] for entry in self._inputs})
        if gone and _differences(self._recipe, store.recipe(), _GROWS):
            raise SettingsError(
                f"{self.folder}: was made of {gone[0]} too, which the settings no longer name; name new files beside those, give "
                "another store, or remove it"
            )
        for entry in self._inputs:
            before = known.get(entry["file"])
            if (
                before is not None
                and before["sha256"] != entry["sha256"]
                and entry["file"] not in _repeated(self._inputs)
            ):
                raise DataError(f"{self.folder}: {entry['file']} has changed since it was prepared; prepare it anew")
        if not append:
            raise SettingsError(
                f"{self.folder}: holds a store up to {held.times[-1]}; these settings and files go to {mine.times[-1]}. "
                f"Append the rest (--append), give another store, or remove it"
            )

    def _finished_blocks(self) -> dict[int, dict[str, Any]]:
        """Lines of the journal whose shards are there in full, written from the files as they are or part of a finished store."""
        done, held = {}, self._held()
        for entry in self._entries_logged():
            block = int(entry["block"])
            is_told = "tables" in entry  # those of an older py4cast have no checksums and are written again
            is_of_files = entry.pop("inputs", None) == self._inputs_digest or entry.get("sha256") in held
            has_all = block < self.layout.num_blocks and entry["count"] == len(self.layout.instants(block))
            if is_told and is_of_files and has_all:
                done[block] = entry
        return {b: e for b, e in done.items() if self._is_whole(b, e)}

    def _entries_logged(self) -> Iterator[dict[str, Any]]:
        """Whole lines of the journal."""
        for line in self._journal.read_text().splitlines():
            with suppress(SettingsError):  # empty, or cut in two by a kill
                yield dict(parse_json(line, "journal"))

    def _held(self) -> set[str]:
        """Checksums of the blocks of a finished store, whose files are compared before it is appended to."""
        if not (self.folder / MARKER).exists():
            return set()
        return {str(entry["sha256"]) for entry in PreparedStore(self.folder).manifest()["blocks"]}

    def _is_whole(self, block: int, entry: Mapping[str, Any]) -> bool:
        for path, size in zip(self._shards(block), entry["bytes"], strict=True):
            if not path.exists() or path.stat().st_size != size:
                return False
        return True

    def _job(self, block: int) -> BlockJob:
        axis, indices = self.layout.axis, self.layout.instants(block)
        instants = [axis.instant(i) for i in indices]
        before = None if axis.is_first[indices.start] else axis.instant(indices.start - 1)
        part = self._planes.part(instants if before is None else [before, *instants])
        return BlockJob(self.folder.absolute(), self.layout, block, part, instants, before)

    def _write(self, progress: Progress, executor: Executor | None, num_jobs: int, clock: WorkClock) -> None:
        done = self._finished_blocks()
        todo = [b for b in range(self.layout.num_blocks) if b not in done]
        check_space(self.folder, self.layout.num_bytes * len(todo) // max(1, self.layout.num_blocks))
        progress.start("preparing", sum(len(self.layout.instants(b)) for b in todo))
        clock.begin_blocks()
        # the disk takes a block while the next ones are made
        with ThreadPoolExecutor(1) as flushing:
            flushed = []
            for entry, seconds in self._entries(todo, executor, num_jobs, progress):
                clock.add(seconds)
                self._log(entry)
                flushed.append(flushing.submit(flush, self._shards(entry["block"])))
        for future in flushed:
            future.result()
        clock.end_blocks()

    def _shards(self, block: int) -> list[Path]:
        return [self.layout.shard(self.folder, v.name, block) for v in self.layout.variables]

    def _entries(
        self, todo: Sequence[int], executor: Executor | None, num_jobs: int, progress: Progress
    ) -> Iterator[tuple[dict[str, Any], dict[str, float]]]:
        """Lines of the journal and the seconds of their parts, as blocks are finished."""
        if executor is None:
            for block in todo:
                yield timed_block(self._job(block), progress.step)
            return
        left, running = list(todo), set[Future[tuple[dict[str, Any], dict[str, float]]]]()
        try:
            while left or running:
                while left and len(running) < num_jobs:
                    running.add(executor.submit(timed_block, self._job(left.pop(0))))
                finished, running = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    entry, seconds = future.result()
                    progress.step(entry["count"])
                    yield entry, seconds
        finally:
            for future in running:
                future.cancel()

    def _log(self, entry: Mapping[str, Any]) -> None:
        with self._journal.open("a") as stream:
            # the newline comes first, so that a line that a kill cut in two spoils no other
            stream.write("\n" + json.dumps({**entry, "inputs": self._inputs_digest}) + "\n")
            stream.flush()
            os.fsync(stream.fileno())

    def _finish(self) -> None:
        """What can be said of the whole, and the marker."""
        layout, entries = self.layout, self._finished_blocks()
        blocks = [entries[b] for b in range(layout.num_blocks)]
        missing: dict[str, list[int]] = {v.name: [] for v in layout.variables}
        for entry in blocks:
            for name, indices in entry["missing"].items():
                missing[name] += indices
        flush(path for b in range(layout.num_blocks) for path in self._shards(b))
        if (self.folder / MARKER).exists():
            layout.grow(self.folder)
        self._write_extras(missing)
        write_json(self.folder / "recipe.json", self._recipe)
        contents = hashlib.sha256("".join(e["sha256"] for e in blocks).encode()).hexdigest()
        write_json(self.folder / MANIFEST, {"digest": contents, "inputs": self._inputs, "blocks": blocks})
        grid_meta, coordinates = layout.grid.pack()
        marker = {
            "version": VERSION,
            "variables": [v.to_dict() for v in layout.variables],
            "packings": {name: packing.to_list() for name, packing in layout.packings.items()},
            "axis": layout.axis.to_dict(),
            "shape": list(layout.grid.shape),
            "block": layout.block,
            "grid": grid_meta,
            "coordinates": list(coordinates),
            "missing": {name: _ranges(gaps) for name, gaps in missing.items() if gaps},
            "statics": list(self._statics),
            "num_inputs": len(self._inputs),
            "inputs_digest": self._inputs_digest,
            "digest": contents,
            "identity": self._identity,
            "tables": {name: [entry["tables"][name] for entry in blocks] for name in TABLES},
            "files": small_files(self.folder, [v.name for v in layout.variables]),
        }
        write_json(self.folder / MARKER, sealed(marker))

    def _write_extras(self, missing: Mapping[str, Sequence[int]]) -> None:
        """Fixed fields, how often each cell holds data, and the moments of whole blocks."""
        layout = self.layout
        counts = np.empty((len(layout.variables), *layout.grid.shape), dtype=np.int32)
        for row, variable in enumerate(layout.variables):
            counts[row] = layout.axis.size - len(missing[variable.name])
            if variable.nan == "mask":
                parts = [counts_path(self.folder, variable.name, b) for b in range(layout.num_blocks)]
                counts[row] = sum(np.fromfile(p, dtype="<i4").reshape(layout.grid.shape) for p in parts)
        extras: dict[str, NDArray[Any]] = {f"static_{n}": f for n, f in self._statics.items()}
        extras["finite_count"] = counts
        for name in ("moments", "difference_moments"):
            merged = [_merged(self.folder, name, layout, b) for b in range(layout.num_blocks)]
            extras[f"block_{name}"] = np.stack(merged)
        layout.add(self.folder, extras)


def _differences(recipe: Mapping[str, Any], old: Mapping[str, Any], allowed: Sequence[str]) -> list[str]:
    """Places where an older recipe is another one."""
    mine, theirs = ({**r, **r.get("settings", {}), "settings": None} for r in (recipe, old))
    return sorted(k for k in {*mine, *theirs} if mine.get(k) != theirs.get(k) and k not in allowed)


def _without_files(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe that does not say in which files its variables are."""
    settings = dict(recipe.get("settings", {}))
    settings.pop("files", None)
    described = settings.get("variables")
    if isinstance(described, Mapping):
        settings["variables"] = {n: {k: v for k, v in d.items() if k != "files"} for n, d in described.items()}
    return {**recipe, "settings": settings}


def _merged(folder: Path, name: str, layout: StoreLayout, block: int) -> NDArray[np.float64]:
    values = read_table(folder, name, block, layout.block, layout.table_width(name))
    return merge_moments(values[: len(layout.instants(block))])


def _ranges(indices: Sequence[int]) -> list[list[int]]:
    """Sorted indices as first and last of every run."""
    runs: list[list[int]] = []
    for index in sorted(indices):
        if runs and runs[-1][1] == index - 1:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    return runs


def _repeated(inputs: Sequence[Mapping[str, Any]]) -> set[str]:
    """Names that several files bear."""
    names = [str(i["file"]) for i in inputs]
    return {n for n in names if names.count(n) > 1}
