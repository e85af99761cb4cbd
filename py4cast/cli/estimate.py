"""estimate: what a training will cost, from a few of its batches."""

import argparse
import sys
from pathlib import Path

from py4cast.cli.base import Verb
from py4cast.cli.train import document_of, training_arguments
from py4cast.errors import SettingsError

__all__ = ["VERB"]

_HELP = """\
examples:
  py4cast estimate                                          what `py4cast train` would cost here
  py4cast estimate --dataset_conf my.json --model unet --batch_size 8 --epochs 50
  py4cast estimate --config RUN/config.json --output cost.json

It takes the flags of train, trains a few real batches, keeps nothing, and tells parameters, seconds of a step, an epoch and the whole
training with their error, seconds of a forecast, memory, and the largest batch that fits. On a CPU memory is that of the
process; other work on the machine changes all of it."""


def _arguments(p: argparse.ArgumentParser) -> None:
    """The flags of estimate: those of train that change what it costs."""
    training_arguments(p)
    p.add_argument("--output", metavar="JSON", help="write the numbers to a file too")


def _run(a: argparse.Namespace) -> None:
    """Measures, and shows what it found."""
    from py4cast.atomic import write_json
    from py4cast.job import Placement
    from py4cast.workflows.config import build_config

    if a.distributed != "ddp":
        raise SettingsError(
            f"estimate --distributed {a.distributed}: it runs in one process, which has the whole grid and network; leave it out, and take the "
            "memory of a rank from doc/benchmarks.md"
        )
    config = build_config(document_of(a), a.overrides)
    decoded = config.check()
    from py4cast.workflows.train.estimate import estimate, told

    costs = estimate(
        config, decoded, Placement(devices=a.devices, num_nodes=a.num_nodes, accelerator=a.accelerator)
    ).to_dict()
    for line in told(costs):
        sys.stdout.write(f"{line}\n")
    if a.output:
        write_json(Path(a.output), costs)


VERB = Verb("tell what a training will cost, from a few of its batches", _HELP, _arguments, _run)
