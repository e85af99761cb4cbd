"""push: a Forecaster or a step into a repository that others can take it from."""

import argparse
import sys

from py4cast.cli.base import Verb

__all__ = ["VERB"]

_HELP = """\
examples:
  py4cast push RUN /shared/models/uk_t2m                  a folder
  py4cast push RUN/forecaster.safetensors s3://bucket/models/uk_t2m --note "ERA5, March 2019"
  py4cast push step.onnx hf://USER/NAME                   where huggingface_hub is installed

A repository holds the weights, config.json (configuration and lineage), README.md (a card with its scores) and py4cast.json, a list with
checksums. Nothing in it is ever executed."""


def _arguments(p: argparse.ArgumentParser) -> None:
    """The flags of push."""
    p.add_argument("file", metavar="FILE", help="a saved Forecaster, the folder of its run, or an exported step")
    p.add_argument("target", metavar="PLACE", help="folder, or address that can be written")
    p.add_argument("--note", default="", metavar="TEXT", help="for people, in the card")


def _run(a: argparse.Namespace) -> None:
    """Writes the repository, and tells where it is."""
    from py4cast.workflows.sharing.repository import push

    sys.stdout.write(f"{push(a.file, a.target, a.note)}\n")


VERB = Verb("share a Forecaster or an exported step as a repository", _HELP, _arguments, _run)
