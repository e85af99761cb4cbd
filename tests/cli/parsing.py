"""Verbs of the command line in this process, with their workflows replaced by ones that say what they were given."""

import importlib
from typing import Any

import pytest

from py4cast.cli.main import _parser, _verb


class Recorder:
    """Creates a stand-in of a workflow, which keeps what it is called with."""

    def __init__(self, gives: Any = None) -> None:
        self.gives: Any = gives
        self.words: Any = ()
        self.named: dict[str, Any] = {}

    def __call__(self, *words: Any, **named: Any) -> Any:
        self.words, self.named = words, named
        return self.gives


def replaced(monkeypatch: pytest.MonkeyPatch, place: str, gives: Any = None) -> Recorder:
    """The recorder that stands at a dotted place from now on."""
    recorder = Recorder(gives)
    module, _, name = place.rpartition(".")
    monkeypatch.setattr(importlib.import_module(module), name, recorder)
    return recorder


def run(verb: str, *words: str) -> None:
    """Runs a verb with these words; raises what it raises."""
    _verb(verb).run(_parser(verb).parse_args(words))
