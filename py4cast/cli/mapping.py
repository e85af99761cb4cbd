"""mapping: maps from observations along tracks, and the ways to make them."""

import argparse
import sys
from pathlib import Path

from py4cast.cli.base import Verb, add_experiment

__all__ = ["VERB"]

_HELP = """\
examples:
  py4cast mapping config/experiments/mapping_seconds.json
  py4cast mapping config/experiments/mapping_small.json --output board

Networks and optimal interpolation make maps of a turbulent flow from what satellites see of it along their tracks.
Rows are added to leaderboard.json and leaderboard.md: µ, σ, the shortest resolved wavelength λx and period λt."""


def _arguments(p: argparse.ArgumentParser) -> None:
    """The flags of mapping."""
    add_experiment(p)


def _run(a: argparse.Namespace) -> None:
    """Maps a flow in every way, and shows the leaderboard."""
    from py4cast.workflows.experiments.mapping.board import board_table
    from py4cast.workflows.experiments.mapping.run import mapping
    from py4cast.workflows.terminal import Bar, show

    output = Path(a.output or Path(a.experiment).stem)
    with Bar() as bar:
        rows = mapping(a.experiment, output, a.overrides, bar)
    show(board_table(rows))
    sys.stdout.write(f"{output}\n")


VERB = Verb("make maps from observations along tracks, and compare the ways to do so", _HELP, _arguments, _run)
