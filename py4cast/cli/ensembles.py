"""ensembles: strategies that make members, proven on systems whose law is known."""

import argparse
import sys
from pathlib import Path

from py4cast.cli.base import Verb, add_experiment

__all__ = ["VERB"]

_HELP = """\
examples:
  py4cast ensembles config/experiments/ensembles_seconds.json
  py4cast ensembles config/experiments/ensembles_small.json --output proof

Every method is trained on every random system with every seed; its members are judged beside members drawn from the system
itself: CRPS and energy score over the least possible, spread/skill, the same of means over 6 x 6 cells, the correlation of
neighbouring cells, rank histograms. What stands in the folder is not made again."""


def _arguments(p: argparse.ArgumentParser) -> None:
    """The flags of ensembles."""
    add_experiment(p)


def _run(a: argparse.Namespace) -> None:
    """Trains and judges, and shows the table."""
    from py4cast.workflows.experiments.ensembles.board import board_table
    from py4cast.workflows.experiments.ensembles.run import ensembles
    from py4cast.workflows.terminal import Bar, show

    output = Path(a.output or Path(a.experiment).stem)
    with Bar() as bar:
        document = ensembles(a.experiment, output, a.overrides, bar)
    show(board_table(document))
    sys.stdout.write(f"{output}\n")


VERB = Verb("train ensembles on systems whose law is known, and judge their members", _HELP, _arguments, _run)
