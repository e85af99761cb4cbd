import logging

import pytest

from py4cast.progress import Preparation, Progress, Silent


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
