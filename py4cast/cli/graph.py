"""graph: the mesh of a graph network."""

import argparse
import sys

from py4cast.cli.base import Verb, add_data
from py4cast.errors import SettingsError

__all__ = ["VERB"]

_HELP = """\
examples:
  py4cast graph --model hilam --set dataset.size=128
  py4cast graph --dataset_conf config/datasets/arome_arctic.json --model graphlam --set model.mesh_spacing=4

Nodes of every level, edges of every set, how many each receiver hears, and who hears or is heard by nobody. The
graph is kept in the cache of $PY4CAST_ROOTDIR, where training finds it. The last line on standard output is the
picture."""


def _arguments(p: argparse.ArgumentParser) -> None:
    """The flags of graph."""
    add_data(p, None, "dummy; gridded with --dataset_conf")
    p.add_argument("--model", default="graphlam", metavar="NAME", help="graphlam, hilam, hilamparallel, graphtransformer, transformer, or a plugin's (default: graphlam)")  # fmt: skip
    p.add_argument("--model_conf", metavar="JSON", help="JSON file of the model's settings; examples in config/models/")
    p.add_argument("--output", default="graph.png", metavar="FILE", help="PNG file to draw to (default: graph.png)")


def _run(a: argparse.Namespace) -> None:
    from py4cast.workflows.graph import graph
    from py4cast.workflows.terminal import show

    for override in a.overrides:
        if not override.startswith(("dataset.", "model.")):
            raise SettingsError(f"--set {override!r}: expected dataset.PLACE=VALUE or model.PLACE=VALUE")
    dataset = a.dataset or ("gridded" if a.dataset_conf else "dummy")
    for item in graph(dataset, a.dataset_conf, a.model, a.model_conf, a.overrides, a.output):
        show(item)
    sys.stdout.write(f"{a.output}\n")


VERB = Verb("show and draw the mesh of a graph network", _HELP, _arguments, _run)
