"""gridded: any set of GRIB or NetCDF files on one grid, described by one JSON.

The files are prepared once into a store (in the cache, or where `store` says), from which samples are read.
"""

from typing import Any, ClassVar

from py4cast.datasets.files_dataset import FilesDataset
from py4cast.datasets.gridded_settings import GriddedSettings

__all__ = ["Gridded", "GriddedSettings"]


class Gridded(FilesDataset):
    """Creates the samples of one split of a prepared store."""

    settings_kls: ClassVar[type] = GriddedSettings

    @classmethod
    def gridded(cls, settings: Any) -> GriddedSettings:
        assert isinstance(settings, GriddedSettings), "read by settings_kls"
        return settings
