"""Remote: files behind an address (`https://`, `s3://`, `gs://`, `zip://x::https://…`), fetched once into the cache and checked.

Every path that is read may be such an address. A file is fetched in pieces: what was interrupted goes on where it stopped, what fails
for a moment is tried again, what has changed since is fetched anew. Zarr stores are read in place instead.
"""

import hashlib
import logging
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from py4cast.atomic import check_name, disk_errors, lock, sha256_of, write_json
from py4cast.errors import DataError, SettingsError
from py4cast.progress import Progress, Silent
from py4cast.settings import cache_dir, read_json
from py4cast.text import SCHEME, is_remote

__all__ = [
    "as_local",
    "by_address",
    "exists",
    "fetch",
    "fetch_parts",
    "find_remote",
    "is_remote",
    "names_at",
    "put_files",
    "show_fetching",
    "text_at",
    "texts_at",
    "url_of",
]

logger = logging.getLogger(__name__)
_ATTEMPTS, _FIRST_WAIT_S, _BLOCK, _WAIT_LOCK_S = 5, 0.5, 1 << 20, 3600.0
_TIMEOUT_S = 60.0
# what file systems tell of a file that tells one version of it from another, however they spell it
_MARKS = frozenset(
    {"etag", "mtime", "lastmodified", "generation", "crc", "md5", "contentmd5", "digest", "md5hash", "versionid"}
)
# within the names of errors of credentials, which clouds give with any status
_CREDENTIALS = ("Credential", "ExpiredToken", "InvalidToken", "RefreshError", "SSOError")
_NOTHING = "nothing is there"
# where the files of addresses lie, for messages
_FETCHED: dict[str, str] = {}
_progress: list[Callable[[], Any]] = []


def url_of(path: object) -> str:
    """The address of a path or text, as it was before a `Path` was made of it."""
    return "::".join(
        SCHEME.sub(lambda m: f"{m[1]}://" + ("/" if m[1] == "file" else ""), part) for part in str(path).split("::")
    )


def as_local(path: str | os.PathLike[str]) -> Path:
    """A path as it is, or the fetched file of an address; raises what `fetch` does."""
    return fetch(url_of(path)) if is_remote(path) else Path(path)


def by_address(text: str) -> str:
    """A message in which the files that were fetched are called by their addresses."""
    for path, url in _FETCHED.items():
        text = text.replace(path, url)
    return text


@contextmanager
def show_fetching(progress: Callable[[], Any]) -> Iterator[None]:
    """Within, what is fetched is told to a progress bar: `progress` makes a context that gives one."""
    _progress.append(progress)
    try:
        yield
    finally:
        _progress.pop()


def _filesystem(url: str) -> tuple[Any, str]:
    """What reads an address, and the path in it.

    Raises:
        SettingsError: an unknown kind of address, or a package that it needs is missing.
    """
    import fsspec

    inner, _, outer = url.rpartition("::")
    try:
        try:
            fs, path = fsspec.core.url_to_fs(url, **_options(url))
        except ValueError as error:
            if not inner or "range requests" not in str(error):
                raise
            # a server that gives no parts of an archive gives it whole
            fs, path = fsspec.core.url_to_fs(f"{inner}::file://{fetch(outer)}")
    except (ImportError, ValueError) as error:
        raise SettingsError(f"{url}: this kind of address cannot be read here: {_line(error)}") from None
    return fs, str(path)


def _options(url: str) -> dict[str, Any]:
    """Time-outs; of chained addresses those of the last part."""
    last = url.split("::")[-1]
    if not last.startswith(("http://", "https://")):
        return {}
    import aiohttp

    options: dict[str, Any] = {"client_kwargs": {"timeout": aiohttp.ClientTimeout(total=None, sock_connect=_TIMEOUT_S, sock_read=_TIMEOUT_S)}}  # fmt: skip
    return options if "::" not in url else {last.split(":")[0]: options}


def exists(url: str) -> bool:
    """Whether something lies at an address; False where that cannot be found out."""
    try:
        fs, path = _filesystem(url)
        return bool(fs.exists(path))
    except Exception:
        return False


def text_at(url: str) -> str | None:
    """The text of a small file at an address; None where there is none, or it cannot be had."""
    try:
        fs, path = _filesystem(url)
        return bytes(fs.cat_file(path)).decode()
    except Exception:
        return None


def texts_at(url: str, names: Sequence[str]) -> dict[str, str]:
    """The texts of small files under an address, asked for together; those that are not there are left out.

    Raises:
        DataError: none is there, and the place is refused or cannot be reached.
        SettingsError: an unknown kind of address.
    """
    fs, root = _filesystem(url.rstrip("/"))
    places = {f"{root}/{name}": name for name in names}
    if not places:
        return {}

    def read() -> dict[str, str]:
        answers = fs.cat(list(places), on_error="return")
        texts = {places[place]: data.decode() for place, data in answers.items() if isinstance(data, bytes)}
        errors = [answer for answer in answers.values() if isinstance(answer, Exception)]
        # some places refuse what is not there; what is there then tells that they can be read
        others = [error for error in errors if _verdict(error.__cause__ or error, "") != _NOTHING]
        if others and not texts:
            raise others[0]
        return texts

    return dict(_tried(url, read))


def names_at(url: str) -> list[str]:
    """The names of what stands under an address, sorted; none where it cannot be listed, as of most servers of pages."""
    fs, root = _filesystem(url.rstrip("/"))
    try:
        fs.invalidate_cache()
        return sorted(str(place).rstrip("/").rsplit("/", 1)[-1] for place in fs.ls(root, detail=False))
    except Exception:
        return []


def find_remote(url: str) -> list[str]:
    """The addresses that a pattern with `*`, `?` or `[…]` means, sorted; itself without any.

    Raises:
        DataError: it means none, or the place cannot be listed.
    """
    if not any(c in url for c in "*?["):
        return [url]
    fs, path = _filesystem(url)

    def listed() -> list[str]:
        fs.invalidate_cache()  # files come, while a process goes on
        return sorted(fs.glob(path))

    matches = _tried(url, listed)
    if not matches:
        raise DataError(f"no file matches {url}")
    return [fs.unstrip_protocol(match) for match in matches]


def fetch(url: str) -> Path:
    """The file at an address, in the cache; fetched where it is not there, has changed, or nothing tells whether it has.

    Raises:
        DataError: nothing is there, it is refused, it cannot be reached, or it changes while it is read.
        SettingsError: an unknown kind of address.
    """
    fs, path = _filesystem(url)
    if fs.protocol == "file" or "file" in tuple(fs.protocol):
        return Path(path)
    folder = cache_dir() / "remote" / hashlib.sha256(url.encode()).hexdigest()[:20]
    name = (
        re.sub(r"[^A-Za-z0-9._-]+", "_", path.split("?")[0].rstrip("/").rsplit("/", 1)[-1])[-100:].lstrip(".-")
        or "file"
    )
    name = name.replace("..", "_")
    target, told = folder / check_name(name, "the file", DataError), folder / "source.json"
    folder.mkdir(parents=True, exist_ok=True)
    _FETCHED[str(target)] = url
    with lock(folder / ".lock", wait_s=_WAIT_LOCK_S), disk_errors(target):
        version = _tried(url, lambda: _version(fs, path))
        if version["size"] == 0:
            raise DataError(f"{url}: it is empty")
        # a size alone tells no version from another
        is_known = len(version) > 1
        if is_known and target.exists() and told.exists() and read_json(told).get("version") == version:
            return target
        part = folder / check_name(f"{name}.part", "the file", DataError)
        marker = folder / "part.json"
        if not (is_known and part.exists() and marker.exists() and read_json(marker).get("version") == version):
            part.unlink(missing_ok=True)
            write_json(marker, {"version": version})
        _download(fs, path, url, part, version["size"])
        if _tried(url, lambda: _version(fs, path)) != version:
            part.unlink()
            raise DataError(f"{url}: it changes while it is read; try again when it is written")
        digest = sha256_of(part)
        os.replace(part, target)
        write_json(told, {"url": url, "version": version, "sha256": digest})
        marker.unlink(missing_ok=True)
    return target


def fetch_parts(url: str, parts: Sequence[tuple[int, int]], path: Path) -> None:
    """Writes parts of the file at an address, one behind the other.

    Args:
        url: the address.
        parts: where each begins, and how many bytes it has.
        path: of the file that is written.

    Raises:
        DataError: nothing is there, it is refused, it cannot be reached, or it ends before a part does.
        SettingsError: an unknown kind of address.
    """
    fs, place = _filesystem(url)
    with path.open("wb") as stream:
        for first, length in parts:

            def read(first: int = first, length: int = length) -> bytes:
                data = bytes(fs.cat_file(place, start=first, end=first + length))
                if len(data) > length:  # a server that gives no parts gives it all
                    data = data[first : first + length]
                if len(data) != length:
                    raise OSError(f"{len(data)} of {length} bytes came")
                return data

            stream.write(_tried(url, read))


def put_files(paths: Sequence[Path], url: str) -> None:
    """Writes files under an address, in their order; DataError where it cannot be written."""
    fs, root = _filesystem(url)
    try:
        fs.makedirs(root, exist_ok=True)
        for path in paths:
            fs.put_file(str(path), f"{root.rstrip('/')}/{path.name}")
    except Exception as error:
        raise DataError(f"{url}: cannot be written: {_line(error)}") from None


def _version(fs: Any, path: str) -> dict[str, Any]:
    """What tells one version of a file from another."""
    fs.invalidate_cache()  # a listing of before tells what was
    info = fs.info(path)
    known = {key: str(value) for key, value in info.items() if value and re.sub(r"[-_]", "", key).lower() in _MARKS}
    size = info.get("size")
    return {"size": None if size is None else int(size), **known}


def _download(fs: Any, path: str, url: str, part: Path, size: int | None) -> None:
    """Writes the file, from where it was left."""
    told = "" if size is None else f" ({size / 1e6:.3g} MB)"
    with _shown() as progress:
        progress.start(f"fetching {url.rsplit('/', 1)[-1]}{told}", max(1, -(-(size or 0) // _BLOCK)))
        _tried(url, lambda: _append(fs, path, part, size, progress))


def _append(fs: Any, path: str, part: Path, size: int | None, progress: Progress) -> None:
    """Appends what lacks; OSError where less came than there is."""
    start = part.stat().st_size if part.exists() else 0
    if size is not None and start >= size:
        return
    try:
        with fs.open(path, "rb", cache_type="none") as source:
            source.seek(start)
            _copy(source, part, progress)
    except (ValueError, NotImplementedError):
        # a server that gives no parts of a file gives it from the beginning
        part.unlink(missing_ok=True)
        with fs.open(path, "rb", block_size=0) as source:
            _copy(source, part, progress)
    held = part.stat().st_size
    if size is not None and held != size:
        if held > size:
            part.unlink()
        raise OSError(f"{held} of {size} bytes came")


def _copy(source: Any, part: Path, progress: Progress) -> None:
    """Appends what comes, a piece at a time."""
    with part.open("ab") as stream:
        while block := source.read(_BLOCK):
            stream.write(block)
            stream.flush()
            progress.step()


def _tried(url: str, work: Callable[[], Any]) -> Any:
    """Does what may fail for a moment, several times; DataError names the address where it does not come right."""
    reason = ""
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(_FIRST_WAIT_S * 2 ** (attempt - 1))
        try:
            return work()
        except (DataError, SettingsError):
            raise
        except Exception as error:
            # fsspec says of any failure over HTTP that nothing is there; what it was stands behind
            cause = error.__cause__ or error
            reason = _line(cause)
            if (verdict := _verdict(cause, reason)) is not None:
                raise DataError(f"{url}: {verdict}") from None
            logger.info("%s: %s; attempt %d of %d", url, reason, attempt + 1, _ATTEMPTS)
    raise DataError(f"{url}: cannot be read, after {_ATTEMPTS} attempts: {reason}")


def _verdict(error: BaseException, reason: str) -> str | None:
    """What is told at once, since another attempt ends alike; None of what may have passed in a moment."""
    response = getattr(error, "response", None)
    answer = response if isinstance(response, dict) else {}  # of S3, as botocore has it
    status = getattr(error, "status", answer.get("ResponseMetadata", {}).get("HTTPStatusCode"))
    name = f"{type(error).__name__} {answer.get('Error', {}).get('Code', '')}"
    if status in (401, 403) or isinstance(error, PermissionError) or any(word in name for word in _CREDENTIALS):
        return f"access is refused ({reason}); credentials are needed, or are wrong"
    if status in (404, 410) or isinstance(error, FileNotFoundError):
        return f"{_NOTHING} ({reason})" if "NoSuchBucket" in name else _NOTHING
    if status == 400:
        # a head has no body, so that S3 cannot say there what was wrong
        return f"cannot be read: {reason}" + ("; credentials may have expired" if "400" in name else "")
    return None


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


@contextmanager
def _shown() -> Iterator[Progress]:
    if not _progress:
        yield Silent()
        return
    with _progress[-1]() as bar:
        yield bar
