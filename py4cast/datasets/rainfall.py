"""rainfall: radar mosaics over France, every 5 minutes, 1 km, on a polar stereographic grid.

    root/Hexagone/2024/202401010005.npz     rain of 5 minutes [10⁻² kg m-2], negative out of the radars' reach

Values become rates [kg m-2 h-1]; cells that no radar reaches are missing. The corners of the mosaic span
1536 × 1536 km on the plane that is true at 45° N (WGS 84). Its root is `PY4CAST_RAINFALL_PATH` where the settings
give none.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from py4cast.datasets.files_dataset import FilesDataset
from py4cast.datasets.gridded_settings import NONE, GriddedSettings, VariableSettings
from py4cast.datasets.older_settings import OlderGrid, OlderParam, ServiceSettings, obs_step
from py4cast.errors import SettingsError, nearest
from py4cast.planes.arrays import ArraySettings
from py4cast.settings import Settings, setting

__all__ = ["CORNERS", "PROJECTION", "Rainfall", "RainfallSettings"]

PROJECTION = {
    "grid_mapping_name": "polar_stereographic", "straight_vertical_longitude_from_pole": 0.0,
    "latitude_of_projection_origin": 90.0, "standard_parallel": 45.0,
    "semi_major_axis": 6378137.0, "inverse_flattening": 298.257223563,
}  # fmt: skip
# latitude and longitude of the outer north-western and south-eastern corner
CORNERS = ((53.670, -9.965), (39.46785, 10.259217))
_HUNDREDTHS_OF_5_MINUTES = 12 / 100
_SIZE = 1536


@dataclass(frozen=True, slots=True, kw_only=True)
class RainfallStepSettings(Settings):
    """How its files are read."""

    standardize: bool = setting(True, "accepted from older files: a Forecaster standardises what it is given")
    file_format: Literal["npz"] = setting("npz", "npz")


@dataclass(frozen=True, slots=True, kw_only=True)
class RainfallSettings(ServiceSettings):
    """Rainfall, in the words of its JSON files."""

    name: str = setting("rainfall", "what to call the dataset")
    grid: OlderGrid = setting(factory=OlderGrid, help="border_size, subgrid")
    settings: RainfallStepSettings = setting(factory=RainfallStepSettings, help="format")
    params: dict[str, OlderParam] = setting(help="parameters by name: precip")
    shape: tuple[int, int] = setting((_SIZE, _SIZE), "rows and columns of the mosaics")
    forcings: tuple[str, ...] = setting((), "computed forcings")


class Rainfall(FilesDataset):
    """Creates the samples of one split of Rainfall."""

    settings_kls: ClassVar[type] = RainfallSettings

    @classmethod
    def gridded(cls, settings: Any) -> GriddedSettings:
        assert isinstance(settings, RainfallSettings), "read by settings_kls"
        for name in settings.params:
            if name != "precip":
                raise SettingsError(f"params: unknown {name!r}{nearest(name, ['precip'])}")
        if "precip" not in settings.params:
            raise SettingsError("params: none given; expected precip")
        made = {
            "filter": "scale", "input": "counts", "factor": _HUNDREDTHS_OF_5_MINUTES, "valid_min": 0.0,
        }  # fmt: skip
        variables = {
            "counts": VariableSettings(role=NONE, units="1", nan="mask", files=("Hexagone/%Y/%Y%m%d%H%M.npz",)),
            "precip": VariableSettings(
                role=settings.params["precip"].kind, short_name="tprate", units="kg m-2 h-1", weight=1.0, nan="mask",
                standard_name="rainfall_rate", type_of_level="surface", made_from=made, range=(0.0, 600.0),
            ),
        }  # fmt: skip
        return GriddedSettings(
            name=settings.name,
            **settings.shared(),
            root_env="PY4CAST_RAINFALL_PATH",
            step=obs_step(settings.periods, "5min"),
            variables=variables,
            grid=settings.grid.grid(),
            arrays=ArraySettings(
                path="%Y%m%d%H%M.npz",
                shape=settings.shape,
                corners=CORNERS,
                projection=PROJECTION,
                units={"counts": "1"},
            ),
        )
