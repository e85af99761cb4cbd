"""Humidity: dew point ↔ relative ↔ specific, over liquid water.

    e_s(T) = 611.2 Pa · exp(17.67·(T − 273.15)/(T − 29.65))          saturation vapour pressure
    r = 100·e/e_s(T) [%],   e = e_s(T_d),   q = ε·e/(p − (1 − ε)·e),   ε = 0.62198

and their inverses, e = q·p/(ε + (1 − ε)·q),  T_d = 273.15 + 243.5·ln(e/611.2)/(17.67 − ln(e/611.2)).
Within 0.3 % of the tables from −35 to 35 °C.

Reference: D. Bolton (1980), The computation of equivalent potential temperature, Mon. Wea. Rev. 108, 1046,
doi 10.1175/1520-0493(1980)108<1046:TCOEPT>2.0.CO;2, equation 10.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from py4cast.errors import SettingsError
from py4cast.planes.filters.base import FilterABC, Plane
from py4cast.settings import Settings, setting

__all__ = [
    "DewPoint", "DewPointFromSpecific", "RelativeHumidity", "RelativeHumidityFromSpecific", "SpecificHumidity",
    "SpecificHumidityFromRelative",
]  # fmt: skip

EPSILON = 0.62198  # molar mass of water over that of dry air
_PRESSURE = "variable with the pressure; by default the pressure level of the variable that is made"
Array = NDArray[Any]


def saturation_pressure(temperature: Array) -> Array:
    """Saturation vapour pressure over water [Pa] at a temperature [K]."""
    celsius = np.asarray(temperature, dtype=np.float64) - 273.15
    return 611.2 * np.exp(17.67 * celsius / (celsius + 243.5))


def dew_point_of(vapour_pressure: Array) -> Array:
    """Temperature [K] at which a vapour pressure [Pa] saturates the air."""
    ratio = np.log(np.maximum(vapour_pressure, 1e-3) / 611.2)
    return np.asarray(273.15 + 243.5 * ratio / (17.67 - ratio))


def specific_of(vapour_pressure: Array, pressure: Array) -> Array:
    """Specific humidity [kg kg-1] of a vapour pressure [Pa] at a pressure [Pa]."""
    return np.asarray(EPSILON * vapour_pressure / (pressure - (1 - EPSILON) * vapour_pressure))


def vapour_pressure_of(specific: Array, pressure: Array) -> Array:
    """Vapour pressure [Pa] of a specific humidity [kg kg-1] at a pressure [Pa]."""
    q = np.maximum(np.asarray(specific, dtype=np.float64), 0.0)
    return np.asarray(q * pressure / (EPSILON + (1 - EPSILON) * q))


@dataclass(frozen=True, slots=True, kw_only=True)
class DewPointSettings(Settings):
    """Settings of filters that take temperature and dew point."""

    temperature: str = setting(help="variable with the temperature")
    dew_point: str = setting(help="variable with the dew point")


@dataclass(frozen=True, slots=True, kw_only=True)
class RelativeSettings(Settings):
    """Settings of filters that take temperature and relative humidity."""

    temperature: str = setting(help="variable with the temperature")
    relative_humidity: str = setting(help="variable with the relative humidity")


@dataclass(frozen=True, slots=True, kw_only=True)
class RelativePressureSettings(Settings):
    """Temperature, relative humidity and pressure."""

    temperature: str = setting(help="variable with the temperature")
    relative_humidity: str = setting(help="variable with the relative humidity")
    pressure: str | None = setting(None, _PRESSURE)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecificSettings(Settings):
    """Settings of filters that take specific humidity and pressure."""

    specific_humidity: str = setting(help="variable with the specific humidity")
    pressure: str | None = setting(None, _PRESSURE)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecificTemperatureSettings(Settings):
    """Temperature, specific humidity and pressure."""

    temperature: str = setting(help="variable with the temperature")
    specific_humidity: str = setting(help="variable with the specific humidity")
    pressure: str | None = setting(None, _PRESSURE)


@dataclass(frozen=True, slots=True, kw_only=True)
class DewPointPressureSettings(Settings):
    """Settings of filters that take dew point and pressure."""

    dew_point: str = setting(help="variable with the dew point")
    pressure: str | None = setting(None, _PRESSURE)


class _Humidity(FilterABC):
    """Abstract filter on humidities: units, and the pressure of a level where no variable gives it."""

    units: ClassVar = {
        "temperature": "K", "dew_point": "K", "relative_humidity": "%", "specific_humidity": "kg kg-1", "pressure": "Pa",
    }  # fmt: skip

    def __init__(self, settings: Any, level: float | None = None) -> None:
        super().__init__(settings, level)
        if "pressure" in self.arguments and settings.pressure is None and level is None:
            raise SettingsError(
                f"{type(self).__name__}: give the variable with the pressure; the variable made is on no pressure level"
            )

    def pressure(self, planes: Mapping[str, Plane]) -> Array:
        """Pressure [Pa] of the argument, or of the level [hPa]."""
        if "pressure" in planes:
            return planes["pressure"].astype(np.float64)
        assert self.level is not None, "checked when made"
        return np.float64(100.0 * self.level)  # type: ignore[return-value]


class RelativeHumidity(_Humidity):
    """Creates the relative humidity [%] from temperature and dew point."""

    settings_kls = DewPointSettings
    arguments: ClassVar = ("temperature", "dew_point")
    result_units = "%"

    def apply(self, planes: Mapping[str, Plane]) -> Array:
        return 100.0 * saturation_pressure(planes["dew_point"]) / saturation_pressure(planes["temperature"])


class RelativeHumidityFromSpecific(_Humidity):
    """Creates the relative humidity [%] from temperature, specific humidity and pressure."""

    settings_kls = SpecificTemperatureSettings
    arguments: ClassVar = ("temperature", "specific_humidity", "pressure")
    result_units = "%"

    def apply(self, planes: Mapping[str, Plane]) -> Array:
        vapour = vapour_pressure_of(planes["specific_humidity"], self.pressure(planes))
        return 100.0 * vapour / saturation_pressure(planes["temperature"])


class DewPoint(_Humidity):
    """Creates the dew point [K] from temperature and relative humidity."""

    settings_kls = RelativeSettings
    arguments: ClassVar = ("temperature", "relative_humidity")
    result_units = "K"

    def apply(self, planes: Mapping[str, Plane]) -> Array:
        return dew_point_of(planes["relative_humidity"] / 100.0 * saturation_pressure(planes["temperature"]))


class DewPointFromSpecific(_Humidity):
    """Creates the dew point [K] from specific humidity and pressure."""

    settings_kls = SpecificSettings
    arguments: ClassVar = ("specific_humidity", "pressure")
    result_units = "K"

    def apply(self, planes: Mapping[str, Plane]) -> Array:
        return dew_point_of(vapour_pressure_of(planes["specific_humidity"], self.pressure(planes)))


class SpecificHumidity(_Humidity):
    """Creates the specific humidity [kg kg-1] from dew point and pressure."""

    settings_kls = DewPointPressureSettings
    arguments: ClassVar = ("dew_point", "pressure")
    result_units = "kg kg-1"

    def apply(self, planes: Mapping[str, Plane]) -> Array:
        return specific_of(saturation_pressure(planes["dew_point"]), self.pressure(planes))


class SpecificHumidityFromRelative(_Humidity):
    """Creates the specific humidity [kg kg-1] from temperature, relative humidity and pressure."""

    settings_kls = RelativePressureSettings
    arguments: ClassVar = ("temperature", "relative_humidity", "pressure")
    result_units = "kg kg-1"

    def apply(self, planes: Mapping[str, Plane]) -> Array:
        vapour = planes["relative_humidity"] / 100.0 * saturation_pressure(planes["temperature"])
        return specific_of(vapour, self.pressure(planes))
