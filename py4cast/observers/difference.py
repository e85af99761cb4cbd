"""Differences of two forecasts, and where members tell that they are none of chance.

Of every cell Welch's t = (x̄ − ȳ)/√(s²ₓ/m + s²ᵧ/n); of an ensemble beside a single field, whether the field could be one more member,
t = (x̄ − y)/(sₓ·√(1 + 1/m)). The cells that are marked are those of the Benjamini–Hochberg rule, of which no more than a tenth are
expected to be there by chance, however many cells vary together.

References: B. L. Welch (1947), doi 10.1093/biomet/34.1-2.28; D. S. Wilks (2016), "The stippling shows statistically
significant grid points", doi 10.1175/BAMS-D-15-00267.1.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from py4cast.observers.colours import DIFFERENCE, ColourTable
from py4cast.observers.display import Display

__all__ = ["DIFFERENCES", "of_difference", "stands_out"]

DIFFERENCES = ColourTable(DIFFERENCE, is_symmetric=True)
_FALSE_SHARE = 0.1  # of the cells that are marked, expected


def of_difference(shown: Display) -> Display:
    """How a difference of a variable is shown: in its units, without an offset."""
    return shown._replace(name=f"difference of {shown.name}", offset=0.0)


def stands_out(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Where the difference of two means is more than chance, `(lat, lon)`; None where neither has members.

    Args:
        first: members, `(member, lat, lon)`.
        second: members of the other one.
    """
    from scipy.special import stdtr

    counts = len(first), len(second)
    if max(counts) < 2:
        return None
    squares = np.zeros(first.shape[1:])
    for members, count in zip((first, second), counts, strict=True):
        if count > 1:
            variance = members.astype(np.float64).var(axis=0, ddof=1)
            squares += variance / count if min(counts) > 1 else variance * (1 + 1 / count)
    difference = first.mean(axis=0, dtype=np.float64) - second.mean(axis=0, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.abs(difference) / np.sqrt(squares)
    freedom = (min(counts) if min(counts) > 1 else max(counts)) - 1
    chance = 2 * stdtr(freedom, -np.where(np.isfinite(ratio), ratio, 0.0))
    return np.asarray(_marked(chance) & np.isfinite(ratio))


def _marked(chance: NDArray[np.float64]) -> NDArray[np.bool_]:
    """The cells whose probability is at most the largest p₍ᵢ₎ ≤ i/N·share of the sorted ones."""
    ordered = np.sort(chance.ravel())
    limits = _FALSE_SHARE * np.arange(1, ordered.size + 1) / ordered.size
    below = np.flatnonzero(ordered <= limits)
    return chance <= (ordered[below[-1]] if below.size else -1.0)
