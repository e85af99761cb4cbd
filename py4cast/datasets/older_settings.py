"""The words of the older interface in the JSON of named datasets: periods as whole numbers, kinds, levels, members."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from py4cast.cubes.source_settings import SourceSettings
from py4cast.cubes.store.packing import StoreType
from py4cast.datasets.series_settings import GridSettings
from py4cast.errors import SettingsError
from py4cast.settings import Settings, setting
from py4cast.timeline import Period, Periods, duration, instant, show_duration

__all__ = ["OlderGrid", "OlderParam", "OlderPeriod", "OlderPeriods", "ServiceSettings", "hours", "periods_of"]

Kind = Literal["input", "output", "input_output"]


def hours(value: float) -> str:
    """A duration of so many hours; SettingsError when it is no whole number of seconds, or not positive."""
    seconds = round(value * 3600)
    if seconds <= 0 or abs(seconds - value * 3600) > 1e-6:
        raise SettingsError(f"{value} h: expected a positive number of hours, in whole seconds")
    return show_duration(np.timedelta64(seconds, "s"))


@dataclass(frozen=True, slots=True, kw_only=True)
class OlderPeriod(Settings):
    """A stretch of time, both ends included."""

    start: int | str = setting(help="first instant as YYYYMMDD, YYYYMMDDHH or ISO, UTC")
    end: int | str = setting(help="last instant; a bare date means the whole day")
    step: int | None = setting(None, "hours between the starts of two forecasts")
    obs_step: int | None = setting(None, "seconds between two states")
    obs_step_btw_t0: int | None = setting(None, "seconds between the starts of two forecasts")

    def __post_init__(self) -> None:
        if instant(str(self.end), is_end=True) < instant(str(self.start)):
            raise ValueError(f"end {self.end} lies before start {self.start}")

    def period(self) -> Period:
        """The same in today's words."""
        step = None if self.step is None else hours(self.step)
        if self.obs_step_btw_t0 is not None:
            step = f"{self.obs_step_btw_t0}s"
        return Period(start=str(self.start), end=str(self.end), init_step=step)


@dataclass(frozen=True, slots=True, kw_only=True)
class OlderPeriods(Settings):
    """The periods of the three splits."""

    train: OlderPeriod = setting(help="what is learned from")
    valid: OlderPeriod = setting(help="what chooses the best epoch")
    test: OlderPeriod = setting(help="what is scored in the end")


def periods_of(older: OlderPeriods) -> Periods:
    """The same in today's words."""
    return Periods(train=older.train.period(), valid=older.valid.period(), test=older.test.period())


def obs_step(older: OlderPeriods, default: str) -> str:
    """The step between two states where the periods give one; SettingsError when they differ."""
    steps = {p.obs_step for p in (older.train, older.valid, older.test) if p.obs_step is not None}
    if len(steps) > 1:
        raise SettingsError(f"periods: obs_step differs between them: {', '.join(str(f) for f in sorted(steps))}")
    return show_duration(duration(f"{steps.pop()}s")) if steps else default


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSettings(Settings):
    """What the named datasets share beside their own words."""

    root: Path | None = setting(None, "folder of the files; by default what the environment says")
    periods: OlderPeriods = setting(help="train, valid and test periods")
    forcings: tuple[str, ...] = setting(("hour", "day_of_year", "toa_radiation"), "computed forcings")
    boundary: SourceSettings | None = setting(None, "where border values come from; by default the truth")
    inputs: dict[str, SourceSettings] = setting(
        factory=dict, help="further inputs by key, for models that ask for them"
    )
    store: Path | None = setting(None, "folder of the prepared store; by default in the cache")
    store_type: StoreType = setting("float32", "numbers in the store: float32, uint16 or float16")

    def shared(self) -> dict[str, Any]:
        """The same in the words of `gridded`."""
        names = ("root", "forcings", "boundary", "inputs", "store", "store_type")
        return {"periods": periods_of(self.periods)} | {name: getattr(self, name) for name in names}


@dataclass(frozen=True, slots=True, kw_only=True)
class OlderGrid(Settings):
    """The grid and its window."""

    name: str = setting("", "name of the grid")
    border_size: int = setting(10, "width of the ring where truth is imposed [cells]")
    subgrid: tuple[int, int, int, int] | None = setting(None, "first and last row, first and last column; zeros: all")
    subdomain: tuple[int, int, int, int] | None = setting(None, "the same, by its newer name")
    proj_name: str = setting("", "not used: the files say it")
    projection_kwargs: dict[str, Any] = setting(factory=dict, help="not used: the files say it")

    def __post_init__(self) -> None:
        if self.subgrid is not None and self.subdomain is not None:
            raise ValueError("give subgrid or subdomain, not both")

    def grid(self) -> GridSettings:
        """The same in today's words."""
        window = self.subgrid or self.subdomain
        return GridSettings(
            name=self.name, border_size=self.border_size, subgrid=window if window and any(window) else None
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OlderParam(Settings):
    """One parameter, in the words of the older JSON files."""

    levels: tuple[float, ...] | Literal["surface"] = setting((), "levels of the parameter; by default its only one")
    kind: Kind = setting("input_output", "input (forcing), output (diagnostic) or input_output (prognostic)")
