"""The one way to write a file: a temporary name in the same folder, flush, rename, flush the folder.

A process that is killed at any moment leaves either the old file or the new one, and at most a temporary
file that `sweep` removes. `os.replace` is atomic only within one file system, hence the same folder.
"""

import contextlib
import errno
import fcntl
import hashlib
import json
import math
import os
import re
import shutil
import socket
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from py4cast.errors import BusyError, Py4castError, SettingsError, SpaceError
from py4cast.text import is_remote

__all__ = [
    "atomic_path",
    "check_name",
    "check_place",
    "check_space",
    "flush",
    "lock",
    "sha256_of",
    "staged_paths",
    "sweep",
    "without_nan",
    "write_bytes",
    "write_json",
    "write_text",
]

_TEMPORARY = re.compile(
    r"^\.(?P<name>.+)\.(?P<host>[A-Za-z0-9_-]*)\.(?P<pid>\d+)\.[0-9a-f]{8}\.part(?P<suffix>\.\w+)?$"
)
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_SWEPT: set[Path] = set()
_OF_ZARR = frozenset({"zarr.json", ".zgroup", ".zarray", ".zmetadata"})
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def check_name(name: str, what: str, error: type[Py4castError] = SettingsError) -> str:
    """`name` when it is safe as one part of a path: letters, digits, `.`, `_`, `-`, at most 128.

    Every name that becomes a part of a path goes through here, so that nothing is ever written outside its folder.

    Raises:
        SettingsError: it is not safe; or `error`, for names that come from a file.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name) or ".." in name:
        raise error(f"{what} {name!r}: expected letters, digits, '.', '_', '-' (at most 128), no '..'")
    return name


def check_place(path: str | os.PathLike[str]) -> None:
    """Refuses to write at an address, or where a folder stands that is no Zarr store: all that it holds would be lost.

    Raises:
        SettingsError: names the place.
    """
    target = Path(path)
    if is_remote(path):
        raise SettingsError(f"{path}: nothing is written at an address; give a place here")
    if not target.is_dir() or target.is_symlink():
        return
    held = {path.name for path in target.iterdir()}
    if not held & _OF_ZARR and (held or target.suffix != ".zarr"):
        raise SettingsError(f"{target}: a folder stands there; nothing is written in its place, give another name")


def _host() -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "-", socket.gethostname())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turns a full disk into a SpaceError that names the path and what is free."""
    try:
        yield
    except OSError as error:
        if isinstance(error, SpaceError) or error.errno not in _FULL:
            raise
        free = shutil.disk_usage(path.parent).free / 1e6
        raise SpaceError(
            f"disk full while writing {path}: {error.strerror} ({free:.1f} MB free); nothing of it was kept"
        ) from error


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str], suffix: str = "") -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block ends well, and goes when it does not.

    Args:
        path: the final name; its folder is made.
        suffix: an ending for the temporary name, for libraries that choose a format by it.

    Raises:
        SpaceError: the disk is full; what stood at `path` still stands.
        SettingsError: a folder stands there which is no Zarr store, or is to be replaced by a file.
    """
    target = Path(path)
    check_place(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.parent / f".{target.name}.{_host()}.{os.getpid()}.{uuid.uuid4().hex[:8]}.part{suffix}"
    try:
        with disk_errors(target):
            yield temporary
            if temporary.is_file():
                # some libraries make private files; what py4cast writes is as public as the user's umask
                temporary.chmod(0o666 & ~_umask())
            _fsync(temporary)
            _take_place(temporary, target)
            _fsync(target.parent)
        _sweep_once(target.parent)
    finally:
        _remove(temporary)


def _take_place(temporary: Path, target: Path) -> None:
    """Renames; a store that stands in the way of another is moved aside first and removed after."""
    if not target.is_dir() or target.is_symlink():
        os.replace(temporary, target)
        return
    check_place(target)
    if not temporary.is_dir():
        raise SettingsError(f"{target}: a Zarr store stands there; no file is written in its place, give another name")
    aside = target.parent / f".{target.name}.{_host()}.{os.getpid()}.{uuid.uuid4().hex[:8]}.part"
    os.replace(target, aside)
    try:
        os.replace(temporary, target)
    except OSError:
        os.replace(aside, target)
        raise
    shutil.rmtree(aside, ignore_errors=True)


@contextlib.contextmanager
def staged_paths(paths: Sequence[Path]) -> Iterator[list[Path]]:
    """Temporary paths beside several files, which take their places when the block ends well.

    They are renamed, not flushed: a killed process leaves whole files, a lost power may not; `flush` sees to that.

    Raises:
        SpaceError: the disk is full.
    """
    names = [p.parent / f".{p.name}.{_host()}.{os.getpid()}.{uuid.uuid4().hex[:8]}.part" for p in paths]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with disk_errors(paths[0]):
            yield names
            for temporary, path in zip(names, paths, strict=True):
                temporary.chmod(0o666 & ~_umask())
                os.replace(temporary, path)
    finally:
        for temporary in names:
            temporary.unlink(missing_ok=True)


def flush(paths: Iterable[Path]) -> None:
    """Waits until these files and folders are on the disk."""
    for path in paths:
        _fsync(path)


def write_bytes(path: str | os.PathLike[str], data: bytes | memoryview) -> None:
    """Writes `data` to `path`, whole or not at all."""
    with atomic_path(path) as temporary, temporary.open("xb") as stream:
        stream.write(data)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Writes `text` as UTF-8 to `path`, whole or not at all."""
    write_bytes(path, text.encode())


def without_nan(document: Any) -> Any:
    """`document` with None for what is not finite: JSON has no word for it."""
    if isinstance(document, dict):
        return {k: without_nan(v) for k, v in document.items()}
    if isinstance(document, list):
        return [without_nan(v) for v in document]
    return None if isinstance(document, float) and not math.isfinite(document) else document


def write_json(path: str | os.PathLike[str], document: Any) -> None:
    """Writes `document` as indented JSON without NaN to `path`, whole or not at all."""
    write_text(path, json.dumps(document, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def sweep(folder: str | os.PathLike[str]) -> list[Path]:
    """Removes the temporary files that killed processes of this host left under `folder`; returns them."""
    removed = []
    for path in sorted(Path(folder).rglob(".*.part*")):
        if _is_left(path):
            _remove(path)
            removed.append(path)
    return removed


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _sweep_once(folder: Path) -> None:
    """Removes what killed processes left right in a folder, the first time that this process writes there."""
    place = folder.absolute()
    if place in _SWEPT:
        return
    _SWEPT.add(place)
    with contextlib.suppress(OSError):
        for path in [p for p in place.iterdir() if _is_left(p)]:
            _remove(path)


def _is_left(path: Path) -> bool:
    """Whether a name is that of a temporary file whose process, of this host, is no more."""
    match = _TEMPORARY.match(path.name)
    return match is not None and match["host"] == _host() and not _is_alive(int(match["pid"]))


def check_space(folder: str | os.PathLike[str], need: int, factor: float = 1.0) -> None:
    """Refuses work of `need` bytes in `folder` when less than `factor * need` is free.

    Raises:
        SpaceError: names the folder, the need and what is free.
    """
    free = shutil.disk_usage(folder).free
    if free < factor * need:
        raise SpaceError(f"disk full: {folder} needs {factor * need / 1e6:.1f} MB and has {free / 1e6:.1f} MB free")


@contextlib.contextmanager
def lock(
    path: str | os.PathLike[str],
    wait_s: float = 0.0,
    on_wait: Callable[[str], None] | None = None,
) -> Iterator[None]:
    """Holds the exclusive lock `path` during the block; it goes with the process that holds it.

    Args:
        path: the lock file; its folder is made.
        wait_s: how long to wait for another holder [s].
        on_wait: told once who holds it.

    Raises:
        BusyError: another process still holds it; names its pid, host and since when.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + wait_s
    with target.open("a+") as stream:
        told = False
        while True:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                stream.seek(0)
                owner = stream.read().strip() or "another process"
                if on_wait and not told:
                    on_wait(owner)
                    told = True
                if time.monotonic() >= deadline:
                    raise BusyError(f"{target.parent} is in use by {owner}; try again when it has ended") from error
                time.sleep(0.1)
        stream.seek(0)
        stream.truncate()
        stream.write(f"pid {os.getpid()} on {_host()} since {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}")
        stream.flush()
        try:
            yield
        finally:
            fcntl.flock(stream, fcntl.LOCK_UN)


def sha256_of(file: Path) -> str:
    """SHA-256 of the bytes of a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
