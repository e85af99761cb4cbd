"""The board of a sweep: a table of what each combination was worth, best first, and one page that shows it."""

import csv
import html
import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from py4cast.atomic import write_json, write_text
from py4cast.text import csv_cell

__all__ = ["combinations_of", "write_sweep"]

_WIDTH, _HEIGHT, _MARGIN = 360, 220, 44


def combinations_of(rows: Sequence[Mapping[str, Any]], is_lowest: bool = True) -> list[dict[str, Any]]:
    """The rows of all seeds of a combination as one: mean and spread of its objective; best first, failed ones last."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(json.dumps(row["values"], sort_keys=True), []).append(row)
    combinations = []
    for members in groups.values():
        done = [float(row["objective"]) for row in members if row["state"] == "done"]
        states = sorted({row["state"] for row in members})
        combinations.append(
            {
                "values": members[0]["values"],
                "objective": fmean(done) if done and len(done) == len(members) else None,
                "spread": stdev(done) if len(done) > 1 else None,
                "seeds": len(members),
                "state": states[0] if len(states) == 1 else ", ".join(states),
                "error": next((row["error"] for row in members if row.get("error")), ""),
                "seconds": sum(float(row.get("seconds", 0.0)) for row in members),
            }
        )
    sign = 1.0 if is_lowest else -1.0
    return sorted(combinations, key=lambda c: math.inf if c["objective"] is None else sign * c["objective"])


def write_sweep(
    output: Path, rows: Sequence[Mapping[str, Any]], objective: str, total: int, is_lowest: bool = True
) -> list[dict[str, Any]]:
    """Writes `sweep.json`, `sweep.csv`, `sweep.md` and `sweep.html`, and returns the combinations, best first.

    Args:
        output: their folder.
        rows: of the trials that are made.
        objective: its name.
        total: trials of the whole sweep; 0 where it has no set number.
        is_lowest: whether a low objective is best.
    """
    combinations = combinations_of(rows, is_lowest)
    places = list(dict.fromkeys(place for c in combinations for place in c["values"]))
    head = [*places, objective, "spread", "seeds", "seconds", "state", "error"]
    table = [_cells(c, places) for c in combinations]
    output.mkdir(parents=True, exist_ok=True)
    write_json(
        output / "sweep.json", {"objective": objective, "trials": len(rows), "of": total, "combinations": combinations}
    )
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows([[csv_cell(c) for c in line] for line in (head, *table)])
    write_text(output / "sweep.csv", stream.getvalue())
    lines = [head, ["---"] * len(head), *table]
    write_text(
        output / "sweep.md", "".join("| " + " | ".join(c.replace("|", "\\|") for c in line) + " |\n" for line in lines)
    )
    write_text(output / "sweep.html", _page(head, table, combinations, places, objective, len(rows), total))
    return combinations


def _cells(combination: Mapping[str, Any], places: Sequence[str]) -> list[str]:
    numbers = [combination["objective"], combination["spread"]]
    return [
        *(json.dumps(combination["values"].get(place)) for place in places),
        *("" if n is None else f"{n:.5g}" for n in numbers),
        str(combination["seeds"]),
        f"{combination['seconds']:.0f}",
        combination["state"],
        combination["error"],
    ]


def _page(
    head: Sequence[str], table: Sequence[Sequence[str]], combinations: Sequence[Mapping[str, Any]], places: Sequence[str],
    objective: str, made: int, total: int,
) -> str:  # fmt: skip
    """The page: how the objective depends on each setting, and the table; it fetches nothing."""
    plots = "".join(_plot(combinations, place, objective) for place in places)
    rows = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in line) + "</tr>\n" for line in table)
    names = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in head)
    progress = f"{made} of {total} trials" if total else f"{made} trials"
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>Sweep</title>
<style>
body {{ font: 15px/1.45 system-ui, sans-serif; max-width: 1180px; margin: 0 auto; padding: 20px; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 0.9rem; }}
td, th {{ padding: 3px 9px; text-align: left; border-bottom: 1px solid #8886; }}
tbody tr:first-child {{ font-weight: 600; }}
.plots {{ display: flex; flex-wrap: wrap; gap: 18px; margin: 18px 0; }} .scroll {{ overflow-x: auto; }}
svg text {{ font-size: 11px; fill: currentColor; }} svg circle {{ fill: #3182bd; fill-opacity: 0.7; }}
svg line {{ stroke: currentColor; stroke-opacity: 0.4; }} svg .best {{ fill: #d55e00; fill-opacity: 1; }}
</style></head><body>
<h1>Sweep: {html.escape(objective)}</h1>
<p>{progress}, best first; judged on the validation period, over the seeds of each combination.</p>
<div class="plots">{plots}</div>
<div class="scroll"><table><thead><tr>{names}</tr></thead><tbody>
{rows}</tbody></table></div>
</body></html>
"""


def _plot(combinations: Sequence[Mapping[str, Any]], place: str, objective: str) -> str:
    """The objective over one setting: numbers along an axis (of factors where they span more than 20), others side by side."""
    held = [(c["values"].get(place), c["objective"]) for c in combinations if c["objective"] is not None]
    if not held:
        return ""
    values = [value for value, _ in held]
    is_number = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    ticks = sorted(set(values)) if is_number else sorted({json.dumps(v) for v in values})
    numbers = [float(v) for v in values] if is_number else [float(ticks.index(json.dumps(v))) for v in values]
    if is_number and min(numbers) > 0 and max(numbers) / min(numbers) > 20:
        numbers = [math.log(n) for n in numbers]
        places = [math.log(float(t)) for t in ticks]
    else:
        places = [float(t) for t in ticks] if is_number else [float(i) for i in range(len(ticks))]
    low, high = min(o for _, o in held), max(o for _, o in held)
    x = _scale(min(numbers), max(numbers), _MARGIN, _WIDTH - 12)
    y = _scale(low, high, _HEIGHT - _MARGIN, 12)
    dots = "".join(
        f'<circle class="{"best" if i == 0 else "trial"}" cx="{x(n):.1f}" cy="{y(o):.1f}" r="4"><title>{html.escape(json.dumps(v))}: {o:.5g}</title></circle>'
        for i, (n, (v, o)) in enumerate(zip(numbers, held, strict=True))
    )
    step = max(1, len(ticks) // 5)
    labels = "".join(
        f'<text x="{x(p):.1f}" y="{_HEIGHT - 26}" text-anchor="middle">{html.escape(f"{t:.3g}" if is_number else str(t))}</text>'
        for p, t in list(zip(places, ticks, strict=True))[::step]
    )
    ends = "".join(f'<text x="{_MARGIN - 5}" y="{y(o) + 4:.1f}" text-anchor="end">{o:.3g}</text>' for o in {low, high})
    frame = f'<line x1="{_MARGIN}" x2="{_WIDTH - 8}" y1="{_HEIGHT - 40}" y2="{_HEIGHT - 40}"/>'
    title = f'<text x="{_WIDTH / 2}" y="{_HEIGHT - 8}" text-anchor="middle">{html.escape(place)}</text>'
    label = html.escape(f"{objective} by {place}")
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" role="img" aria-label="{label}">{frame}{dots}{labels}{ends}{title}</svg>'


def _scale(low: float, high: float, start: float, end: float) -> Any:
    span = high - low
    return lambda value: (start + end) / 2 if span == 0 else start + (value - low) / span * (end - start)
