"""Wind: speed and direction ↔ components.

Direction θ is where the wind comes from, clockwise from north [degrees]:

    u = −V·sin θ,  v = −V·cos θ,  V = √(u² + v²),  θ = atan2(−u, −v) mod 360, 0 for a calm

Reference: WMO (2018), Guide to Instruments and Methods of Observation, WMO-No. 8, part I, chapter 5.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from py4cast.planes.filters.base import FilterABC, Plane
from py4cast.settings import Settings, setting

__all__ = ["WindDirection", "WindSpeed", "WindU", "WindV"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolarSettings(Settings):
    """Wind as speed and direction."""

    speed: str = setting(help="variable with the speed")
    direction: str = setting(help="variable with the direction that the wind comes from")


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentSettings(Settings):
    """Settings of filters that take wind as components."""

    u: str = setting(help="variable with the eastward component")
    v: str = setting(help="variable with the northward component")


class WindU(FilterABC):
    """Creates the eastward component [m s-1] from speed and direction."""

    settings_kls = PolarSettings
    arguments: ClassVar = ("speed", "direction")
    units: ClassVar = {"speed": "m s-1", "direction": "degrees"}
    result_units = "m s-1"

    def apply(self, planes: Mapping[str, Plane]) -> NDArray[Any]:
        return -planes["speed"] * np.sin(np.deg2rad(planes["direction"]))


class WindV(FilterABC):
    """Creates the northward component [m s-1] from speed and direction."""

    settings_kls = PolarSettings
    arguments: ClassVar = ("speed", "direction")
    units: ClassVar = {"speed": "m s-1", "direction": "degrees"}
    result_units = "m s-1"

    def apply(self, planes: Mapping[str, Plane]) -> NDArray[Any]:
        return -planes["speed"] * np.cos(np.deg2rad(planes["direction"]))


class WindSpeed(FilterABC):
    """Creates the speed [m s-1] from the components."""

    settings_kls = ComponentSettings
    arguments: ClassVar = ("u", "v")
    units: ClassVar = {"u": "m s-1", "v": "m s-1"}
    result_units = "m s-1"

    def apply(self, planes: Mapping[str, Plane]) -> NDArray[Any]:
        return np.hypot(planes["u"], planes["v"])


class WindDirection(FilterABC):
    """Creates the direction [degrees] that the wind comes from, from the components."""

    settings_kls = ComponentSettings
    arguments: ClassVar = ("u", "v")
    units: ClassVar = {"u": "m s-1", "v": "m s-1"}
    result_units = "degrees"
    needs_earth = True

    def apply(self, planes: Mapping[str, Plane]) -> NDArray[Any]:
        u, v = planes["u"].astype(np.float64), planes["v"].astype(np.float64)
        angle = np.rad2deg(np.arctan2(-u, -v)) % 360.0
        return np.where((u == 0) & (v == 0), 0.0, angle)
