"""Every metric and observer keeps its contract; losses are in tests/losses."""

from pathlib import Path

import pytest

from py4cast.metrics import registry as metrics
from py4cast.observers import registry as observers
from py4cast.testing import check_metric, check_observer


@pytest.mark.parametrize("name", metrics.builtin_names)
def test_every_metric_keeps_the_contract(name: str) -> None:
    check_metric(name)


@pytest.mark.parametrize("name", observers.builtin_names)
def test_every_observer_keeps_the_contract(name: str, tmp_path: Path) -> None:
    check_observer(name, tmp_path / "plots")
    assert list((tmp_path / "plots").glob("*.png")), "something is drawn without a logger"
