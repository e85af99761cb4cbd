"""poesy: the ensemble of AROME, 16 members, hourly lead times from 1 to 45 h, as cropped NumPy arrays.

    root/2020-09-24T21:00:00Z_t2m_lt1-45_crop.npy         (lat, lon, lead_time, member)
    root/latlon_crop.npy                                  longitude and latitude (2, lat, lon)
    root/PEARO_EURW1S40_Orography_crop.npy                height of the ground (lat, lon)

Every start and member is a forecast. Its root is `PY4CAST_POESY_PATH` where the settings give none.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from py4cast.datasets.files_dataset import FilesDataset
from py4cast.datasets.gridded_settings import ForecastSettings, GriddedSettings, VariableSettings
from py4cast.datasets.older_settings import OlderGrid, OlderParam, ServiceSettings, hours
from py4cast.errors import SettingsError, nearest
from py4cast.planes.arrays import ArraySettings
from py4cast.settings import Settings, setting

__all__ = ["PARAMETERS", "Poesy", "PoesySettings"]

# word of the file's name, GRIB short name, units, CF name, type of level, level
PARAMETERS: dict[str, tuple[str, str, str, str, str, int]] = {
    "t2m": ("t2m", "2t", "K", "air_temperature", "heightAboveGround", 2),
    "u10": ("u", "10u", "m s-1", "eastward_wind", "heightAboveGround", 10),
    "v10": ("v", "10v", "m s-1", "northward_wind", "heightAboveGround", 10),
    "tirf": ("rr", "tirf", "kg m-2", "rainfall_amount", "surface", 0),
}
_LATLON, _OROGRAPHY = "latlon_crop.npy", "PEARO_EURW1S40_Orography_crop.npy"
_LAST, _NUM_MEMBERS = 45, 16


@dataclass(frozen=True, slots=True, kw_only=True)
class PoesyStepSettings(Settings):
    """How its files are read."""

    step_duration: int = setting(1, "hours between two states")
    standardize: bool = setting(True, "accepted from older files: a Forecaster standardises what it is given")
    file_format: str = setting("npy", "npy")


@dataclass(frozen=True, slots=True, kw_only=True)
class PoesyTerm(Settings):
    """Lead times in hours, both ends included."""

    start: int = setting(1, "first lead time [h], from 1")
    end: int = setting(_LAST, "last lead time [h], to 45")
    timestep: int = setting(1, "step [h]")


@dataclass(frozen=True, slots=True, kw_only=True)
class PoesySettings(ServiceSettings):
    """Poesy, in the words of its JSON files."""

    name: str = setting("poesy", "what to call the dataset")
    grid: OlderGrid = setting(help="name, border_size, subgrid")
    settings: PoesyStepSettings = setting(factory=PoesyStepSettings, help="step")
    params: dict[str, OlderParam] = setting(help="parameters by name: t2m, u10, v10, tirf")
    members: tuple[int, ...] = setting(tuple(range(_NUM_MEMBERS)), "members to use, each by itself")
    term: PoesyTerm = setting(factory=PoesyTerm, help="lead times")

    def __post_init__(self) -> None:
        bad = [m for m in self.members if not 0 <= m < _NUM_MEMBERS]
        if bad:
            raise ValueError(f"members: there are 0 to {_NUM_MEMBERS - 1}, not {', '.join(map(str, bad))}")
        if not 1 <= self.term.start <= self.term.end <= _LAST:
            raise ValueError(f"term: lead times go from 1 to {_LAST} h")


class Poesy(FilesDataset):
    """Creates the samples of one split of Poesy."""

    settings_kls: ClassVar[type] = PoesySettings

    @classmethod
    def gridded(cls, settings: Any) -> GriddedSettings:
        assert isinstance(settings, PoesySettings), "read by settings_kls"
        variables: dict[str, VariableSettings] = {}
        for name, asked in settings.params.items():
            if name not in PARAMETERS:
                raise SettingsError(f"params: unknown {name!r}{nearest(name, PARAMETERS)}")
            word, grib, units, standard, kind, level = PARAMETERS[name]
            variables[name] = VariableSettings(
                role=asked.kind, short_name=grib, file_name=word, units=units, standard_name=standard, type_of_level=kind, level=level,
                files=(f"%Y-%m-%dT%H:%M:[0-9][0-9]Z_{word}_lt1-45_crop.npy",),
            )  # fmt: skip
        stem = _OROGRAPHY.removesuffix(".npy")
        fixed = {"orography": VariableSettings(role="static", short_name=stem, units="m", files=(_OROGRAPHY,))}
        step = max(settings.settings.step_duration, settings.term.timestep)
        return GriddedSettings(
            name=settings.name,
            **settings.shared(),
            root_env="PY4CAST_POESY_PATH",
            step=hours(step),
            variables={**variables, **fixed},
            grid=settings.grid.grid(),
            forecasts=ForecastSettings(
                first=hours(settings.term.start), last=hours(settings.term.end), members=settings.members
            ),
            arrays=ArraySettings(
                path="%Y-%m-%dT%H:%M:%SZ_{name}_lt1-45_crop.npy",
                grid_file=_LATLON,
                dims=("lat", "lon", "lead_time", "member"),
                lead_times=("1h", "45h", "1h"),
                members=tuple(range(_NUM_MEMBERS)),
                units={p[0]: p[2] for p in PARAMETERS.values()} | {stem: "m"},
            ),
        )
