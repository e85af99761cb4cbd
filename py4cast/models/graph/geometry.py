"""Where cells and mesh nodes are, and how far from each other: on a map's plane [m] or on the sphere.

A position is asked for by fractional row and column of the grid, so that a mesh can be laid out between cells
whatever the coordinates are.
"""

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from py4cast.grid import EARTH_RADIUS, Grid

__all__ = ["Geometry", "geometry_of", "on_sphere"]

Array = NDArray[np.float64]


class Geometry(ABC):
    """Abstract geometry of a grid; points are `(points, 2 or 3)` in metres, in which straight distances make sense."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid

    @property
    def cells(self) -> Array:
        """Points of all cells, row by row."""
        rows, columns = (np.arange(n, dtype=np.float64) for n in self.grid.shape)
        return self.at(np.repeat(rows, columns.size), np.tile(columns, rows.size))

    @property
    @abstractmethod
    def spacing(self) -> tuple[float, float]:
        """Mean distance between neighbours along `lat` and along `lon` [m]."""

    @abstractmethod
    def at(self, rows: Array, columns: Array) -> Array:
        """Points at fractional rows and columns."""

    @abstractmethod
    def differences(self, senders: Array, receivers: Array) -> Array:
        """From each receiver to its sender: length [m], eastward and northward (or x and y) component [m], `(edges, 3)`."""

    @abstractmethod
    def plane(self, points: Array) -> Array:
        """The points on a plane, `(points, 2)` [m]."""

    @abstractmethod
    def from_plane(self, places: Array) -> Array:
        """The points that `plane` put at these places."""


class Plane(Geometry):
    """Creates the geometry of a grid that is regular on a map: x and y [m]."""

    @property
    def spacing(self) -> tuple[float, float]:
        assert self.grid.x is not None and self.grid.y is not None, "made for projected grids"
        along_y, along_x = (float(np.abs(np.diff(axis)).mean()) for axis in (self.grid.y, self.grid.x))
        return along_y, along_x

    def at(self, rows: Array, columns: Array) -> Array:
        assert self.grid.x is not None and self.grid.y is not None, "made for projected grids"
        x = np.interp(columns, np.arange(self.grid.x.size), self.grid.x)
        return np.stack([x, np.interp(rows, np.arange(self.grid.y.size), self.grid.y)], axis=1)

    def differences(self, senders: Array, receivers: Array) -> Array:
        vectors = senders - receivers
        return np.concatenate([np.linalg.norm(vectors, axis=1, keepdims=True), vectors], axis=1)

    def plane(self, points: Array) -> Array:
        return points

    def from_plane(self, places: Array) -> Array:
        return places


class Points(Geometry):
    """Creates the geometry of points, which have no rows and columns; points are `(x, y, z)` from the Earth's centre."""

    @property
    def cells(self) -> Array:
        return np.asarray(EARTH_RADIUS * self.grid.xyz()[0])

    @property
    def spacing(self) -> tuple[float, float]:
        return self.grid.spacing()

    def at(self, rows: Array, columns: Array) -> Array:
        raise NotImplementedError("points have no rows and columns")

    def differences(self, senders: Array, receivers: Array) -> Array:
        return on_sphere(senders, receivers)

    def plane(self, points: Array) -> Array:
        return _flat(points, self.grid.xyz()[0])

    def from_plane(self, places: Array) -> Array:
        return _round(places, self.grid.xyz()[0])


class Sphere(Geometry):
    """Creates the geometry of a grid in latitude and longitude; points are `(x, y, z)` from the Earth's centre."""

    def __init__(self, grid: Grid) -> None:
        super().__init__(grid)
        self._xyz = grid.xyz()
        # a corner of the grid may lie at 180° east: longitudes run on from the middle column's
        self._latitude = np.deg2rad(grid.latitude)
        self._longitude = np.deg2rad(np.unwrap(np.unwrap(grid.longitude, period=360.0), period=360.0, axis=0))

    @property
    def spacing(self) -> tuple[float, float]:
        return self.grid.spacing()

    def at(self, rows: Array, columns: Array) -> Array:
        if self.grid.is_projected:
            return EARTH_RADIUS * _unit(_bilinear(self._xyz, rows, columns))
        lat = np.interp(rows, np.arange(self._latitude.size), self._latitude)
        lon = np.interp(columns, np.arange(self._longitude.size), self._longitude)
        return EARTH_RADIUS * np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=1)

    def differences(self, senders: Array, receivers: Array) -> Array:
        return on_sphere(senders, receivers)

    def plane(self, points: Array) -> Array:
        return _flat(points, self._xyz.reshape(-1, 3))

    def from_plane(self, places: Array) -> Array:
        return _round(places, self._xyz.reshape(-1, 3))


def geometry_of(grid: Grid) -> Geometry:
    """The plane of a grid with x and y, else the sphere."""
    if not grid.is_rectangular:
        return Points(grid)
    return Plane(grid) if grid.x is not None and grid.y is not None else Sphere(grid)


def _unit(vectors: Array) -> Array:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))


def _bilinear(values: Array, rows: Array, columns: Array) -> Array:
    i = np.clip(rows.astype(np.int64), 0, max(0, values.shape[0] - 2))
    j = np.clip(columns.astype(np.int64), 0, max(0, values.shape[1] - 2))
    down, right = np.minimum(i + 1, values.shape[0] - 1), np.minimum(j + 1, values.shape[1] - 1)
    a, b = (rows - i)[:, None], (columns - j)[:, None]
    top = values[i, j] * (1 - b) + values[i, right] * b
    return np.asarray(top * (1 - a) + (values[down, j] * (1 - b) + values[down, right] * b) * a)


def on_sphere(senders: Array, receivers: Array) -> Array:
    """From each receiver to its sender: distance, and its components towards east and north of the receiver [m]."""
    # numbers of a kind side by side: sums over rows of three take ten times as long
    (x, y, z), (dx, dy, dz) = np.ascontiguousarray(receivers.T), np.ascontiguousarray((senders - receivers).T)
    horizontal, radius = np.hypot(x, y), np.sqrt(x * x + y * y + z * z)
    # at a pole east is where it is at longitude 0
    is_pole = horizontal <= 1e-12 * radius
    scale = 1.0 / np.where(is_pole, 1.0, horizontal)
    cos, sin = np.where(is_pole, 1.0, x * scale), y * scale
    outward = dx * cos + dy * sin
    components = dy * cos - dx * sin, (dz * horizontal - outward * z) / radius
    return np.stack([np.sqrt(dx * dx + dy * dy + dz * dz), *components], axis=1)


def _middle(cells: Array) -> tuple[float, float]:
    """Latitude and longitude of the middle of some cells; of a whole globe, which has none, where both are 0."""
    mean = cells.mean(0)
    centre = mean / np.linalg.norm(mean) if np.linalg.norm(mean) > 1e-3 else np.array([1.0, 0.0, 0.0])
    return float(np.arcsin(centre[2])), float(np.arctan2(centre[1], centre[0]))


def _flat(points: Array, cells: Array) -> Array:
    """Points of the sphere on a map about the middle of the cells [m]."""
    lat, lon = np.arcsin(np.clip(points[:, 2] / EARTH_RADIUS, -1, 1)), np.arctan2(points[:, 1], points[:, 0])
    latitude, middle = _middle(cells)
    lon = (lon - middle + np.pi) % (2 * np.pi) - np.pi
    return np.asarray(EARTH_RADIUS * np.stack([lon * np.cos(latitude), lat], axis=1))


def _round(places: Array, cells: Array) -> Array:
    """Points of the sphere from their places on that map."""
    latitude, middle = _middle(cells)
    lon, lat = places[:, 0] / (EARTH_RADIUS * np.cos(latitude)) + middle, places[:, 1] / EARTH_RADIUS
    return EARTH_RADIUS * np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=1)
