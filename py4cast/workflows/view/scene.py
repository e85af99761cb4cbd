"""Scene: what a page shows of a forecast, as plain JSON values and packed layers."""

import logging
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from py4cast.cubes.base import CubeABC
from py4cast.errors import DataError, SettingsError
from py4cast.grid import Grid
from py4cast.observers.chart import centres_of, smoothed, value_of_centre
from py4cast.observers.colours import DIFFERENCE, ColourTable, table_of
from py4cast.observers.display import Display, display_of
from py4cast.observers.graticule import graticule
from py4cast.observers.images import coast_path, colour_bar, is_north_up, proportions
from py4cast.observers.raster import as_rectangle, rectangle_of
from py4cast.units import conversion
from py4cast.variables import Variable, shorter_arc
from py4cast.vectors import VectorTurn
from py4cast.workflows.chosen import in_metres_per_second, mean_of, members_at
from py4cast.workflows.page.numbers import rounded
from py4cast.workflows.terminal import Bar
from py4cast.workflows.view.cells import cells_of
from py4cast.workflows.view.layers import Layer, encoded, encoded_vectors, packed
from py4cast.workflows.view.moments import Moment

__all__ = ["Other", "Scene", "Shown"]

logger = logging.getLogger(__name__)

_QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
_BARBS_ACROSS, _LATTICE = 72, 33
_MAX_CENTRES = 40


class Other(NamedTuple):
    """Another forecast, or the analysis, that the first is held against.

    Args:
        name: what it is called on the page.
        cube: of its files.
        instants: of it, for every frame; empty where it has none.
    """

    name: str
    cube: CubeABC
    instants: list[tuple[int, ...]]


class Shown(NamedTuple):
    """What of the files is shown.

    Args:
        variables: as fields.
        isolines: as lines over them; None for none.
        wind: both components, as barbs; None for none.
        units: that are asked for, by variable; of others those that forecasters use.
        is_named: whether somebody asked for these variables by name.
    """

    variables: list[Variable]
    isolines: Variable | None
    wind: tuple[Variable, Variable] | None
    units: Mapping[str, str] = MappingProxyType({})
    is_named: bool = False

    def display(self, variable: Variable) -> Display:
        """How a variable is shown."""
        return display_of(variable, self.units.get(variable.name, ""))


class Scene:
    """Creates the scene of some frames of a cube.

    Args:
        cube: of the forecast's files.
        moments: its frames.
        shown: what is drawn.
        other: that it is held against; None for nothing.
        thinning: every so many rows and columns are shown.
    """

    def __init__(
        self, cube: CubeABC, moments: Sequence[Moment], shown: Shown, other: Other | None = None, thinning: int = 1
    ) -> None:
        self._cube, self._moments, self._shown, self._other, self._thinning = cube, moments, shown, other, thinning
        if other is not None and not other.cube.grid.same_as(cube.grid):
            raise DataError(
                f"--with {other.name}: its grid ({other.cube.grid.describe()}) is not that of the forecast ({cube.grid.describe()}); "
                "use --regrid linear (or nearest, mean)"
            )
        whole = rectangle_of(cube.grid)
        self.grid = _thinned(whole, thinning)
        self._flips = not is_north_up(whole)
        self._cells = None if cube.grid.is_rectangular else cells_of(cube.grid, self._flips)
        if self._cells is not None and thinning > 1:
            raise SettingsError(
                f"--thin {thinning}: of rows and columns; points are shown whole, leave out variables or times"
            )

    def document(self, bar: Bar | None = None) -> tuple[dict[str, Any], list[Layer]]:
        """The page's data, whose variables name their layers by number, and these layers."""
        layers: list[Layer] = []
        drawn = [*self._shown.variables]
        if self._shown.isolines is not None and self._shown.isolines not in drawn:
            drawn.append(self._shown.isolines)
        if bar is not None:
            bar.start("packing", len(drawn) + (self._shown.wind is not None))
        variables, held = [], []
        for variable in drawn:
            if (entry := self._variable(variable, layers)) is not None:
                variables.append(entry)
                held.append(variable)
            if bar is not None:
                bar.step()
        self._check_held(drawn, held)
        wind = None if self._shown.wind is None else self._wind(self._shown.wind, layers)
        if bar is not None and wind is not None:
            bar.step()
        cells = None
        if self._cells is not None:
            cells = {"count": self._cells.order.size, **_held(Layer([], packed(self._cells.planes())), layers)}
        document = {
            **self._places(),
            "cells": cells,
            "frames": [{"title": m.title, "lead": m.lead, "valid": str(m.valid)} for m in self._moments],
            "members": len(self._moments[0].instants),
            "other": None if self._other is None else self._other.name,
            "variables": variables,
            "lines": held.index(self._shown.isolines) if self._shown.isolines in held else None,
            "wind": wind,
        }
        return document, layers

    # Fields --------------------------------------------------------------------------------------------

    def _kept(self, field: NDArray[Any]) -> NDArray[Any]:
        """A field as the page holds it: as a picture, or points once each, `(1, ngrid)`."""
        return self._picture(field) if self._cells is None else field.reshape(-1)[self._cells.order][None]

    def _picture(self, field: NDArray[Any]) -> NDArray[Any]:
        """A field as it is shown: of points the nearest one in every pixel, north up, thinned."""
        shown = as_rectangle(self._cube.grid, field)
        shown = shown[::-1] if self._flips else shown
        return shown[:: self._thinning, :: self._thinning]

    def _check_held(self, drawn: list[Variable], held: list[Variable]) -> None:
        """Tells of variables that are missing all over; one that was asked for by name, or all of them, are refused."""
        empty = [v.name for v in drawn if v not in held]
        if empty and (self._shown.is_named or not held):
            raise DataError(f"{', '.join(empty)}: all values are missing, there is nothing to show")
        if empty:
            logger.warning("%s: left out, all values are missing", ", ".join(empty))

    def _variable(self, variable: Variable, layers: list[Layer]) -> dict[str, Any] | None:
        """What the page holds of a variable; None where all of it is missing."""
        shown = self._shown.display(variable)
        members = [members_at(self._cube, variable.name, m.instants) for m in self._moments]
        means = [shown.values(mean_of(variable, each)) for each in members]
        if not any(np.isfinite(mean).any() for mean in means):
            return None
        table = table_of(shown.variable)
        span = table.span(*means)
        pictures = np.stack([self._kept(mean) for mean in means])
        entry: dict[str, Any] = {
            "name": variable.name, "title": shown.title, "label": shown.name, "units": shown.units,
            "table": _table(table, span), "main": _held(encoded(pictures), layers),
        }  # fmt: skip
        if variable.turn is not None:
            entry["turn"] = variable.turn * shown.scale
        if len(self._moments[0].instants) > 1:
            entry["quantiles"] = self._quantiles(shown, members, layers)
        if variable == self._shown.isolines:
            entry["centres"] = [self._centres(mean) for mean in means]
        if self._other is not None and variable.name in self._other.cube.names:
            entry |= self._against(variable, shown, pictures, layers)
        return entry

    def _quantiles(self, shown: Display, members: list[NDArray[np.float32]], layers: list[Layer]) -> dict[str, Any]:
        """Quantiles of the members of every frame, on every few cells, for what happens at a place."""
        rows, columns = self.grid.shape
        every = max(1, round((rows * columns / 4096) ** 0.5))
        frames = []
        for each in members:
            quantiles = np.quantile(shown.values(each), _QUANTILES, axis=0)
            frames += [self._picture(q)[::every, ::every] for q in quantiles]
        stacked = np.stack(frames)
        return {
            "every": every,
            "rows": stacked.shape[1],
            "columns": stacked.shape[2],
            **_held(encoded(stacked), layers),
        }

    def _against(
        self, variable: Variable, shown: Display, pictures: NDArray[np.float64], layers: list[Layer]
    ) -> dict[str, Any]:
        """The same variable of the other files, and the limits of the difference's colours."""
        assert self._other is not None, "asked for with another one alone"
        theirs = self._other.cube.variable(variable.name)
        try:
            scale, offset = conversion(theirs.units, variable.units) if theirs.units != variable.units else (1.0, 0.0)
        except DataError:
            raise SettingsError(
                f"--with {self._other.name}: {variable.name} is in {theirs.units!r} there and in {variable.units!r} here"
            ) from None
        frames = []
        for instants in self._other.instants:
            empty = np.full(self._cube.shape, np.nan, np.float32)
            mean = mean_of(theirs, members_at(self._other.cube, variable.name, instants)) if instants else empty
            frames.append(self._kept(shown.values(np.float32(scale) * mean + np.float32(offset))))
        stacked = np.stack(frames)
        difference = ColourTable(DIFFERENCE, is_symmetric=True)
        apart = pictures - stacked
        apart = apart if variable.turn is None else shorter_arc(apart, variable.turn * shown.scale)
        return {
            "other": _held(encoded(stacked), layers),
            "difference": _table(difference, difference.span(apart)),
        }

    def _centres(self, mean: NDArray[np.float64]) -> list[list[Any]]:
        """Lows and highs: column, row, letter and value."""
        picture = self._picture(mean)
        field = smoothed(picture, self.grid)
        centres = centres_of(field, is_round=self.grid.is_periodic) if np.isfinite(field).any() else []
        return [
            [c, r, letter, rounded(value_of_centre(picture, r, c, letter))] for r, c, letter in centres[:_MAX_CENTRES]
        ]

    def _wind(self, pair: tuple[Variable, Variable], layers: list[Layer]) -> dict[str, Any]:
        """The components along the picture's axes, right and up, on every few cells [m s-1]."""
        grid = self._cube.grid
        rows, columns = self.grid.shape
        every = max(1, round(max(rows, columns) / _BARBS_ACROSS))
        components = []
        for moment in self._moments:
            means = ((each, members_at(self._cube, each.name, moment.instants).mean(0)) for each in pair)
            u, v = (in_metres_per_second(each, mean) for each, mean in means)
            if pair[0].axes == "earth" and grid.is_projected and grid.is_rectangular:
                u, v = VectorTurn(grid, "earth", grid, "grid")(u, v)
            if self._down_is_up():
                v = -v
            components.append([self._picture(each)[every // 2 :: every, every // 2 :: every] for each in (u, v)])
        u, v = (np.stack([each[i] for each in components]) for i in range(2))
        return {
            "title": f"{display_of(pair[0]).name.replace('eastward ', '').replace('x ', '')}", "every": every,
            "first": every // 2, "rows": u.shape[1], "columns": u.shape[2], "south": self._is_south(every),
            **_held(encoded_vectors(u, v), layers),
        }  # fmt: skip

    def _is_south(self, every: int) -> list[bool]:
        """Whether the barbs of each row stand in the southern hemisphere, by the middle of the row."""
        latitude = self.grid.latitude_2d()[::-1] if self._flips else self.grid.latitude_2d()
        return [bool(row.mean() < 0) for row in latitude[every // 2 :: every]]

    def _down_is_up(self) -> bool:
        """Whether y runs down the picture, as on a map of the southern hemisphere whose north is up."""
        y = rectangle_of(self._cube.grid).y
        return y is not None and bool((y[0] > y[-1]) == self._flips)

    # Places --------------------------------------------------------------------------------------------

    def _places(self) -> dict[str, Any]:
        """Rows and columns, the coast and the graticule as paths, and where the cells are."""
        grid, (rows, columns) = self.grid, self.grid.shape
        lines = [[m.label, path] for m in graticule(grid) if (path := self._path(m.parts))]
        document: dict[str, Any] = {
            "rows": rows, "columns": columns, "proportions": round(proportions(grid), 4), "coast": coast_path(grid),
            "graticule": lines, "grid": self._cube.grid.describe(), "periodic": bool(grid.is_periodic),
        }  # fmt: skip
        if not grid.is_projected:
            lat = grid.latitude[::-1] if self._flips else grid.latitude
            return {**document, "lat": lat.round(4).tolist(), "lon": grid.longitude.round(4).tolist()}
        at_rows, at_columns = (
            np.unique(np.linspace(0, n - 1, min(n, _LATTICE)).round().astype(int)) for n in grid.shape
        )
        xyz = grid.xyz()[::-1] if self._flips else grid.xyz()
        lattice = xyz[np.ix_(at_rows, at_columns)].round(6).tolist()
        return {**document, "lattice": {"rows": at_rows.tolist(), "columns": at_columns.tolist(), "xyz": lattice}}

    def _path(self, parts: list[NDArray[np.float64]]) -> str:
        rows = self.grid.shape[0]
        texts = []
        for part in parts:
            y = rows - 1 - part[:, 1] if self._flips else part[:, 1]
            texts.append("M" + "L".join(f"{a + 0.5:.1f} {b + 0.5:.1f}" for a, b in zip(part[:, 0], y, strict=True)))
        return "".join(texts)


def _held(layer: Layer, layers: list[Layer]) -> dict[str, Any]:
    """What the page's data say of a layer, which is kept beside them."""
    layers.append(layer)
    return {"layer": len(layers) - 1, "scales": [list(scale) for scale in layer.scales]}


def _table(table: ColourTable, span: tuple[float, float]) -> dict[str, Any]:
    """Colours from low to high, and their limits."""
    bar = colour_bar(table, span, 64)
    return {"colours": bar["colours"], "labels": bar["labels"], "span": rounded(list(map(float, span))), "levels": rounded(list(map(float, table.levels)))}  # fmt: skip


def _thinned(grid: Grid, every: int) -> Grid:
    """Every so many rows and columns of a rectangle."""
    if every == 1:
        return grid
    rows, columns = slice(None, None, every), slice(None, None, every)
    if not is_north_up(grid):
        rows = slice((grid.shape[0] - 1) % every, None, every)  # counted from the north
    lat, lon = grid.latitude, grid.longitude
    if lat.ndim == 1:
        return Grid(lat[rows], lon[columns])
    x, y = (None if a is None else a[s] for a, s in ((grid.x, columns), (grid.y, rows)))
    return Grid(lat[rows, columns], lon[rows, columns], x, y, grid.projection)
