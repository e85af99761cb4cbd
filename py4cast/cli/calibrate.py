"""calibrate: what past forecasts of a Forecaster say of its next ones."""

import argparse
import sys

from py4cast.cli.base import Verb, add_data, add_members, strip, whole

__all__ = ["VERB"]

_HELP = """\
examples:
  py4cast calibrate --forecaster RUN/forecaster.safetensors --output calibrated.safetensors
  py4cast calibrate --forecaster F --output G --num_steps 12 --num_members 8
  py4cast verify --forecaster G            beside: py4cast verify --forecaster G --no_calibration

From forecasts of the validation split alone: how much of a predicted change to believe at each lead time, how far to go
towards the mean of the training, what is wrong in the mean of each hour of the day, and how far members should lie apart.
It is kept in the Forecaster and in steps that are exported from it; --no_calibration leaves it away."""


def _arguments(p: argparse.ArgumentParser) -> None:
    """The flags of calibrate."""
    p.add_argument("--forecaster", required=True, metavar="FILE", help="the Forecaster")
    p.add_argument("--output", required=True, metavar="FILE", help="the calibrated Forecaster, a .safetensors file")
    add_data(p, None, "that of the training")
    p.add_argument("--num_steps", type=whole, metavar="N", help="lead times (default: as many as it was validated on)")
    add_members(p)


def _run(a: argparse.Namespace) -> None:
    """Fits, writes, and shows the factors."""
    from py4cast.workflows.calibrate.run import calibrate
    from py4cast.workflows.terminal import Bar, calibration_table, show

    with Bar() as bar:
        calibration = calibrate(
            a.forecaster,
            a.output,
            a.dataset,
            a.dataset_conf,
            a.num_steps,
            strip(a.overrides),
            a.num_members,
            a.seed,
            bar,
        )
    show(calibration_table(calibration))
    sys.stdout.write(f"{a.output}\n")


VERB = Verb("fit what past forecasts say of the next ones, and keep it in the Forecaster", _HELP, _arguments, _run)
