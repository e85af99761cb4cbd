"""Benchmarks are run by hand; that what they take from the package is there is told here."""

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent.parent / "benchmarks"
SCRIPTS = sorted(FOLDER.rglob("*.py"))


def taken(path: Path) -> Iterator[tuple[str, str]]:
    """Modules of ours that a script imports from, and the names."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("py4cast", "tests", "benchmarks"):
            yield from ((node.module or "", alias.name) for alias in node.names)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda p: str(p.relative_to(FOLDER)))
def test_what_a_benchmark_takes_from_the_package_is_there(path: Path) -> None:
    for module, name in taken(path):
        found = importlib.import_module(module)
        assert hasattr(found, name) or importlib.util.find_spec(f"{module}.{name}"), f"{module} has no {name}"


def test_some_take_something() -> None:
    assert sum(len(list(taken(path))) for path in SCRIPTS) > 50
