"""Grids: where the cells of a field are, how large they are, and which of them are border.

A grid is a rectangle or a set of points. A rectangle is regular in latitude and longitude (1-D coordinates [degrees]) or
regular on a map projection (1-D x, y [m] with 2-D latitude and longitude). Rows run along `lat`, columns along `lon`, as
in the files. Points are one row of cells, `(1, ngrid)`; what needs neighbours asks `is_rectangular`.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from py4cast.edges import edges_of, mean_steps, row_edges
from py4cast.errors import DataError, SettingsError
from py4cast.polygons import mean_nearest, voronoi_areas
from py4cast.triangulation import NoCells, unit_vectors

__all__ = ["EARTH_RADIUS", "Grid", "GridPart"]

EARTH_RADIUS = 6_371_229.0  # [m], the sphere of GRIB2 shape 6
_PLANE = "doubly_periodic_plane"
_TOLERANCE = 1e-4  # [degrees]; two grids closer than this are the same
# maps whose cells are of one size, by design or nearly
_EVEN = {_PLANE, "lambert_conformal_conic", "polar_stereographic", "stereographic", "mercator", "transverse_mercator",
    "oblique_mercator", "lambert_azimuthal_equal_area", "albers_conical_equal_area", "lambert_cylindrical_equal_area"}  # fmt: skip
_ARRAYS = ("latitude", "longitude", "x", "y", "areas")
Array = NDArray[np.float64]


class GridPart(NamedTuple):
    """Some points of a grid that come from one source: how many, and rows and columns where they are a rectangle."""

    name: str
    size: int
    shape: tuple[int, int] | None = None


@dataclass(frozen=True, eq=False)
class Grid:
    """A grid on the sphere; `points` makes one that is no rectangle.

    Args:
        latitude: [degrees north], `(lat,)` when regular in latitude and longitude, else `(lat, lon)`.
        longitude: [degrees east], `(lon,)` or `(lat, lon)`.
        x: [m] along `lon` on a projection.
        y: [m] along `lat` on a projection.
        projection: CF grid-mapping attributes (`grid_mapping_name`, ...); empty for latitude–longitude.
        name: what to call it.
        areas: of points: area of every cell [m²], `(1, ngrid)`.
        rows: of the points of a reduced grid: how many stand on each row, from the first to the last.
        parts: of a stretched grid: where its points come from, in their order.
    """

    latitude: Array
    longitude: Array
    x: Array | None = None
    y: Array | None = None
    projection: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    areas: Array | None = None
    rows: tuple[int, ...] | None = None
    parts: tuple[GridPart, ...] = ()

    def __post_init__(self) -> None:
        for key in _ARRAYS:
            value = getattr(self, key)
            if value is not None:
                array = np.array(value, dtype=np.float64)
                array.setflags(write=False)
                object.__setattr__(self, key, array)
        if self.latitude.ndim != self.longitude.ndim or self.latitude.ndim not in (1, 2):
            raise DataError(
                f"grid: latitude {self.latitude.shape} and longitude {self.longitude.shape} must be both 1-D or both 2-D"
            )
        if self.latitude.ndim == 2 and self.latitude.shape != self.longitude.shape:
            raise DataError(
                f"grid: latitude {self.latitude.shape} and longitude {self.longitude.shape} differ in shape"
            )
        if not (np.isfinite(self.latitude).all() and np.isfinite(self.longitude).all()):
            raise DataError("grid: latitude or longitude holds values that are not finite")
        if self.latitude.size and np.abs(self.latitude).max() > 90 + _TOLERANCE:
            raise DataError(f"grid: latitude reaches {np.abs(self.latitude).max():g}, beyond 90 degrees")
        shape = self.shape
        if min(shape) < 1 or (self.x is not None and self.y is not None and (self.y.size, self.x.size) != shape):
            raise DataError(f"grid: shape {shape} does not fit x and y")
        if self.areas is not None:
            self._check_points(self.areas)

    def _check_points(self, areas: Array) -> None:
        """Refuses points that are no cells: areas or rows of another number, a place that stands twice."""
        count = self.shape[1]
        if self.shape[0] != 1 or areas.shape != self.shape:
            raise DataError(f"grid: {count} points with areas of shape {areas.shape}; expected {(1, count)}")
        if not (np.isfinite(areas).all() and (areas > 0).all()):
            raise DataError("grid: the area of a point is not positive")
        sizes = {"rows": self.rows or (), "parts": [part.size for part in self.parts]}
        for what, size in ((key, sum(each)) for key, each in sizes.items() if each):
            if size != count:
                raise DataError(f"grid: {what} of {size} points in all, coordinates of {count}")
        places = np.round(np.stack([self.latitude[0], self.longitude[0] % 360]) / _TOLERANCE).astype(np.int64)
        unique, first = np.unique(places, axis=1, return_index=True)
        if unique.shape[1] < count:
            twice = int(np.setdiff1d(np.arange(count), first)[0])
            where = f"{self.latitude[0, twice]:.4f} N {self.longitude[0, twice] % 360:.4f} E"
            raise DataError(f"grid: {count - unique.shape[1]} points stand twice, such as number {twice} at {where}")

    @property
    def is_rectangular(self) -> bool:
        """Whether cells have neighbours along rows and columns; false for points."""
        return self.areas is None

    @property
    def kind(self) -> str:
        """`rectangle` or `points`, as models say what they take."""
        return "rectangle" if self.is_rectangular else "points"

    @property
    def shape(self) -> tuple[int, int]:
        """The shape of a field, `(lat, lon)`; `(1, ngrid)` of points."""
        if self.latitude.ndim == 2:
            return self.latitude.shape[0], self.latitude.shape[1]
        return self.latitude.size, self.longitude.size

    @property
    def is_projected(self) -> bool:
        """Whether latitude and longitude are 2-D."""
        return self.latitude.ndim == 2

    @classmethod
    def plane(cls, size: int, length: float, name: str = "") -> "Grid":
        """A doubly periodic square of `size` × `size` points and `length` [m] a side, as models of turbulence use it.

        Its latitudes and longitudes are those of a plane laid on the equator, so that files have some.
        """
        line = np.arange(size, dtype=np.float64) * np.float64(length / size)
        degrees = np.rad2deg((line - length / 2) / EARTH_RADIUS)
        longitude, latitude = np.meshgrid(degrees, degrees)
        return cls(latitude, longitude, line, line, {"grid_mapping_name": _PLANE, "length": float(length)}, name)

    @classmethod
    def points(
        cls, latitude: Any, longitude: Any, areas: Any = None, rows: tuple[int, ...] | None = None, name: str = ""
    ) -> "Grid":
        """A set of points: one row of cells `(1, ngrid)` in the order that is given.

        Args:
            latitude: [degrees north], `(ngrid,)`.
            longitude: [degrees east], `(ngrid,)`.
            areas: of the cells [m²], `(ngrid,)`; by default of the spherical Voronoi cells, or alike where there are none.
            rows: of a reduced grid: how many points stand on each row.
            name: what to call it.

        Raises:
            DataError: points that stand twice, areas or rows of another number.
        """
        lat, lon = (np.asarray(values, dtype=np.float64).reshape(1, -1) for values in (latitude, longitude))
        if areas is None:
            if lat.shape != lon.shape:
                raise DataError(f"grid: {lat.size} latitudes and {lon.size} longitudes of points")
            cls(lat, lon, areas=np.ones(lat.shape))  # what is no set of points is told before cells are made of it
            areas = _voronoi_areas(lat[0], lon[0])
        return cls(lat, lon, name=name, areas=np.asarray(areas, dtype=np.float64).reshape(1, -1), rows=rows)

    @property
    def is_plane(self) -> bool:
        """Whether it is a doubly periodic square: both sides meet the opposite ones."""
        return self.projection.get("grid_mapping_name") == _PLANE

    @property
    def is_periodic(self) -> bool:
        """Whether the last column is the western neighbour of the first one."""
        if self.is_projected or self.longitude.size < 3:
            return False
        steps = np.diff(np.unwrap(self.longitude, period=360.0))
        step = float(np.mean(steps))
        return bool(
            np.allclose(steps, step, atol=_TOLERANCE) and abs(abs(step) * self.longitude.size - 360.0) < abs(step) / 2
        )

    @property
    def periodicity(self) -> tuple[bool, bool]:
        """Whether the last row is the neighbour of the first one, and the last column of the first one."""
        return self.is_plane, self.is_plane or self.is_periodic

    @property
    def is_open(self) -> tuple[bool, bool]:
        """Whether a rectangle has a side at its first row and at its last one, as it has none at a pole or where rows meet."""
        edges = [90.0] if self.is_plane else np.abs(self.row_edges())
        return bool(edges[0] < 90.0), bool(edges[-1] < 90.0)

    def latitude_2d(self) -> Array:
        """Latitude of every cell [degrees north], `(lat, lon)`."""
        return self.latitude if self.is_projected else np.broadcast_to(self.latitude[:, None], self.shape)

    def longitude_2d(self) -> Array:
        """Longitude of every cell [degrees east], `(lat, lon)`."""
        return self.longitude if self.is_projected else np.broadcast_to(self.longitude[None, :], self.shape)

    def xyz(self) -> Array:
        """Unit vectors to the cells' centres, `(lat, lon, 3)`."""
        return unit_vectors(self.latitude_2d(), self.longitude_2d())

    def row_edges(self) -> Array:
        """The edges of the rows of latitudes and longitudes [degrees north], `(lat + 1,)`; those of a globe end at the poles."""
        return row_edges(self.latitude, self.is_periodic)

    def cell_areas(self) -> Array:
        """Area of every cell [m²], `(lat, lon)`.

        Latitude–longitude: R²·Δλ·(sin φ_north − sin φ_south), edges half-way between rows and at the poles.
        Projection: R²·|∂r/∂i × ∂r/∂j| with r the unit vector to the centre. Points: as given.
        """
        if self.areas is not None:
            return self.areas
        if self.is_projected:
            r = self.xyz()
            if min(self.shape) < 2:
                return np.ones(self.shape)
            cross = np.cross(np.gradient(r, axis=0), np.gradient(r, axis=1))
            return EARTH_RADIUS**2 * np.asarray(np.linalg.norm(cross, axis=-1))
        bands = np.abs(np.diff(np.sin(np.deg2rad(self.row_edges()))))
        widths = np.abs(np.diff(np.deg2rad(edges_of(np.unwrap(self.longitude, period=360.0)))))
        return EARTH_RADIUS**2 * bands[:, None] * widths[None, :]

    def area_weights(self) -> Array:
        """Weights of the cells in means, `(lat, lon)`, mean 1: their areas, or 1 on a conformal or an equal-area map.

        The cells of such a map are of one size by design, and services average over them as they are.
        """
        if self.is_rectangular and self.projection.get("grid_mapping_name") in _EVEN:
            return np.ones(self.shape)
        areas = self.cell_areas()
        mean = float(areas.mean())
        if not mean > 0:
            raise DataError("grid: its cells have no area: all rows, or all columns, are at one place")
        return np.asarray(areas / mean)

    def spacing(self) -> tuple[float, float]:
        """Mean distance between neighbours along `lat` and along `lon` [m]; of points, to the nearest one."""
        if not self.is_rectangular:
            nearest = EARTH_RADIUS * mean_nearest(self.xyz()[0])
            return nearest, nearest
        if self.is_plane:
            length = float(self.projection["length"])
            return length / self.shape[0], length / self.shape[1]
        if not self.is_projected:
            across, along = mean_steps(self.latitude, self.longitude)
            return EARTH_RADIUS * across, EARTH_RADIUS * along
        r = self.xyz()
        distances = []
        for axis in (0, 1):
            if r.shape[axis] < 2:
                distances.append(float("nan"))
                continue
            chord = np.linalg.norm(np.diff(r, axis=axis), axis=-1)
            distances.append(float(np.mean(2 * EARTH_RADIUS * np.arcsin(np.clip(chord / 2, 0, 1)))))
        return distances[0], distances[1]

    def border_mask(self, border_size: int) -> NDArray[np.bool_]:
        """True in the ring of `border_size` cells along the sides, `(lat, lon)`.

        Raises:
            SettingsError: the ring leaves no interior, or the grid has no side: it is of points, or goes round the globe from
                pole to pole. A band round the globe has one in the south, in the north or both.
        """
        if not self.is_rectangular:
            if border_size:
                raise SettingsError(f"border_size {border_size}: points have no sides; expected 0")
            return np.zeros(self.shape, dtype=bool)
        if border_size < 0 or 2 * border_size >= min(self.shape):
            widest = (min(self.shape) - 1) // 2
            raise SettingsError(
                f"border_size {border_size}: the grid of {self.shape[0]} x {self.shape[1]} cells leaves no interior; at most {widest}"
            )
        mask = np.ones(self.shape, dtype=bool)
        if border_size and self.periodicity[1]:
            if not any(self.is_open):
                where = "is doubly periodic" if self.is_plane else "goes round the globe"
                raise SettingsError(f"border_size {border_size}: the grid {where} and has no border; expected 0")
            first, last = (border_size if is_open else 0 for is_open in self.is_open)
            mask[first : self.shape[0] - last] = False
            return mask
        mask[border_size : self.shape[0] - border_size, border_size : self.shape[1] - border_size] = False
        return mask

    def rows_columns(self, rows: slice, columns: slice | NDArray[np.int64]) -> "Grid":
        """The sub-grid of these rows and columns; of points, those of these places in their order.

        Columns given by number may go over the last one to the first; their longitudes grow on.
        """
        if self.areas is not None:
            chosen = (slice(None), columns)
            whole = self.latitude[chosen].size == self.latitude.size
            rows_of, parts = (self.rows, self.parts) if whole else (None, ())
            mark = self.projection if whole and isinstance(columns, slice) else {}
            lat, lon, areas = self.latitude[chosen], self.longitude[chosen], self.areas[chosen]
            return Grid(lat, lon, projection=mark, name=self.name, areas=areas, rows=rows_of, parts=parts)
        if self.is_projected:
            lat, lon = self.latitude[rows, columns], self.longitude[rows, columns]
        else:
            lat, lon = self.latitude[rows], self.longitude[columns]
            if not isinstance(columns, slice):
                lon = np.unwrap(lon, period=360.0)
                lon = lon - 360.0 if lon.size and lon[0] >= 180.0 else lon
        x = None if self.x is None else self.x[columns]
        y = None if self.y is None else self.y[rows]
        # a part of a doubly periodic square has sides
        projection = {} if self.is_plane and lat.shape != self.shape else self.projection
        return Grid(lat, lon, x, y, projection, self.name)

    def box(self, south: float, north: float, west: float, east: float) -> tuple[slice, slice]:
        """Rows and columns of the smallest sub-grid that holds every cell between these bounds [degrees].

        Raises:
            SettingsError: no cell lies between them, or they straddle the grid's first column.
        """
        lat, lon = self.latitude_2d(), self.longitude_2d()
        inside = (
            (lat >= south - _TOLERANCE)
            & (lat <= north + _TOLERANCE)
            & ((lon - west + _TOLERANCE) % 360 <= (east - west) + 2 * _TOLERANCE)
        )
        if not inside.any():
            raise SettingsError(
                f"no cell between latitudes {south:g} and {north:g}, longitudes {west:g} and {east:g}; the grid spans latitudes "
                f"{lat.min():g} to {lat.max():g}, longitudes {lon.min():g} to {lon.max():g}"
            )
        rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
        if not self.is_projected and np.any(np.diff(columns) > 1):
            raise SettingsError(
                f"longitudes {west:g} to {east:g} straddle the first column of the grid at {lon[0, 0]:g}"
            )
        return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)

    def fingerprint(self) -> str:
        """SHA-256 of the rounded coordinates; differs for another shape, kind, order, position or projection."""
        digest = hashlib.sha256(json.dumps(self.shape).encode() + (b"" if self.is_rectangular else b"points"))
        for degrees, period in ((self.latitude_2d(), None), (self.longitude_2d(), 360.0)):
            steps = np.round(np.asarray(degrees) / (10 * _TOLERANCE)).astype(np.int64)
            digest.update((steps % round(period / (10 * _TOLERANCE)) if period else steps).tobytes())
        return digest.hexdigest()

    def same_as(self, other: "Grid") -> bool:
        """Whether both are of one kind and have the same cells in the same order, to 1e-4 degrees."""
        if self.shape != other.shape or self.kind != other.kind:
            return False
        if np.array_equal(self.latitude, other.latitude) and np.array_equal(self.longitude, other.longitude):
            return True  # as of most files of one series
        lat = np.abs(self.latitude_2d() - other.latitude_2d())
        lon = np.abs((self.longitude_2d() - other.longitude_2d() + 180.0) % 360.0 - 180.0)
        return bool(lat.max() <= _TOLERANCE and lon.max() <= _TOLERANCE)

    def describe(self) -> str:
        """One line: shape, kind, extent, spacing."""
        if not self.is_rectangular:
            lat, lon = self.latitude, self.longitude
            return (
                f"{self.shape[1]} points{f' ({self.name})' if self.name else ''}, latitudes {lat.min():.2f} to {lat.max():.2f}, "
                f"longitudes {lon.min():.2f} to {lon.max():.2f}, spacing {self.spacing()[0] / 1000:.1f} km"
            )
        kind = str(self.projection.get("grid_mapping_name", "projected")) if self.is_projected else "latitude_longitude"
        dy, dx = self.spacing()
        lat, lon = self.latitude_2d(), self.longitude_2d()
        return (
            f"{self.shape[0]} x {self.shape[1]} {kind}, latitudes {lat.min():.2f} to {lat.max():.2f}, "
            f"longitudes {lon.min():.2f} to {lon.max():.2f}, spacing {dy / 1000:.1f} x {dx / 1000:.1f} km"
        )

    def pack(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """A JSON description and the coordinate arrays, from which `unpack` makes it again."""
        arrays = {k: v for k in _ARRAYS if (v := getattr(self, k)) is not None}
        meta: dict[str, Any] = {
            "name": self.name,
            "projection": dict(self.projection),
            "fingerprint": self.fingerprint(),
        }
        meta |= {} if self.rows is None else {"rows": list(self.rows)}
        return {**meta, "parts": [list(part) for part in self.parts]} if self.parts else meta, arrays

    @classmethod
    def unpack(cls, meta: Mapping[str, Any], arrays: Mapping[str, Any]) -> "Grid":
        """The grid of a description and its arrays: the inverse of `pack`."""
        rows = tuple(meta["rows"]) if "rows" in meta else None
        parts = tuple(GridPart(n, size, s and (s[0], s[1])) for n, size, s in meta.get("parts", ()))
        coordinates = {key: arrays[key] for key in _ARRAYS if key in arrays or key in _ARRAYS[:2]}
        return cls(**coordinates, projection=dict(meta["projection"]), name=str(meta["name"]), rows=rows, parts=parts)


def _voronoi_areas(latitude: Array, longitude: Array) -> Array:
    """Areas of the cells of points [m²], `(points,)`; alike where they have none."""
    try:
        return voronoi_areas(unit_vectors(latitude, longitude)) * EARTH_RADIUS**2
    except NoCells:  # stations, a ship's track
        return np.full(latitude.size, 1e10)
    except ValueError as error:
        raise DataError(f"grid: the cells of {latitude.size} points cannot be made: {error}") from None
