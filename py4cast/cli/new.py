"""new: a dataset's JSON file from the files themselves, or a package of one's own."""

import argparse
import json
import sys
from pathlib import Path

from py4cast.cli.base import Verb
from py4cast.errors import SettingsError, nearest

__all__ = ["VERB"]

_HELP = """\
examples:
  py4cast new dataset 'analyses/*.grib' --output my_data.json      looks into the files: variables, units, levels, grid, step, periods
  py4cast prepare --dataset_conf my_data.json                      takes it as it is
  py4cast new plugin my_net                                        a package with a model, its entry point and its test

Of a dataset it tells what it guessed; read it, and change what is wrong."""
_KINDS = ("dataset", "plugin")


def _arguments(p: argparse.ArgumentParser) -> None:
    """The flags of new."""
    p.add_argument("kind", metavar="KIND", help="dataset, or plugin")
    p.add_argument(
        "words", nargs="+", metavar="FILES|NAME", help="files and patterns of a dataset; the name of a plugin's model"
    )
    p.add_argument("--output", metavar="PATH", help="JSON file of the dataset (default: its name); folder of the plugin (default: here)")  # fmt: skip
    p.add_argument("--name", metavar="NAME", help="of the dataset (default: that of the file or its folder)")


def _run(a: argparse.Namespace) -> None:
    """Writes what was asked for, and tells where it is."""
    if a.kind not in _KINDS:
        raise SettingsError(f"new {a.kind!r}{nearest(a.kind, _KINDS)}")
    if a.kind == "plugin":
        if len(a.words) != 1 or a.name:
            raise SettingsError("new plugin takes one NAME")
        from py4cast.workflows.new.plugin import new_plugin

        paths = new_plugin(a.words[0], Path(a.output or "."))
        sys.stdout.write("".join(f"{path}\n" for path in paths))
        return
    from py4cast.atomic import write_text
    from py4cast.workflows.new.dataset import propose
    from py4cast.workflows.terminal import Bar

    with Bar() as bar:
        document, remarks = propose(a.words, a.name or "", bar)
    path = Path(a.output or f"{document['name']}.json")
    if path.exists():
        raise SettingsError(f"{path}: exists; choose another --output")
    write_text(path, json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    for remark in remarks:
        sys.stderr.write(f"{remark}\n")
    sys.stdout.write(f"{path}\n")


VERB = Verb("begin: a dataset's JSON file from its files, or a package of your own", _HELP, _arguments, _run)
