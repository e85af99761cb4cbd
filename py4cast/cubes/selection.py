"""Selection: which fields of files are meant, by variable and by the keys of their messages."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from py4cast.errors import SettingsError, nearest
from py4cast.formats import ReaderABC, Record
from py4cast.formats.base import same_key
from py4cast.variables import alike_names

__all__ = ["ALL", "Selection"]


class Selection(NamedTuple):
    """Which fields of files are meant.

    Args:
        names: of variables, theirs or those that GRIB has for them; empty for all.
        keys: of the fields' messages, such as `stepType`, and their values.
    """

    names: tuple[str, ...] = ()
    keys: Mapping[str, Any] = MappingProxyType({})

    def has(self, reader: ReaderABC, record: Record) -> bool:
        """Whether a field has the keys; SettingsError where fields of its format have no such key."""
        for key, wanted in self.keys.items():
            try:
                value = reader.key(record, key)
            except KeyError:
                raise SettingsError(
                    f"where: {key!r} is no key of the fields of {reader.path}{nearest(key, list(record.keys))}"
                ) from None
            if not same_key(value, wanted):
                return False
        return True

    def of(self, held: Iterable[str]) -> set[str]:
        """Those of the names in files that are meant; SettingsError for a name that none has."""
        held = list(dict.fromkeys(held))
        if not self.names:
            return set(held)
        meant = set()
        for name in self.names:
            alike = alike_names(name, held)
            if not alike:
                raise SettingsError(f"variables {name}: not in the files{nearest(name, held)}")
            meant.update(alike)
        return meant


ALL = Selection()
