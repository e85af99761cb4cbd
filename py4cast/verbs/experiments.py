"""closure and mapping."""

import argparse
import sys
from pathlib import Path

from py4cast.errors import SettingsError

__all__ = ["run_closure", "run_mapping"]


def run_closure(a: argparse.Namespace) -> None:
    """Runs an experiment with closures, and shows its table."""
    from py4cast.workflows.closure.run import closure
    from py4cast.workflows.report import Bar, closure_table, show

    if a.num_workers is not None and a.num_workers < 1:
        raise SettingsError(f"--num_workers {a.num_workers}: expected at least 1")
    output = Path(a.output or Path(a.experiment).stem)
    with Bar() as bar:
        found = closure(a.experiment, output, a.overrides, a.num_workers, bar)
    show(closure_table(found))
    sys.stdout.write(f"{output}\n")


def run_mapping(a: argparse.Namespace) -> None:
    """Maps a flow in every way, and shows the leaderboard."""
    from py4cast.workflows.mapping.run import mapping
    from py4cast.workflows.report import Bar, board_table, show

    output = Path(a.output or Path(a.experiment).stem)
    with Bar() as bar:
        rows = mapping(a.experiment, output, a.overrides, bar)
    show(board_table(rows))
    sys.stdout.write(f"{output}\n")
