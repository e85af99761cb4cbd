"""The flags of the verbs that keep and run Forecasters day by day: register, catalogue, cycle."""

import argparse

__all__ = ["CATALOGUE_HELP", "REGISTER_HELP", "catalogue_arguments", "register_arguments"]

REGISTER_HELP = """\
examples:
  py4cast register RUN/forecaster.safetensors --name uk_2km --note 'first with rain'
  py4cast register step.onnx scores/ --name uk_2km_step --catalogue /data/models

An item is known by a fingerprint that its file holds: to register it again changes nothing. A name counts its versions.
Forecasters, steps and scores are copied into the catalogue; prepared stores are pointed at."""

CATALOGUE_HELP = """\
examples:
  py4cast catalogue list
  py4cast catalogue show uk_2km:3
  py4cast catalogue lineage uk_2km
  py4cast catalogue fetch uk_2km --output /ops/step.onnx

ITEM is a name (its last version), name:version, or the beginning of an id. The catalogue is one SQLite file beside a
folder of copies; several processes may write at once."""


def register_arguments(p: argparse.ArgumentParser) -> None:
    """The flags of register."""
    p.add_argument(
        "files", nargs="+", metavar="FILE", help="Forecaster, exported step, prepared store, or folder of scores"
    )
    p.add_argument("--name", metavar="NAME", help="in the catalogue (default: model_strategy, or the folder's name)")
    p.add_argument("--note", default="", metavar="TEXT", help="for people")
    _add_place(p)


def catalogue_arguments(p: argparse.ArgumentParser) -> None:
    """The flags of catalogue."""
    p.add_argument("what", choices=("list", "show", "lineage", "fetch"), help="what to do")
    p.add_argument("item", nargs="?", metavar="ITEM", help="name, name:version, or the beginning of an id")
    p.add_argument("--kind", choices=("dataset", "forecaster", "step", "scores"), help="list these alone")
    p.add_argument("--output", default=".", metavar="PATH", help="file or folder that fetch writes (default: here)")
    _add_place(p)


def _add_place(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "--catalogue", metavar="PLACE", help="folder, or .sqlite file (default: catalogue/ in PY4CAST_ROOTDIR)"
    )
