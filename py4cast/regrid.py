"""Regridding: fields of one grid at the cells of another, as products with sparse weights.

    linear   bilinear in the source's rows and columns (its latitudes and longitudes, or its x and y);
             of reduced rows within and between them; of other points, and of cells that are rows and columns of
             no map that is told, between the corners of the triangle round a place
    nearest  the closest cell
    mean     the mean of the source cells within each target cell, weighted by the areas that they share (conservative)

Between grids that are regular in latitude and longitude the weights are a product of one matrix for rows and one for
columns, F′ = R·F·Cᵀ; else one matrix over all cells, which is kept in the cache. A target cell that a missing value
reaches is missing.

Where both grids cover the globe, shared areas are scaled in turn until the shares of each target cell sum to one and those
of each source cell to its area over the target's (Deming, Stephan), so that constants and integrals Σ A·F are kept both,
whatever areas the grids have from elsewhere.

References: P. W. Jones (1999), First- and second-order conservative remapping schemes for grids in spherical
coordinates, doi 10.1175/1520-0493(1999)127<2204:FASOCR>2.0.CO;2. W. E. Deming, F. F. Stephan (1940), doi
10.1214/aoms/1177731829 (the scaling).
"""

import itertools
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from py4cast.edges import edges_of, row_edges
from py4cast.errors import DataError, SettingsError, nearest
from py4cast.grid import EARTH_RADIUS, Grid
from py4cast.kept_weights import kept_weights
from py4cast.overlap import overlap_areas
from py4cast.projection import forward
from py4cast.triangulation import NoCells, Triangulation

__all__ = ["Method", "Regridder"]

Method = Literal["linear", "nearest", "mean"]
Array = NDArray[np.float64]
_GLOBE = 1e-3  # of the globe's area, within which a grid covers it
_TURNS = 500
_GAP = 0.6  # of the spacing of rows, within which a place lies at one of them
_EDGE = 0.5001  # cells beyond the last centre that still belong to a grid


def _sparse(values: Array, rows: NDArray[Any], columns: NDArray[Any], shape: tuple[int, int]) -> Any:
    from scipy.sparse import csr_array

    matrix = csr_array((values.astype(np.float32).ravel(), (rows.ravel(), columns.ravel())), shape=shape)
    # a weight of 0 would still let a missing value through
    matrix.eliminate_zeros()
    return matrix


def _along(positions: Array, size: int, method: str) -> tuple[NDArray[np.int64], Array]:
    """Neighbours `(2, n)` and their weights `(2, n)` of fractional positions along an axis of `size` cells."""
    inside = np.clip(positions, 0, size - 1)
    if method == "nearest":
        index = np.floor(inside + 0.5).astype(np.int64).clip(0, size - 1)
        return np.stack([index, index]), np.stack([np.ones(index.size), np.zeros(index.size)])
    low = np.floor(inside).astype(np.int64).clip(0, max(size - 2, 0))
    high = np.minimum(low + 1, size - 1)
    share = inside - low
    return np.stack([low, high]), np.stack([1 - share, share])


def _fraction(axis: Array, wanted: Array) -> Array:
    """Fractional index of `wanted` on a monotonic axis, beyond its ends extrapolated with the last spacing."""
    if axis.size == 1:
        return np.zeros(wanted.shape)
    sign = 1.0 if axis[-1] > axis[0] else -1.0
    rising = axis * sign
    positions = np.interp(wanted * sign, rising, np.arange(axis.size, dtype=np.float64))
    below, above = rising[0] - wanted * sign, wanted * sign - rising[-1]
    positions = np.where(below > 0, -below / (rising[1] - rising[0]), positions)
    return np.asarray(np.where(above > 0, axis.size - 1 + above / (rising[-1] - rising[-2]), positions))


def _towards_poles(rows: Array, wanted: Array) -> tuple[NDArray[np.int64], Array]:
    """The end row `(n,)` on whose side latitudes lie, and the share `(n,)` of the way from it to the pole, where its cells reach that."""
    end = np.where(np.abs(wanted - rows[0]) < np.abs(wanted - rows[-1]), 0, rows.size - 1)
    reaches = np.abs(row_edges(rows, is_round=True))[[0, -1]] == 90.0
    share = (np.abs(wanted) - np.abs(rows[end])) / np.maximum(90 - np.abs(rows[end]), 1e-9)
    is_beyond = (np.sign(wanted) == np.sign(rows[end])) & reaches[np.where(end > 0, 1, 0)]
    return end, np.where(is_beyond, np.clip(share, 0.0, 1.0), 0.0)


def _of_poles(
    shares: Array, firsts: NDArray[np.int64], counts: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], Array]:
    """Places, cells and weights of the poles' part: the mean of the `counts` cells from `firsts` on, by the share of each place."""
    there = np.flatnonzero(shares > 0)
    cells = [np.arange(first, first + count) for first, count in zip(firsts[there], counts[there], strict=True)]
    weights = np.repeat(shares[there] / counts[there], counts[there])
    return np.repeat(there, counts[there]), np.concatenate([np.zeros(0, dtype=np.int64), *cells]), weights


def _overlap(source: Array, target: Array, period: float | None) -> Any:
    """Share of each target interval that each source interval covers; rows sum to 1 where covered, by sorted edges."""
    low, high = np.minimum(source[:-1], source[1:]), np.maximum(source[:-1], source[1:])
    rows, columns, values = [], [], []
    for i, (a, b) in enumerate(itertools.pairwise(target)):
        first, last = min(a, b), max(a, b)
        for turn in (-1, 0, 1) if period else (0,):
            shift = turn * (period or 0.0)
            shared = np.minimum(high + shift, last) - np.maximum(low + shift, first)
            shared_places = np.flatnonzero(shared > 1e-12)
            rows += [i] * shared_places.size
            columns += shared_places.tolist()
            values += (shared[shared_places] / (last - first)).tolist()
    shape = (target.size - 1, source.size - 1)
    return _sparse(np.array(values), np.array(rows, dtype=np.int64), np.array(columns, dtype=np.int64), shape)


def _balanced(areas: Any, of_rows: Array, of_columns: Array) -> Any:
    """The matrix with rows and columns scaled in turn until their sums are these, to 1e-9, or as near as they come."""
    matrix = areas.tocsr().copy()
    turned = matrix.T.tocsr()
    left = np.ones(of_rows.size)
    for _ in range(_TURNS):
        right = of_columns / np.maximum(turned @ left, 1e-300)
        sums = matrix @ right
        change = np.abs(left * sums / of_rows - 1).max()
        left = of_rows / np.maximum(sums, 1e-300)
        if change < 1e-9:
            break
    matrix.data = matrix.data * np.repeat(left, np.diff(matrix.indptr)) * right[matrix.indices]
    return matrix


def _has_axes(grid: Grid) -> bool:
    """Whether rows and columns of a rectangle have coordinates of their own, on the globe or on a map."""
    is_map = grid.x is not None and grid.y is not None and grid.projection.get("grid_mapping_name") != "unknown"
    return is_map or not grid.is_projected


class Regridder:
    """Creates the map from one grid to another.

    Args:
        source: where the fields are.
        target: where they are wanted.
        method: linear, nearest or mean.

    Attributes:
        covered: whether each target cell lies on the source grid, `(lat, lon)`; the others become NaN.

    Raises:
        SettingsError: an unknown method, or `mean` of a plane, which is nowhere on the globe.
        DataError: no target cell lies on the source grid, or points have no cells.
    """

    def __init__(self, source: Grid, target: Grid, method: Method = "linear") -> None:
        if method not in get_args(Method):
            raise SettingsError(f"regrid {method!r}{nearest(method, get_args(Method))}")
        self.source, self.target, self.method = source, target, method
        self._rows: Any = None
        self._poles: tuple[NDArray[np.int64], Array] | None = None
        self._columns: Any = None
        self._cells: Any = None
        if method == "mean" and not (source.is_projected or target.is_projected):
            self.covered = self._mean()
        elif method == "mean" or not (source.is_rectangular and _has_axes(source)):
            self._cells, self.covered = kept_weights(source, target, method, self._made)
        elif source.is_projected or target.is_projected:
            self.covered = self._by_cell()
        else:
            self.covered = self._by_axis()
        if not self.covered.any():
            raise DataError(f"grids do not meet: the source is {source.describe()}; wanted is {target.describe()}")

    def _by_axis(self) -> NDArray[np.bool_]:
        source, target = self.source, self.target
        rows = _fraction(source.latitude, target.latitude)
        columns = self._longitudes(target.longitude)
        if self._knows_poles:
            self._poles = _towards_poles(source.latitude, target.latitude)
        for name, positions, size in (("_rows", rows, source.shape[0]), ("_columns", columns, source.shape[1])):
            index, weights = _along(positions, size, self.method)
            if name == "_columns" and source.is_periodic:
                index, weights = self._around(positions, size)
            positions_of = np.broadcast_to(np.arange(positions.size), index.shape)
            setattr(self, name, _sparse(weights, positions_of, index, (positions.size, size)))
        return self._on_rows(rows, target.latitude)[:, None] & self._on_columns(columns)[None, :]

    @property
    def _knows_poles(self) -> bool:
        """Whether beyond its last rows lie the poles, where a linear field is the mean of the row."""
        return self.method == "linear" and self.source.is_periodic and self.source.shape[0] > 1

    def _longitudes(self, wanted: Array) -> Array:
        """Fractional columns of longitudes, whichever turn they are counted in."""
        lon = np.unwrap(self.source.longitude, period=360.0)
        middle = (lon[0] + lon[-1]) / 2
        return _fraction(lon, middle + (wanted - middle + 180.0) % 360.0 - 180.0)

    def _around(self, positions: Array, size: int) -> tuple[NDArray[np.int64], Array]:
        """Neighbours on a ring."""
        if self.method == "nearest":
            index = np.floor(positions + 0.5).astype(np.int64) % size
            return np.stack([index, index]), np.stack([np.ones(index.size), np.zeros(index.size)])
        low = np.floor(positions).astype(np.int64)
        share = positions - low
        return np.stack([low % size, (low + 1) % size]), np.stack([1 - share, share])

    @staticmethod
    def _on(positions: Array, size: int) -> NDArray[np.bool_]:
        return np.asarray((positions >= -_EDGE) & (positions <= size - 1 + _EDGE))

    def _on_rows(self, positions: Array, latitude: Array) -> NDArray[np.bool_]:
        """Places within half a spacing of the rows, or between the last one and the pole that its cells reach."""
        is_on = self._on(positions, self.source.shape[0])
        if not self.source.is_periodic:
            return is_on
        edges = self.source.row_edges()
        return np.asarray(is_on | ((latitude >= edges.min()) & (latitude <= edges.max())))

    def _on_columns(self, positions: Array) -> NDArray[np.bool_]:
        if self.source.is_periodic:
            return np.ones(positions.shape, dtype=bool)
        return self._on(positions, self.source.shape[1])

    def _by_cell(self) -> NDArray[np.bool_]:
        source, target = self.source, self.target
        lat, lon = target.latitude_2d().ravel(), target.longitude_2d().ravel()
        if not source.is_projected:
            rows, columns = _fraction(source.latitude, lat), self._longitudes(lon)
        else:
            assert source.x is not None and source.y is not None, "as the caller asked"
            x, y = forward(source.projection, lat, lon)
            rows, columns = _fraction(source.y, np.asarray(y)), _fraction(source.x, np.asarray(x))
        inside = self._on_rows(rows, lat) & self._on_columns(columns)
        row_index, row_weights = _along(rows, source.shape[0], self.method)
        column_index, column_weights = _along(columns, source.shape[1], self.method)
        if source.is_periodic:
            column_index, column_weights = self._around(columns, source.shape[1])
        cells = row_index[:, None] * source.shape[1] + column_index[None]
        weights = row_weights[:, None] * column_weights[None]
        places = np.broadcast_to(np.arange(lat.size), cells.shape)
        shape = (lat.size, source.shape[0] * source.shape[1])
        end, share = _towards_poles(source.latitude, lat) if self._knows_poles else (np.zeros(1, int), np.zeros(1))
        self._cells = _sparse(weights * (1 - share), places, cells, shape)
        if share.any():
            counts = np.full(lat.size, source.shape[1])
            there, of_pole, part = _of_poles(share, end * source.shape[1], counts)
            self._cells = self._cells + _sparse(part, there, of_pole, shape)
        return np.asarray(inside.reshape(target.shape))

    def _by_tree(self) -> NDArray[np.bool_]:
        """The closest cell, where nothing but the cells' positions is known of the source grid."""
        from scipy.spatial import KDTree

        points, wanted = self.source.xyz().reshape(-1, 3), self.target.xyz().reshape(-1, 3)
        distance, index = KDTree(points).query(wanted)
        self._cells = _sparse(np.ones(index.size), np.arange(index.size), index, (index.size, len(points)))
        try:
            is_covered = Triangulation(points).covers(wanted)
        except NoCells:
            # a few places: others are about twice as far as the nearest one
            is_covered = distance <= 2 * max(self.source.spacing()) / EARTH_RADIUS
        return np.asarray(is_covered.reshape(self.target.shape))

    def _by_rows(self) -> NDArray[np.bool_]:
        """Linear along both rows of a reduced grid between which a place lies, and linear in latitude between these.

        Beyond the last row the pole is the other end, where the field is the mean of that row.
        """
        source, target = self.source, self.target
        assert source.rows is not None, "asked for by the caller"
        counts = np.array(source.rows)
        firsts = np.concatenate([[0], np.cumsum(counts)[:-1]])
        lat, lon = target.latitude_2d().ravel(), target.longitude_2d().ravel()
        of_rows = source.latitude[0, firsts]
        (low, high), shares = _along(_fraction(of_rows, lat), counts.size, "linear")
        end, beyond = _towards_poles(of_rows, lat)
        places, cells, weights = [], [], []
        for row, share in ((low, shares[0]), (high, shares[1])):
            width = 360.0 / counts[row]
            position = (lon - source.longitude[0, firsts[row]]) % 360 / width
            left = np.floor(position).astype(np.int64)
            for step in (0, 1):
                places.append(np.arange(lat.size))
                cells.append(firsts[row] + (left + step) % counts[row])
                weights.append(share * (1 - beyond) * np.abs(1 - step - (position - left)))
        for arrays, more in zip((places, cells, weights), _of_poles(beyond, firsts[end], counts[end]), strict=True):
            arrays.append(more)
        shape = (lat.size, source.shape[1])
        self._cells = _sparse(np.concatenate(weights), np.concatenate(places), np.concatenate(cells), shape)
        return self._on_reduced(of_rows, lat).reshape(target.shape)

    @staticmethod
    def _on_reduced(of_rows: Array, lat: Array) -> NDArray[np.bool_]:
        """Latitudes that the cells of rows reach: not beyond the last ones, nor where rows between have no points."""
        edges, spacing = row_edges(of_rows, is_round=True), float(np.median(np.abs(np.diff(of_rows))))
        latitudes, place = np.unique(lat, return_inverse=True)
        distance = np.abs(of_rows[:, None] - latitudes).min(0)
        is_near = (distance <= _GAP * spacing) | (np.abs(latitudes) > np.abs(of_rows).max())
        is_on = is_near & (latitudes >= edges.min()) & (latitudes <= edges.max())
        return np.asarray(is_on[place.reshape(-1)])

    def _by_triangles(self) -> NDArray[np.bool_]:
        """Linear within the triangles between neighbouring points: the weights of the three corners, of sum 1."""
        points, wanted = self.source.xyz().reshape(-1, 3), self.target.xyz().reshape(-1, 3)
        index, weights, is_covered = Triangulation(points).linear(wanted)
        places = np.broadcast_to(np.arange(len(wanted)), (3, len(wanted)))
        self._cells = _sparse(weights.T, places, index.T, (len(wanted), len(points)))
        return np.asarray(is_covered.reshape(self.target.shape))

    def _made(self) -> tuple[Any, NDArray[np.bool_]]:
        """The weights of points, or of cells' overlaps, and which target cells are covered."""
        kinds = {
            "mean": self._overlaps,
            "nearest": self._by_tree,
            "linear": self._by_rows if self.source.rows else self._by_triangles,
        }
        try:
            self.covered = kinds[self.method]()
        except NoCells:
            which = " or ".join(g.describe() for g in (self.source, self.target) if not g.is_rectangular)
            raise DataError(
                f"regrid {self.method}: fewer than four points, or points on one circle, have no cells and no triangles"
                f" between them ({which}); use nearest"
            ) from None
        return self._cells, self.covered

    def _overlaps(self) -> NDArray[np.bool_]:
        areas = overlap_areas(self.source, self.target)
        ours, theirs = (grid.cell_areas().ravel() / EARTH_RADIUS**2 for grid in (self.target, self.source))
        # a cell that reaches beyond the source is the mean of what lies on it, when that is most of it
        covered = np.asarray(areas.sum(axis=1) > 0.45 * ours)
        if all(abs(a.sum() / (4 * np.pi) - 1) < _GLOBE for a in (ours, theirs)):
            areas = _balanced(areas, ours * (theirs.sum() / ours.sum()), theirs)
        total = np.repeat(np.maximum(areas.sum(axis=1), 1e-300), np.diff(areas.indptr))
        areas.data = areas.data / total
        self._cells = areas.astype(np.float32)
        return covered.reshape(self.target.shape)

    def _mean(self) -> NDArray[np.bool_]:
        source, target = self.source, self.target
        pairs = [np.sin(np.deg2rad(g.row_edges())) for g in (source, target)]
        self._rows = _overlap(pairs[0], pairs[1], None)
        lon = [edges_of(np.unwrap(g.longitude, period=360.0)) for g in (source, target)]
        self._columns = _overlap(lon[0], lon[1], 360.0)
        shares = []
        for name in ("_rows", "_columns"):
            matrix = getattr(self, name)
            share = np.asarray(matrix.sum(axis=1))
            # a cell that reaches beyond the source is the mean of what lies on it, when that is most of it
            matrix.data /= np.repeat(np.maximum(share, 1e-12), np.diff(matrix.indptr)).astype(matrix.dtype)
            shares.append(share)
        return np.asarray((shares[0][:, None] > 0.45) & (shares[1][None, :] > 0.45))

    @property
    def matrix(self) -> Any:
        """The weights as one sparse matrix, target cells × source cells, both in the order of their rows."""
        if self._cells is not None:
            return self._cells
        from scipy.sparse import csr_array, diags_array, kron

        cells = csr_array(kron(self._rows, self._columns, format="csr"))
        if self._poles is None:
            return cells
        end, share = np.repeat(self._poles[0], self.target.shape[1]), np.repeat(self._poles[1], self.target.shape[1])
        columns = self.source.shape[1]
        places, of_poles, weights = _of_poles(share, end * columns, np.full(end.size, columns))
        return csr_array(diags_array(1 - share) @ cells + _sparse(weights, places, of_poles, cells.shape))

    def __call__(self, field: NDArray[Any]) -> NDArray[np.float32]:
        """A field `(lat, lon)` of the source grid at the target's cells."""
        values = np.asarray(field, dtype=np.float32)
        if values.shape != self.source.shape:
            raise ValueError(f"field of shape {values.shape}, expected {self.source.shape}")
        if self._cells is not None:
            out = (self._cells @ values.ravel()).reshape(self.target.shape)
        else:
            out = self._columns @ np.ascontiguousarray((self._rows @ values).T)
            out = np.ascontiguousarray(out.T)
            if self._poles is not None:
                end, share = self._poles
                for row in np.flatnonzero(share):
                    out[row] += np.float32(share[row]) * (values[end[row]].mean(dtype=np.float64) - out[row])
        out[~self.covered] = np.nan
        return np.asarray(out, dtype=np.float32)
