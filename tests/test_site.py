"""The documentation site: every page has its place, links lead somewhere, what the build adds is there."""

import importlib.util
import re
from types import ModuleType
from typing import Any

import pytest
import yaml

from py4cast.cli.main import _VERBS
from tests.conftest import ROOT

DOC = ROOT / "doc"


@pytest.fixture(scope="module")
def hooks() -> ModuleType:
    pytest.importorskip("mkdocs", reason="mkdocs is of the extra docs, which make docs installs")
    spec = importlib.util.spec_from_file_location("hooks", DOC / "site" / "hooks.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pages(nav: Any) -> list[str]:
    """The pages of a navigation, in their order."""
    if isinstance(nav, str):
        return [nav]
    return [page for entry in (nav.values() if isinstance(nav, dict) else nav) for page in pages(entry)]


def test_every_page_of_the_documentation_has_a_place() -> None:
    listed = pages(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"])
    made = {"index.md", "gallery.md", "api.md", "commands.md", "decisions.md", "changelog.md", "contributing.md"}
    assert len(listed) == len(set(listed))
    assert {path.name for path in DOC.glob("*.md")} == set(listed) - made


def test_links_between_pages_lead_to_pages_and_headings() -> None:
    for path in [ROOT / "README.md", *DOC.glob("*.md"), *(DOC / "decisions").glob("*.md")]:
        for target in re.findall(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)", path.read_text()):
            if target.startswith(("http", "mailto:")):
                continue
            name, _, anchor = target.partition("#")
            file = (path.parent / name).resolve() if name else path
            assert file.exists(), f"{path.name}: {target}"
            if anchor:
                headings = re.findall(r"^#+ (.+)$", file.read_text(), re.M)
                slugs = {re.sub(r"[^\w\- ]", "", h.lower()).strip().replace(" ", "-") for h in headings}
                assert anchor in slugs, f"{path.name}: {target}"


def test_what_the_api_page_names_is_there(hooks: ModuleType) -> None:
    for names in hooks.API.values():
        for name in names:
            module, _, attribute = name.rpartition(".")
            assert hasattr(importlib.import_module(module), attribute), name
            assert name in hooks._api()


def test_links_to_files_that_the_site_does_not_hold_become_text(hooks: ModuleType) -> None:
    class Files:
        def get_file_from_path(self, path: str) -> object | None:
            return object() if path in ("data.md", "index.md") else None

    class Page:
        class file:
            src_uri = "python.md"

    text = "[data](data.md#x) [start](../README.md) [code](../benchmarks/models.py) [web](https://a.b) ![p](figs/a.png)"
    linked = hooks.on_page_markdown(text, Page, None, Files())
    assert (
        linked
        == "[data](data.md#x) [start](index.md) code (`benchmarks/models.py`) [web](https://a.b) ![p](figs/a.png)"
    )


def test_decisions_and_commands_are_listed(hooks: ModuleType) -> None:
    assert hooks._decisions().count("](decisions/") == len(list((DOC / "decisions").glob("*.md")))
    assert len(_VERBS) == len(set(_VERBS))


def test_how_to_cite_it_says_the_version() -> None:
    from py4cast.version import __version__

    document = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert (
        document["version"] == __version__
        and document["license"] == "Apache-2.0"
        and document["cff-version"] == "1.2.0"
    )


def test_the_container_copies_what_it_installs() -> None:
    text = (ROOT / "deploy" / "Containerfile").read_text()
    for line in re.findall(r"^COPY (.+) \S+$", text, re.M):
        for name in line.split():
            assert (ROOT / name).exists(), name
