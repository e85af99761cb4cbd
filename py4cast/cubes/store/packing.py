"""Packing: how the values of a variable lie in a store, and how far they are from what went in.

    value = raw·scale + offset

float32 as it is; uint16 over a range, error at most scale/2, with 65535 for missing; float16 over a range, raw in
[−1, 1], error at most 2⁻¹² of half the range at its ends and less within.
"""

from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from py4cast.errors import DataError

__all__ = ["Packing", "StoreType"]

StoreType = Literal["float32", "float16", "uint16"]
_MISSING = 65535
_TYPES: dict[str, np.dtype[Any]] = {"float32": np.dtype("<f4"), "float16": np.dtype("<f2"), "uint16": np.dtype("<u2")}


@dataclass(frozen=True, slots=True)
class Packing:
    """The packing of one variable.

    Args:
        kind: type of the stored numbers.
        scale: factor, in the variable's units.
        offset: in the variable's units.
    """

    kind: StoreType = "float32"
    scale: float = 1.0
    offset: float = 0.0

    @classmethod
    def over(cls, kind: StoreType, low: float, high: float) -> Self:
        """The packing of values from `low` to `high`."""
        if kind == "float32":
            return cls()
        width = max(high - low, 1e-12 * max(1.0, abs(low), abs(high)))
        if kind == "uint16":
            return cls(kind, width / (_MISSING - 1), low)
        return cls(kind, width / 2, (low + high) / 2)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the numbers that are stored."""
        return np.dtype(_TYPES[self.kind])

    @property
    def limits(self) -> tuple[float, float]:
        """Smallest and largest value that can be stored."""
        if self.kind == "uint16":
            return self.offset, self.offset + self.scale * (_MISSING - 1)
        return (self.offset - self.scale, self.offset + self.scale) if self.kind == "float16" else (-np.inf, np.inf)

    @property
    def error(self) -> float:
        """Largest distance between a value and what is read back, in the variable's units; 0 for float32."""
        return {"float32": 0.0, "uint16": self.scale / 2, "float16": self.scale * 2.0**-12}[self.kind]

    def encode(self, values: NDArray[np.float32], what: str) -> NDArray[Any]:
        """The stored numbers of a plane; DataError when a value lies outside the range."""
        if self.kind == "float32":
            return np.ascontiguousarray(values, dtype=self.dtype)
        low, high = self.limits
        least, largest = (float(values.min()), float(values.max())) if values.size else (low, high)
        # a minimum is NaN where any value is
        missing = np.isnan(values) if np.isnan(least) else None
        if missing is not None:
            inside = values[~missing]
            least, largest = (float(inside.min()), float(inside.max())) if inside.size else (low, high)
        if least < low - self.error or largest > high + self.error:
            raise DataError(
                f"{what}: values from {least:g} to {largest:g} do not fit the packing over {low:g} to {high:g}; "
                f'give the variable a wider "range", or store float32'
            )
        scaled = values.astype(np.float64)
        scaled -= self.offset
        scaled /= self.scale
        if self.kind == "float16":
            return np.clip(scaled, -1.0, 1.0, out=scaled).astype(self.dtype)
        if least < low or largest > high:
            np.clip(scaled, 0, _MISSING - 1, out=scaled)
        np.rint(scaled, out=scaled)
        if missing is not None:
            scaled[missing] = _MISSING
        return scaled.astype(self.dtype)

    def decode(self, raw: NDArray[Any], out: NDArray[np.float32]) -> None:
        """The values of stored numbers, into `out` of the same shape."""
        if self.kind == "float32":
            np.copyto(out, raw)
            return
        np.multiply(raw, np.float32(self.scale), out=out, dtype=np.float32, casting="unsafe")
        out += np.float32(self.offset)
        if self.kind == "uint16":
            holes = raw == _MISSING
            if holes.any():
                out[holes] = np.nan

    @property
    def attributes(self) -> dict[str, Any]:
        """CF attributes under which other tools read the values."""
        if self.kind == "float32":
            return {}
        packed: dict[str, Any] = {"scale_factor": self.scale, "add_offset": self.offset}
        return packed | ({"_FillValue": _MISSING} if self.kind == "uint16" else {})

    @property
    def fill_value(self) -> Any:
        """What an absent chunk holds."""
        return _MISSING if self.kind == "uint16" else float("nan")

    def to_list(self) -> list[Any]:
        """The packing as plain JSON values."""
        return [self.kind, self.scale, self.offset]
