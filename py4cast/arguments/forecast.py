"""The flags of forecast."""

import argparse

from py4cast.arguments.base import add_data, whole

__all__ = ["FORECAST_HELP", "forecast_arguments"]

FORECAST_HELP = """\
example:
  py4cast forecast --forecaster RUN/forecaster.safetensors --dataset_conf my.json \\
      --init_time 2019-03-30T00 --num_steps 24 --output forecast.nc

The ending of --output chooses the format: .nc (CF-NetCDF) or .grib2."""


def forecast_arguments(p: argparse.ArgumentParser) -> None:
    """The flags of forecast."""
    p.add_argument("--forecaster", required=True, metavar="FILE", help="a saved Forecaster (forecaster.safetensors)")
    add_data(p, None, "the one of the training")
    p.add_argument(
        "--init_time",
        required=True,
        metavar="TIME",
        help="UTC time of the last past state, such as 2019-03-30T00",
    )
    p.add_argument("--num_steps", type=whole, required=True, metavar="N", help="steps to predict")
    p.add_argument("--output", required=True, metavar="FILE", help="file to write: .nc or .grib2")
    p.add_argument(
        "--free_border",
        action="store_true",
        help="forecast without truth in the border, for a strategy that imposes it",
    )
