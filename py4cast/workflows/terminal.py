"""Reports on the terminal: scores and plugins as tables, progress as a bar."""

import logging
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from py4cast.errors import SettingsError, nearest
from py4cast.text import visible
from py4cast.timeline import show_duration

__all__ = ["Bar", "console", "drift_table", "score_table", "show", "table_of"]


def console() -> Console:
    """The terminal's standard output, wide enough for a table when it is a file."""
    return Console() if sys.stdout.isatty() else Console(width=140)


def show(item: Any) -> None:
    """Prints a table or a text."""
    console().print(Text(visible(item, keep="\n")) if isinstance(item, str) else item, highlight=False)


class Bar:
    """Creates a progress bar on standard error; follows the stages of work that it is told of, but where little is to be said."""

    def __init__(self) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=Console(stderr=True))
        self._task: TaskID | None = None

    def __enter__(self) -> "Bar":
        return self

    def __exit__(self, *_: object) -> None:
        if self._task is not None:
            self._progress.stop()

    def start(self, what: str, total: int) -> None:
        """A stage of `total` steps begins."""
        if logging.getLogger("py4cast").level >= logging.WARNING:
            return  # --quiet
        # an error before the first stage leaves the terminal as it was
        self._progress.start()
        self._task = self._progress.add_task(escape(visible(what)), total=total)

    def step(self, count: int = 1) -> None:
        """Some steps of the stage are done."""
        if self._task is not None:
            self._progress.advance(self._task, count)


def table_of(title: str, columns: Sequence[str], sections: Sequence[Sequence[Sequence[str]]]) -> Table:
    """A table of texts, with a rule after each section of rows."""
    table = Table(title=escape(visible(title)), title_justify="left")
    for column in columns:
        table.add_column(_text(column))
    for rows in sections:
        for row in rows:
            table.add_row(*map(_text, row))
        table.add_section()
    return table


def _text(text: str) -> Text:
    return Text(visible(text, keep="\n"))


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def drift_table(drift: Any, weights: str) -> Table:
    """What an exported step loses, by lead time."""
    rows = [
        [show_duration(lead), f"{largest:.1e}", f"{rms:.1e}", "-" if growth != growth else f"{100 * growth:.2g} %"]
        for lead, largest, rms, growth in zip(*drift, strict=True)
    ]
    columns = ["lead time", "largest [std]", "rms [std]", "growth of the test's RMSE"]
    return table_of(f"difference from torch, weights in {weights}", columns, [rows])


def calibration_table(calibration: Any) -> Table:
    """What a calibration does to each variable, by lead time."""
    names, rows = ("change", "towards_mean", "stretch"), []
    for place, feature in enumerate(calibration.features):
        for name in names:
            values = [_cell(float(v)) for v in getattr(calibration, name)[:, place]]
            rows.append([feature, name.replace("_", " "), *values])
    columns = ["variable", "factor", *(f"step {i + 1}" for i in range(calibration.num_steps))]
    size = len(names)
    sections = [rows[i : i + size] for i in range(0, len(rows), size)]
    return table_of(f"calibrated on {calibration.source['num_forecasts']} forecasts", columns, sections)


def score_table(scores: Mapping[str, Any], metric: str = "rmse", max_lead_times: int = 8) -> Table:
    """A table of one metric: a row per variable and system, a column per lead time (at most so many, spread evenly)."""
    hours = scores["lead_times_h"]
    systems = [s for s in scores if s not in ("lead_times_h", "units", "num_forecasts", "num_members")]
    held = sorted({m for system in systems for metrics in scores[system].values() for m in metrics})
    if metric not in held:
        raise SettingsError(f"--metric {metric!r}: not in the table's scores{nearest(metric, held)}")
    count = min(max_lead_times, len(hours))
    steps = sorted({round(i * (len(hours) - 1) / max(1, count - 1)) for i in range(count)})
    table = Table(
        title=f"{escape(visible(metric.upper()))} over {scores['num_forecasts']} forecasts", title_justify="left"
    )
    for column in ("variable", "system"):
        table.add_column(column)
    for step in steps:
        table.add_column(f"+{hours[step]:g} h", justify="right")
    for variable, units in scores["units"].items():
        shown = [s for s in systems if metric in scores[s][variable]]
        for number, system in enumerate(shown):
            values = [_cell(scores[system][variable][metric][step]) for step in steps]
            table.add_row(_text(f"{variable} [{units}]" if number == 0 else ""), _text(system), *values)
        table.add_section()
    return table
