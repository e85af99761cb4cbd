import json
from pathlib import Path

import pytest

from py4cast.workflows.sweep.board import combinations_of, write_sweep

ROWS = [
    {"values": {"optim.lr": 0.1, "model.name": "<b>|"}, "seed": 0, "state": "done", "objective": 3.0, "seconds": 2.0},
    {"values": {"optim.lr": 0.1, "model.name": "<b>|"}, "seed": 1, "state": "done", "objective": 5.0, "seconds": 2.0},
    {"values": {"optim.lr": 0.001, "model.name": "a"}, "seed": 0, "state": "done", "objective": 2.0, "seconds": 1.0},
    {"values": {"optim.lr": 0.01, "model.name": "a"}, "seed": 0, "state": "failed", "error": "=not finite", "seconds": 1.0},
    {"values": {"optim.lr": 0.02, "model.name": "a"}, "seed": 0, "state": "done", "objective": 1.0},
    {"values": {"optim.lr": 0.02, "model.name": "a"}, "seed": 1, "state": "pruned", "error": "epoch 1"},
]  # fmt: skip


def test_seeds_of_a_combination_are_one_row_best_first() -> None:
    best, second, *others = combinations_of(ROWS)
    assert best["objective"] == 2.0 and best["spread"] is None
    assert second["objective"] == 4.0 and second["spread"] == pytest.approx(2**0.5) and second["seeds"] == 2
    assert [c["state"] for c in others] == ["failed", "done, pruned"] and all(c["objective"] is None for c in others)
    assert combinations_of(ROWS, is_lowest=False)[0]["objective"] == 4.0


def test_a_table_and_a_page_are_written(tmp_path: Path) -> None:
    write_sweep(tmp_path, ROWS, "val_mean_loss", 8)
    document = json.loads((tmp_path / "sweep.json").read_text())
    assert (document["trials"], document["of"], document["combinations"][0]["objective"]) == (6, 8, 2.0)
    table = (tmp_path / "sweep.csv").read_text().splitlines()
    assert (
        table[0] == "optim.lr,model.name,val_mean_loss,spread,seeds,seconds,state,error" and "'=not finite" in table[3]
    )
    lines = (tmp_path / "sweep.md").read_text().splitlines()
    assert len(lines) == 6 and '"<b>\\|"' in lines[3]
    page = (tmp_path / "sweep.html").read_text()
    assert "6 of 8 trials" in page and "<b>|" not in page and "&lt;b&gt;|" in page
    assert page.count("<circle") == 2 * 2 and 'class="best"' in page, "two combinations are done, over two settings"
    assert "http" not in page, "it fetches nothing"
