import logging

import pytest

from py4cast.progress import Preparation, Progress, Silent, WorkClock


def test_silent_tells_the_log_what_begins(caplog: pytest.LogCaptureFixture) -> None:
    told: Progress = Silent()
    with caplog.at_level(logging.INFO, logger="py4cast"):
        told.start("scanning", 7)
        told.step(3)
    assert [record.getMessage() for record in caplog.records] == ["scanning: 7"]


def test_a_preparation_is_by_this_process_alone_unless_told() -> None:
    how = Preparation()
    assert isinstance(how.progress, Silent) and how.executor is None and how.num_jobs == 1
    assert not how.append and not how.check_files


def test_a_clock_tells_where_the_time_of_all_processes_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("py4cast.progress.time.perf_counter", lambda: now[0])
    clock = WorkClock()
    now[0] = 2.0
    clock.begin_blocks()
    clock.add({"decoding": 3.0, "statistics": 1.0, "writing": 0.5})
    clock.add({"decoding": 2.0, "statistics": 0.5, "writing": 0.5})
    now[0] = 7.0
    clock.end_blocks()
    now[0] = 7.5
    table = {name: seconds for name, seconds, _ in clock.table(2)}
    assert table == {
        "files": 2.0,
        "decoding": 5.0,
        "statistics": 1.5,
        "writing": 1.0,
        "waiting": 2.5,
        "end": 0.5,
        "whole": 7.5,
    }
    fresh = {name: seconds for name, seconds, _ in WorkClock().table(1)}
    assert set(fresh) == set(table) and not any(fresh.values()), "of a store that stood already"
