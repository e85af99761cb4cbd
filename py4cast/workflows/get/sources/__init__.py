"""PLUG POINT: sources of data. A new one is one file here and one line below."""

from py4cast.errors import SettingsError, nearest
from py4cast.workflows.get.sources.archive import ArcoEra5, WeatherBench2
from py4cast.workflows.get.sources.base import SourceABC
from py4cast.workflows.get.sources.clients import ClimateDataStore, CopernicusMarine
from py4cast.workflows.get.sources.ecmwf import EcmwfOpenData
from py4cast.workflows.get.sources.services import MeteoFrance, MetNorway

__all__ = ["SOURCES", "source_of"]

SOURCES: dict[str, type[SourceABC]] = {
    "ecmwf": EcmwfOpenData,
    "era5": ClimateDataStore,
    "weatherbench2": WeatherBench2,
    "arco_era5": ArcoEra5,
    "meteofrance": MeteoFrance,
    "metnorway": MetNorway,
    "copernicusmarine": CopernicusMarine,
}


def source_of(name: str) -> SourceABC:
    """The source of a name; SettingsError for one that nobody knows."""
    if name not in SOURCES:
        raise SettingsError(f"get {name!r}{nearest(name, SOURCES)}")
    return SOURCES[name]()
