"""Instants that are learned from and scored are told."""

import logging
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from py4cast.workflows.train.overlap import tell_overlap


def split(first: int, last: int) -> Any:
    return SimpleNamespace(instants=np.datetime64("2020-01-01", "s") + np.arange(first, last) * np.timedelta64(6, "h"))


def test_instants_of_the_test_that_are_learned_are_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        tell_overlap((split(0, 40), split(40, 60), split(60, 80)))
        tell_overlap((split(0, 40), SimpleNamespace(instants=None), split(40, 60)))
    assert not caplog.records
    tell_overlap((split(0, 40), split(40, 60), split(36, 48)))
    (record,) = caplog.records
    assert record.getMessage() == (
        "period test: 4 of its 12 instants are learned from, 2020-01-10T00:00:00 to 2020-01-10T18:00:00: its scores are not "
        "those of unseen data"
    )
