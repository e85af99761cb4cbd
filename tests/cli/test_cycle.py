from pathlib import Path
from typing import Any

import numpy as np
import pytest

from py4cast.errors import SettingsError
from tests.cli.parsing import Recorder, replaced, run

HOUR = np.timedelta64(3600, "s")
DUE = np.datetime64("2020-01-01T12", "s")
FEW = ("--forecaster", "f", "--input", "an_%Y%m%d%H.nc", "--num_steps", "2", "--output", "{init_time}.nc", "--every", "6h")  # fmt: skip


class Cycle:
    """Makes a file per start that it is asked for."""

    def __init__(self) -> None:
        self.starts: list[np.datetime64] = []

    def due(self) -> np.datetime64:
        return DUE

    def run(self, start: np.datetime64) -> list[Path]:
        self.starts.append(start)
        return [Path(f"{start}.nc")]

    def forever(self) -> Any:
        yield [Path("one.nc"), Path("two.nc")]
        yield []
        yield [Path("three.nc")]


@pytest.fixture
def cycle() -> Cycle:
    return Cycle()


@pytest.fixture
def made(cycle: Cycle, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    return replaced(monkeypatch, "py4cast.workflows.cycle.run.Cycle", cycle)


def test_the_schedule_is_as_the_flags_say(made: Recorder) -> None:
    run("cycle", *FEW, "--once")
    asked, schedule = made.words
    assert asked.input == ["an_%Y%m%d%H.nc"] and asked.num_steps == 2
    assert (schedule.every, schedule.delay, schedule.timeout) == (6 * HOUR, 0 * HOUR, 0 * HOUR)
    assert (schedule.max_fallbacks, schedule.state, schedule.verify, schedule.verify_last) == (1, "cycle.json", None, 240 * HOUR)  # fmt: skip
    run(
        "cycle", *FEW, "--once", "--delay", "90min", "--timeout", "1h", "--fallbacks", "3", "--state", "s.json", "--verify", "v",
        "--verify_last", "2d",
    )  # fmt: skip
    schedule = made.words[1]
    assert (schedule.delay, schedule.timeout, schedule.verify_last) == (1.5 * HOUR, HOUR, 48 * HOUR)
    assert (schedule.max_fallbacks, schedule.state, schedule.verify) == (3, "s.json", "v")


@pytest.mark.parametrize(
    ("words", "start"), [(["--once"], DUE), (["--init_time", "2020-01-01T18"], DUE + 6 * HOUR), (["--once", "--init_time", "2020-01-01T06"], DUE - 6 * HOUR)]
)  # fmt: skip
def test_one_cycle_is_the_one_that_is_due_or_the_one_that_is_named(
    made: Recorder, cycle: Cycle, words: list[str], start: np.datetime64, capsys: pytest.CaptureFixture[str]
) -> None:
    run("cycle", *FEW, *words)
    assert cycle.starts == [start] and capsys.readouterr().out == f"{start}.nc\n"


def test_else_one_cycle_follows_the_other(made: Recorder, capsys: pytest.CaptureFixture[str]) -> None:
    run("cycle", *FEW)
    assert capsys.readouterr().out == "one.nc\ntwo.nc\nthree.nc\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--every", "7h"], "--every 7h: expected a part of a day, such as 1h or 6h"),
        (["--every", "soon"], "duration 'soon': expected a number and a unit"),
        (["--fallbacks", "-1"], "--fallbacks -1: expected at least 0"),
        (["--delay", "0h"], "duration '0h'"),
    ],
)
def test_times_that_are_none_are_refused(made: Recorder, words: list[str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        run("cycle", *FEW, *words)
    assert made.words == ()
