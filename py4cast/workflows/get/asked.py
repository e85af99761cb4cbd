"""Asked: what is wanted of a source, in one language for all of them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from py4cast.errors import SettingsError, nearest
from py4cast.timeline import duration, instant

__all__ = ["Asked", "Field", "Names"]

_ON_LEVEL = re.compile(r"^([a-z]+?)(\d{2,4})$")


class Field(NamedTuple):
    """A variable as a source calls it.

    Args:
        name: as it was asked for, such as t2m or z500.
        there: its name at the source.
        level: its pressure [hPa]; None near the ground.
    """

    name: str
    there: str
    level: int | None = None


class Names(NamedTuple):
    """The variables of a source.

    Args:
        plain: name there by our name, near the ground.
        levels: name there by our letter, on pressure levels.
    """

    plain: Mapping[str, str]
    levels: Mapping[str, str]

    def fields(self, asked: Sequence[str], source: str) -> list[Field]:
        """The variables that are asked for, such as `t2m` or `z500`; SettingsError for one that the source does not have."""
        fields = []
        for name in asked:
            match = _ON_LEVEL.match(name)
            if name in self.plain:
                fields.append(Field(name, self.plain[name]))
            elif match and match[1] in self.levels and 1 <= int(match[2]) <= 1100:
                fields.append(Field(name, self.levels[match[1]], int(match[2])))
            else:
                known = [*self.plain, *(f"{letter}500" for letter in self.levels)]
                raise SettingsError(f"get {source}: variable {name!r}{nearest(name, known)}")
        if not fields:
            raise SettingsError(f"get {source}: no --variables; it has {', '.join(self.plain)}, and {', '.join(self.levels)} with a level, such as {next(iter(self.levels), 't')}500")  # fmt: skip
        return fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is wanted of a source.

    Args:
        variables: by name, such as t2m, msl, z500.
        start: first instant, or start of the first forecast.
        end: the last one.
        every: between two instants, or two starts.
        lead_times: of forecasts; empty for those that the source gives by default.
        box: north, west, south, east [degrees]; None for all.
        address: where the source lies, instead of its own place.
        dataset: which of several the source has; empty for its default.

    Raises:
        SettingsError: an end before the start, or a box that is none.
    """

    variables: Sequence[str]
    start: np.datetime64
    end: np.datetime64
    every: np.timedelta64
    lead_times: Sequence[int] = ()
    box: tuple[float, float, float, float] | None = None
    address: str = ""
    dataset: str = ""

    def __post_init__(self) -> None:
        if self.end < self.start:
            raise SettingsError(f"get: --end {self.end} lies before --start {self.start}")
        if self.every <= np.timedelta64(0, "s"):
            raise SettingsError("get: --every must be longer than nothing, such as 6h")
        if self.box is not None:
            north, west, south, east = self.box
            if not (-90 <= south < north <= 90 and west < east <= west + 360):
                raise SettingsError(
                    f"get: --box {north:g},{west:g},{south:g},{east:g}: expected NORTH,WEST,SOUTH,EAST in degrees"
                )

    @classmethod
    def of_words(
        cls, variables: Sequence[str], start: str, end: str | None, every: str, lead_times: Sequence[str], box: str | None,
        address: str = "", dataset: str = "",
    ) -> "Asked":  # fmt: skip
        """The same from the words of a command; SettingsError for what is no time, number or box."""
        # an analysis is the forecast of no time ahead
        leads = [
            0 if t.strip().rstrip("hms") == "0" else round(duration(t) / np.timedelta64(3600, "s")) for t in lead_times
        ]
        try:
            sides = None if not box else tuple(float(part) for part in box.split(","))
        except ValueError:
            raise SettingsError(
                f"get: --box {box}: expected NORTH,WEST,SOUTH,EAST in degrees, such as 60,-10,40,20"
            ) from None
        if sides is not None and len(sides) != 4:
            raise SettingsError(f"get: --box {box}: expected four numbers, NORTH,WEST,SOUTH,EAST")
        first = instant(start)
        return cls(
            variables=variables, start=first, end=first if end is None else instant(end), every=duration(every), lead_times=leads,
            box=sides, address=address.rstrip("/"), dataset=dataset,
        )  # fmt: skip

    @property
    def times(self) -> NDArray[np.datetime64]:
        """All instants, or all starts of forecasts."""
        return np.arange(self.start, self.end + np.timedelta64(1, "s"), self.every).astype("datetime64[s]")
