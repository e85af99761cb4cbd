"""catalogue: what was made from what, and fetching it."""

import argparse

from py4cast.cli.base import Verb, add_catalogue

__all__ = ["VERB"]

_HELP = """\
examples:
  py4cast catalogue list
  py4cast catalogue show uk_2km:3
  py4cast catalogue lineage uk_2km
  py4cast catalogue fetch uk_2km --output /ops/step.onnx

ITEM is a name (its last version), name:version, or the beginning of an id. The catalogue is one SQLite file beside a
folder of copies; several processes may write at once."""


def _arguments(p: argparse.ArgumentParser) -> None:
    """The flags of catalogue."""
    p.add_argument("what", choices=("list", "show", "lineage", "fetch"), help="what to do")
    p.add_argument("item", nargs="?", metavar="ITEM", help="name, name:version, or the beginning of an id")
    p.add_argument("--kind", choices=("dataset", "forecaster", "step", "scores"), help="list these alone")
    p.add_argument("--output", default=".", metavar="PATH", help="file or folder that fetch writes (default: here)")
    add_catalogue(p)


def _run(a: argparse.Namespace) -> None:
    """Shows the catalogue, or fetches from it."""
    from py4cast.workflows.catalogue.view import catalogue
    from py4cast.workflows.terminal import show

    for item in catalogue(a.what, a.item, a.catalogue, a.kind, a.output):
        show(item)


VERB = Verb("list what was made from what, and fetch it", _HELP, _arguments, _run)
