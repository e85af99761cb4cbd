"""Statistics of fields in one pass: count, mean, variance, extremes, merged exactly.

Moments are accumulated in float64 and combined pairwise (Chan, Golub and LeVeque, 1979): for two parts a, b
with δ = μ_b − μ_a, n = n_a + n_b:  μ = μ_a + δ·n_b/n,  M₂ = M₂a + M₂b + δ²·n_a·n_b/n.  Missing values count
nowhere. The parts may come in any order and from any number of processes.

Reference: T. F. Chan, G. H. Golub, R. J. LeVeque (1979), Updating formulae and a pairwise algorithm for
computing sample variances, Stanford STAN-CS-79-773.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from py4cast.errors import nearest

if TYPE_CHECKING:
    import torch

__all__ = ["MOMENTS", "SMALLEST_CHANGE", "Stats", "merge_moments", "moments", "moments_of"]

logger = logging.getLogger(__name__)
# of a field's deviation: changes from hour to hour are some hundredths of it, those of the slowest fields some thousandths
SMALLEST_CHANGE = 3e-3
MOMENTS = ("count", "mean", "m2", "min", "max")
Array = NDArray[np.float64]


def moments(values: NDArray[Any]) -> Array:
    """Moments over all but the first axis: `(n, ...)` → `(n, 5)`, columns as in `MOMENTS`."""
    flat = np.asarray(values).reshape(values.shape[0], -1)
    return np.array([moments_of(row) for row in flat], dtype=np.float64).reshape(values.shape[0], len(MOMENTS))


def moments_of(field: NDArray[Any]) -> tuple[float, float, float, float, float]:
    """Moments of one field, columns as in `MOMENTS`."""
    # one field at a time stays in the processor's cache; the mean tells whether anything is missing
    row = field.ravel()
    wide = row.astype(np.float64)
    with np.errstate(invalid="ignore"):
        mean = float(wide.mean()) if wide.size else np.nan
    if not np.isfinite(mean):
        wide = wide[np.isfinite(wide)]
        if not wide.size:
            return 0.0, 0.0, 0.0, np.inf, -np.inf
        row, mean = wide, float(wide.mean())
    low, high = float(row.min()), float(row.max())
    wide -= mean
    count = float(wide.size)
    # not a product of BLAS: that would be summed in an order that depends on the number of threads
    return count, mean, float(np.einsum("i,i->", wide, wide)), low, high


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

    def to_list(self, stat: str, names: Sequence[str], dtype: "torch.dtype | None" = None) -> "torch.Tensor":
        """The statistic `stat` of the features `names`, `(features,)`, float32 by default; empty for no names."""
        import torch

        return torch.tensor([self[name][stat] for name in names], dtype=dtype or torch.float32)

    def __or__(self, other: "Stats") -> "Stats":
        """The statistics of both; those of `other` win."""
        return Stats({**self.table, **other.table})

    @classmethod
    def merged(cls, parts: Sequence["Stats"], names: Sequence[str]) -> "Stats":
        """The statistics of the union of several disjoint parts."""
        rows = np.zeros((len(parts), len(names), len(MOMENTS)))
        for i, part in enumerate(parts):
            for j, name in enumerate(names):
                row = part[name]
                extremes = (row["min"], row["max"]) if row["count"] else (np.inf, -np.inf)
                rows[i, j] = (row["count"], row["mean"], row["std"] ** 2 * row["count"], *extremes)
        return cls.from_moments(names, merge_moments(rows))

    def standardised_by(self, stats: "Stats") -> "Stats":
        """These statistics of differences in units of `stats`' standard deviation: μ_Δ and σ_Δ.

        A σ_Δ below SMALLEST_CHANGE that is not 0 is raised to it, and told: a loss divides by it, and one cell that
        moves once would outweigh all other variables. A field that never changes keeps 0.
        """
        table = {}
        for name, row in self.table.items():
            scale = stats[name]["std"] or 1.0
            table[name] = {k: v if k == "count" else v / scale for k, v in row.items()}
            change = table[name]["std"]
            if 0.0 < change < SMALLEST_CHANGE:
                table[name]["std"] = SMALLEST_CHANGE
                logger.warning(
                    "%s hardly changes from step to step: by %.2g of its deviation; counted as %g, so that it does not outweigh the others",
                    name, change, SMALLEST_CHANGE,
                )  # fmt: skip
        return Stats(table)

    def to_dict(self) -> dict[str, dict[str, float]]:
        """The statistics as plain JSON values, by feature."""
        return {name: dict(row) for name, row in self.table.items()}
