import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from py4cast.workflows.experiments.mapping.board import add_rows, board_table, map_scores, markdown


def row(method: str, **changes: Any) -> dict[str, Any]:
    plain = {
        "method": method, "mu": 0.5, "sigma": 0.1, "lambda_x": 100.0, "lambda_t": 10.0, "notes": "", "reference": "",
        "num_maps": 3, "data": "d", "settings": "s", "version": "1", "date": "2020-01-01",
    }  # fmt: skip
    return {**plain, **changes}


def methods(rows: list[dict[str, Any]]) -> list[str]:
    return [line.split("|")[1].strip() for line in markdown(rows).splitlines()[2:]]


def test_scores_of_a_series_whose_errors_are_known() -> None:
    truth = torch.ones(8, 8, 8)
    maps = truth.clone()
    maps[::2] += 0.6
    maps[1::2] -= 0.2
    scores = map_scores(maps, truth, 1.0, 1.0)
    # instants score 0.4 and 0.8: mean square error 0.2, deviation over time 0.2
    assert scores["mu"] == pytest.approx(1 - math.sqrt(0.2)) and scores["sigma"] == pytest.approx(0.2)


def test_a_method_of_the_same_data_settings_and_code_stands_once(tmp_path: Path) -> None:
    add_rows(tmp_path, [row("a")])
    others = [
        row("a", mu=0.9),
        row("a", data="e"),
        row("a", settings="t"),
        row("a", version="2"),
        row("b", mu=math.nan),
    ]
    known = add_rows(tmp_path, others)
    assert [(r["method"], r["data"], r["settings"], r["version"]) for r in known] == [
        ("a", "d", "s", "1"), ("a", "e", "s", "1"), ("a", "d", "t", "1"), ("a", "d", "s", "2"), ("b", "d", "s", "1"),
    ]  # fmt: skip
    assert known[0]["mu"] == 0.5 and known[4]["mu"] is None
    assert json.loads((tmp_path / "leaderboard.json").read_text()) == {"rows": known}
    assert (tmp_path / "leaderboard.md").read_text() == markdown(known)


def test_the_best_of_every_score_is_bold() -> None:
    text = markdown([row("a", mu=0.9, sigma=0.2), row("b|c", lambda_x=50.0, lambda_t=None), row("d", lambda_x=None)])
    lines = text.splitlines()
    assert lines[2].startswith("| a | **0.900** | 0.200 | 100 | **10** |")
    assert lines[3].startswith("| b/c | 0.500 | **0.100** | **50** | – |")
    assert lines[4].startswith("| d | 0.500 | **0.100** | – | **10** |")
    assert len({line.count("|") for line in lines}) == 1


def test_rows_stand_by_their_score_those_without_one_last() -> None:
    assert methods([row("none", mu=None), row("bad", mu=-0.5), row("good", mu=0.5)]) == ["good", "bad", "none"]


def test_the_terminal_shows_the_same_order() -> None:
    table = board_table([row("a", mu=0.25, lambda_t=None), row("b", mu=0.75, lambda_x=12345.6)])
    assert [[str(x) for x in c.cells] for c in table.columns] == [
        ["b", "a"], ["0.75", "0.25"], ["0.1", "0.1"], ["1.235e+04", "100"], ["10", "–"], ["d", "d"], ["s", "s"],
    ]  # fmt: skip
