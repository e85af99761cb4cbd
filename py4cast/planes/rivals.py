"""Rivals: several fields of the files that could be one variable at one instant, and which of them is meant.

What is the same field twice is kept as a twin, to be compared when it is read. ERA5 and its preliminary form ERA5T (expver 1
and 5) complete each other. Anything else is refused with what tells the fields apart: there is never a first one that wins.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from py4cast.errors import DataError
from py4cast.formats import Record
from py4cast.formats.base import plain_level, same_key
from py4cast.planes.reader import FieldPlace
from py4cast.variables import Variable

__all__ = ["differences", "merged", "preference", "preferred"]

# keys that tell fields apart; what follows from others is not compared
_TELLING = ("stepType", "stepRange", "dataType", "expver")
_FOLLOWING = {
    "cf_name", "since", "GRIB_shortName", "is_bare", "shortName", "paramId", "typeOfLevel", "discipline", "parameterCategory",
    "parameterNumber", "name", "units", "cfName", "cfVarName",
}  # fmt: skip
_FINAL, _PRELIMINARY = 1, 5


def preference(place: FieldPlace, variable: Variable) -> tuple[int, float, int]:
    """Which of two fields is meant: the one of that very name, then the shorter lead time, then the first member."""
    record = place.record
    named = 0 if variable.sought in (record.short_name, record.keys.get("cf_name")) else 1
    return named, float(record.lead_time / np.timedelta64(1, "s")), record.member or 0


def preferred(known: FieldPlace, other: FieldPlace, variable: Variable, wants_members: bool) -> FieldPlace | None:
    """Which of two fields of one instant is meant, None where neither is.

    A field without member, such as the mean of all, is not the first of them; where members are asked for it is none.
    """
    rank, known_rank = preference(other, variable), preference(known, variable)
    members = known.record.member, other.record.member
    if rank[:-1] == known_rank[:-1] and (members[0] is None) != (members[1] is None):
        return (other if members[0] is None else known) if wants_members else None
    return None if rank == known_rank else other if rank < known_rank else known


def differences(first: Record, second: Record) -> dict[str, tuple[Any, Any]]:
    """What tells two fields apart, by the word of the setting that chooses."""
    pairs: dict[str, tuple[Any, Any]] = {"short_name": (first.short_name, second.short_name)}
    (type_1, level_1), (type_2, level_2) = (plain_level(r.type_of_level, r.level) for r in (first, second))
    pairs |= {"type_of_level": (type_1, type_2), "level": (level_1, level_2)}
    if (first.member is None) != (second.member is None):
        pairs["member"] = first.member, second.member
    others = [k for k in (*first.keys, *second.keys) if k not in _FOLLOWING and k not in _TELLING]
    pairs |= {key: (first.keys.get(key), second.keys.get(key)) for key in dict.fromkeys((*_TELLING, *others))}
    return {key: pair for key, pair in pairs.items() if not same_key(*pair)}


def merged(known: FieldPlace, other: FieldPlace, variable: Variable) -> FieldPlace:
    """The field that stands for both of one instant.

    Raises:
        DataError: they are different fields, and nothing says which is meant; names what differs.
    """
    different = differences(known.record, other.record)
    if not different:
        return replace(known, twins=(*known.twins, replace(other, twins=())))
    if set(different) == {"expver"}:
        for final, rest in ((known, other), (other, known)):
            if same_key(final.record.keys.get("expver"), _FINAL) and same_key(
                rest.record.keys.get("expver"), _PRELIMINARY
            ):
                return replace(final, rest=rest)
    if set(different) == {"stepRange"} and variable.accumulated:
        return replace(known, spans=(*known.spans, other))
    key, (first, second) = next(iter(different.items()))
    raise DataError(
        f"variable {variable.name}: two fields at {known.record.valid_time} differ in {key}: {_shown(first)} in {known.path}, "
        f"{_shown(second)} in {other.path}; {_advice(key, second)}"
    )


def _advice(key: str, value: Any) -> str:
    if key == "level":
        return "choose by level or levels"
    if key == "member":
        return 'choose by "member", or by "grib" what the one without member has'
    if key == "type_of_level":
        return f'choose by "type_of_level": "{value}"'
    if key == "short_name":
        return f'choose by "file_name": "{value}"'
    return f'choose by "grib": {{"{key}": {_quoted(value)}}}'


def _quoted(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    return f"{value:g}" if isinstance(value, float) else str(value)
