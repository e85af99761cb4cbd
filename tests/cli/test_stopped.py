"""Work that no verb saves by itself ends at once when it is asked to, and says so."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.command import start


def _verb_that_waits(verb: str, words: tuple[str, ...], place: str, out: str, forks: bool) -> int:
    """A verb whose work, which stands at `place`, is to wait."""
    import importlib

    from py4cast.cli import main

    def wait(*arguments: Any, **named: Any) -> None:
        child = os.fork() if forks else -1
        (Path(out) / ("forked" if child == 0 else "at_work")).write_text(str(os.getpid()))
        time.sleep(60)

    module, _, name = place.rpartition(".")
    setattr(importlib.import_module(module), name, wait)
    return main([verb, *words])


def _appears(path: Path) -> str:
    until = time.monotonic() + 30
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < until
        time.sleep(0.02)
    return path.read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
@pytest.mark.parametrize(
    ("verb", "words", "place", "hint"),
    [
        ("prepare", ("--dataset", "gridded"), "py4cast.workflows.prepare.prepare", "; the same command goes on where it stopped"),
        ("inspect", ("store",), "py4cast.workflows.inspect.data.inspect", ""),
    ],
)  # fmt: skip
def test_a_verb_says_by_what_it_was_stopped(
    tmp_path: Path, number: signal.Signals, verb: str, words: tuple[str, ...], place: str, hint: str
) -> None:
    out = tmp_path / "out"
    process = start(_verb_that_waits, verb, words, place, str(tmp_path), False, out=out, err=tmp_path / "err")
    _appears(tmp_path / "at_work")
    assert process.pid is not None
    os.kill(process.pid, number)
    process.join(10)
    assert process.exitcode == 143
    assert (tmp_path / "err").read_text() == f"py4cast {verb}: stopped by {number.name}{hint}\n"


def test_a_fork_ends_as_any_process(tmp_path: Path) -> None:
    out = tmp_path / "out"
    place = "py4cast.workflows.inspect.data.inspect"
    process = start(_verb_that_waits, "inspect", ("store",), place, str(tmp_path), True, out=out, err=tmp_path / "err")
    child = int(_appears(tmp_path / "forked"))
    os.kill(child, signal.SIGTERM)
    until = time.monotonic() + 10
    while Path(f"/proc/{child}").exists() and "zombie" not in Path(f"/proc/{child}/status").read_text():
        assert time.monotonic() < until
        time.sleep(0.05)
    assert process.exitcode is None and not (tmp_path / "err").read_text()
    process.kill()
