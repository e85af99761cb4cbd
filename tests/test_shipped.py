"""The settings that come with the package."""

from pathlib import Path

import pytest

from py4cast.datasets import registry
from py4cast.errors import SettingsError
from py4cast.settings import read_json
from py4cast.shipped import shipped
from tests.conftest import ROOT

NAMES = sorted(str(p.relative_to(ROOT / "py4cast")) for p in (ROOT / "py4cast/config").rglob("*.json"))


@pytest.mark.parametrize("name", NAMES)
def test_what_the_docs_name_is_there_beside_an_installed_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_json(name) == read_json(ROOT / name)


def test_a_file_of_ones_own_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert registry.get("dummy").read_settings("config/datasets/dummy.json") is not None
    own = Path("config/datasets/dummy.json")
    own.parent.mkdir(parents=True)
    own.write_text('{"name": "mine"}')
    assert read_json(own) == {"name": "mine"}


@pytest.mark.parametrize(
    "name", ["config/../config/datasets/dummy.json", "config/none.json", "other/datasets/dummy.json", "config", "."]
)
def test_other_paths_are_what_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    assert shipped(Path(name)) == Path(name)
    with pytest.raises(SettingsError, match="no such file|cannot be read"):
        read_json(name)
