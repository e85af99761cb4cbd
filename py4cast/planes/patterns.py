"""Patterns of files: which files under a folder match them, dates standing as digits."""

import re
from collections.abc import Sequence
from pathlib import Path

from py4cast.errors import DataError, SettingsError
from py4cast.formats.zarr_address import is_remote_zarr, is_zarr
from py4cast.remote import fetch, find_remote, is_remote, url_of

__all__ = ["expand_patterns", "show_paths"]

_CODES = {
    "%Y": "[0-9]" * 4,
    "%m": "[0-9]" * 2,
    "%d": "[0-9]" * 2,
    "%H": "[0-9]" * 2,
    "%M": "[0-9]" * 2,
    "%j": "[0-9]" * 3,
}


def expand_patterns(
    root: Path, patterns: Sequence[str], advice: str = "; give the folder by --set dataset.root=DIR"
) -> list[Path]:
    """The files under `root` that match the patterns, sorted; `%Y %m %d %H %M %j` stand for digits.

    Args:
        root: where patterns begin that are not absolute.
        patterns: of the files; addresses too.
        advice: at the end of the message where nothing matches.

    Raises:
        SettingsError: a pattern that leaves `root` by `..`.
        DataError: a pattern that matches nothing.
    """
    files: list[Path] = []
    for pattern in patterns:
        if is_remote(pattern) or is_remote(root):
            files += _fetched(pattern if is_remote(pattern) else f"{url_of(root).rstrip('/')}/{pattern}")
            continue
        if ".." in Path(pattern).parts:
            raise SettingsError(f"files {pattern!r}: '..' is refused; give the folder as dataset.root")
        text, where = _with_digits(pattern), f" under {root}"
        if Path(text).is_absolute():
            where = ""
            base, text = Path(Path(text).anchor), str(Path(text).relative_to(Path(text).anchor))
        else:
            base = root
        matches = sorted(p for p in base.glob(text) if p.is_file() or is_zarr(p)) if base.is_dir() else []
        if not matches:
            raise DataError(f"no file matches {pattern!r}{where}{advice}")
        files += matches
    return list(dict.fromkeys(files))


def _with_digits(pattern: str) -> str:
    for code, digits in _CODES.items():
        pattern = pattern.replace(code, digits)
    return pattern


def _fetched(pattern: str) -> list[Path]:
    """The files of an address, or of all that a pattern of addresses means, in the cache; Zarr stores stay where they are."""
    address = url_of(pattern)
    return [
        Path(url) if is_remote_zarr(url) else fetch(url)
        for url in find_remote(_with_digits(address) if "*" in address or re.search("%[YmdHMj]", address) else address)
    ]


def show_paths(paths: Sequence[Path]) -> str:
    """The first of some paths, and how many more there are."""
    shown = ", ".join(str(p) for p in paths[:3])
    return shown + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")
