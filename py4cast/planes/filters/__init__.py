"""PLUG POINT: filters between the files and the store. A new one is a class and one line below, or an entry point
in `py4cast.filters`.

In the settings of a dataset a variable is made by one through `"from": {"filter": NAME, ARGUMENT: VARIABLE, ...}`.
"""

from py4cast.planes.filters.base import FilterABC
from py4cast.registry import Registry

__all__ = ["FilterABC", "registry"]

_AT = "py4cast.planes.filters"
registry: Registry[FilterABC] = Registry(
    "filter",
    f"{_AT}.base:FilterABC",
    {
        "wind_u": f"{_AT}.wind:WindU",
        "wind_v": f"{_AT}.wind:WindV",
        "wind_speed": f"{_AT}.wind:WindSpeed",
        "wind_direction": f"{_AT}.wind:WindDirection",
        "relative_humidity": f"{_AT}.humidity:RelativeHumidity",
        "relative_humidity_from_specific": f"{_AT}.humidity:RelativeHumidityFromSpecific",
        "dew_point": f"{_AT}.humidity:DewPoint",
        "dew_point_from_specific": f"{_AT}.humidity:DewPointFromSpecific",
        "specific_humidity": f"{_AT}.humidity:SpecificHumidity",
        "specific_humidity_from_relative": f"{_AT}.humidity:SpecificHumidityFromRelative",
        "orography": f"{_AT}.arithmetic:Orography",
        "clip": f"{_AT}.arithmetic:Clip",
        "scale": f"{_AT}.arithmetic:Scale",
        "sum_over": f"{_AT}.arithmetic:SumOver",
        "mean_rate": f"{_AT}.arithmetic:MeanRate",
    },
)
