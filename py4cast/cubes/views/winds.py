"""AlignedWinds: the components of vectors of a cube, turned to the axes in which another source has them."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple, Protocol

import numpy as np

from py4cast.cell_order import CellOrder
from py4cast.cubes.base import CubeABC, Planes
from py4cast.errors import DataError
from py4cast.grid import Grid
from py4cast.regrid import Regridder
from py4cast.variables import Axes, Variable, towards
from py4cast.vectors import VectorTurn, mate_of

__all__ = ["AlignedWinds", "named", "towards_earth"]

logger = logging.getLogger(__name__)
_SHOWN = {"grid": "along the axes of its grid", "earth": "east and north", "": "along axes that nothing tells"}
# beyond, east turns so much from cell to cell that components cannot be interpolated one by one
_POLAR = 85.0


class _Pair(Protocol):
    """A variable as it is wanted, and its name in the source."""

    @property
    def variable(self) -> Variable: ...

    @property
    def name(self) -> str: ...


class AlignedWinds:
    """Creates what turns the winds of a source, where their axes are others than those that are wanted.

    Args:
        source: the cube.
        matched: its variables, as they are wanted.
        target: the grid that is wanted.
        regridder: to the target; None where the cells are the same.
        words: what source and target are called in errors.

    Attributes:
        turned: names in the source of the components that are turned.

    Raises:
        DataError: a component that must be turned and whose other one is not there.
    """

    def __init__(
        self,
        source: CubeABC,
        matched: Sequence[_Pair],
        target: Grid,
        regridder: Regridder | None,
        words: tuple[str, str],
    ) -> None:
        self._source, self._target, self._regridder = source, target, regridder
        self.turned: dict[str, tuple[str, bool, VectorTurn]] = {}
        held, turns = {v.name: v for v in source.variables}, dict[tuple[Axes, Axes], VectorTurn]()
        for pair in matched:
            # rows and columns of latitudes and longitudes run east and north
            first = _effective(held[pair.name].axes, source.grid)
            second = _effective(pair.variable.axes, target) or first
            is_needed = "grid" in (first, second) and not (regridder is None and first == second)
            is_polar = bool(first) and regridder is not None and float(np.abs(target.latitude).max()) > _POLAR
            if not (is_needed or is_polar):
                continue
            mate = mate_of(held[pair.name], source.variables)
            if mate is None and not is_needed:
                continue
            told = (
                f"{pair.variable.name}: in the {words[0]} it runs {_SHOWN[first]}, in the {words[1]} {_SHOWN[second]}"
            )
            if mate is None:
                raise DataError(f"{told}; the other component is needed to turn it, and the {words[0]} lacks it")
            if is_needed and first != second:
                logger.info("%s: turned", told)
            if (first, second) not in turns:
                here = source.grid if regridder is not None else target
                turns[first, second] = VectorTurn(here, first, target, second, regridder)
            self.turned[pair.name] = (mate[0].name, mate[1], turns[first, second])

    def with_mates(self, names: Sequence[str]) -> list[str]:
        """Names in the source, and of the components that are needed to turn them."""
        return list(dict.fromkeys([*names, *(self.turned[n][0] for n in names if n in self.turned)]))

    def turn(self, names: Sequence[str], start: int, stop: int, out: Planes, order: CellOrder | None = None) -> None:
        """Puts the turned components of some instants into `out`, `(name, time, lat, lon)`."""
        for row, name in enumerate(names):
            if name not in self.turned:
                continue
            mate, is_first, turn = self.turned[name]
            planes = np.empty((2, stop - start, *self._source.shape), dtype=np.float32)
            self._source.read([name, mate] if is_first else [mate, name], start, stop, planes)
            planes = planes if order is None else order(planes)
            for index in range(stop - start):
                out[row, index] = turn(planes[0, index], planes[1, index])[0 if is_first else 1]


class _Named(NamedTuple):
    """A variable under its own name."""

    variable: Variable
    name: str


def named(variables: Sequence[Variable]) -> list[_Named]:
    """The variables, each wanted of the source's one of the same name."""
    return [_Named(v, v.name) for v in variables]


def towards_earth(parts: Sequence[CubeABC], target: Grid, names: Sequence[str]) -> list[Variable]:
    """The variables of these names, as views of the parts on another grid have them.

    Components run east and north where those of any part run along axes that the target does not have, or where parts
    have them along different axes; else they stay as they are.
    """
    variables = []
    for name in names:
        variable = parts[0].variable(name)
        axes = {(p.variable(name).axes, p.grid.is_projected and not p.grid.same_as(target)) for p in parts}
        runs_along_grid = any(a == "grid" for a, _ in axes)
        if runs_along_grid and (("grid", True) in axes or len({a for a, _ in axes}) > 1):
            variable = next((v for p in parts if (v := p.variable(name)).axes == "earth"), variable)
            variable = replace(variable, standard_name=towards(variable.standard_name))
        variables.append(variable)
    return variables


def _effective(axes: Axes, grid: Grid) -> Axes:
    return "earth" if axes == "grid" and not (grid.is_projected and grid.is_rectangular) else axes
