"""Fixtures of all tests: a root folder of its own per test, one thread, the real data when they are there."""

import gc
import logging
import os
from collections.abc import Iterator
from pathlib import Path

# threads that wait asleep, as the command line sets it; read when torch is loaded
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import hypothesis
import pytest
import torch

from py4cast.datasets import DatasetABC, get_datasets

# a busy machine is no failure
hypothesis.settings.register_profile("house", deadline=None)
hypothesis.settings.load_profile("house")


_MANY = 500  # tests, of which some start processes


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long ones first: at the end no worker waits for another."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_collection_finish(session: pytest.Session) -> None:
    """What is loaded stays: the collector of garbage need not walk through a million objects of packages again and again."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    if len(session.items) > _MANY and not session.config.option.collectonly:
        # processes are forked from one server, which the first that asks starts: begun by the package, it has little loaded
        from tests import command

        command.serve()


ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def own_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("PY4CAST_ROOTDIR", str(tmp_path / "root"))
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield tmp_path / "root"


@pytest.fixture(autouse=True)
def own_words() -> Iterator[None]:
    """What a verb told the package to keep quiet of is no matter of the next test."""
    yield
    logging.disable(logging.NOTSET)
    for name, logger in logging.root.manager.loggerDict.items():
        if name.partition(".")[0] == "py4cast" and isinstance(logger, logging.Logger):
            logger.setLevel(logging.NOTSET)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real files, or a skip."""
    folder = Path(os.environ.get("PY4CAST_TEST_DATA") or ROOT.parent / "shared" / "data")
    if not (folder / "series").is_dir():
        pytest.skip(f"no real data at {folder}; set PY4CAST_TEST_DATA")
    return folder


SMALL = ["size=16", "num_train=27", "num_valid=10", "num_test=10", "border_size=2"]


@pytest.fixture(scope="session")
def small() -> tuple[DatasetABC, DatasetABC, DatasetABC]:
    """The dummy dataset on 16 × 16 cells: 2 input steps, 2 and 3 predicted ones."""
    return get_datasets("dummy", 2, 2, 3, None, SMALL)
