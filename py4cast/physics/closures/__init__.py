"""PLUG POINT: closures of a formula. A new one is one file here and one line below, or an entry point in `py4cast.closures`."""

from py4cast.physics.closures.base import ClosureABC
from py4cast.registry import Registry

__all__ = ["ClosureABC", "closures"]

closures: Registry[ClosureABC] = Registry(
    "closure",
    "py4cast.physics.closures.base:ClosureABC",
    {
        "smagorinsky": "py4cast.physics.closures.smagorinsky:Smagorinsky",
        "dynamic_smagorinsky": "py4cast.physics.closures.dynamic:DynamicSmagorinsky",
        "leith": "py4cast.physics.closures.leith:Leith",
        "dynamic_leith": "py4cast.physics.closures.dynamic:DynamicLeith",
        "backscatter": "py4cast.physics.closures.backscatter:Backscatter",
    },
    mark="ClosureABC",
)
