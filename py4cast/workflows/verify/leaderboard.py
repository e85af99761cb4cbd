"""A leaderboard in Markdown: one line per run, best first, that can be committed."""

import datetime
import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from py4cast.metrics.score_set import ScoreSet

__all__ = ["leaderboard"]

_MAX_VARIABLES = 4


def leaderboard(scores: ScoreSet, metric: str = "rmse") -> str:
    """The runs by their mean rank over variables and lead times, with scores at the last lead time.

    A row carries what it needs to be trusted later: the version of the code, a hash of what was verified, the date.
    The gain is of the mean over variables and lead times of 1 − RMSE/RMSE of the last run in the table.

    Args:
        scores: of all runs over the same forecasts.
        metric: that ranks them; low is good.
    """
    from py4cast.version import __version__

    table = scores.arrays[metric].values[:, :, : scores.num_features]
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.exp(np.nanmean(np.log(table), axis=(1, 2)))
    order = np.argsort(mean)
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
        cells = [str(rank), name, f"{100 * (1 - mean[index] / worst):.1f} %"]
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
        f"{metric.upper()} over {scores.num_features} variables and {len(scores.lead_times)} lead times; the gain is against the last row.\n"
    )
    return "\n".join(lines) + "\n" + note


def _number(value: float) -> str:
    return f"{value:.4g}" if np.isfinite(value) else "-"


def _hash(document: Mapping[str, Any], scores: ScoreSet) -> str:
    """Of the truth and the forecasts' starts that were scored."""
    known = repr((document.get("truth"), document.get("dataset"), document.get("split"), document.get("grid")))
    digest = hashlib.sha256(known.encode())
    digest.update(scores.init_times.astype("datetime64[s]").astype(np.int64).tobytes())
    return digest.hexdigest()[:8]
