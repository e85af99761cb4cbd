"""Errors that a user can act on: each carries the exit status of the command that meets it.

A message is one line: what, where, what was expected, and the nearest valid name.
"""

import difflib
import re
from collections.abc import Iterable

__all__ = [
    "BusyError",
    "DataError",
    "NumericalError",
    "Py4castError",
    "SettingsError",
    "SharedError",
    "SpaceError",
    "first_line",
    "nearest",
]

_ADDRESS = re.compile(r"\b(https?|s3|gs|gcs|az|abfs):/(?=[^/])")


class Py4castError(Exception):
    """Abstract error of py4cast; `status` is the exit status of the command line."""

    status = 1

    def __str__(self) -> str:
        # pathlib makes one slash of the two of an address
        return _ADDRESS.sub(r"\1://", super().__str__())


class SettingsError(Py4castError, ValueError):
    """A wrong setting, name or flag: exit status 2."""

    status = 2


class SharedError(Py4castError, ValueError):
    """Wrong settings that all ranks of a training have found out together, of which the first one tells: exit status 2."""

    status = 2


class DataError(Py4castError, ValueError):
    """Files or fields that cannot be used as described: exit status 3."""

    status = 3


class NumericalError(Py4castError, ArithmeticError):
    """A value that is not finite where it must be: exit status 4."""

    status = 4


class SpaceError(Py4castError, OSError):
    """A disk that is full or a quota that is reached: exit status 1."""


class BusyError(Py4castError, RuntimeError):
    """A file or folder that another process holds: exit status 1."""


def first_line(error: BaseException) -> str:
    """What an error says, in one line; its kind where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def nearest(name: str, choices: Iterable[str]) -> str:
    """The end of an error message: the closest valid name, then all of them.

    Returns:
        `"; did you mean 'x'? valid: x, y"`, or what is valid alone when nothing is close.
    """
    names = sorted({str(choice) for choice in choices})
    if not names:
        return "; nothing is valid here"
    close = difflib.get_close_matches(str(name).lower(), [n.lower() for n in names], n=1, cutoff=0.5)
    hint = ""
    if close:
        hint = f"; did you mean {next(n for n in names if n.lower() == close[0])!r}?"
    listed = ", ".join(names[:30]) + (", ..." if len(names) > 30 else "")
    return f"{hint} (valid: {listed})" if hint else f"; valid: {listed}"
