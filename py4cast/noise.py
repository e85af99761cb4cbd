"""Noise: the random numbers of a member, given to a step and never drawn inside it.

The numbers of a step are a function of (seed, start, member, lead step) alone, so that the same member comes out
whatever the batch, the device, the number of ranks, torch or ONNX Runtime:

    η(seed, t₀, m, k) = standard normal numbers of Philox with the key SHA-256(seed, t₀, m, k)

Reference: J. K. Salmon et al. (2011), Parallel random numbers: as easy as 1, 2, 3, doi 10.1145/2063384.2063405.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["Noise", "NoiseKind"]

NoiseKind = Literal["none", "vector", "cells"]
Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Noise:
    """What noise a strategy takes at each step of a member.

    Args:
        kind: `none`; `vector`, a few numbers for the whole field; `cells`, numbers on every cell.
        size: numbers per step of the data, and per cell for `cells`.
    """

    kind: NoiseKind = "none"
    size: int = 0

    def __bool__(self) -> bool:
        return self.kind != "none"

    def shape(self, grid_shape: tuple[int, int]) -> tuple[int, ...]:
        """Of the numbers of one member at one step: `(noise,)` or `(lat, lon, noise)`."""
        return (*grid_shape, self.size) if self.kind == "cells" else (self.size,)

    def draw(self, seed: int, init_times: Any, members: Sequence[int], step: int, grid_shape: tuple[int, int]) -> Array:
        """Standard normal numbers of one step, `(batch, member, …)`.

        Args:
            seed: of the forecast.
            init_times: start of each forecast of the batch, `datetime64`.
            members: numbers of the members.
            step: of the lead time, 0 for the first.
            grid_shape: `(lat, lon)`.
        """
        starts = np.asarray(init_times, dtype="datetime64[s]").ravel()
        shape = self.shape(grid_shape)
        numbers = np.empty((starts.size, len(members), *shape), dtype=np.float32)
        for row, start in enumerate(starts):
            for column, member in enumerate(members):
                generator = np.random.Generator(np.random.Philox(key=_key(seed, start, member, step)))
                generator.standard_normal(dtype=np.float32, out=numbers[row, column])
        return numbers

    def to_dict(self) -> dict[str, Any]:
        """The noise as plain JSON values, from which `from_dict` makes it again."""
        return {"kind": self.kind, "size": self.size}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`; none for an empty document.

        Raises:
            ValueError: a kind that is not known.
        """
        kind = document.get("kind", "none")
        if kind not in ("none", "vector", "cells"):
            raise ValueError(f"noise: unknown kind {kind!r}, expected none, vector or cells")
        return cls(kind, int(document.get("size", 0)))


def _key(seed: int, start: np.datetime64, member: int, step: int) -> int:
    """128 bits of the identity of a step."""
    text = f"{seed} {start.astype('datetime64[s]').astype(np.int64)} {member} {step}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "little")
