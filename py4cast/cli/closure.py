"""closure: closures of turbulence, trained through its solver and compared."""

import argparse
import sys
from pathlib import Path

from py4cast.cli.base import Verb, add_experiment, whole
from py4cast.errors import SettingsError

__all__ = ["VERB"]

_HELP = """\
examples:
  py4cast closure config/experiments/qg_closure_seconds.json            # half a minute, to see that all runs
  py4cast closure config/experiments/qg_closure_small.json              # three seeds, some twelve minutes on two cores
  py4cast closure config/experiments/qg_closure_small.json --set seeds='[0,1,2,3,4]' --output five_seeds

It simulates the flow, trains the network in every way that the file names, judges all closures a priori and in long
runs, and writes table.md, closure.png and closure.json. A run that was stopped goes on with the same command."""


def _arguments(p: argparse.ArgumentParser) -> None:
    """The flags of closure."""
    add_experiment(p)
    p.add_argument("--num_workers", type=whole, metavar="N", help="processes (default: one per core)")


def _run(a: argparse.Namespace) -> None:
    """Runs an experiment with closures, and shows its table."""
    from py4cast.workflows.experiments.closure.run import closure
    from py4cast.workflows.experiments.closure.summary import closure_table
    from py4cast.workflows.terminal import Bar, show

    if a.num_workers is not None and a.num_workers < 1:
        raise SettingsError(f"--num_workers {a.num_workers}: expected at least 1")
    output = Path(a.output or Path(a.experiment).stem)
    with Bar() as bar:
        summaries = closure(a.experiment, output, a.overrides, a.num_workers, bar)
    show(closure_table(summaries))
    sys.stdout.write(f"{output}\n")


VERB = Verb("train closures of turbulence through its solver, and compare them", _HELP, _arguments, _run)
