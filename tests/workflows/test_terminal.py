import io
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from rich.table import Table

from py4cast.errors import SettingsError
from py4cast.workflows import terminal
from py4cast.workflows.export.run import Drift
from py4cast.workflows.terminal import Bar, console, drift_table, score_table, show, table_of

HOUR = np.timedelta64(3600, "s")


def rows_of(table: Table) -> list[list[str]]:
    return [list(row) for row in zip(*([str(c) for c in column.cells] for column in table.columns), strict=True)]


def heads_of(table: Table) -> list[str]:
    return [str(column.header) for column in table.columns]


def scores(hours: list[float], **changes: Any) -> dict[str, Any]:
    def of(factor: float) -> dict[str, Any]:
        values = [factor * h if h != 2 else None for h in hours]
        return {"t2m": {"rmse": values, "mae": values}, "wind": {"wind_rmse": values}}

    document = {
        "lead_times_h": hours, "f": of(1.0), "p": of(2.0), "units": {"t2m": "K", "wind": "m s-1"}, "num_forecasts": 7,
    }  # fmt: skip
    return {**document, **changes}


def test_a_row_per_variable_and_system_a_column_per_lead_time() -> None:
    table = score_table(scores([0.5, 2.0, 12345.678]))
    assert table.title == "RMSE over 7 forecasts"
    assert heads_of(table) == ["variable", "system", "+0.5 h", "+2 h", "+12345.7 h"]
    assert rows_of(table) == [["t2m [K]", "f", "0.5", "-", "1.235e+04"], ["", "p", "1", "-", "2.469e+04"]]
    assert rows_of(score_table(scores([1.0]), "wind_rmse")) == [["wind [m s-1]", "f", "1"], ["", "p", "2"]]


def test_a_system_that_lacks_the_metric_has_no_row() -> None:
    document = scores([1.0])
    document["f"]["t2m"] = {"mae": [1.0]}
    assert rows_of(score_table(document)) == [["t2m [K]", "p", "2"]]


@pytest.mark.parametrize(
    ("count", "most", "shown"), [(3, 8, [0, 1, 2]), (15, 8, [0, 2, 4, 6, 8, 10, 12, 14]), (10, 4, [0, 3, 6, 9]), (5, 1, [0])]
)  # fmt: skip
def test_lead_times_are_spread_evenly(count: int, most: int, shown: list[int]) -> None:
    table = score_table(scores([10.0 + i for i in range(count)]), max_lead_times=most)
    assert heads_of(table)[2:] == [f"+{10 + i} h" for i in shown]


def test_a_metric_that_is_not_there_is_named_with_its_neighbour() -> None:
    with pytest.raises(SettingsError, match="--metric 'rsme': not in the table's scores; did you mean 'rmse'"):
        score_table(scores([1.0]), "rsme")


def test_units_stand_in_the_printed_table() -> None:
    stream = io.StringIO()
    Console(file=stream, width=80).print(score_table(scores([1.0])))
    assert "t2m [K]" in stream.getvalue()


def test_the_table_of_scores_is_shown_without_a_trace_of_markup(capsys: pytest.CaptureFixture[str]) -> None:
    show(score_table(scores([1.0])))
    text = capsys.readouterr().out
    assert "t2m [K]" in text and "\\" not in text


def test_what_an_exported_step_loses_by_lead_time() -> None:
    drift = Drift([6 * HOUR, 12 * HOUR], [1.22e-5, 0.5], [1e-6, 0.25], [0.0123, float("nan")])
    table = drift_table(drift, "int8")
    assert table.title == "difference from torch, weights in int8"
    assert rows_of(table) == [["6h", "1.2e-05", "1.0e-06", "1.2 %"], ["12h", "5.0e-01", "2.5e-01", "-"]]


def test_what_looks_like_markup_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    show(table_of("[draft]", ("largest [std]",), [[("[/red] note",), ("[bold]x",)]]))
    show("a note [/x]")
    text = capsys.readouterr().out
    assert all(words in text for words in ("[draft]", "largest [std]", "[/red] note", "[bold]x", "a note [/x]"))


def test_a_rule_ends_each_section() -> None:
    table = table_of("names", ("a", "b"), [[("1", "2")], [], [("3", "4"), ("5", "6")]])
    assert heads_of(table) == ["a", "b"] and rows_of(table) == [["1", "2"], ["3", "4"], ["5", "6"]]
    assert [row.end_section for row in table.rows] == [True, False, True]


def test_a_file_is_as_wide_as_a_table_needs(capsys: pytest.CaptureFixture[str]) -> None:
    assert console().width == 140
    show("a" * 139)
    assert capsys.readouterr().out == "a" * 139 + "\n"


def test_a_bar_follows_the_stages(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with Bar() as bar:
        bar.step()
        assert bar._task is None, "no stage has begun"
        bar.start("reading", 4)
        bar.step()
        bar.step(2)
        bar.start("writing", 2)
        bar.step(2)
        reading, writing = bar._progress.tasks
        assert (reading.completed, reading.total, writing.completed) == (3, 4, 2)
    assert bar._progress.live.is_started is False
    printed = capsys.readouterr()
    assert not printed.out and "reading" in printed.err and "3/4" in printed.err


def test_a_bar_without_a_stage_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with terminal.Bar():
        pass
    assert capsys.readouterr() == ("", "")
