"""Statistics of fields in one pass: count, mean, variance, extremes, merged exactly.

Moments are accumulated in float64 and combined pairwise (Chan, Golub and LeVeque, 1979): for two parts a, b
with δ = μ_b − μ_a, n = n_a + n_b:  μ = μ_a + δ·n_b/n,  M₂ = M₂a + M₂b + δ²·n_a·n_b/n.  Missing values count
nowhere. The parts may come in any order and from any number of processes.

Reference: T. F. Chan, G. H. Golub, R. J. LeVeque (1979), Updating formulae and a pairwise algorithm for
computing sample variances, Stanford STAN-CS-79-773.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from py4cast.errors import nearest

__all__ = ["MOMENTS", "Stats", "merge_moments", "moments"]

MOMENTS = ("count", "mean", "m2", "min", "max")
Array = NDArray[np.float64]


def moments(values: NDArray[Any]) -> Array:
    """Moments over all but the first axis: `(n, ...)` → `(n, 5)`, columns as in `MOMENTS`."""
    flat = np.asarray(values, dtype=np.float64).reshape(values.shape[0], -1)
    valid = np.isfinite(flat)
    count = valid.sum(1)
    safe = np.maximum(count, 1)
    mean = np.where(valid, flat, 0.0).sum(1) / safe
    deviation = np.where(valid, flat - mean[:, None], 0.0)
    low = np.where(valid, flat, np.inf).min(1, initial=np.inf)
    high = np.where(valid, flat, -np.inf).max(1, initial=-np.inf)
    return np.stack([count.astype(np.float64), mean, (deviation**2).sum(1), low, high], axis=1)


def merge_moments(parts: Array) -> Array:
    """Moments of the union: `(parts, ..., 5)` → `(..., 5)`."""
    count, mean, m2, low, high = np.moveaxis(np.asarray(parts, dtype=np.float64), -1, 0)
    total = count.sum(0)
    safe = np.maximum(total, 1.0)
    merged_mean = (count * mean).sum(0) / safe
    merged_m2 = (m2 + count * (mean - merged_mean) ** 2).sum(0)
    return np.stack([total, merged_mean, merged_m2, low.min(0, initial=np.inf), high.max(0, initial=-np.inf)], axis=-1)


@dataclass(frozen=True, slots=True)
class Stats:
    """`mean`, `std`, `min`, `max` (population) and `count` per feature, in physical units."""

    table: Mapping[str, Mapping[str, float]]

    @classmethod
    def from_moments(cls, names: Sequence[str], values: Array) -> "Stats":
        """Statistics of the features `names` from moments `(features, 5)`."""
        table = {}
        for name, (count, mean, m2, low, high) in zip(names, np.asarray(values, dtype=np.float64), strict=True):
            std = float(np.sqrt(m2 / count)) if count else 0.0
            low, high = (float(low), float(high)) if count else (0.0, 0.0)
            table[name] = {"mean": float(mean), "std": std, "min": low, "max": high, "count": float(count)}
        return cls(table)

    def __getitem__(self, name: str) -> Mapping[str, float]:
        if name not in self.table:
            raise ValueError(f"no statistics of {name!r}{nearest(name, self.table)}")
        return self.table[name]

    def __contains__(self, name: object) -> bool:
        return name in self.table

    def __iter__(self) -> Iterator[str]:
        return iter(self.table)

    def items(self) -> Iterator[tuple[str, Mapping[str, float]]]:
        """Pairs of a feature and its statistics."""
        return iter(self.table.items())

    def to_list(self, stat: str, names: Sequence[str], dtype: torch.dtype = torch.float32) -> torch.Tensor:
        """The statistic `stat` of the features `names`, `(features,)`; empty for no names."""
        return torch.tensor([self[name][stat] for name in names], dtype=dtype)

    def __or__(self, other: "Stats") -> "Stats":
        """The statistics of both; those of `other` win."""
        return Stats({**self.table, **other.table})

    def standardised_by(self, stats: "Stats") -> "Stats":
        """These statistics of differences in units of `stats`' standard deviation: μ_Δ and σ_Δ."""
        table = {}
        for name, row in self.table.items():
            scale = stats[name]["std"] or 1.0
            table[name] = {k: v if k == "count" else v / scale for k, v in row.items()}
        return Stats(table)

    def to_dict(self) -> dict[str, dict[str, float]]:
        """Plain JSON values."""
        return {name: dict(row) for name, row in self.table.items()}
