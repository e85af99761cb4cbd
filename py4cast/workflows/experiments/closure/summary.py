"""What an experiment with closures found: one number per diagnostic, closure and seed, then mean and spread."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from py4cast.workflows.terminal import table_of

__all__ = ["COLUMNS", "cell", "closure_table", "markdown", "scalars", "summary"]

# diagnostic -> heading, and what would be perfect
COLUMNS = {
    "corr": ("corr(R)", "1"),
    "departure": ("departs at", "late"),
    "energy": ("E / E true", "1"),
    "enstrophy": ("Z / Z true", "1"),
    "spectrum": ("spectrum error", "0"),
    "short_waves": ("Z short / true", "1"),
    "similarity": ("PDF similarity", "1"),
    "dissipation": ("⟨ωR⟩ / true", "1"),
    "stable": ("stable runs", "1"),
}


def scalars(diagnostics: Mapping[str, Any], none: Mapping[str, Any], truth: Mapping[str, Any]) -> dict[str, float]:
    """The diagnostics of one closure and seed.

    Args:
        diagnostics: of the judge.
        none: the same of the run without closure.
        truth: the climate of the truth.
    """
    climate = diagnostics["climate"]
    numbers = {name: float(diagnostics[name]) for name in ("corr", "departure", "dissipation", "stable")}
    if not climate:
        return numbers | dict.fromkeys(("energy", "enstrophy", "spectrum", "short_waves", "similarity"), math.nan)
    numbers |= {name: climate[name] / truth[name] for name in ("energy", "enstrophy")}
    climates, true = (np.array(c["energy_spectrum"])[1:] for c in (climate, truth))
    numbers["spectrum"] = float(np.abs(np.log10(climates / true)).mean())
    half = len(true) // 2
    tails = [float(np.array(c["enstrophy_spectrum"])[1 + half :].sum()) for c in (climate, truth)]
    numbers["short_waves"] = tails[0] / tails[1]
    numbers["similarity"] = _similarity(climate, none["climate"], truth)
    return numbers


def _similarity(climate: Mapping[str, Any], none: Mapping[str, Any], truth: Mapping[str, Any]) -> float:
    """1 − W₁/W₁ of none; W₁ is the mean distance of the quantiles."""
    if not none:
        return math.nan
    errors, bare = (
        float(np.abs(np.array(c["quantiles"]) - np.array(truth["quantiles"])).mean()) for c in (climate, none)
    )
    return 1 - errors / bare


def summary(numbers: Mapping[str, Sequence[Mapping[str, float]]]) -> dict[str, dict[str, dict[str, float]]]:
    """Mean, least and greatest over seeds of every diagnostic, by closure."""
    summaries: dict[str, dict[str, dict[str, float]]] = {}
    for closure, seeds in numbers.items():
        summaries[closure] = {}
        for name in COLUMNS:
            values = np.array([s[name] for s in seeds], dtype=float)
            known = values[np.isfinite(values)]
            empty = {"mean": math.nan, "low": math.nan, "high": math.nan, "count": 0}
            whole = (
                {"mean": known.mean(), "low": known.min(), "high": known.max(), "count": known.size}
                if known.size
                else empty
            )
            summaries[closure][name] = {k: float(v) for k, v in whole.items()}
    return summaries


def markdown(summaries: Mapping[str, Mapping[str, Mapping[str, float]]], num_seeds: int) -> str:
    """A table: mean over seeds, and least to greatest where they differ."""
    head = ["closure", *(heading for heading, _ in COLUMNS.values())]
    rows = [head, ["---"] * len(head), ["*perfect*", *(f"*{best}*" for _, best in COLUMNS.values())]]
    for closure, numbers in summaries.items():
        rows.append([f"`{closure}`", *(cell(numbers[name]) for name in COLUMNS)])
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([*lines, "", f"Mean over {num_seeds} seeds (least to greatest).", ""])


def cell(numbers: Mapping[str, float]) -> str:
    """A mean, and least to greatest where they differ."""
    if not numbers["count"]:
        return "–"
    mean, low, high = (f"{numbers[k]:.2f}" for k in ("mean", "low", "high"))
    return mean if low == high else f"{mean} ({low}–{high})"


def closure_table(summaries: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Any:
    """Mean over seeds, and least to greatest where they differ, of every diagnostic of closures."""
    rows = [[closure, *(cell(numbers[name]) for name in COLUMNS)] for closure, numbers in summaries.items()]
    best = ["perfect", *(perfect for _, perfect in COLUMNS.values())]
    return table_of("closures", ["closure", *(heading for heading, _ in COLUMNS.values())], [[best], rows])
