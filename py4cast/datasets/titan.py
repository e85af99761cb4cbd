"""titan: AROME and ARPEGE analyses and forecasts and hourly rain over France, as Météo-France distributes Titan.

    root/grib/2023-01-01_06h00/PAAROME_1S100_ECH0_2M.grib ...   files of one hour, or
    root/npy/2023-01-01_06h00/aro_t2m.npy ...                   one array per parameter (and level)
    root/conf_PAAROME_1S40.grib                                 the grid and its orography

Parameters that live on another grid than the one asked for are brought to it: means of finer cells, bilinear from
coarser ones. Its root is `PY4CAST_TITAN_PATH` where the settings give none.
"""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

from py4cast.datasets.files_dataset import FilesDataset
from py4cast.datasets.gridded_settings import NONE, ForecastSettings, GriddedSettings, VariableSettings
from py4cast.datasets.older_settings import OlderGrid, OlderParam, ServiceSettings, hours, obs_step
from py4cast.datasets.titan_parameters import GRIDS, LEVELS, PARAMETERS, TitanParameter
from py4cast.errors import SettingsError, nearest
from py4cast.planes.arrays import ArraySettings
from py4cast.regrid import Method
from py4cast.settings import Settings, setting
from py4cast.variables import feature_name

__all__ = ["Titan", "TitanSettings"]

_HOUR = "%Y-%m-%d_%Hh%M"


@dataclass(frozen=True, slots=True, kw_only=True)
class TitanStepSettings(Settings):
    """How its files are read."""

    step_duration: int = setting(1, "hours between two states; sums over an hour become sums over a step")
    standardize: bool = setting(True, "accepted from older files: a Forecaster standardises what it is given")
    file_format: Literal["grib", "npy"] = setting("grib", "which of the two folders is read")


@dataclass(frozen=True, slots=True, kw_only=True)
class TitanSettings(ServiceSettings):
    """Titan, in the words of its JSON files."""

    name: str = setting("titan", "what to call the dataset")
    grid: OlderGrid = setting(help="name: PAAROME_1S100 or PAAROME_1S40; border_size; subgrid")
    settings: TitanStepSettings = setting(factory=TitanStepSettings, help="step, format")
    params: dict[str, OlderParam] = setting(help="parameters by name, such as aro_t2m, with levels and kind")
    forecasts: ForecastSettings | None = setting(None, "use every start and lead time; by default a series of analyses")


def _method(native: str, wanted: str) -> Method | None:
    if native == wanted:
        return None
    return "mean" if GRIDS[native].spacing < GRIDS[wanted].spacing else "linear"


def _levels(name: str, parameter: TitanParameter, asked: tuple[float, ...]) -> tuple[float, ...]:
    allowed = LEVELS if parameter.level is None else (parameter.level,)
    chosen = asked or (() if parameter.level is None else allowed)
    if not chosen:
        raise SettingsError(f"params.{name}: give its levels; valid: {', '.join(map(str, allowed))}")
    for level in chosen:
        if level not in allowed:
            closest = min(allowed, key=lambda known: abs(known - level))
            raise SettingsError(
                f"params.{name}: no level {level:g}; the nearest is {closest} (valid: {', '.join(map(str, allowed))})"
            )
    return chosen


def _variables(settings: TitanSettings) -> dict[str, VariableSettings]:
    variables: dict[str, VariableSettings] = {}
    step, folder = settings.settings.step_duration, settings.settings.file_format
    for name, asked in settings.params.items():
        if name not in PARAMETERS:
            raise SettingsError(f"params: unknown {name!r}{nearest(name, PARAMETERS)}")
        parameter = PARAMETERS[name]
        levels = _levels(name, parameter, () if asked.levels == "surface" else asked.levels)
        for level in levels:
            is_alone = parameter.level is not None
            feature = name if is_alone else feature_name(name, level, parameter.type_of_level)
            file = parameter.file if folder == "grib" else f"{feature}.npy"
            described: dict[str, Any] = {
                "short_name": parameter.short_name, "file_name": None if folder == "grib" else feature,
                "units": parameter.units, "level": level, "type_of_level": parameter.type_of_level,
                "standard_name": parameter.standard_name, "files": (f"{folder}/{_HOUR}/{file}",),
                "regrid": _method(parameter.grid, settings.grid.name) if folder == "grib" else None,
                # the radars of ANTILOPE do not reach as far as the models
                "nan": "mask" if name.startswith("ant_") else "forbid",
            }  # fmt: skip
            if parameter.is_sum and step > 1:
                variables[f"{feature}_1h"] = VariableSettings(role=NONE, **described)
                made = {"filter": "sum_over", "input": f"{feature}_1h", "step": "1h", "window": hours(step)}
                described = {k: v for k, v in described.items() if k not in ("files", "regrid")} | {"made_from": made}
            variables[feature] = VariableSettings(role=asked.kind, **described)
    return variables


class Titan(FilesDataset):
    """Creates the samples of one split of Titan."""

    settings_kls: ClassVar[type] = TitanSettings

    @classmethod
    def gridded(cls, settings: Any) -> GriddedSettings:
        assert isinstance(settings, TitanSettings), "read by settings_kls"
        grid = settings.grid.name
        valid = [g for g in GRIDS if g.startswith("PAAROME")]
        if grid not in valid:
            raise SettingsError(f"grid.name {grid!r}{nearest(grid, valid)}")
        variables = _variables(settings)
        is_npy = settings.settings.file_format == "npy"
        conf = f"conf_{grid}.grib"
        made = GriddedSettings(
            name=settings.name,
            **settings.shared(),
            root_env="PY4CAST_TITAN_PATH",
            step=obs_step(settings.periods, hours(settings.settings.step_duration)),
            variables=variables,
            grid=settings.grid.grid(),
            forecasts=settings.forecasts,
        )
        if is_npy:
            units = {n: s.units or "" for n, s in variables.items()}
            arrays = ArraySettings(path=f"npy/{_HOUR}/{{name}}.npy", grid_file=conf, units=units)
            made = replace(made, arrays=arrays)
        if (made.root_folder() / conf).is_file():
            ground = VariableSettings(role="static", short_name="h", units="m", files=(conf,))
            made = replace(made, variables={**variables, "orography": ground})
        return made
