"""What README and doc/ show is run: Python blocks as they stand, commands as far as their flags and verbs."""

import re
import shlex
import sys
import types
from pathlib import Path

import pytest

from py4cast.cli.main import _VERBS, _parser
from tests import readme_models
from tests.conftest import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "doc").glob("*.md"))]


def blocks(page: Path, kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", page.read_text(), flags=re.DOTALL)


ONE_TALE = ("README.md", "batch.md", "python.md")  # read from their beginning; blocks of other pages stand alone


@pytest.mark.parametrize("page", [p for p in PAGES if p.name in ONE_TALE], ids=lambda p: p.name)
def test_python_blocks_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    found = blocks(page, "python")
    assert found
    names: dict = {}
    for block in found:
        exec(compile(block, str(page), "exec"), names)
    assert ("init_time" if page.name == "python.md" else "min") in capsys.readouterr().out


@pytest.mark.parametrize(
    ("page", "number"),
    [(p.name, i) for p in PAGES if p.name not in ONE_TALE for i in range(len(blocks(p, "python")))],
)
def test_python_blocks_are_whole(page: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    block = blocks(ROOT / "doc" / page, "python")[number]
    for name in re.findall(r"^(?:import|from) (\w+)", block, flags=re.MULTILINE):
        pytest.importorskip(name, reason=f"the page shows how {name} is used, which is not here")
    # as a module: settings look their hints up there
    module = types.ModuleType("a_page")
    monkeypatch.setitem(sys.modules, "a_page", module)
    exec(compile(block, page, "exec"), module.__dict__)


def commands(page: Path) -> list[list[str]]:
    found = []
    for block in blocks(page, "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line.split(" #")[0].replace(" ...", ""))
            words = words[words.index("python") + 1 :] if "python" in words else words
            if words and (words[0] == "py4cast" or re.fullmatch(r"bin/\w+\.py", words[0])):
                verb = words[1:] if words[0] == "py4cast" else [Path(words[0]).stem, *words[1:]]
                found.append([w for w in verb if w != "$RESUME"])
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_commands_are_valid(page: Path) -> None:
    found = commands(page)
    assert found or page.name not in ("README.md", "worked_example.md")
    for verb, *words in found:
        assert verb in _VERBS
        arguments = _parser(verb).parse_args(words)
        for flag in ("dataset_conf", "model_conf"):
            path = getattr(arguments, flag, None)
            if path and path.startswith("config/") and "my_data" not in path:
                assert (ROOT / path).is_file(), path


def test_links_lead_somewhere() -> None:
    for page in [*PAGES, ROOT / "CONTRIBUTING.md"]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_readme_opens_with_the_two_commands() -> None:
    lines = (ROOT / "README.md").read_text().splitlines()
    assert lines[3].startswith("make demo") and lines[4].startswith("make test")


def test_the_table_of_models_is_theirs() -> None:
    found = readme_models.PATTERN.search((ROOT / "README.md").read_text())
    assert found is not None and found[2] == readme_models.table(), "python -m tests.readme_models writes it anew"


def test_nothing_speaks_of_a_workplace() -> None:
    import subprocess

    files = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True, cwd=ROOT).stdout.split()
    for name in files:
        if (
            name.endswith((".py", ".md", ".json", ".yaml", ".yml", ".toml", ".txt", "Makefile", "run", ".sh"))
            and name != "tests/test_readme.py"
        ):
            text = (ROOT / name).read_text()
            assert "/work/" not in text and "../shared/DESIGN" not in text, name
