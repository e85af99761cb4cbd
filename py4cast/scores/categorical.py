"""Scores of events: the contingency table of "at least so much", and SEEPS.

References: I. T. Jolliffe and D. B. Stephenson (2012), Forecast Verification, doi 10.1002/9781119960003 (the table's
scores); M. J. Rodwell et al. (2010), A new equitable score suitable for verifying precipitation in numerical weather
prediction, doi 10.1002/qj.656 (SEEPS).
"""

import torch
from torch import Tensor

__all__ = [
    "critical_success_index",
    "equitable_threat_score",
    "false_alarm_ratio",
    "frequency_bias",
    "probability_of_detection",
    "seeps",
]


def probability_of_detection(hits: Tensor, misses: Tensor) -> Tensor:
    """POD = a/(a + c): the share of observed events that were forecast; 1 is best."""
    return hits / (hits + misses)


def false_alarm_ratio(hits: Tensor, false_alarms: Tensor) -> Tensor:
    """FAR = b/(a + b): the share of forecast events that did not occur; 0 is best."""
    return false_alarms / (hits + false_alarms)


def critical_success_index(hits: Tensor, false_alarms: Tensor, misses: Tensor) -> Tensor:
    """CSI = a/(a + b + c), the threat score; 1 is best."""
    return hits / (hits + false_alarms + misses)


def frequency_bias(hits: Tensor, false_alarms: Tensor, misses: Tensor) -> Tensor:
    """FB = (a + b)/(a + c): forecast events per observed one; 1 is best."""
    return (hits + false_alarms) / (hits + misses)


def equitable_threat_score(hits: Tensor, false_alarms: Tensor, misses: Tensor, total: Tensor) -> Tensor:
    """ETS = (a − aᵣ)/(a + b + c − aᵣ), aᵣ = (a + b)(a + c)/n: CSI freed of the hits that chance gives; 0 is chance."""
    by_chance = (hits + false_alarms) * (hits + misses) / total
    return (hits - by_chance) / (hits + false_alarms + misses - by_chance)


def seeps(prediction: Tensor, target: Tensor, dry: Tensor, heavy: Tensor, dry_limit: float) -> Tensor:
    """Stable equitable error in probability space, per cell: 0 is best, 1 is what a constant forecast gets.

    Rain is dry (≤ `dry_limit`), light (≤ the local limit) or heavy. With p₁ the climate's share of dry times and
    p₃ = (1 − p₁)/3 of heavy ones, the penalty of forecast category i under observed category j is half of

        [        0,               1/(1 − p₁),   1/p₃ + 1/(1 − p₁) ]
        [ 1/p₁,                    0,            1/p₃              ]
        [ 1/p₁ + 1/(1 − p₃),       1/(1 − p₃),   0                 ]

    Cells with p₁ < 0.1 or p₁ > 0.85 are left out (NaN).

    Args:
        prediction: rain amounts, `(..., lat, lon, features)`.
        target: observed amounts.
        dry: p₁ of each cell.
        heavy: amount between light and heavy of each cell.
        dry_limit: amount up to which it is dry.
    """
    p1 = dry.clamp(1e-12, 1 - 1e-12)
    p3 = (1 - p1) / 3
    costs = {
        (0, 1): 1 / (1 - p1),
        (0, 2): 1 / p3 + 1 / (1 - p1),
        (1, 0): 1 / p1,
        (1, 2): 1 / p3,
        (2, 0): 1 / p1 + 1 / (1 - p3),
        (2, 1): 1 / (1 - p3),
    }
    forecast, observed = ((x > dry_limit).to(torch.int8) + (x > heavy).to(torch.int8) for x in (prediction, target))
    result = torch.zeros_like(prediction)
    for (i, j), cost in costs.items():
        result = torch.where((forecast == i) & (observed == j), 0.5 * cost, result)
    used = (dry >= 0.1) & (dry <= 0.85) & torch.isfinite(prediction) & torch.isfinite(target)
    return torch.where(used, result, torch.full_like(result, torch.nan))
