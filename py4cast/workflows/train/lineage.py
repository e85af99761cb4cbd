"""Where a run comes from: the state of the code's and of the working folder's git, where there is one."""

import subprocess
from pathlib import Path
from typing import Any

__all__ = ["git_state"]


def _git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None  # no git on this machine
    return done.stdout.strip() if done.returncode == 0 else None


def _state(folder: Path) -> dict[str, Any] | None:
    """Commit, branch and whether files are changed; None outside git."""
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return None
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no") or ""
    branch = _git(folder, "rev-parse", "--abbrev-ref", "HEAD") or ""
    return {
        "commit": commit,
        "branch": branch,
        "is_changed": bool(changed),
        "changed": changed.split("\n")[:20] if changed else [],
    }


def git_state() -> dict[str, Any]:
    """The git state of py4cast's own code and of the folder that the command was given in; empty outside git."""
    states = {"py4cast": _state(Path(__file__).resolve().parent), "folder": _state(Path.cwd())}
    return {name: state for name, state in states.items() if state is not None}
