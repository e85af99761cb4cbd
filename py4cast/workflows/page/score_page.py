"""The page of scores: one HTML file that holds its data, pictures, style and script, and fetches nothing."""

import html
import json
from pathlib import Path
from typing import Any

import numpy as np

from py4cast.atomic import write_text
from py4cast.metrics.score_set import ScoreSet
from py4cast.workflows.page.data import page_data
from py4cast.workflows.page.template import as_script_data, filled
from py4cast.workflows.page.worst import CaseSource

__all__ = ["write_page"]

_FOLDER = Path(__file__).parent


def write_page(path: Path, scores: ScoreSet, source: CaseSource | None, title: str) -> Path:
    """Writes the page of some scores, whole or not at all.

    Args:
        path: of the HTML file.
        scores: what was found.
        source: of the worst cases' fields; None leaves them out.
        title: of the page.
    """
    parts = {
        "title": html.escape(title),
        "summary": html.escape(_summary(scores)),
        "card": _card(scores),
        "document": html.escape(json.dumps(dict(scores.document), indent=1, default=str)),
        "data": as_script_data(page_data(scores, source)),
    }
    write_text(path, filled(_FOLDER / "report.html", [_FOLDER / "report.css"], _FOLDER / "report.js", parts))
    return path


def _summary(scores: ScoreSet) -> str:
    """One sentence: how many forecasts of what, from when to when, and how they were scored."""
    hours = scores.lead_hours
    span = ""
    if scores.init_times.size:
        first, last = (str(t.astype("datetime64[m]")).replace("T", " ") for t in scores.init_times[[0, -1]])
        span = f" from {first} to {last} UTC"
    leads = f"+{hours[0]:g} h" if len(hours) == 1 else f"+{hours[0]:g} to +{hours[-1]:g} h ({len(hours)} lead times)"
    settings: dict[str, Any] = dict(scores.document.get("settings", {}))
    interval = f"{100 * settings.get('confidence', 0.95):g} % intervals by block bootstrap of paired forecasts"
    climatology = scores.document.get("climatology")
    normal = f" Climatology: {climatology}." if climatology else ""
    what = "variable" if scores.num_features == 1 else "variables"
    return f"{scores.num_forecasts} forecasts{span}, {leads}, {scores.num_features} {what}; {interval}.{normal}"


def _card(scores: ScoreSet) -> str:
    """The scorecard of RMSE against the first reference as it stands before the script runs, and without it."""
    name = "rmse_gain" if "rmse_gain" in scores.arrays else None
    head = "".join(f'<th scope="col">+{h:g} h</th>' for h in scores.lead_hours)
    rows = [f'<tr><th scope="col"></th>{head}</tr>']
    gains = scores.arrays[name].values[0] if name else None
    for i, variable in enumerate(scores.variables):
        cells = []
        for step in range(len(scores.lead_times)):
            value = float(gains[step, i]) if gains is not None else np.nan
            text = f"{100 * value:.2g} %" if np.isfinite(value) else "–"
            cells.append(f"<td>{text}</td>")
        rows.append(f'<tr><th scope="row">{html.escape(variable)}</th>{"".join(cells)}</tr>')
    return "".join(rows)
