from typing import Any

import numpy as np
import pytest

from py4cast.errors import SettingsError
from py4cast.workflows.verify.compare import Compare
from tests.cli.parsing import Recorder, replaced, run


class Scores:
    """Scores of nothing."""

    def to_dict(self) -> dict[str, Any]:
        return {"lead_times_h": [6.0], "units": {"t": "K"}, "num_forecasts": 2, "a": {"t": {"rmse": [1.0], "mae": [0.5]}}}  # fmt: skip


@pytest.fixture
def compare(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    return replaced(monkeypatch, "py4cast.workflows.verify.compare.compare", Scores())


def test_runs_are_compared_under_their_names(compare: Recorder, capsys: pytest.CaptureFixture[str]) -> None:
    run("compare", "new=runs/x", "runs/old/verify")
    assert compare.words == (Compare({"new": "runs/x", "old": "runs/old/verify"}, None, [], (), None, None), "compare")
    printed = capsys.readouterr().out
    assert "RMSE over 2 forecasts" in printed and printed.splitlines()[-1] == "compare"


def test_every_flag_reaches_the_comparison(compare: Recorder, capsys: pytest.CaptureFixture[str]) -> None:
    run(
        "compare", "a=x.nc", "b=y.nc", "--output", "out", "--metric", "mae", "--init_time", "2020-01-02T06", "--variables", "t,u",
        "--truth", "an1.nc", "an2.nc", "--stations", "s.csv", "--regrid", "mean",
    )  # fmt: skip
    asked, output = compare.words
    assert output == "out" and asked.init_time == np.datetime64("2020-01-02T06:00:00")
    assert (asked.variables, asked.truth, asked.stations, asked.regrid) == (["t", "u"], ["an1.nc", "an2.nc"], "s.csv", "mean")  # fmt: skip
    assert "MAE over 2 forecasts" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["only"], "compare needs at least two runs"),
        (["a=x", "a=y"], "two runs are called 'a'"),
        (["a=x", "b=y", "--init_time", "soon"], "soon"),
    ],
)
def test_runs_that_cannot_be_told_apart_are_refused(compare: Recorder, words: list[str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        run("compare", *words)
    assert compare.words == ()
