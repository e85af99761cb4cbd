"""What the catalogue's verbs do and print."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from py4cast.errors import SettingsError
from py4cast.settings import root_dir
from py4cast.workflows.catalogue.catalogue import Catalogue, Item
from py4cast.workflows.catalogue.register import item_of
from py4cast.workflows.terminal import table_of

__all__ = ["catalogue", "register"]


def _opened(place: str | None) -> Catalogue:
    return Catalogue(place or root_dir() / "catalogue")


def register(files: Sequence[str], place: str | None, name: str | None, note: str) -> list[str]:
    """Registers files; a line each: `name:version id kind`.

    Raises:
        DataError: a file that is missing, damaged, or no item.
        SettingsError: a name that is no part of a path.
    """
    items = [item_of(file) for file in files]
    held = _opened(place)
    lines = []
    for item in items:
        done = held.register(item, name or _name_of(item), note)
        lines.append(f"{done.label}  {done.id[:12]}  {done.kind}")
    return lines


def _name_of(item: Item) -> str:
    if "model" in item.facts and item.kind != "scores":
        return f"{item.facts['model']}_{item.facts['strategy']}" + ("_step" if item.kind == "step" else "")
    path = Path(item.path)
    return (path.parent.name if path.is_file() else path.name) or item.kind


def catalogue(what: str, asked: str | None, place: str | None, kind: str | None, output: str) -> list[Any]:
    """Lines and tables of `list`, `show` and `lineage`; the path of `fetch`.

    Raises:
        SettingsError: an item that is not there.
        DataError: no catalogue, or a copy that is gone.
    """
    held = _opened(place)
    if what == "list":
        rows = [
            [i.label, i.kind, i.id[:12], i.facts.get("dataset", "-"), i.created or "-", i.registered, i.note]
            for i in held.items(kind)
        ]
        return [
            table_of(f"catalogue {held.path}", ("item", "kind", "id", "dataset", "made", "registered", "note"), [rows])
        ]
    if asked is None:
        raise SettingsError(f"catalogue {what}: which item? `py4cast catalogue list` shows them")
    item = held.find(asked)
    if what == "fetch":
        return [str(held.fetch(item, output))]
    if what == "show":
        lines = [f"{item.label}  {item.kind}", f"id          {item.id}", f"path        {item.path}"]
        lines += [f"copy        {held.folder / item.copy}"] if item.copy else []
        lines += [f"made        {item.created}"] if item.created else []
        lines += [f"registered  {item.registered}"]
        lines += [f"note        {item.note}"] if item.note else []
        return [*lines, *(f"{key:<11} {value}" for key, value in item.facts.items() if value not in ("", [], None))]
    itself: tuple[int, str, str, Item | None] = (0, "", item.id, item)
    return [_branch(*row) for row in sorted([*held.lineage(item), itself], key=lambda row: row[0])]


def _branch(depth: int, relation: str, identity: str, item: Item | None) -> str:
    """A line of the lineage, ancestors above, further in the later it was made."""
    label = f"{item.label}  {item.kind}" if item else "not in this catalogue"
    return f"{'*' if depth == 0 else ' '} {'  ' * (depth + 5)}{label}  {identity[:12]}  {relation}".rstrip()
