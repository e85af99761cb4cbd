"""The flags of forecast and export."""

import argparse

from py4cast.arguments.base import add_data, whole

__all__ = ["CYCLE_HELP", "EXPORT_HELP", "FORECAST_HELP", "cycle_arguments", "export_arguments", "forecast_arguments"]

CYCLE_HELP = """\
examples:
  py4cast cycle --every 6h --delay 3h --timeout 45min --model step.onnx --input 'an/an_%Y%m%d%H.grib2' \\
      --boundary 'ifs/ifs_%Y%m%d%H.grib2' --num_steps 48 --output 'out/fc_{init_time}.grib2' --verify out/scores
  py4cast cycle --once --every 6h ...          one call from cron or ecFlow

In --input %Y %m %d %H %M stand for the time of a state, in --boundary for the start of the driving model's run, of
which the freshest is taken. Input that is not there and whole in time is replaced by that of the cycle before, with as
many steps more; a line says so. A cycle that is done is not done again. Exit status: 0 done, 2 settings, 3 no input."""

EXPORT_HELP = """\
examples:
  py4cast export --forecaster RUN/forecaster.safetensors --output step.onnx
  py4cast export --forecaster RUN/forecaster.safetensors --output small.onnx --weights int8
  py4cast export --forecaster HYBRID/forecaster.safetensors --rate --output closure.onnx
  py4cast forecast --model step.onnx --input an.grib --num_steps 24 --output fc.grib2

Statistics, static fields, the strategy's update and the blending of the border are inside; values are in physical
units, the batch is free. The drift is the largest and the root mean square difference from torch at each lead time of a
forecast from smooth random states, in standard deviations; a step that differs is not written. A .pt2 is for programs
of your own that have torch (loading one runs code: take it from whom you trust)."""

FORECAST_HELP = """\
examples:
  py4cast forecast --forecaster RUN/forecaster.safetensors --input 'analyses/*.grib' --num_steps 24 --output fc.grib2
  py4cast forecast --model step.onnx --input an.nc --boundary ifs.grib --num_steps 48 --output 'fc_{lead_time}.grib2'
  py4cast forecast --forecaster RUN/forecaster.safetensors --dataset_conf my.json \\
      --init_time 2019-03-30T00 --num_steps 24 --output forecast.nc forecast.zarr

The ending of --output chooses the format: .grib2, .nc (CF-NetCDF), .zarr. A path with {lead_time} becomes a file per
lead time, which stands as soon as it is written; {init_time} is the start. Input is matched to the Forecaster's
variables by name, CF name, GRIB name and level; units are converted; another grid is refused, or brought by --regrid.
A step exported to ONNX runs without torch: numpy, ONNX Runtime and the libraries of the formats are enough."""


def forecast_arguments(p: argparse.ArgumentParser) -> None:
    """The flags of forecast and export."""
    p.add_argument(
        "--forecaster", "--model", required=True, metavar="FILE",
        help="a saved Forecaster (forecaster.safetensors), or a step exported to ONNX (step.onnx)",
    )  # fmt: skip
    p.add_argument("--input", nargs="+", metavar="FILES", help="the last states in GRIB, NetCDF or Zarr; patterns too")
    p.add_argument(
        "--boundary", nargs="+", metavar="FILES",
        help="a driving model's forecast, for border values and forcings; its lead times are interpolated",
    )  # fmt: skip
    p.add_argument("--rename", action="append", default=[], metavar="INPUT=FORECASTER", help="a variable that the two call by different names")  # fmt: skip
    p.add_argument("--accumulated", metavar="NAMES", help="variables that the input holds as sums since its start")
    p.add_argument("--regrid", choices=("linear", "nearest", "mean"), help="bring the input to the Forecaster's grid (default: refuse another grid)")  # fmt: skip
    add_data(p, None, "the one of the training")
    p.add_argument(
        "--init_time",
        metavar="TIME",
        help="UTC time of the last past state, such as 2019-03-30T00 (default: the last that --input has)",
    )
    p.add_argument("--num_steps", type=whole, required=True, metavar="N", help="steps to predict")
    p.add_argument("--members", metavar="NUMBERS", help="members of the input to forecast, by comma (default: all)")
    p.add_argument("--device", metavar="NAME", help="where torch runs: cpu, cuda, cuda:1 (default: a GPU where there is one)")  # fmt: skip
    p.add_argument("--precision", default="32", choices=("32", "bf16", "16"), help="of torch's inner products (default: 32)")  # fmt: skip
    p.add_argument("--output", nargs="+", default=[], metavar="FILE", help="files to write: .grib2, .nc, .zarr")
    p.add_argument("--stations", metavar="FILE", help="places (.csv with station, latitude, longitude) of --series")
    p.add_argument("--series", metavar="FILE", help="the forecast at the stations: .csv or .nc")
    p.add_argument("--overlay", metavar="DIR", help="maps (PNG per lead time) and an animation (GIF) of every variable")
    p.add_argument(
        "--free_border",
        action="store_true",
        help="forecast without truth in the border, for a strategy that imposes it",
    )


def cycle_arguments(p: argparse.ArgumentParser) -> None:
    """The flags of cycle: those of forecast, and when."""
    forecast_arguments(p)
    p.add_argument("--every", required=True, metavar="DURATION", help="between two starts, from 00 UTC: 1h, 6h, ...")
    p.add_argument("--delay", metavar="DURATION", help="after a start, when its input can be there (default: none)")
    p.add_argument("--timeout", metavar="DURATION", help="how long the input is waited for (default: not)")
    p.add_argument(
        "--fallbacks",
        type=whole,
        default=1,
        metavar="N",
        help="cycles before, from which it may start instead (default: 1)",
    )
    p.add_argument("--once", action="store_true", help="the cycle that is due now, then end: for cron, ecFlow, ...")
    p.add_argument("--state", default="cycle.json", metavar="FILE", help="what was done (default: cycle.json)")
    p.add_argument("--verify", metavar="DIR", help="scores of the last forecasts, with a page (needs torch)")
    p.add_argument(
        "--verify_last", default="10d", metavar="DURATION", help="how far back they are verified (default: 10d)"
    )


def export_arguments(p: argparse.ArgumentParser) -> None:
    """The flags of export."""
    p.add_argument("--forecaster", required=True, metavar="FILE", help="a saved Forecaster (forecaster.safetensors)")
    p.add_argument("--output", required=True, metavar="FILE", help="file to write: .onnx, or .pt2 for torch.export")
    p.add_argument("--weights", default="float32", choices=("float32", "float16", "int8"), help="how ONNX stores them (default: float32)")  # fmt: skip
    p.add_argument("--num_steps", type=whole, default=12, metavar="N", help="lead times of the check (default: 12)")
    p.add_argument(
        "--rate", action="store_true", help="strategy hybrid: what the network gives to a solver of your own"
    )
