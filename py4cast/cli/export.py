"""export: one step of a Forecaster as ONNX."""

import argparse
import logging
import sys

from py4cast.cli.base import Verb, whole

__all__ = ["VERB"]

logger = logging.getLogger(__name__)

_HELP = """\
examples:
  py4cast export --forecaster RUN/forecaster.safetensors --output step.onnx
  py4cast export --forecaster RUN/forecaster.safetensors --output small.onnx --weights int8
  py4cast export --forecaster HYBRID/forecaster.safetensors --rate --output closure.onnx
  py4cast forecast --model step.onnx --input an.grib --num_steps 24 --output fc.grib2

Statistics, static fields, the strategy's update and the blending of the border are inside; values are in physical
units, the batch is free. The drift is the largest and the root mean square difference from torch at each lead time of a
forecast from smooth random states, in standard deviations; a step that differs is not written. A .pt2 is for programs
of your own that have torch (loading one runs code: take it from whom you trust)."""


def _arguments(p: argparse.ArgumentParser) -> None:
    """The flags of export."""
    p.add_argument("--forecaster", required=True, metavar="FILE", help="a saved Forecaster (forecaster.safetensors)")
    p.add_argument("--output", required=True, metavar="FILE", help="file to write: .onnx, or .pt2 for torch.export")
    p.add_argument("--weights", default="float32", choices=("float32", "float16", "int8"), help="how ONNX stores them (default: float32)")  # fmt: skip
    p.add_argument("--num_steps", type=whole, default=12, metavar="N", help="lead times of the check (default: 12)")
    p.add_argument(
        "--rate", action="store_true", help="strategy hybrid: what the network gives to a solver of your own"
    )


def _run(a: argparse.Namespace) -> None:
    """Writes a step, and shows what it loses."""
    from py4cast.workflows.export.run import Export, export
    from py4cast.workflows.terminal import drift_table, show

    if a.rate:
        from pathlib import Path

        from py4cast.workflows.export.rate import export_rate

        drift_of_rate = export_rate(Path(a.forecaster), Path(a.output))
        sys.stdout.write(f"{a.output}\n")
        logger.info("differs from torch by %.1e standard deviations", drift_of_rate)
        return
    drift = export(Export(forecaster=a.forecaster, output=a.output, weights=a.weights, num_steps=a.num_steps))
    show(drift_table(drift, a.weights))
    sys.stdout.write(f"{a.output}\n")


VERB = Verb("write one step of a Forecaster as ONNX, checked against torch", _HELP, _arguments, _run)
