"""The leaderboard of maps: a row per method that is never overwritten, kept as JSON and shown as Markdown."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from py4cast.atomic import lock, without_nan, write_json, write_text
from py4cast.scores.spectral import resolved_scales
from py4cast.settings import read_json
from py4cast.workflows.terminal import table_of

__all__ = ["add_rows", "board_table", "map_scores", "markdown"]

_COLUMNS = {
    "method": "method", "mu": "µ", "sigma": "σ", "lambda_x": "λx [km]", "lambda_t": "λt [d]", "notes": "notes",
    "reference": "reference", "num_maps": "maps", "data": "data", "settings": "settings", "version": "py4cast", "date": "date",
}  # fmt: skip


def map_scores(maps: Tensor, truth: Tensor, step_days: float, spacing_km: float) -> dict[str, float]:
    """µ, σ, λ_x [km] and λ_t [d] of a series of maps `(time, lat, lon)`.

    µ = 1 − RMSE/RMS over all times and cells, σ the standard deviation over time of the same of each instant;
    λ from the contour of half of the power (see `resolved_scales`).
    """
    error, field = (maps - truth).double(), truth.double()
    at_times = 1 - (error.square().mean((1, 2)) / field.square().mean((1, 2))).sqrt()
    lambda_x, lambda_t = resolved_scales(maps.double(), field, step_days, spacing_km)
    return {
        "mu": float(1 - (error.square().mean() / field.square().mean()).sqrt()),
        "sigma": float(at_times.std(correction=0)),
        "lambda_x": lambda_x,
        "lambda_t": lambda_t,
    }


def add_rows(folder: Path, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Adds rows to `leaderboard.json` and writes `leaderboard.md`; a method of the same data, settings and code stands once."""
    file = folder / "leaderboard.json"
    with lock(folder / ".leaderboard.lock", wait_s=60.0):
        known: list[dict[str, Any]] = read_json(file)["rows"] if file.exists() else []
        keys = {_key(row) for row in known}
        known += [without_nan(row) for row in rows if _key(row) not in keys]
        write_json(file, {"rows": known})
        write_text(folder / "leaderboard.md", markdown(known))
    return known


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["method"], row["data"], row["version"], row["settings"]


def markdown(rows: list[dict[str, Any]]) -> str:
    """A table, best µ first; the best of every score in bold."""
    best = {}
    for name, choose in (("mu", max), ("sigma", min), ("lambda_x", min), ("lambda_t", min)):
        values = [row[name] for row in rows if row[name] is not None]
        best[name] = choose(values) if values else None

    def cell(row: dict[str, Any], name: str) -> str:
        value = row[name]
        if name not in best:
            return str(value).replace("|", "/")
        if value is None:
            return "–"
        shown = f"{value:.3f}" if name in ("mu", "sigma") else f"{value:.4g}"
        return f"**{shown}**" if value == best[name] else shown

    ranked = sorted(rows, key=lambda row: -(row["mu"] if row["mu"] is not None else -math.inf))
    head = [f"| {' | '.join(_COLUMNS.values())} |", f"|{'---|' * len(_COLUMNS)}"]
    lines = [f"| {' | '.join(cell(row, name) for name in _COLUMNS)} |" for row in ranked]
    return "\n".join([*head, *lines]) + "\n"


def board_table(rows: Sequence[Mapping[str, Any]]) -> Any:
    """The leaderboard of maps, best µ first."""
    ranked = sorted(rows, key=lambda row: -(row["mu"] or 0.0))
    shown = [
        [
            row["method"],
            *("–" if row[n] is None else f"{row[n]:.4g}" for n in ("mu", "sigma", "lambda_x", "lambda_t")),
            row["data"],
            row["settings"],
        ]
        for row in ranked
    ]
    return table_of("maps", ["method", "µ", "σ", "λx [km]", "λt [d]", "data", "settings"], [shown])
