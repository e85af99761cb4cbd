from pathlib import Path

import pytest

from py4cast.errors import SettingsError
from py4cast.workflows.experiments.closure.summary import COLUMNS, summary
from tests.cli.parsing import replaced, run


def test_an_experiment_is_run_and_its_table_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = summary({"none": [dict.fromkeys(COLUMNS, 0.25)]})
    closure = replaced(monkeypatch, "py4cast.workflows.experiments.closure.run.closure", found)
    run("closure", "config/small.json")
    assert closure.words[:4] == ("config/small.json", Path("small"), [], None)
    printed = capsys.readouterr().out
    assert "0.25" in printed and printed.splitlines()[-1] == "small"
    run("closure", "x.json", "--output", "out", "--set", "seeds=[0]", "--set", "model.name=cnn", "--num_workers", "2")
    assert closure.words[:4] == ("x.json", Path("out"), ["seeds=[0]", "model.name=cnn"], 2)


def test_no_workers_are_too_few() -> None:
    with pytest.raises(SettingsError, match="--num_workers 0: expected at least 1"):
        run("closure", "x.json", "--num_workers", "0")
