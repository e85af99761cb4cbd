"""Constraint: what a user asks of one variable, beside what the data say of it: a transform, bounds, a mean that is kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from py4cast.settings import Settings, setting

__all__ = ["Constraint", "bounded_array"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint(Settings):
    """Settings of a variable: how it is learned, and what its forecasts keep to."""

    transform: Literal["none", "log", "sqrt", "logit", "angle"] = setting(
        "none",
        "what is learned in place of x: log(1 + x/scale), the square root, log((x + scale)/(1 − x + scale)) of a fraction, or "
        "sine and cosine",
    )
    scale: float | None = setting(
        None, "of log, in the variable's units (default: its deviation), and of logit (default: 0.01)"
    )
    bounds: tuple[float | None, float | None] = setting(
        (None, None), "least and largest value of forecasts, in the variable's units; null for none"
    )
    at_most: str = setting("", "a predicted variable that this one never exceeds, such as the total of a part")
    conserve: bool = setting(False, "whether the area-weighted mean stays that of the last state")

    def __post_init__(self) -> None:
        if self.scale is not None and not 0 < self.scale < float("inf"):
            raise ValueError(f"scale {self.scale:g}: expected more than 0")
        if self.scale is not None and self.transform not in ("log", "logit"):
            raise ValueError(f"scale {self.scale:g}: of the transforms log and logit; this is {self.transform}")
        low, high = self.bounds
        if any(bound is not None and not isfinite(bound) for bound in self.bounds):
            raise ValueError(f"bounds {list(self.bounds)}: expected finite numbers, or null for none")
        if low is not None and high is not None and low >= high:
            raise ValueError(f"bounds {list(self.bounds)}: expected the least below the largest")
        if self.transform == "angle" and (self.is_bounded or self.conserve):
            raise ValueError("an angle has no bounds, and no mean that can be kept")
        if self.conserve and self.transform != "none":
            raise ValueError(
                f"conserve with the transform {self.transform}: the mean is kept of what is learned as it is"
            )
        if self.conserve and (self.at_most or high is not None or low not in (None, 0.0)):
            raise ValueError(
                "conserve goes with no bounds, or with bounds [0, null]: other bounds would change the mean again"
            )

    @property
    def is_bounded(self) -> bool:
        """Whether forecasts keep to bounds."""
        return self.bounds != (None, None) or bool(self.at_most)

    @property
    def limits(self) -> tuple[float, float]:
        """The bounds, infinite where there are none."""
        low, high = self.bounds
        return (-float("inf") if low is None else low, float("inf") if high is None else high)


def bounded_array(
    values: NDArray[np.float32], names: Sequence[str], constraints: Mapping[str, Constraint]
) -> NDArray[np.float32]:
    """Physical values `(..., features)` within their bounds, a part never above its total; missing values stay missing.

    Args:
        values: physical.
        names: of the features.
        constraints: those with bounds, by name.
    """
    if not constraints:
        return values
    within, place = values.copy(), {name: i for i, name in enumerate(names)}
    for name, constraint in constraints.items():
        low, high = constraint.limits
        within[..., place[name]] = np.clip(within[..., place[name]], low, high)
    for name, constraint in constraints.items():
        if constraint.at_most:
            within[..., place[name]] = np.minimum(within[..., place[name]], within[..., place[constraint.at_most]])
    return within
