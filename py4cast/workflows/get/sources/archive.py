"""ERA5 in open Zarr archives: WeatherBench 2 (several resolutions) and ARCO-ERA5; what is asked for is read, and nothing more."""

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from py4cast.errors import DataError, SettingsError, nearest
from py4cast.workflows.get.asked import Asked, Names
from py4cast.workflows.get.sources.base import Piece, SourceABC

__all__ = ["ArcoEra5", "WeatherBench2", "ZarrArchive"]

_NAMES = Names(
    {"t2m": "2m_temperature", "u10": "10m_u_component_of_wind", "v10": "10m_v_component_of_wind", "msl": "mean_sea_level_pressure",
     "sp": "surface_pressure", "tp": "total_precipitation", "tp6": "total_precipitation_6hr", "sst": "sea_surface_temperature", "tcwv": "total_column_water_vapour"},
    {"z": "geopotential", "t": "temperature", "u": "u_component_of_wind", "v": "v_component_of_wind", "q": "specific_humidity", "w": "vertical_velocity"},
)  # fmt: skip
_STANDARD = {
    "2m_temperature": "air_temperature", "10m_u_component_of_wind": "eastward_wind", "10m_v_component_of_wind": "northward_wind",
    "mean_sea_level_pressure": "air_pressure_at_mean_sea_level", "surface_pressure": "surface_air_pressure", "geopotential": "geopotential",
    "temperature": "air_temperature", "u_component_of_wind": "eastward_wind", "v_component_of_wind": "northward_wind",
    "specific_humidity": "specific_humidity", "sea_surface_temperature": "sea_surface_temperature",
}  # fmt: skip


class ZarrArchive(SourceABC):
    """Abstract archive: one Zarr store of all times, of which a NetCDF file per month is made."""

    datasets: ClassVar[Mapping[str, str]]

    @classmethod
    @abstractmethod
    def default(cls) -> str:
        """The store that is read where none is named."""

    def pieces(self, asked: Asked) -> list[Piece]:
        dataset = asked.dataset or self.default()
        if dataset not in self.datasets:
            raise SettingsError(f"get: --dataset {dataset!r}{nearest(dataset, self.datasets)}")
        fields = _NAMES.fields(asked.variables, "the archive")
        url = f"{asked.address or self.place}/{self.datasets[dataset]}"
        months = np.unique(asked.times.astype("datetime64[M]"))
        return [Piece(f"{str(month).replace('-', '')}.nc", (url, fields, month)) for month in months]

    def make(self, piece: Piece, asked: Asked, path: Path) -> None:
        url, fields, month = piece.told
        data = _opened(url)
        wanted = asked.times[asked.times.astype("datetime64[M]") == month]
        held = data["time"].values.astype("datetime64[s]")
        lacking = np.setdiff1d(wanted, held)
        if lacking.size:
            raise DataError(
                f"{url}: no {lacking[0]}; it holds {held[0]} to {held[-1]}, every {(held[1] - held[0]) / np.timedelta64(1, 'h'):g} h"
            )
        arrays: dict[str, Any] = {}
        for field in fields:
            if field.there not in data:
                raise DataError(
                    f"{url}: no {field.there}, which is {field.name} here{nearest(field.there, map(str, data.data_vars))}"
                )
            array = data[field.there].sel(time=wanted.astype("datetime64[ns]"))
            if field.level is not None:
                if field.level not in array["level"].values:
                    levels = ", ".join(f"{v:g}" for v in array["level"].values)
                    raise DataError(f"{url}: {field.there} has no level of {field.level} hPa; it has {levels}")
                array = array.sel(level=field.level).drop_vars("level")
            attrs = {**array.attrs, "long_name": f"{field.there} {field.level or ''}".strip()}
            if field.there in _STANDARD:
                attrs["standard_name"] = _STANDARD[field.there]
            arrays[field.name] = _cut(array, asked).transpose("time", "latitude", "longitude").assign_attrs(attrs)
        import xarray as xr

        result = xr.Dataset(arrays)
        for name in result.variables:
            result[name].encoding = {}
        result["latitude"].attrs = {"units": "degrees_north", "standard_name": "latitude"}
        result["longitude"].attrs = {"units": "degrees_east", "standard_name": "longitude"}
        encoding = {name: {"zlib": True, "complevel": 1} for name in arrays}
        result.to_netcdf(path, engine="netcdf4", encoding=encoding)


def _opened(url: str) -> Any:
    import xarray as xr

    try:
        return xr.open_zarr(url, chunks=None)
    except Exception as error:
        raise DataError(f"{url}: cannot be opened: {' '.join(str(error).split())[:200]}") from None


def _cut(array: Any, asked: Asked) -> Any:
    """The cells of the box, north first; longitudes run from its west."""
    array = array.sortby("latitude", ascending=False)
    if asked.box is None:
        return array
    north, west, south, east = asked.box
    array = array.sel(latitude=slice(north, south))
    beside = (array["longitude"].values - west) % 360.0 + west
    array = array.assign_coords(longitude=("longitude", beside)).sortby("longitude")
    cut = array.sel(longitude=slice(west, east))
    if not cut.size:
        raise DataError(f"get: no cell lies in the box {north:g},{west:g},{south:g},{east:g}")
    return cut


class WeatherBench2(ZarrArchive):
    """Creates the source of WeatherBench 2's ERA5, at 5.6°, 1.5° and 0.25°."""

    title = "WeatherBench 2: ERA5 every 6 h, 1959 to 2023, at 5.6°, 1.5° or 0.25°, global"
    place = "https://storage.googleapis.com/weatherbench2/datasets/era5"
    needs = (
        "no account",
        "Copernicus licence (ERA5)",
        "8 kB a field at 5.6°, 116 kB at 1.5°, 4 MB at 0.25°; whole chunks are read",
    )
    datasets: ClassVar[Mapping[str, str]] = {
        "5.6": "1959-2023_01_10-6h-64x32_equiangular_conservative.zarr",
        "1.5": "1959-2023_01_10-6h-240x121_equiangular_with_poles_conservative.zarr",
        "0.25": "1959-2023_01_10-wb13-6h-1440x721_with_derived_variables.zarr",
    }

    @classmethod
    def default(cls) -> str:
        return "5.6"


class ArcoEra5(ZarrArchive):
    """Creates the source of ARCO-ERA5, hourly at 0.25°."""

    title = "ARCO-ERA5: ERA5 every hour since 1940, 0.25°, 37 levels, global"
    place = "https://storage.googleapis.com/gcp-public-data-arco-era5/ar"
    needs = ("no account", "Copernicus licence (ERA5)", "4 MB a field; fields on levels are read with all 37")
    every = "1h"
    datasets: ClassVar[Mapping[str, str]] = {"0.25": "full_37-1h-0p25deg-chunk-1.zarr-v3"}

    @classmethod
    def default(cls) -> str:
        return "0.25"
