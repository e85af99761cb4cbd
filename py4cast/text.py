"""Text of others: made safe to show, where it comes from files and settings, and whether it is an address."""

import re
import unicodedata

__all__ = ["SCHEME", "csv_cell", "csv_text", "is_remote", "visible"]

# pathlib makes one slash of two
SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]+):/+")

# control and format characters (escape sequences, marks that turn the direction of reading) and lone surrogates
_UNSEEN = ("Cc", "Cf", "Cs")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def visible(text: object, keep: str = "") -> str:
    """The text in which all that a terminal would obey instead of show is written as an escape.

    Args:
        text: anything; its `str`.
        keep: control characters that stay, such as the end of a line.
    """
    return "".join(
        c if c in keep or unicodedata.category(c) not in _UNSEEN else c.encode("unicode_escape").decode("ascii")
        for c in str(text)
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text


def csv_cell(text: str) -> str:
    """The text behind an apostrophe where a spreadsheet would execute it (OWASP, CSV injection); else as it is."""
    return f"'{text}" if text.startswith(_FORMULA) and not _is_number(text) else text


def csv_text(cell: str) -> str:
    """The text of a cell that `csv_cell` made."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell


def is_remote(path: object) -> bool:
    """Whether a path or text is an address."""
    return bool(SCHEME.match(str(path)))
