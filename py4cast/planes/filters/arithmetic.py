"""Arithmetic: heights from geopotential, limits, factors, sums over time.

orography  h = Φ/g, g = 9.80665 m s-2 (WMO, 2019, Technical Regulations, WMO-No. 49)
clip       min(max(x, low), high)
scale      factor·x + offset, NaN below `valid_min`
sum_over   Σ x of the last steps, each a sum or a mean of its own step
mean_rate  x / step, such as J m-2 summed over a step to W m-2
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from py4cast.planes.filters.base import FilterABC, Plane
from py4cast.settings import Settings, setting
from py4cast.timeline import duration

__all__ = ["Clip", "MeanRate", "Orography", "Scale", "SumOver"]

GRAVITY = 9.80665  # [m s-2]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrographySettings(Settings):
    """Settings of orography: the geopotential of the surface."""

    geopotential: str = setting(help="variable with the geopotential of the surface")


class Orography(FilterABC):
    """Creates the height of the ground [m] from its geopotential."""

    settings_kls = OrographySettings
    arguments: ClassVar = ("geopotential",)
    units: ClassVar = {"geopotential": "m2 s-2"}
    result_units = "m"

    def apply(self, planes: Mapping[str, Plane]) -> NDArray[Any]:
        return planes["geopotential"] / GRAVITY


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipSettings(Settings):
    """Settings of clip: a variable and its limits."""

    input: str = setting(help="variable")
    low: float | None = setting(None, "smallest value kept, in the units of the variable that is made")
    high: float | None = setting(None, "largest value kept")


class Clip(FilterABC):
    """Creates a variable within limits."""

    settings_kls = ClipSettings
    arguments: ClassVar = ("input",)
    keeps_units = True

    def apply(self, planes: Mapping[str, Plane]) -> NDArray[Any]:
        if self.settings.low is None and self.settings.high is None:
            return planes["input"]
        return np.clip(planes["input"], self.settings.low, self.settings.high)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleSettings(Settings):
    """A factor and an offset."""

    input: str = setting(help="variable")
    factor: float = setting(1.0, "factor")
    offset: float = setting(0.0, "added after it")
    valid_min: float | None = setting(None, "smaller values of the input are missing")


class Scale(FilterABC):
    """Creates a variable times a factor plus an offset."""

    settings_kls = ScaleSettings
    arguments: ClassVar = ("input",)

    def apply(self, planes: Mapping[str, Plane]) -> NDArray[Any]:
        values = planes["input"].astype(np.float64)
        if self.settings.valid_min is not None:
            values = np.where(values < self.settings.valid_min, np.nan, values)
        return np.asarray(values * self.settings.factor + self.settings.offset)


@dataclass(frozen=True, slots=True, kw_only=True)
class SumOverSettings(Settings):
    """Settings of sum_over: a variable and a window of time."""

    input: str = setting(help="variable, a sum over each step of its own")
    step: str = setting(help="distance of the fields that are added, such as 1h")
    window: str = setting(help="length of the sum that ends at each time, such as 3h")

    def __post_init__(self) -> None:
        if duration(self.window) % duration(self.step):
            raise ValueError(f"window {self.window} is no multiple of the step {self.step}")


class SumOver(FilterABC):
    """Creates the sum over the last steps, such as rain of 3 h from hourly rain."""

    settings_kls = SumOverSettings
    arguments: ClassVar = ("input",)
    keeps_units = True

    @property
    def offsets(self) -> tuple[np.timedelta64, ...]:
        step = duration(self.settings.step)
        return tuple(-i * step for i in reversed(range(int(duration(self.settings.window) / step))))

    def apply(self, planes: Mapping[str, Plane]) -> NDArray[Any]:
        values = planes["input"]
        return values.sum(axis=0, dtype=np.float64) if values.ndim == 3 else values


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanRateSettings(Settings):
    """A sum over a step."""

    input: str = setting(help="variable, a sum over each step")
    step: str = setting(help="length of the step, such as 1h")


class MeanRate(FilterABC):
    """Creates the mean rate per second over a step, such as W m-2 from J m-2."""

    settings_kls = MeanRateSettings
    arguments: ClassVar = ("input",)

    def apply(self, planes: Mapping[str, Plane]) -> NDArray[Any]:
        return planes["input"] / float(duration(self.settings.step) / np.timedelta64(1, "s"))
