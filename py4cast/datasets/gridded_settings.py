"""The settings of a dataset of files: which files, which variables, analyses or forecasts, how they are stored."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from py4cast.atomic import check_name
from py4cast.cubes.store.packing import StoreType
from py4cast.datasets.series_settings import BoxSettings, GridSettings, SeriesSettings
from py4cast.errors import SettingsError, nearest
from py4cast.formats import ArrayDescription, TimeDescription
from py4cast.planes.arrays import ArraySettings
from py4cast.planes.filters import registry as filters
from py4cast.planes.reader import FieldPlan
from py4cast.regrid import Method
from py4cast.settings import Settings, decode, setting
from py4cast.timeline import duration, num_months, show_duration
from py4cast.variables import NanPolicy, Variable, feature_name, role_of

__all__ = ["BoxSettings", "ForecastSettings", "GridSettings", "GriddedSettings", "TimeSettings", "VariableSettings"]

NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class VariableSettings(Settings):
    """One variable, or one per level."""

    role: str = setting(
        "prognostic",
        "prognostic, diagnostic, forcing or static (older: input_output, output, input); none: read for a filter alone",
    )
    short_name: str | None = setting(None, "name in the files (GRIB shortName, NetCDF variable); by default the key")
    file_name: str | None = setting(None, "name in the files, where short_name is to be the GRIB shortName to write")
    units: str | None = setting(None, "units in memory; the files' are converted; by default the files'")
    level: float | None = setting(None, "one level; the feature is called by the key")
    levels: tuple[float, ...] | None = setting(
        None, "several levels; features are called <key>_<level>_<type_of_level>"
    )
    type_of_level: str | None = setting(None, "GRIB typeOfLevel, such as isobaricInhPa or heightAboveGround")
    standard_name: str | None = setting(None, "CF standard name")
    grib: dict[str, Any] = setting(factory=dict, help="further GRIB keys that single the field out")
    weight: float | None = setting(
        None, "factor in the loss; by default 1 + p/1000 on a pressure level p [hPa], else 2"
    )
    accumulated: bool = setting(
        False, "whether files hold a sum since the start of the forecast; the store holds sums per step"
    )
    nan: NanPolicy = setting("forbid", "missing values: forbid (refused by name) or mask (left out of the loss)")
    fill: float | None = setting(None, "number in the files that marks what is missing, where they do not say so")
    files: tuple[str, ...] | None = setting(None, "patterns of this variable's files; by default the dataset's")
    regrid: Method | None = setting(
        None, "how to bring it from another grid to the dataset's: linear, nearest or mean (from fine to coarse)"
    )
    restart: str | None = setting(
        None,
        "for accumulated fields whose files name no start of forecast: after how long the sum begins anew, such as 1d",
    )
    range: tuple[float, float] | None = setting(
        None, "smallest and largest value that a packed store must hold; by default three times the range of a sample"
    )
    made_from: dict[str, Any] | None = setting(
        None, 'made of other variables: {"filter": NAME, ARGUMENT: VARIABLE, ...}; `py4cast plugins` lists filters'
    )

    def __post_init__(self) -> None:
        if self.restart is not None:
            duration(self.restart)
            if not self.accumulated:
                raise ValueError("restart: for accumulated fields only")
        if self.made_from is not None and (self.files is not None or self.accumulated or self.regrid is not None):
            raise ValueError("made_from: a variable that is made of others has no files, accumulation or regridding")

    def variables(self, key: str) -> list[Variable]:
        """The variables that these settings describe."""
        if self.level is not None and self.levels is not None:
            raise SettingsError(f"variables.{key}: give level or levels, not both")
        role = "forcing" if self.role == NONE else role_of(self.role)
        named = [(key, self.level)]
        if self.levels is not None:
            named = [(feature_name(key, level, self.type_of_level), level) for level in self.levels]
        return [
            Variable(
                name=name, short_name=self.short_name or key, role=role, units=self.units or "", level=level,
                type_of_level=self.type_of_level, standard_name=self.standard_name or "", grib=self.grib, weight=self.weight,
                accumulated=self.accumulated, nan=self.nan, file_name=self.file_name or "",
            )
            for name, level in named
        ]  # fmt: skip

    def plans(self, key: str, others: dict[str, "VariableSettings"]) -> list[FieldPlan]:
        """How its variables come to be."""
        restart = None if self.restart is None else duration(self.restart)
        plans = []
        for variable in self.variables(key):
            plan = FieldPlan(variable, self.role != NONE, self.regrid, restart, fill=self.fill)
            plans.append(plan if self.made_from is None else _derived(key, self.made_from, plan, others))
        return plans


def _derived(key: str, made_from: dict[str, Any], plan: FieldPlan, others: dict[str, VariableSettings]) -> FieldPlan:
    """A plan with its filter."""
    where = f"variables.{key}.made_from"
    document = dict(made_from)
    name = document.pop("filter", None)
    if not isinstance(name, str):
        raise SettingsError(f"{where}: needs a filter{nearest('', filters.names())}")
    kind = filters.get(name)
    made = kind(decode(kind.settings_kls, document, where=where), _pressure_level(plan.variable))
    inputs: dict[str, str] = {}
    for argument in kind.arguments:
        asked = getattr(made.settings, argument)
        if asked is None:
            continue
        inputs[argument] = _feature(f"{where}.{argument}", asked, plan.variable, others)
        if inputs[argument] == plan.variable.name:
            raise SettingsError(f"{where}.{argument}: {asked!r} cannot be made of itself")
    return FieldPlan(plan.variable, plan.is_stored, None, None, made, inputs)


def _pressure_level(variable: Variable) -> float | None:
    return variable.level if variable.type_of_level == "isobaricInhPa" else None


def _feature(where: str, asked: str, variable: Variable, others: dict[str, VariableSettings]) -> str:
    """The feature that an argument names: a variable, its field on the same level, or the feature itself."""
    features = {v.name: key for key, s in others.items() for v in s.variables(key)}
    if asked in others and others[asked].levels is not None:
        same = [v.name for v in others[asked].variables(asked) if v.level == variable.level]
        if not same:
            raise SettingsError(f"{where}: {asked!r} has no level {variable.level}")
        return same[0]
    if asked not in features:
        raise SettingsError(f"{where}: no variable {asked!r}{nearest(asked, [*others, *features])}")
    return asked


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastSettings(Settings):
    """Forecasts as training data: every start, lead time and member."""

    first: str = setting("0s", "first lead time, such as 1h")
    last: str = setting(help="last lead time, such as 45h")
    members: tuple[int, ...] | None = setting(None, "ensemble members; by default all that the files name")

    def lead_times(self, step: np.timedelta64) -> Any:
        """The evenly spaced lead times, both ends included."""
        if num_months(step):
            raise SettingsError(
                f"step {show_duration(step)}: months are steps of a series; forecasts have steps of hours or days"
            )
        first, last = (
            np.timedelta64(0, "s") if t in ("0", "0s", "0h") else duration(t) for t in (self.first, self.last)
        )
        if last < first:
            raise SettingsError(f"forecasts: last {self.last} lies before first {self.first}")
        if (last - first) % step != np.timedelta64(0, "s"):
            raise SettingsError(
                f"forecasts: last {self.last} is no whole number of steps ({show_duration(step)}) after first {self.first}"
            )
        return np.arange(first, last + np.timedelta64(1, "s"), step)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeSettings(Settings):
    """What the times of files mean, where the files say it wrongly or not at all."""

    units: str | None = setting(None, "of time axes, such as hours since 1900-01-01")
    calendar: str | None = setting(None, "of time axes: standard, 365_day, 360_day, julian")
    from_name: str | None = setting(
        None,
        "end of a file's path, with %Y %m %d %H %M %S %j for the instant of its fields, or the start of its forecast",
    )
    lead_units: str | None = setting(None, "of lead times, such as h")

    def description(self) -> TimeDescription:
        """The same in the words that readers take."""
        return TimeDescription(self.units, self.calendar, self.from_name, self.lead_units)


@dataclass(frozen=True, slots=True, kw_only=True)
class GriddedSettings(SeriesSettings):
    """Settings of a dataset of files: which files, which variables, how they are stored."""

    root: Path | None = setting(None, "folder of the files")
    root_env: str | None = setting(None, "environment variable that gives the folder when root does not")
    files: tuple[str, ...] = setting((), "patterns of files under root, such as 2019/*.grib or %Y%m%d.nc")
    arrays: ArraySettings | None = setting(None, "what NumPy files hold, when there are some")
    time: TimeSettings | None = setting(None, "what the files' times mean, where they say it wrongly or not at all")
    variables: dict[str, VariableSettings] = setting(help="variables by name")
    forecasts: ForecastSettings | None = setting(
        None, "use every start, lead time and member; by default one series of analyses, or of the shortest forecasts"
    )
    member: int | None = setting(None, "in a series: ensemble member to use, where the files hold several")
    store: Path | None = setting(None, "folder of the prepared store; by default in the cache")
    store_type: StoreType = setting(
        "float32",
        "numbers in the store: float32, or uint16 or float16 packed over each variable's range, at half the size",
    )

    def root_folder(self) -> Path:
        """`root`, else what the environment says, else the current folder."""
        if self.root is not None:
            return self.root.expanduser()
        return Path(os.environ.get(self.root_env or "", "") or ".").expanduser()

    def array_description(self) -> ArrayDescription | None:
        """What NumPy files hold; None where there are none."""
        return None if self.arrays is None else self.arrays.description(self.root_folder())

    def time_description(self) -> TimeDescription | None:
        """What the files' times mean; None where they say so themselves."""
        return None if self.time is None else self.time.description()

    def plans(self) -> list[FieldPlan]:
        """How every variable comes to be; inputs of filters before what is made of them.

        Raises:
            SettingsError: none is given, names that stand twice, filters that go in circles.
        """
        if not self.variables:
            raise SettingsError("variables: none given; at least one prognostic or diagnostic variable is needed")
        plans: dict[str, FieldPlan] = {}
        for key, described in self.variables.items():
            for plan in described.plans(key, self.variables):
                check_name(plan.variable.name, f"variables.{key}: the name")
                if plan.variable.name in plans:
                    raise SettingsError(f"variables.{key}: the feature {plan.variable.name!r} stands twice")
                plans[plan.variable.name] = plan
        if not any(p.variable.is_predicted and p.is_stored for p in plans.values()):
            raise SettingsError("variables: none is prognostic or diagnostic; there is nothing to predict")
        ordered: dict[str, FieldPlan] = {}
        for name in plans:
            _visit(name, plans, ordered, ())
        # what feeds a fixed field alone is fixed itself
        fixed = {i for p in ordered.values() if p.variable.role == "static" for i in p.inputs.values()}
        fixed -= {i for p in ordered.values() if p.variable.role != "static" for i in p.inputs.values()}
        return [
            replace(p, variable=replace(p.variable, role="static")) if name in fixed and not p.is_stored else p
            for name, p in ordered.items()
        ]


def _visit(name: str, plans: dict[str, FieldPlan], ordered: dict[str, FieldPlan], path: tuple[str, ...]) -> None:
    if name in path:
        raise SettingsError(f"variables: {' is made of '.join([*path, name])}")
    if name in ordered:
        return
    for other in plans[name].inputs.values():
        _visit(other, plans, ordered, (*path, name))
    ordered[name] = plans[name]
