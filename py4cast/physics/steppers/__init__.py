"""Steppers in time: a new one is one file here and one line below. `TimeStepperABC` was `StepperABC` once."""

from py4cast.physics.steppers.ab3 import AdamsBashforth3
from py4cast.physics.steppers.base import TimeStepperABC
from py4cast.physics.steppers.rk3 import RungeKutta3
from py4cast.physics.steppers.rk4 import RungeKutta4

__all__ = ["STEPPERS", "AdamsBashforth3", "RungeKutta3", "RungeKutta4", "StepperABC", "TimeStepperABC"]

STEPPERS: dict[str, type[TimeStepperABC]] = {"ab3": AdamsBashforth3, "rk3": RungeKutta3, "rk4": RungeKutta4}
StepperABC = TimeStepperABC
