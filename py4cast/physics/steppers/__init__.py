"""Steppers in time: a new one is one file here and one line below."""

from py4cast.physics.steppers.ab3 import AdamsBashforth3
from py4cast.physics.steppers.base import StepperABC
from py4cast.physics.steppers.rk3 import RungeKutta3
from py4cast.physics.steppers.rk4 import RungeKutta4

__all__ = ["STEPPERS", "AdamsBashforth3", "RungeKutta3", "RungeKutta4", "StepperABC"]

STEPPERS: dict[str, type[StepperABC]] = {"ab3": AdamsBashforth3, "rk3": RungeKutta3, "rk4": RungeKutta4}
