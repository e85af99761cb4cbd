"""Texts of the command line that hold several things."""

from collections.abc import Sequence

from py4cast.errors import SettingsError

__all__ = ["by_comma", "renames", "strip"]


def by_comma(text: str | None) -> list[str]:
    """The words of a text, parted by comma."""
    return [n for n in (text or "").split(",") if n]


def renames(texts: Sequence[str], form: str) -> dict[str, str]:
    """Name in the first source by name in the second, from `FIRST=SECOND` texts."""
    found = {}
    for text in texts:
        first, equals, second = text.partition("=")
        if not (first and equals and second):
            raise SettingsError(f"--rename {text!r}: expected {form}")
        found[second] = first
    return found


def strip(overrides: Sequence[str]) -> list[str]:
    """The dataset's overrides, without the first word that the other verbs share with train."""
    for override in overrides:
        if not override.startswith("dataset."):
            raise SettingsError(f"--set {override!r}: expected dataset.PLACE=VALUE, such as dataset.root=DIR")
    return [o.removeprefix("dataset.") for o in overrides]
