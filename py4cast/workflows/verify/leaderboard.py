"""A leaderboard in Markdown: one line per run, best first, that can be committed."""

import datetime
import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from py4cast.metrics.score_set import ScoreSet

__all__ = ["leaderboard"]

_MAX_VARIABLES = 4


def leaderboard(scores: ScoreSet, metric: str = "rmse") -> str:
    """The runs by their mean rank over variables and lead times, with scores at the last lead time.

    A row carries what it needs to be trusted later: the version of the code, a hash of what was verified, the date.
    Runs are ranked over the variables and lead times of which all have a score, so that a run gains nothing by a score
    that it lacks. The gain is 1 − the geometric mean of their scores over that of the last run in the table.

    Args:
        scores: of all runs over the same forecasts.
        metric: that ranks them; low is good.
    """
    from py4cast.version import __version__

    table = scores.arrays[metric].values[:, :, : scores.num_features]
    common = np.isfinite(table).all(axis=0)
    mean = np.full(len(table), np.nan)
    if common.any():
        with np.errstate(divide="ignore"):
            mean = np.exp(np.log(table[:, common]).mean(axis=1))
    order = np.argsort(mean, kind="stable")
    worst = mean[order[-1]]
    shown = scores.variables[: min(_MAX_VARIABLES, scores.num_features)]
    hour = scores.lead_hours[-1]
    heads = [f"{v} RMSE +{hour:g} h [{scores.units[v]}]" for v in shown]
    extra = [m for m in ("mu", "sigma", "lambda_x") if m in scores.arrays]
    head = ["rank", "run", "gain", *heads, *extra, "model", "forecasts", "py4cast", "data", "date"]
    lines = [f"| {' | '.join(head)} |", f"|{'|'.join(['---'] * len(head))}|"]
    runs: Mapping[str, Any] = scores.document.get("runs", {})
    for rank, index in enumerate(order, 1):
        name = scores.systems[index]
        document = dict(runs.get(name, {}))
        cells = [str(rank), name, _gain(mean[index], worst)]
        cells += [_number(scores.arrays[metric].values[index, -1, i]) for i in range(len(shown))]
        cells += [_number(np.nanmean(scores.arrays[m].values[index, -1, : scores.num_features])) for m in extra]
        lineage = document.get("lineage", {})
        model = " ".join(str(document[k]) for k in ("model", "strategy") if k in document) or "files"
        cells += [model, str(scores.num_forecasts), str(lineage.get("version", __version__)), _hash(document, scores)]
        cells.append(str(lineage.get("created", datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")))[:10])
        lines.append(f"| {' | '.join(c.replace('|', '/') for c in cells)} |")
    period = f"{scores.init_times[0]} to {scores.init_times[-1]}" if scores.init_times.size else "unknown"
    note = (
        f"\nForecasts from {period} UTC, lead times +{scores.lead_hours[0]:g} to +{hour:g} h, ranked by the geometric mean of "
        f"{metric.upper()} over {_of_what(common)}; the gain is against the last row.\n"
    )
    return "\n".join(lines) + "\n" + note


def _gain(mean: float, worst: float) -> str:
    return f"{100 * (1 - mean / worst):.1f} %" if np.isfinite(mean) and worst > 0 else "-"


def _of_what(common: NDArray[np.bool_]) -> str:
    """What the ranking is made of, `(lead time, variable)`."""
    if not common.any():
        return (
            "nothing: there is no variable and lead time of which all runs have a score; they stand as they were given"
        )
    if common.all():
        return f"{common.shape[1]} variables and {common.shape[0]} lead times"
    return f"the {common.sum()} of {common.size} pairs of a variable and a lead time of which all runs have a score"


def _number(value: float) -> str:
    return f"{value:.4g}" if np.isfinite(value) else "-"


def _hash(document: Mapping[str, Any], scores: ScoreSet) -> str:
    """Of the truth and the forecasts' starts that were scored."""
    known = repr((document.get("truth"), document.get("dataset"), document.get("split"), document.get("grid")))
    digest = hashlib.sha256(known.encode())
    digest.update(scores.init_times.astype("datetime64[s]").astype(np.int64).tobytes())
    return digest.hexdigest()[:8]
