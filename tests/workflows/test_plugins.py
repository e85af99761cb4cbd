from dataclasses import replace
from typing import Any

import pytest

from py4cast.models import registry as models
from py4cast.registry import Entry, Registry
from py4cast.workflows.plugins import plugins


def rows(broken_only: bool = False) -> list[list[str]]:
    table = plugins(broken_only)
    return [list(row) for row in zip(*([str(c) for c in column.cells] for column in table.columns), strict=True)]


def test_every_kind_lists_what_is_registered_its_own_names_first() -> None:
    table = rows()
    of_models = [row for row in table if row[0] == models.kind]
    assert {row[1] for row in of_models} == set(models.names())
    for kind in {row[0] for row in table}:
        listed = [(row[2] != "py4cast", row[1]) for row in table if row[0] == kind]
        assert listed == sorted(listed), kind
    assert len({row[0] for row in table}) == 12


def test_only_broken_ones_are_listed_where_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = Registry.entries

    def one_broken(self: Registry[Any]) -> list[Entry]:
        return [replace(e, value=None, error="no such module") if e.name == "zero" else e for e in entries(self)]

    assert all(row[-1] != "ready" for row in rows(broken_only=True))
    monkeypatch.setattr(Registry, "entries", one_broken)
    assert [row[1] for row in rows(broken_only=True) if row[0] == models.kind] == ["zero"]
