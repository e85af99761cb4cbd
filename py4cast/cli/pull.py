"""pull: a Forecaster or a step from a repository, checked."""

import argparse
import sys
from pathlib import Path

from py4cast.cli.base import Verb

__all__ = ["VERB"]

_HELP = """\
examples:
  py4cast pull /shared/models/uk_t2m --output here
  py4cast pull https://host/models/uk_t2m --output here
  py4cast forecast --forecaster here/forecaster.safetensors --input 'analyses/*.grib' --num_steps 12 --output fc.nc

Every file is held against its checksum before any is put in place; a list that names anything but safetensors, ONNX, JSON and Markdown is
refused. The last line on standard output is the weights' file."""


def _arguments(p: argparse.ArgumentParser) -> None:
    """The flags of pull."""
    p.add_argument("source", metavar="PLACE", help="folder, or address of a repository that push made")
    p.add_argument("--output", required=True, metavar="DIR", help="folder to put it in")


def _run(a: argparse.Namespace) -> None:
    """Takes the repository, and tells where its weights are."""
    from py4cast.workflows.sharing.repository import pull

    sys.stdout.write(f"{pull(a.source, Path(a.output))}\n")


VERB = Verb("take a Forecaster or an exported step from a repository", _HELP, _arguments, _run)
