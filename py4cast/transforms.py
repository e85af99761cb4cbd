"""Transforms: what is learned in place of a variable, and what brings it back.

A variable whose values are skewed (rain), bounded (fractions) or periodic (directions) is learned as T(x), standardised by
the statistics of T(x). At the edge of what T is defined on, values beyond it are taken as the edge.

Reference: D. R. Cox and G. E. P. Box (1964), An analysis of transformations (log and root; no doi).
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar

import torch
from torch import Tensor

from py4cast.errors import DataError, SettingsError
from py4cast.units import conversion
from py4cast.variables import Variable

__all__ = ["FieldTransforms", "TransformABC", "identity", "transform_of"]

# exp(80) is far beyond any field, and finite in float32
_LARGEST_EXPONENT = 80.0


class TransformABC(ABC):
    """Abstract transform of `(..., 1)` into `(..., parts)` and back.

    Args:
        scale: of its formula.
        unit: what brings the variable to the units of the formula.

    Attributes:
        units: of the formula; empty for those of the variable.
        parts: what is appended to the name of the variable, for each feature that it becomes.
        domain: what it is defined on, in words.
        default_scale: where none is given.
        changes: whether it does anything.
    """

    units: ClassVar[str] = ""
    parts: ClassVar[tuple[str, ...]] = ("",)
    domain: ClassVar[str] = "all numbers"
    default_scale: ClassVar[float] = 1.0
    changes: ClassVar[bool] = True

    def __init__(self, scale: float, unit: float) -> None:
        self.scale, self.unit = scale, unit

    @abstractmethod
    def is_defined(self, values: Tensor) -> Tensor:
        """Where it is defined, of the shape of the values."""

    @abstractmethod
    def forward(self, values: Tensor) -> Tensor:
        """T(x), `(..., parts)`, of x `(..., 1)` in the units of the variable."""

    @abstractmethod
    def inverse(self, learned: Tensor) -> Tensor:
        """The x, `(..., 1)`, of T(x)."""

    def within(self, learned: Tensor) -> Tensor:
        """T(T⁻¹(y)) of any y `(..., parts)`: y itself where it is a T(x), else the nearest that is one."""
        return learned


class Identity(TransformABC):
    """Creates T(x) = x, for variables that are learned as they are."""

    changes = False

    def is_defined(self, values: Tensor) -> Tensor:
        return torch.ones_like(values, dtype=torch.bool)

    def forward(self, values: Tensor) -> Tensor:
        return values

    def inverse(self, learned: Tensor) -> Tensor:
        return learned


class Log(TransformABC):
    """Creates T(x) = log(1 + x/c), for rain and what else is 0 or spread over powers of ten; c the scale."""

    domain = "x > −scale"

    def is_defined(self, values: Tensor) -> Tensor:
        return values > -self.scale

    def forward(self, values: Tensor) -> Tensor:
        return torch.log1p((values / self.scale).clamp_min(-1 + 1e-6))

    def inverse(self, learned: Tensor) -> Tensor:
        return self.scale * torch.expm1(learned.clamp_max(_LARGEST_EXPONENT))

    def within(self, learned: Tensor) -> Tensor:
        return learned.clamp(math.log(1e-6), _LARGEST_EXPONENT)


class SquareRoot(TransformABC):
    """Creates T(x) = √x, for what is never negative."""

    domain = "x ≥ 0"

    def is_defined(self, values: Tensor) -> Tensor:
        return values >= 0

    def forward(self, values: Tensor) -> Tensor:
        # the root's slope at 0 is infinite
        return torch.where(values > 0, values.clamp_min(1e-12).sqrt(), torch.zeros_like(values))

    def inverse(self, learned: Tensor) -> Tensor:
        return learned.clamp_min(0.0).square()

    def within(self, learned: Tensor) -> Tensor:
        return learned.clamp_min(0.0)


class Logit(TransformABC):
    """Creates T(x) = log((x + ε)/(1 − x + ε)) of a fraction, ε the scale, so that 0 and 1 are finite."""

    units = "1"
    domain = "0 ≤ x ≤ 1, as a fraction"
    default_scale = 0.01

    def is_defined(self, values: Tensor) -> Tensor:
        fraction = values * self.unit
        # packed files hold 1 as 1.0000001
        return (fraction >= -1e-6) & (fraction <= 1 + 1e-6)

    def forward(self, values: Tensor) -> Tensor:
        fraction = (values * self.unit).clamp(0.0, 1.0)
        return torch.log((fraction + self.scale) / (1 - fraction + self.scale))

    def inverse(self, learned: Tensor) -> Tensor:
        share = torch.sigmoid(learned)
        return (share * (1 + 2 * self.scale) - self.scale) / self.unit

    def within(self, learned: Tensor) -> Tensor:
        edge = math.log((1 + self.scale) / self.scale)
        return learned.clamp(-edge, edge)


class Angle(TransformABC):
    """Creates T(x) = (sin x, cos x), for directions, and back to [0, 2π)."""

    units = "radian"
    parts = ("_sin", "_cos")

    def is_defined(self, values: Tensor) -> Tensor:
        return torch.ones_like(values, dtype=torch.bool)

    def forward(self, values: Tensor) -> Tensor:
        angle = values * self.unit
        return torch.cat([angle.sin(), angle.cos()], dim=-1)

    def inverse(self, learned: Tensor) -> Tensor:
        angle = torch.atan2(learned[..., :1], learned[..., 1:])
        return torch.where(angle < 0, angle + 2 * math.pi, angle) / self.unit

    def within(self, learned: Tensor) -> Tensor:
        length = torch.linalg.vector_norm(learned, dim=-1, keepdim=True)
        # of no direction atan2 makes that of (0, 1)
        north = torch.cat([torch.zeros_like(length), torch.ones_like(length)], dim=-1)
        return torch.where(length > 0, learned / length.clamp_min(1e-12), north)


_KINDS: Mapping[str, type[TransformABC]] = MappingProxyType(
    {"none": Identity, "log": Log, "sqrt": SquareRoot, "logit": Logit, "angle": Angle}
)


def identity() -> TransformABC:
    """The transform that changes nothing."""
    return Identity(1.0, 1.0)


def transform_of(variable: Variable) -> TransformABC:
    """The transform that a variable's constraint asks for; SettingsError for units that it cannot be taken of."""
    constraint = variable.constraint
    if constraint is None:
        return identity()
    kind, unit = _KINDS[constraint.transform], 1.0
    if kind.units:
        told = f"variables.{variable.name}: transform {constraint.transform}"
        if not variable.units and kind.units != "1":
            raise SettingsError(f"{told}: it has no units; give them, such as {kind.units} or degree")
        try:
            unit, offset = conversion(variable.units or "1", kind.units)
        except DataError as error:
            raise SettingsError(f"{told}: {error}") from None
        if offset:
            raise SettingsError(f"{told}: the zero of [{variable.units}] is another one")
    return kind(kind.default_scale if constraint.scale is None else constraint.scale, unit)


class FieldTransforms:
    """Creates the transforms of several features, side by side.

    Args:
        transforms: of each feature, in order.
    """

    def __init__(self, transforms: Sequence[TransformABC]) -> None:
        self.transforms = list(transforms)
        self.widths = [len(t.parts) for t in self.transforms]

    @property
    def changes(self) -> bool:
        """Whether any of them does anything."""
        return any(t.changes for t in self.transforms)

    def forward(self, values: Tensor) -> Tensor:
        """T of `(..., features)`, `(..., learned)`."""
        parts = torch.split(values, 1, dim=-1)
        return torch.cat([t.forward(part) for t, part in zip(self.transforms, parts, strict=True)], dim=-1)

    def inverse(self, learned: Tensor) -> Tensor:
        """The features `(..., features)` of `(..., learned)`."""
        parts = torch.split(learned, self.widths, dim=-1)
        return torch.cat([t.inverse(part) for t, part in zip(self.transforms, parts, strict=True)], dim=-1)
