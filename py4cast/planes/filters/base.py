"""The contract of filters: a variable that is made of others, plane by plane, between the files and the store."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from py4cast.errors import DataError
from py4cast.variables import Variable

__all__ = ["FilterABC", "Plane"]

Plane = NDArray[np.float32]


class FilterABC(ABC):
    """Abstract filter, which makes a plane of planes.

    Attributes:
        settings_kls: its settings: the names of the variables that it reads, one field per argument, and what else.
        arguments: fields of the settings that name variables; None in the settings leaves one out.
        units: what the formula expects of each argument; the variables are converted.
        result_units: what the formula gives; empty for the units of the variable that it makes.
        needs_earth: whether components of a vector must run east and north, not along the axes of a grid.
        keeps_units: whether the arguments are taken in the units of the variable that it makes.
        offsets: of the instants that it reads, distances to the one it makes.
    """

    settings_kls: ClassVar[type]
    arguments: ClassVar[tuple[str, ...]]
    units: ClassVar[Mapping[str, str]] = {}
    result_units: ClassVar[str] = ""
    keeps_units: ClassVar[bool] = False
    needs_earth: ClassVar[bool] = False

    def __init__(self, settings: Any, level: float | None = None) -> None:
        self.settings, self.level = settings, level

    @property
    def offsets(self) -> tuple[np.timedelta64, ...]:
        """Distances of the instants that it reads; the instant itself by default."""
        return (np.timedelta64(0, "s"),)

    @final
    def check_axes(self, name: str, inputs: Sequence[Variable]) -> None:
        """Refuses components of a vector that run along the axes of their grid, where east and north are needed.

        Raises:
            DataError: names what is made and of what.
        """
        turned = [v.name for v in inputs if v.axes == "grid"] if self.needs_earth else []
        if turned:
            raise DataError(
                f"{name}: {', '.join(turned)} run along the axes of their grid, not east and north; turn them before"
            )

    @abstractmethod
    def apply(self, planes: Mapping[str, Plane]) -> NDArray[Any]:
        """The plane made of the arguments' planes `(lat, lon)`, or `(offset, lat, lon)` where several instants are read."""
