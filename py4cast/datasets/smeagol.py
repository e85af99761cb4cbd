"""smeagol: members of AROME France on its Lambert grid, NetCDF per run, member and variable, every 15 minutes.

    root/nc/france/arome_franmgsp32/20220806H00/mb_000_TEMPERATURE.nc    (step, level, X, Y)
    root/nc/france/arome_franmgsp32/20220806H00/mb_000_surface.nc        (step, X, Y)
    root/nc/france/arome_franmgsp32/constant/Mesh_and_SurfGeo.nc         lat, lon, SURFGEOPOTENTIEL, LandSeaMask (X, Y)

`step` counts hours since the start. Every run and member is a forecast; sums of rain and radiation since the start
become sums over a step. Its root is `PY4CAST_SMEAGOL_PATH` where the settings give none.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from py4cast.datasets.files_dataset import FilesDataset
from py4cast.datasets.gridded_settings import ForecastSettings, GriddedSettings, VariableSettings
from py4cast.datasets.older_settings import Kind, ServiceSettings, hours
from py4cast.datasets.series_settings import GridSettings
from py4cast.errors import SettingsError, nearest
from py4cast.planes.arrays import ArraySettings
from py4cast.settings import Settings, setting

__all__ = ["PARAMETERS", "Smeagol", "SmeagolSettings"]

# what the files call it: GRIB short name, units, CF name, whether it is a sum since the start
PARAMETERS: dict[str, tuple[str, str, str, bool]] = {
    "TEMPERATURE": ("t", "K", "air_temperature", False),
    "WIND.U.PHYS": ("u", "m s-1", "x_wind", False),
    "WIND.V.PHYS": ("v", "m s-1", "y_wind", False),
    "HUMI.SPECIFI": ("q", "kg kg-1", "specific_humidity", False),
    "SURFTEMPERATURE": ("skt", "K", "surface_temperature", False),
    "CLSTEMPERATURE": ("2t", "K", "air_temperature", False),
    "CLSHUMI.RELATIVE": ("2r", "1", "relative_humidity", False),
    "CLSVENT.ZONAL": ("10u", "m s-1", "x_wind", False),
    "CLSVENT.MERIDIEN": ("10v", "m s-1", "y_wind", False),
    "CLSU.RAF60M.XFU": ("10efg", "m s-1", "x_wind_of_gust", False),
    "CLSV.RAF60M.XFU": ("10nfg", "m s-1", "y_wind_of_gust", False),
    "SURFPRESSION": ("sp", "Pa", "surface_air_pressure", False),
    "SURFACCPLUIE": ("tp", "kg m-2", "precipitation_amount", True),
    "SOMMFLU.RAY.SOLA": ("ssr", "J m-2", "surface_net_downward_shortwave_flux", True),
    "SOMMRAYT.SOLAIRE": ("ssrd", "J m-2", "surface_downwelling_shortwave_flux_in_air", True),
}
_LEVELS = 90
_PROJECTION = {
    "grid_mapping_name": "lambert_conformal_conic", "standard_parallel": [46.7, 46.7],
    "longitude_of_central_meridian": 2.0, "latitude_of_projection_origin": 46.7, "earth_radius": 6371229.0,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class SmeagolGrid(Settings):
    """The grid and its window."""

    domain: str = setting("france", "folder of the domain")
    model: str = setting("arome", "model, first word of the grid's folder")
    geometry: str = setting("franmgsp32", "geometry, second word of the grid's folder")
    border_size: int = setting(10, "width of the ring where truth is imposed [cells]")
    subgrid: tuple[int, int, int, int] | None = setting(None, "first and last X, first and last Y; zeros: all")


@dataclass(frozen=True, slots=True, kw_only=True)
class TermSettings(Settings):
    """Lead times in hours; the last one excluded."""

    start: float = setting(help="first lead time [h]")
    end: float = setting(help="end of the lead times [h], excluded")
    timestep: float = setting(help="step [h], such as 0.25")


@dataclass(frozen=True, slots=True, kw_only=True)
class VarSettings(Settings):
    """One variable of the files."""

    shortname: str = setting(help="what to call it")
    level: tuple[int, ...] = setting((), "model levels, counted from the top; none for the surface")
    kind: Kind = setting("input_output", "input (forcing), output (diagnostic) or input_output (prognostic)")


@dataclass(frozen=True, slots=True, kw_only=True)
class SmeagolSource(Settings):
    """The runs of one model."""

    grid: SmeagolGrid | None = setting(None, "of its files; by default that of the dataset")
    members: tuple[int, ...] = setting((0,), "members to use, each by itself")
    term: TermSettings = setting(help="lead times")
    var: dict[str, VarSettings] = setting(help="variables as the files call them")


@dataclass(frozen=True, slots=True, kw_only=True)
class SmeagolSettings(ServiceSettings):
    """Smeagol, in the words of its JSON files."""

    name: str = setting("smeagol", "what to call the dataset")
    grid: SmeagolGrid = setting(help="domain, model, geometry, border_size, subgrid")
    dataset: dict[str, SmeagolSource] = setting(help="sources by name; one")


def _variables(source: SmeagolSource, folder: str) -> dict[str, VariableSettings]:
    variables: dict[str, VariableSettings] = {}
    for name, asked in source.var.items():
        if name not in PARAMETERS:
            raise SettingsError(f"dataset: unknown variable {name!r}{nearest(name, PARAMETERS)}")
        grib, units, standard, is_sum = PARAMETERS[name]
        for level in asked.level or (None,):
            if level is not None and not 1 <= level <= _LEVELS:
                raise SettingsError(f"dataset: {name} has model levels 1 to {_LEVELS}, not {level}")
            key = asked.shortname if level is None else f"{asked.shortname}_{level}"
            if key in variables:
                raise SettingsError(f"dataset: two variables are called {key!r}")
            file = "surface" if level is None else name
            variables[key] = VariableSettings(
                role=asked.kind, short_name=grib, file_name=name, units=units, standard_name=standard, level=level,
                type_of_level=None if level is None else "hybrid", accumulated=is_sum,
                weight=None if level is None else 1 + level / _LEVELS,
                files=(f"{folder}/%Y%m%dH%H/mb_[0-9][0-9][0-9]_{file}.nc",),
            )  # fmt: skip
    return variables


class Smeagol(FilesDataset):
    """Creates the samples of one split of Smeagol."""

    settings_kls: ClassVar[type] = SmeagolSettings

    @classmethod
    def gridded(cls, settings: Any) -> GriddedSettings:
        assert isinstance(settings, SmeagolSettings), "read by settings_kls"
        if len(settings.dataset) != 1:
            raise SettingsError(f"dataset: expected one source, found {', '.join(settings.dataset) or 'none'}")
        source = next(iter(settings.dataset.values()))
        files, wanted = source.grid or settings.grid, settings.grid
        folder = f"nc/{files.domain}/{files.model}_{files.geometry}"
        term, step = source.term, hours(source.term.timestep)
        constant = f"{folder}/constant/Mesh_and_SurfGeo.nc"
        fixed = {
            "geopotential": VariableSettings(
                role="static", short_name="SURFGEOPOTENTIEL", units="m2 s-2", files=(constant,)
            ),
            "landsea_mask": VariableSettings(role="static", short_name="LandSeaMask", units="1", files=(constant,)),
        }
        first, last = term.start, term.end - term.timestep
        return GriddedSettings(
            name=settings.name,
            **settings.shared(),
            root_env="PY4CAST_SMEAGOL_PATH",
            step=step,
            variables={**_variables(source, folder), **fixed},
            grid=GridSettings(
                name=wanted.geometry,
                border_size=wanted.border_size,
                subgrid=wanted.subgrid if wanted.subgrid and any(wanted.subgrid) else None,
            ),
            forecasts=ForecastSettings(
                first="0s" if first == 0 else hours(first), last=hours(last), members=source.members
            ),
            arrays=ArraySettings(
                path=f"{folder}/%Y%m%dH%H/mb_{{member}}_{{name}}.nc",
                grid_file=constant,
                projection=_PROJECTION,
                names={"lat": "X", "lon": "Y", "lead_time": "step", "level": "level"},
                level_type="hybrid",
                units={"SURFGEOPOTENTIEL": "m2 s-2", "LandSeaMask": "1", **{n: p[1] for n, p in PARAMETERS.items()}},
            ),
        )
