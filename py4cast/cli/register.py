"""register: a Forecaster, a step, a store or scores kept in a catalogue."""

import argparse
import sys

from py4cast.cli.base import Verb, add_catalogue

__all__ = ["VERB"]

_HELP = """\
examples:
  py4cast register RUN/forecaster.safetensors --name uk_2km --note 'first with rain'
  py4cast register step.onnx scores/ --name uk_2km_step --catalogue /data/models

An item is known by a fingerprint that its file holds: to register it again changes nothing. A name counts its versions.
Forecasters, steps and scores are copied into the catalogue; prepared stores are pointed at."""


def _arguments(p: argparse.ArgumentParser) -> None:
    """The flags of register."""
    p.add_argument(
        "files", nargs="+", metavar="FILE", help="Forecaster, exported step, prepared store, or folder of scores"
    )
    p.add_argument("--name", metavar="NAME", help="in the catalogue (default: model_strategy, or the folder's name)")
    p.add_argument("--note", default="", metavar="TEXT", help="for people")
    add_catalogue(p)


def _run(a: argparse.Namespace) -> None:
    """Registers items, and prints them."""
    from py4cast.workflows.catalogue.view import register

    sys.stdout.write("".join(f"{line}\n" for line in register(a.files, a.catalogue, a.name, a.note)))


VERB = Verb("keep a Forecaster, a step, a store or scores in a catalogue", _HELP, _arguments, _run)
