"""The settings of bare arrays: what their files hold, where their cells are."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from py4cast.errors import DataError, SettingsError
from py4cast.formats import ArrayDescription, open_reader
from py4cast.grid import Grid
from py4cast.projection import forward, inverse
from py4cast.settings import Settings, setting
from py4cast.timeline import duration

__all__ = ["ArraySettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArraySettings(Settings):
    """What bare arrays hold, which they do not say themselves: NumPy files, NetCDF without coordinates."""

    path: str = setting(
        help="end of a file's path, with {name} for the variable, {member}, and %Y %m %d %H %M %S for the start"
    )
    grid_file: str | None = setting(None, "a GRIB or NetCDF file under root whose grid the arrays are on")
    latitude: tuple[float, float] | None = setting(None, "or latitude of the first and of the last row [degrees]")
    longitude: tuple[float, float] | None = setting(None, "and longitude of the first and of the last column [degrees]")
    corners: tuple[tuple[float, float], tuple[float, float]] | None = setting(
        None,
        "or, on a projection, latitude and longitude of the outer corner of the first row's first and the last row's last cell",
    )
    projection: dict[str, Any] = setting(factory=dict, help="with corners: CF grid-mapping attributes")
    shape: tuple[int, int] | None = setting(None, "rows and columns, with latitude and longitude or corners")
    dims: tuple[str, ...] = setting(("lat", "lon"), "dimensions in order, of lat, lon, lead_time, member")
    lead_times: tuple[str, str, str] | None = setting(
        None, "along lead_time: first, last and step, such as 1h, 45h, 1h"
    )
    members: tuple[int, ...] = setting((), "along member")
    units: dict[str, str] = setting(factory=dict, help="units by variable")
    key: str | None = setting(None, "of the array within an .npz file")
    names: dict[str, str] = setting(
        factory=dict,
        help="NetCDF without coordinates: what the files call lat, lon, lead_time, level; lead times in hours",
    )
    level_type: str | None = setting(None, "of the levels of a NetCDF without coordinates, such as hybrid")

    def __post_init__(self) -> None:
        if set(self.dims) - {"lat", "lon", "lead_time", "member"} or not {"lat", "lon"} <= set(self.dims):
            raise ValueError(f"dims {list(self.dims)}: expected lat and lon, and lead_time or member")
        if ".." in Path(self.path).parts or ".." in Path(self.grid_file or "").parts:
            raise ValueError("'..' is refused in a path")
        if ("lead_time" in self.dims) != (self.lead_times is not None) or ("member" in self.dims) != bool(self.members):
            raise ValueError("give lead_times and members where dims name them, and only there")

    def grid(self, root: Path) -> Grid:
        """The grid of the arrays; SettingsError when it is not said."""
        if self.grid_file is not None:
            return _grid_of(root / self.grid_file, self)
        if self.shape is None or (self.corners is None and (self.latitude is None or self.longitude is None)):
            raise SettingsError("arrays: give grid_file, or shape with latitude and longitude, or shape with corners")
        if self.corners is None:
            assert self.latitude is not None and self.longitude is not None, "checked above"
            return Grid(np.linspace(*self.latitude, self.shape[0]), np.linspace(*self.longitude, self.shape[1]))
        lat, lon = np.array(self.corners).T
        x, y = (np.asarray(v) for v in forward(self.projection, lat, lon))
        columns, rows = _centres(x, self.shape[1]), _centres(y, self.shape[0])
        lat2, lon2 = inverse(self.projection, *np.meshgrid(columns, rows))
        return Grid(lat2, lon2, columns, rows, self.projection)

    def description(self, root: Path) -> ArrayDescription:
        """What files of bare arrays hold, as readers take it."""
        leads: tuple[np.timedelta64, ...] = ()
        if self.lead_times is not None:
            first, last, step = (duration(t) for t in self.lead_times)
            leads = tuple(np.arange(first, last + np.timedelta64(1, "s"), step))
        return ArrayDescription(
            self.path,
            self.grid(root),
            self.dims,
            leads,
            self.members,
            self.units,
            self.key,
            self.names,
            self.level_type,
        )


def _centres(ends: NDArray[Any], count: int) -> NDArray[Any]:
    """Middles of `count` cells between two ends."""
    width = (ends[1] - ends[0]) / count
    return np.asarray(ends[0] + (np.arange(count) + 0.5) * width)


def _grid_of(path: Path, settings: ArraySettings) -> Grid:
    """The grid that a file tells."""
    if path.suffix == ".npy":
        try:
            axis = np.load(path, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise DataError(f"{path}: cannot be read: {error}") from None
        if axis.ndim != 3 or axis.shape[0] != 2:
            raise DataError(f"{path}: {axis.shape}, expected longitude and latitude (2, lat, lon)")
        return _regular(axis[1], axis[0], settings)
    if not settings.names:
        with open_reader(path) as reader:
            return reader.grid(reader.records()[0])
    import xarray as xr

    try:
        with xr.open_dataset(path, engine="netcdf4") as data:
            names = [next(n for n in pair if n in data) for pair in (("lat", "latitude"), ("lon", "longitude"))]
            return _regular(data[names[0]].values, data[names[1]].values, settings)
    except (OSError, StopIteration) as error:
        raise DataError(f"{path}: holds no latitude and longitude: {error or 'no lat, lon'}") from None


def _regular(lat: NDArray[Any], lon: NDArray[Any], settings: ArraySettings) -> Grid:
    """A grid of 2-D coordinates: of its rows and columns where they are regular, else on its projection."""
    if np.allclose(lat, lat[:, :1], atol=1e-5) and np.allclose(lon, lon[:1], atol=1e-5):
        return Grid(lat[:, 0], lon[0])
    if not settings.projection:
        return Grid(lat, lon, projection={"grid_mapping_name": "unknown"})
    x, y = (np.asarray(v) for v in forward(settings.projection, lat, lon))
    return Grid(lat, lon, x.mean(axis=0), y.mean(axis=1), settings.projection)
