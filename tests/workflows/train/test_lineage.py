import subprocess
from pathlib import Path

import pytest

from py4cast.workflows.train import lineage
from py4cast.workflows.train.lineage import git_state

HASH = "0123456789abcdef0123456789abcdef01234567"


def answers(monkeypatch: pytest.MonkeyPatch, folder: Path, commit: str, changed: str = "") -> None:
    """A git that knows one folder."""
    texts = {"rev-parse HEAD": commit, "status --porcelain --untracked-files=no": changed, "rev-parse --abbrev-ref HEAD": "topic"}  # fmt: skip

    def run(words: list[str], **options: object) -> "subprocess.CompletedProcess[str]":
        assert words[:2] == ["git", "-C"] and options["check"] is False
        if Path(words[2]) != folder:
            return subprocess.CompletedProcess(words, 128, "", "not a git repository")
        return subprocess.CompletedProcess(words, 0, texts[" ".join(words[3:])] + "\n", "")

    monkeypatch.setattr(subprocess, "run", run)


def test_the_folder_of_the_command_and_that_of_the_code_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    expected = {"commit": HASH, "branch": "topic", "is_changed": False, "changed": []}
    answers(monkeypatch, tmp_path, HASH)
    assert git_state() == {"folder": expected}
    answers(monkeypatch, Path(lineage.__file__).resolve().parent, HASH)
    assert git_state() == {"py4cast": expected}


def test_at_most_twenty_changed_files_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [f"M  file{i}" for i in range(25)]
    answers(monkeypatch, tmp_path, HASH, "\n".join(lines))
    state = git_state()["folder"]
    assert state["is_changed"] is True and state["changed"] == lines[:20]


@pytest.mark.parametrize("error", [FileNotFoundError("git"), subprocess.TimeoutExpired("git", 20)])
def test_without_git_the_state_is_empty(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*words: object, **options: object) -> None:
        raise error

    monkeypatch.setattr(subprocess, "run", run)
    assert git_state() == {}
