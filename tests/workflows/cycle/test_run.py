import json
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from py4cast.errors import DataError, SettingsError
from py4cast.formats import Fields, writer_for
from py4cast.workflows.cycle.run import Cycle, Schedule
from py4cast.workflows.forecast.run import Forecast
from tests import forecast_files as made
from tests import forecasters
from tests.command import py4cast
from tests.workflows.forecast.test_run import NAMES, saved, values_of

HOUR = made.HOUR


def analysis(folder: Path, index: int) -> Path:
    """The file of one analysis, as a service writes it."""
    folder.mkdir(parents=True, exist_ok=True)
    when = made.TIMES[index].item()
    path = folder / when.strftime("an_%Y%m%d%H.grib2")
    values = np.stack([made.truth_of(n)[index] for n in NAMES], -1)[None]
    fields = Fields(values, forecasters.PREDICTED, forecasters.GRID, made.TIMES[index], [0 * HOUR])
    writer_for(path).write(path, fields)
    return path


class Clock:
    """A clock that a sleep moves on, and what happens meanwhile."""

    def __init__(self, at: np.datetime64) -> None:
        self.at, self.slept = at, 0.0
        self.events: list[tuple[np.datetime64, object]] = []

    def now(self) -> np.datetime64:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at = self.at + np.timedelta64(round(seconds), "s")
        self.slept += seconds
        for when, event in list(self.events):
            if self.at >= when:
                event()  # type: ignore[operator]
                self.events.remove((when, event))


def cycle_of(tmp_path: Path, clock: Clock, **changes: object) -> Cycle:
    _, path = saved(tmp_path)
    asked = Forecast(
        forecaster=path, input=[str(tmp_path / "an" / "an_%Y%m%d%H.grib2")], num_steps=2,
        output=[str(tmp_path / "out" / "fc_{init_time}.nc")],
    )  # fmt: skip
    words = {"every": 6 * HOUR, "delay": 2 * HOUR, "timeout": HOUR, "state": str(tmp_path / "state.json"), **changes}
    return Cycle(asked, Schedule(**words), clock.now, clock.sleep)


def test_the_start_that_is_due(tmp_path: Path) -> None:
    clock = Clock(np.datetime64("2020-01-02T07:59:59", "s"))
    cycle = cycle_of(tmp_path, clock)
    assert cycle.due() == np.datetime64("2020-01-02T00", "s")
    clock.at = np.datetime64("2020-01-02T08", "s")
    assert cycle.due() == np.datetime64("2020-01-02T06", "s")
    clock.at = np.datetime64("2020-01-02T01", "s")
    assert cycle.due() == np.datetime64("2020-01-01T18", "s")


def test_it_waits_for_the_input_and_for_its_end(tmp_path: Path) -> None:
    clock = Clock(made.TIMES[5] + 2 * HOUR)
    cycle = cycle_of(tmp_path, clock)
    analysis(tmp_path / "an", 4)
    whole = analysis(tmp_path / "later", 5).read_bytes()
    target = tmp_path / "an" / "an_2020010206.grib2"

    def begins() -> None:
        target.write_bytes(whole[: len(whole) // 2])

    clock.events = [(clock.at + 600, begins), (clock.at + 900, lambda: target.write_bytes(whole))]
    (file,) = cycle.run(cycle.due())
    assert 900 <= clock.slept < 940 and file.name == "fc_20200102T06.nc"
    assert json.loads((tmp_path / "state.json").read_text())["2020-01-02T06:00:00"]["is_fresh"] is True
    assert cycle.run(made.TIMES[5]) == [], "what is done is not done again"


def test_a_missed_input_falls_back_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock(made.TIMES[5] + 2 * HOUR)
    cycle = cycle_of(tmp_path, clock)
    for i in (3, 4):
        analysis(tmp_path / "an", i)
    (file,) = cycle.run(cycle.due())
    assert file.name == "fc_20200102T00.nc" and clock.slept >= 3600
    assert "no " in caplog.text and "the forecast starts from 2020-01-02T00:00:00 instead" in caplog.text
    assert values_of(file).shape[0] == 3, "a step more, so that it reaches as far"
    with pytest.raises(DataError, match="still no input but that of 2020-01-02T00"):
        cycle.run(made.TIMES[5])
    file.unlink()
    assert cycle.run(made.TIMES[5]) == [file] and file.exists(), "what is lost is made again"
    analysis(tmp_path / "an", 5)
    (file,) = cycle.run(made.TIMES[5])
    assert file.name == "fc_20200102T06.nc", "late input is used after all"


def test_falling_back_leaves_the_file_of_the_older_start(tmp_path: Path) -> None:
    clock = Clock(made.TIMES[4] + 2 * HOUR)
    cycle = cycle_of(tmp_path, clock)
    for i in (3, 4):
        analysis(tmp_path / "an", i)
    (older,) = cycle.run(cycle.due())
    content = older.read_bytes()
    clock.at = made.TIMES[5] + 2 * HOUR
    (file,) = cycle.run(made.TIMES[5])
    assert older.read_bytes() == content and file.name == "fc_20200102T00_for_20200102T06.nc"
    assert values_of(file).shape[0] == values_of(older).shape[0] + 1
    np.testing.assert_array_equal(values_of(file)[:-1], values_of(older))


def test_no_input_at_all_is_an_error(tmp_path: Path) -> None:
    clock = Clock(made.TIMES[5] + 2 * HOUR)
    with pytest.raises(
        DataError, match=r"cycle of 2020-01-02T06:00:00: no .*; nor is there the input of the 1 cycles before"
    ):
        cycle_of(tmp_path, clock).run(made.TIMES[5])
    assert not (tmp_path / "out").exists()


def test_cycle_after_cycle_with_scores(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for i in range(4, 9):
        analysis(tmp_path / "an", i)
    clock = Clock(made.TIMES[5] + 2 * HOUR)
    with caplog.at_level(logging.INFO):
        running = cycle_of(tmp_path, clock, verify=str(tmp_path / "scores")).forever()
        files = [next(running) for _ in range(5)]
    assert [f[0].name for f in files[:4]] == [
        f"fc_{t}.nc" for t in ("20200102T06", "20200102T12", "20200102T18", "20200103T00")
    ]
    assert "starts from 2020-01-03T00:00:00 instead" in caplog.text, "the fifth has no input of its own"
    scores = json.loads((tmp_path / "scores" / "scores.json").read_text())
    assert scores["num_forecasts"] >= 3 and (tmp_path / "scores" / "report.html").is_file()


def test_the_command_line(tmp_path: Path) -> None:
    _, path = saved(tmp_path)
    for i in (4, 5):
        analysis(tmp_path / "an", i)
    words = (
        "cycle", "--every", "6h", "--forecaster", path, "--input", str(tmp_path / "an" / "an_%Y%m%d%H.grib2"), "--num_steps", "1",
        "--state", str(tmp_path / "s.json"),
    )  # fmt: skip
    out = ("--output", str(tmp_path / "{init_time}.grib2"))
    done = py4cast(*words, *out, "--init_time", "2020-01-02T06")
    assert done.returncode == 0 and done.stdout.strip() == str(tmp_path / "20200102T06.grib2"), done.stderr
    assert py4cast(*words, *out, "--once").returncode == 3, "nothing of today"
    for more, text in (
        (("--output", str(tmp_path / "f.nc")), "a cycle needs {init_time}"),
        ((*out, "--overlay", str(tmp_path / "maps")), "--overlay"),
        ((*out, "--every", "7h"), "--every 7h: expected a part of a day"),
        ((*out, "--fallbacks", "-1"), "--fallbacks -1: expected at least 0"),
    ):
        failed = py4cast(*words, *more, "--once")
        assert failed.returncode == 2 and text in failed.stderr and len(failed.stderr.splitlines()) == 1, failed.stderr


def test_the_freshest_run_of_the_driving_model(tmp_path: Path) -> None:
    from py4cast.workflows.cycle.run import _freshest

    start = np.datetime64("2020-01-02T06", "s")
    pattern = str(tmp_path / "ifs_%Y%m%d%H.nc")
    assert _freshest(pattern, start).endswith("ifs_2020010206.nc"), "none there: the one that is wanted is named"
    for name in ("ifs_2020010112", "ifs_2020010200", "ifs_2020010212"):
        (tmp_path / f"{name}.nc").touch()
    assert _freshest(pattern, start).endswith("ifs_2020010200.nc")
    with pytest.raises(SettingsError, match="cycle needs --input"):
        Cycle(
            Forecast(forecaster="x", output=["{init_time}.nc"], num_steps=1, init_time="2020"), Schedule(every=6 * HOUR)
        )
    (tmp_path / "2020010203").mkdir()
    (tmp_path / "2020010203" / "a.nc").touch()
    assert _freshest(str(tmp_path / "%Y%m%d%H" / "*.nc"), start) == str(tmp_path / "2020010203" / "*.nc")


def test_a_cycle_is_done_where_the_same_forecast_was_made_and_stands(tmp_path: Path) -> None:
    for i in (4, 5):
        analysis(tmp_path / "an", i)
    clock = Clock(made.TIMES[5] + 2 * HOUR)
    (path,) = cycle_of(tmp_path, clock).run(made.TIMES[5])
    running = cycle_of(tmp_path, clock)
    running._digest = "of other weights"
    assert running.run(made.TIMES[5]) == [path], "another Forecaster makes it anew"
    assert running.run(made.TIMES[5]) == []
    path.unlink()
    assert running.run(made.TIMES[5]) == [path], "the file was gone"
    other = cycle_of(tmp_path, clock)
    other.asked = replace(other.asked, output=[str(tmp_path / "B_{init_time}.nc")])
    with pytest.raises(
        SettingsError, match=r"state.json is of another cycle, whose --output is .*fc_\{init_time\}.nc; give"
    ):
        other.run(made.TIMES[5])


@pytest.mark.parametrize("text", ["[]", "null", '{"2020-01-02T06:00:00": 5}', "{"])
def test_a_damaged_state_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "state.json").write_text(text)
    with pytest.raises(DataError, match=r"state\.json: damaged; remove it to begin anew"):
        cycle_of(tmp_path, Clock(made.TIMES[5])).run(made.TIMES[5])


def test_a_state_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"--state .*: a folder; expected a file"):
        cycle_of(tmp_path, Clock(made.TIMES[5]), state=str(tmp_path))


def test_scores_that_cannot_be_written_do_not_fail_the_cycle(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for i in (4, 5, 6):
        analysis(tmp_path / "an", i)
    (tmp_path / "file").touch()
    running = cycle_of(tmp_path, Clock(made.TIMES[5] + 2 * HOUR), verify=str(tmp_path / "file" / "scores"))
    assert len(running.run(made.TIMES[5])) == 1
    assert f"verification into {tmp_path / 'file' / 'scores'}: " in caplog.text


def test_cycles_that_are_passed_over_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for i in range(4, 9):
        analysis(tmp_path / "an", i)
    clock = Clock(made.TIMES[5] + 2 * HOUR)
    cycle = cycle_of(tmp_path, clock)
    running = cycle.forever()
    next(running)
    assert "passed over" not in caplog.text
    # suspended for longer than it should have slept
    cycle._sleep = lambda seconds: setattr(clock, "at", clock.at + np.timedelta64(round(seconds), "s") + 12 * HOUR)
    next(running)
    assert "2 cycles after that of 2020-01-02T06:00:00 were passed over" in caplog.text
