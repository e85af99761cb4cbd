"""AlignedCube: a cube in the words, units and places of another, so that the two can be compared.

Variables are matched by name, then by what they are; units are converted; rows that run the other way are turned;
fields come to another grid or to points where that is asked for.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from py4cast.cell_order import CellOrder, order_of
from py4cast.cubes.base import CubeABC, Planes
from py4cast.cubes.views.base import ViewCube
from py4cast.cubes.views.instants import digest
from py4cast.cubes.views.winds import AlignedWinds
from py4cast.errors import DataError, SettingsError, nearest
from py4cast.grid import Grid
from py4cast.regrid import Method, Regridder
from py4cast.units import conversion, same_units
from py4cast.variables import KNOWN, Variable

__all__ = ["AlignedCube", "Matched", "match_variables", "why_unmatched"]

_NEAR = 20.0  # [m]; screens at 1.5 and 2 m, and masts of 10 m, are near the surface
logger = logging.getLogger(__name__)
WORDS = ("forecast", "truth")


@dataclass(frozen=True, slots=True)
class Matched:
    """One variable in two sources.

    Args:
        variable: as the second source has it, with its units.
        name: in the first source.
        scale: of the conversion from the first source's units.
        offset: of it.
    """

    variable: Variable
    name: str
    scale: float = 1.0
    offset: float = 0.0


def _standard_name(variable: Variable) -> str:
    known = KNOWN.get(variable.short_name) or KNOWN.get(variable.name)
    return variable.standard_name or (known.standard_name if known else "")


def _level(variable: Variable) -> float | None:
    """Its pressure level, depth or height; what is near the surface has none that sources agree on."""
    if variable.type_of_level == "heightAboveGround":
        return variable.level if (variable.level or 0.0) > _NEAR else None
    return None if variable.type_of_level in ("surface", "meanSea", None) else variable.level


def _are_apart(first: Variable, second: Variable) -> bool:
    """Whether two of one name stand at levels that are known, and are others."""
    levels = _level(first), _level(second)
    return levels[0] != levels[1] and (
        None not in levels or "heightAboveGround" in (first.type_of_level, second.type_of_level)
    )


def _same(first: Variable, second: Variable) -> bool:
    """Whether two variables of different names are the same quantity at the same level."""
    if first.short_name and first.short_name == second.short_name and _level(first) == _level(second):
        return True
    name = _standard_name(first)
    return bool(name) and name == _standard_name(second) and _level(first) == _level(second)


def match_variables(
    first: Sequence[Variable],
    second: Sequence[Variable],
    wanted: Sequence[str] = (),
    renamed: Mapping[str, str] | None = None,
    words: tuple[str, str] = WORDS,
) -> list[Matched]:
    """The variables that both sources have, in the order of the second.

    Args:
        first: of the forecast.
        second: of the truth.
        wanted: names in the second source; by default all that both have.
        renamed: name in the first source by name in the second, where nothing else tells.
        words: what the two are called in errors.

    Raises:
        SettingsError: a name that is wanted or renamed and is not there.
        DataError: nothing in common, or units that cannot be converted.
    """
    renames, by_name = dict(renamed or {}), {v.name: v for v in first}
    for target, source in renames.items():
        for asked, held, what in ((source, list(by_name), words[0]), (target, [v.name for v in second], words[1])):
            if asked not in held:
                raise SettingsError(
                    f"--rename {source}={target}: no variable {asked!r} in the {what}{nearest(asked, held)}"
                )
    matches = []
    for variable in second:
        if wanted and variable.name not in wanted:
            continue
        alike_named = by_name.get(variable.name)
        is_here = alike_named is not None and not _are_apart(alike_named, variable)
        name: str | None = renames.get(variable.name) or (variable.name if is_here else None)
        if name is None:
            alike = [v.name for v in first if _same(v, variable)]
            name = alike[0] if len(alike) == 1 else None
        if name is not None:
            matches.append(_converted(by_name[name], variable, words))
    lacking = [n for n in wanted if n not in {m.variable.name for m in matches}]
    both = f"the {words[0]} has {', '.join(by_name)}; the {words[1]} has {', '.join(v.name for v in second)}"
    use = f"use --rename {words[0].upper()}={words[1].upper()}"
    if lacking:
        raise SettingsError(f"--variables {','.join(lacking)}: not in both; {both}; {use}")
    if not matches:
        raise DataError(f"{words[0]} and {words[1]} have no variable in common: {both}; {use}")
    return matches


def why_unmatched(first: Sequence[Variable], variable: Variable) -> str:
    """Why a source has no match of a variable, where it has several, or one at another level; empty where it has none."""
    alike = [v.name for v in first if _same(v, variable)]
    if len(alike) > 1:
        return f"; {' and '.join(alike)} both are such"
    for other in first:
        is_alike = other.name == variable.name or (bool(other.cf_name) and other.cf_name == variable.cf_name)
        if is_alike and _are_apart(other, variable):
            level = "no level" if other.level is None else f"{other.level:g} ({other.type_of_level or 'of no type'})"
            return f"; its {other.name} is at {level}"
    return ""


def _converted(source: Variable, target: Variable, words: tuple[str, str]) -> Matched:
    units = target.units or source.units
    named = replace(target, units=units, standard_name=_standard_name(target) or _standard_name(source))
    if not source.units or not target.units or same_units(source.units, target.units):
        return Matched(named, source.name)
    try:
        scale, offset = conversion(source.units, target.units)
    except DataError:
        raise DataError(
            f"variable {target.name}: the {words[0]} is in {source.units!r}, the {words[1]} in {target.units!r}; they cannot be converted"
        ) from None
    logger.info("%s: the %s's %s become %s", target.name, words[0], source.units, target.units)
    return Matched(named, source.name, scale, offset)


class AlignedCube(ViewCube):
    """Creates the view of a cube in another's words and places; what lies outside the source is NaN.

    Args:
        source: the cube.
        matched: its variables.
        target: the grid or points that are wanted; None for the source's own.
        method: how fields come there; None where the grids must be the same.
        points: whether the target is points.
        shifts: added to a variable, `(lat, lon)` of the target.
        words: what source and target are called in errors.

    Raises:
        DataError: the grids differ and no method is given.
    """

    def __init__(
        self, source: CubeABC, matched: Sequence[Matched], target: Grid | None = None, method: Method | None = None,
        shifts: Mapping[str, NDArray[np.float64]] | None = None, words: tuple[str, str] = WORDS,
    ) -> None:  # fmt: skip
        super().__init__(source)
        self.variables = [m.variable for m in matched]
        self._matched = {m.variable.name: m for m in matched}
        self._target, self._shifts = target or source.grid, dict(shifts or {})
        order = CellOrder() if target is None else order_of(source.grid, target)
        self._order = order or CellOrder()
        self._regridder = None if order is not None else self._regridder_to(self._target, method, words)
        self._winds = AlignedWinds(source, matched, self._target, self._regridder, words)

    def _regridder_to(self, target: Grid, method: Method | None, words: tuple[str, str]) -> Regridder:
        if method is None:
            raise DataError(
                f"grids differ: the {words[0]} is on {self.source.grid.describe()}; the {words[1]} is on {target.describe()}; "
                f"use --regrid linear (or nearest, mean) to bring the {words[0]} to the {words[1]}'s grid"
            )
        return Regridder(self.source.grid, target, method)

    @property
    def covered(self) -> NDArray[np.bool_]:
        """Which cells or points of the target lie on the source, `(lat, lon)`."""
        return np.ones(self._target.shape, dtype=bool) if self._regridder is None else self._regridder.covered

    @property
    def imposed(self) -> NDArray[np.bool_] | None:
        mask = self.source.imposed
        return None if mask is None else self.brought(mask)

    def brought(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Where cells of a mask of the source have a share in a cell of the target, `(lat, lon)`."""
        if self._regridder is None:
            return self._order(mask)
        return np.asarray(self._regridder(mask.astype(np.float32)) > 0)

    @property
    def grid(self) -> Grid:
        return self._target

    @property
    def fingerprint(self) -> str:
        made = [(name, m.name, m.scale, m.offset) for name, m in sorted(self._matched.items())]
        shifts = [(name, float(np.sum(shift)), shift.size) for name, shift in sorted(self._shifts.items())]
        method = None if self._regridder is None else self._regridder.method
        winds = sorted(self._winds.turned)
        parts = (self.source.fingerprint, self._target.fingerprint(), made, shifts, method, *([winds] if winds else []))
        return digest("aligned", *parts)

    def available(self, names: Sequence[str]) -> NDArray[np.bool_]:
        return self.source.available(self._winds.with_mates([self._matched[n].name for n in names]))

    def _brought(self, plane: NDArray[np.float32], turn: float | None) -> NDArray[np.float32]:
        """A plane on the target; of a direction, which has a whole turn, the mean of unit vectors."""
        assert self._regridder is not None, "asked for where grids differ"
        if turn is None:
            return self._regridder(plane)
        angle = plane.astype(np.float64) * (2 * np.pi / turn)
        east, north = (self._regridder(part.astype(np.float32)) for part in (np.sin(angle), np.cos(angle)))
        return np.asarray(np.arctan2(east, north) % (2 * np.pi) * (turn / (2 * np.pi)), dtype=np.float32)

    def _turn_of(self, match: Matched) -> float | None:
        """A whole turn in the source's units, of a direction."""
        turn = match.variable.turn
        return None if turn is None else turn / match.scale

    def read(self, names: Sequence[str], start: int, stop: int, out: Planes) -> None:
        matched = [self._matched[n] for n in names]
        if self._regridder is None:
            self.source.read([m.name for m in matched], start, stop, out)
            if not self._order.is_same:
                out[:] = self._order(out).copy()
        else:
            planes = np.empty((len(names), stop - start, *self.source.shape), dtype=np.float32)
            self.source.read([m.name for m in matched], start, stop, planes)
            for row, match in enumerate(matched):
                turn = self._turn_of(match)
                for column in range(stop - start):
                    out[row, column] = self._brought(planes[row, column], turn)
        self._winds.turn([m.name for m in matched], start, stop, out, self._order)
        for row, match in enumerate(matched):
            if (match.scale, match.offset) != (1.0, 0.0):
                out[row] = (out[row].astype(np.float64) * match.scale + match.offset).astype(np.float32)
            if match.variable.name in self._shifts:
                out[row] += self._shifts[match.variable.name].astype(np.float32)
