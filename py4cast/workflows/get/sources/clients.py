"""Sources that ask for an account, through the packages of their services: ERA5 from the Climate Data Store, Copernicus Marine."""

from pathlib import Path
from typing import Any

import numpy as np

from py4cast.errors import DataError, SettingsError
from py4cast.workflows.get.asked import Asked, Names
from py4cast.workflows.get.sources.base import Piece, SourceABC, client

__all__ = ["ClimateDataStore", "CopernicusMarine"]

_NAMES = Names(
    {"t2m": "2m_temperature", "d2m": "2m_dewpoint_temperature", "u10": "10m_u_component_of_wind", "v10": "10m_v_component_of_wind",
     "msl": "mean_sea_level_pressure", "sp": "surface_pressure", "tp": "total_precipitation", "sst": "sea_surface_temperature", "tcc": "total_cloud_cover"},
    {"z": "geopotential", "t": "temperature", "u": "u_component_of_wind", "v": "v_component_of_wind", "q": "specific_humidity", "r": "relative_humidity", "vo": "vorticity"},
)  # fmt: skip


def _told(what: str, work: Any) -> Any:
    """Does what a client does; DataError says in a line what it said."""
    try:
        return work()
    except Exception as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise DataError(f"{what}: {reason}") from None


class ClimateDataStore(SourceABC):
    """Creates the source of ERA5 from the Climate Data Store, a GRIB file per month and kind of level."""

    title = "ERA5 from the Climate Data Store: hourly since 1940, 0.25°, global or a box"
    needs = ("an account and its key in ~/.cdsapirc (cds.climate.copernicus.eu), the licence accepted there", "Copernicus licence", "2 MB a field, less in a box; requests wait in a queue")  # fmt: skip
    every = "1h"

    def pieces(self, asked: Asked) -> list[Piece]:
        fields = _NAMES.fields(asked.variables, "era5")
        pieces = []
        for month in np.unique(asked.times.astype("datetime64[M]")):
            times = asked.times[asked.times.astype("datetime64[M]") == month]
            year, number = str(month).split("-")
            request: dict[str, Any] = {
                "product_type": ["reanalysis"], "year": [year], "month": [number],
                "day": sorted({str(t)[8:10] for t in times}), "time": sorted({str(t)[11:16] for t in times}),
                "data_format": "grib", "download_format": "unarchived",
            }  # fmt: skip
            if asked.box is not None:
                request["area"] = list(asked.box)
            near = [f for f in fields if f.level is None]
            aloft = [f for f in fields if f.level is not None]
            if near:
                told = {**request, "variable": [f.there for f in near]}
                pieces.append(Piece(f"era5_single_{year}{number}.grib", ("reanalysis-era5-single-levels", told)))
            if aloft:
                levels = sorted({str(f.level) for f in aloft}, key=int)
                told = {**request, "variable": sorted({f.there for f in aloft}), "pressure_level": levels}
                pieces.append(Piece(f"era5_levels_{year}{number}.grib", ("reanalysis-era5-pressure-levels", told)))
        return pieces

    def make(self, piece: Piece, asked: Asked, path: Path) -> None:
        cdsapi = client("cdsapi", "get", "ERA5 from the Climate Data Store")
        dataset, request = piece.told
        words = {"url": asked.address} if asked.address else {}
        _told(
            f"{dataset} ({piece.name})",
            lambda: cdsapi.Client(quiet=True, **words).retrieve(dataset, request, str(path)),
        )


class CopernicusMarine(SourceABC):
    """Creates the source of the Copernicus Marine Service, a NetCDF file per month."""

    title = "Copernicus Marine: analyses, reanalyses and observations of the ocean, global or a box"
    needs = (
        "an account: copernicusmarine login",
        "Copernicus Marine licence",
        "a daily field of the global ocean at 1/12° 35 MB; take a --box",
    )
    every = "24h"

    def pieces(self, asked: Asked) -> list[Piece]:
        if not asked.dataset or not asked.variables:
            raise SettingsError(
                "get copernicusmarine: needs --dataset ID and --variables as data.marine.copernicus.eu calls them, such as --dataset "
                "cmems_mod_glo_phy_my_0.083deg_P1D-m --variables thetao,zos"
            )
        return [
            Piece(f"{asked.dataset}_{str(month).replace('-', '')}.nc", month)
            for month in np.unique(asked.times.astype("datetime64[M]"))
        ]

    def make(self, piece: Piece, asked: Asked, path: Path) -> None:
        marine = client("copernicusmarine", "get", "the Copernicus Marine Service")
        times = asked.times[asked.times.astype("datetime64[M]") == piece.told]
        sides: dict[str, Any] = {}
        if asked.box is not None:
            north, west, south, east = asked.box
            sides = {
                "maximum_latitude": north,
                "minimum_longitude": west,
                "minimum_latitude": south,
                "maximum_longitude": east,
            }
        words = {
            "dataset_id": asked.dataset, "variables": list(asked.variables), "start_datetime": str(times[0]), "end_datetime": str(times[-1]),
            "output_directory": str(path.parent), "output_filename": path.name, **sides,
        }  # fmt: skip
        _told(f"{asked.dataset} ({piece.name})", lambda: marine.subset(**words))
        if not path.exists():
            written = [p for p in path.parent.glob(f"{path.name}*") if p != path]
            if len(written) != 1:
                raise DataError(f"{asked.dataset}: the client wrote no {path.name}")
            written[0].replace(path)
