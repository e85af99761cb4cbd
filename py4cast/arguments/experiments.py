"""The flags of the experiments: closure, mapping."""

import argparse

from py4cast.arguments.base import whole

__all__ = ["CLOSURE_HELP", "MAPPING_HELP", "closure_arguments", "mapping_arguments"]

CLOSURE_HELP = """\
examples:
  py4cast closure config/experiments/qg_closure_seconds.json            # half a minute, to see that all runs
  py4cast closure config/experiments/qg_closure_small.json              # three seeds, some twelve minutes on two cores
  py4cast closure config/experiments/qg_closure_small.json --set seeds='[0,1,2,3,4]' --output five_seeds

It simulates the flow, trains the network in every way that the file names, judges all closures a priori and in long
runs, and writes table.md, closure.png and closure.json. A run that was stopped goes on with the same command."""

MAPPING_HELP = """\
examples:
  py4cast mapping config/experiments/mapping_seconds.json
  py4cast mapping config/experiments/mapping_small.json --output board

Networks and optimal interpolation make maps of a turbulent flow from what satellites see of it along their tracks.
Rows are added to leaderboard.json and leaderboard.md: µ, σ, the shortest resolved wavelength λx and period λt."""


def closure_arguments(p: argparse.ArgumentParser) -> None:
    """The flags of closure."""
    _add_experiment(p)
    p.add_argument("--num_workers", type=whole, metavar="N", help="processes (default: one per core)")


def mapping_arguments(p: argparse.ArgumentParser) -> None:
    """The flags of mapping."""
    _add_experiment(p)


def _add_experiment(p: argparse.ArgumentParser) -> None:
    p.add_argument("experiment", metavar="JSON", help="the experiment; see config/experiments")
    p.add_argument("--output", metavar="DIR", help="folder of what is found (default: the name of the file)")
    p.add_argument(
        "--set", action="append", default=[], metavar="PLACE=VALUE", dest="overrides",
        help="override one setting, such as seeds=[0,1]; may stand several times",
    )  # fmt: skip
