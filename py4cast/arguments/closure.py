"""The flags of closure."""

import argparse

from py4cast.arguments.base import whole

__all__ = ["CLOSURE_HELP", "closure_arguments"]

CLOSURE_HELP = """\
examples:
  py4cast closure config/experiments/qg_closure_seconds.json            # half a minute, to see that all runs
  py4cast closure config/experiments/qg_closure_small.json              # three seeds, about ten minutes on two cores
  py4cast closure config/experiments/qg_closure_small.json --set seeds='[0,1,2,3,4]' --output five_seeds

It simulates the flow, trains the network in every way that the file names, judges all closures a priori and in long
runs, and writes table.md, closure.png and closure.json. A run that was stopped goes on with the same command."""


def closure_arguments(p: argparse.ArgumentParser) -> None:
    """The flags of closure."""
    p.add_argument("experiment", metavar="JSON", help="the experiment; see config/experiments")
    p.add_argument("--output", metavar="DIR", help="folder of what is found (default: the name of the file)")
    p.add_argument("--num_workers", type=whole, metavar="N", help="processes (default: one per core)")
    p.add_argument(
        "--set", action="append", default=[], metavar="PLACE=VALUE", dest="overrides",
        help="override one setting, such as evaluation.num_free_steps=1000; may stand several times",
    )  # fmt: skip
