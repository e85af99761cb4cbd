"""PLUG POINT: physics, differentiable, nothing learned but its own parameters. A new one is one file here and one line
below, or an entry point in `py4cast.physics`.
"""

from py4cast.physics.base import PhysicsABC
from py4cast.registry import Registry

__all__ = ["PhysicsABC", "registry"]

registry: Registry[PhysicsABC] = Registry(
    "physics",
    "py4cast.physics.base:PhysicsABC",
    {
        "barotropic": "py4cast.physics.barotropic:Barotropic",
        "two_layer": "py4cast.physics.baroclinic:Baroclinic",
    },
    mark="PhysicsABC",
)
