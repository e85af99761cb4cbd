"""The flags of every verb, and what `--help` teaches. Nothing heavy is imported here."""

import argparse
import sys
from typing import NoReturn

from py4cast.errors import nearest

__all__ = [
    "FORECAST_HELP",
    "GRAPH_HELP",
    "INSPECT_HELP",
    "PREPARE_HELP",
    "TRAIN_HELP",
    "VERIFY_HELP",
    "Parser",
    "forecast_arguments",
    "graph_arguments",
    "inspect_arguments",
    "plugins_arguments",
    "prepare_arguments",
    "train_arguments",
    "verify_arguments",
]

TRAIN_HELP = """\
examples:
  py4cast train                                             the synthetic atmosphere, on a laptop
  py4cast train --dataset gridded --dataset_conf my.json    your own GRIB or NetCDF files
  py4cast train --model unet --strategy scaled_ar --epochs 50 --set model.init_features=32
  py4cast train --config RUN/config.json                    a run again
  py4cast train --run_name NAME --resume ...                go on with a run that was stopped

The last line on standard output is the run's folder: config.json, scores.json, forecaster.safetensors,
checkpoints/{best,last}.ckpt, TensorBoard events, plots/.
exit status: 0 done, 2 settings, 3 data, 4 not finite, 143 stopped and saved, 1 anything else"""
INSPECT_HELP = """\
examples:
  py4cast inspect STORE
  py4cast inspect STORE --plot maps.png --time 2019-03-30T12 --variables t2m,u10
  py4cast inspect other_tool.zarr

Period, grid, sizes, statistics, missing instants, and the files that it was made of. STORE is a folder that
py4cast prepare made, a Zarr of anemoi-datasets, mllam-data-prep or WeatherBench 2, or any CF-NetCDF or Zarr."""
PREPARE_HELP = """\
examples:
  py4cast prepare --dataset_conf config/datasets/era5_uk.json --set dataset.root=/data/era5
  py4cast prepare --dataset titan --dataset_conf my.json --num_workers 16
  py4cast prepare --dataset_conf my.json --output STORE --append       a new month, when the periods reach it
  py4cast prepare --dataset_conf my.json --scheduler tcp://host:8786   the workers of a Dask cluster

Work that is killed goes on where it stopped when the same command is given again. The last line on standard
output is the folder of the store, an open Zarr v3 that xarray reads."""
FORECAST_HELP = """\
example:
  py4cast forecast --forecaster RUN/forecaster.safetensors --dataset_conf my.json \\
      --init_time 2019-03-30T00 --num_steps 24 --output forecast.nc

The ending of --output chooses the format: .nc (CF-NetCDF) or .grib2."""
GRAPH_HELP = """\
examples:
  py4cast graph --model hilam --set dataset.size=128
  py4cast graph --dataset_conf config/datasets/arome_arctic.json --model graphlam --set model.mesh_spacing=4

Nodes of every level, edges of every set, how many each receiver hears, and who hears or is heard by nobody. The
graph is kept in the cache of $PY4CAST_ROOTDIR, where training finds it. The last line on standard output is the
picture."""
VERIFY_HELP = """\
example:
  py4cast verify --forecaster RUN/forecaster.safetensors --dataset_conf my.json --num_steps 12 --output scores/"""


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line with the nearest valid flag."""

    def error(self, message: str) -> NoReturn:
        words = message.split(": ", 1)
        if words[0] == "unrecognized arguments":
            flag = words[1].split()[0].split("=")[0]
            flags = [o for action in self._actions for o in action.option_strings if o.startswith("--")]
            message = f"unknown flag {flag}{nearest(flag, flags).split(' (valid')[0] if flag.startswith('-') else ''}"
        sys.stderr.write(f"{self.prog}: error: {message}; see {self.prog} --help\n")
        sys.exit(2)


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a whole number, found {text!r}") from None


def _add_data(parser: argparse.ArgumentParser, dataset: str | None, shown: str) -> None:
    parser.add_argument(
        "--dataset",
        default=dataset,
        metavar="NAME",
        help=f"dataset by name: dummy, gridded, virtual, titan, smeagol, poesy, rainfall, or a plugin's (default: {shown})",
    )
    parser.add_argument(
        "--dataset_conf",
        metavar="JSON",
        help="JSON file that describes the dataset; templates in config/datasets/",
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="PLACE=VALUE", dest="overrides",
        help="override one setting, such as dataset.root=DIR or model.num_filters=64; may stand several times",
    )  # fmt: skip


def train_arguments(p: argparse.ArgumentParser) -> None:
    """The flags of train."""
    _add_data(p, None, "dummy; gridded with --dataset_conf")
    p.add_argument(
        "--config",
        metavar="JSON",
        help="config.json of a run (or its folder) to run again; other flags override it",
    )
    p.add_argument(
        "--model",
        metavar="NAME",
        help="model by name: halfunet, unet, graphlam, hilam, ... (default: halfunet); `py4cast plugins` lists all",
    )
    p.add_argument("--model_conf", metavar="JSON", help="JSON file of the model's settings; examples in config/models/")
    p.add_argument(
        "--strategy", metavar="NAME", help="diff_ar, scaled_ar, downscaling, or a plugin's (default: diff_ar)"
    )
    p.add_argument("--strategy_conf", metavar="JSON", help="JSON file of the strategy's settings")
    numbers = {
        "epochs": "passes over the training period (default: 20)",
        "batch_size": "samples per step (default: 4)",
        "val_interval": "epochs between two validations (default: 1)",
        "num_input_steps": "past states that the network sees (default: 2)",
        "num_pred_steps_train": "steps unrolled in training (default: 1)",
        "num_pred_steps_val_test": "steps unrolled in validation and test (default: 5)",
        "limit_train_batches": "batches per epoch at most (default: all)",
        "seed": "what weights and the order of samples are drawn from (default: 42)",
    }
    for name, text in numbers.items():
        p.add_argument(f"--{name}", type=_whole, metavar="N", help=text)
    p.add_argument(
        "--num_inter_steps",
        type=_whole,
        metavar="K",
        help="calls of the network per step of the data, scaled_ar only (default: 1)",
    )
    p.add_argument("--loss", metavar="NAME", help="mse, mae, or a plugin's (default: mse)")
    p.add_argument("--lr", type=float, metavar="LR", help="highest learning rate (default: 0.001)")
    p.add_argument("--precision", metavar="P", help="32, bf16-mixed or 16-mixed (default: 32)")
    p.add_argument("--profiler", metavar="NAME", help="None, simple, advanced or pytorch (default: None)")
    p.add_argument(
        "--plots",
        metavar="NAMES",
        help="observers of the test, by name and comma (default: prediction,state_error,spatial_error)",
    )
    p.add_argument("--no_log", action="store_true", default=None, help="neither TensorBoard nor pictures")
    p.add_argument("--dev_mode", action="store_true", help="3 epochs of 3 batches, to try things out")
    p.add_argument("--load_model_ckpt", metavar="FILE", help="checkpoint or Forecaster whose weights to start from")
    p.add_argument(
        "--campaign_name",
        default="default",
        metavar="NAME",
        help="a name that groups runs (default: default)",
    )
    p.add_argument("--run_name", metavar="NAME", help="the run's own name (default: date and time, or the SLURM job)")
    p.add_argument("--resume", action="store_true", help="go on with the run of this name, exactly")


def prepare_arguments(p: argparse.ArgumentParser) -> None:
    """The flags of prepare."""
    _add_data(p, "gridded", "gridded")
    p.add_argument("--output", metavar="DIR", help="folder of the store (default: in the cache of $PY4CAST_ROOTDIR)")
    p.add_argument("--num_workers", type=_whole, metavar="N", help="processes (default: one per core)")
    p.add_argument(
        "--scheduler", metavar="ADDRESS", help="use the workers of this Dask cluster, such as tcp://host:8786"
    )
    p.add_argument(
        "--append", action="store_true", help="add to a finished store the instants that its files have gained"
    )


def inspect_arguments(p: argparse.ArgumentParser) -> None:
    """The flags of inspect."""
    p.add_argument("path", metavar="STORE", help="folder of a store, or a NetCDF file")
    p.add_argument("--plot", metavar="FILE", help="PNG file to draw maps to")
    p.add_argument("--time", metavar="TIME", help="UTC time of the maps (default: the middle of the data)")
    p.add_argument("--variables", metavar="NAMES", help="variables to draw, by name and comma (default: all)")
    p.add_argument("--check", action="store_true", help="read everything and compare it with its checksums")


def forecast_arguments(p: argparse.ArgumentParser) -> None:
    """The flags of forecast."""
    p.add_argument("--forecaster", required=True, metavar="FILE", help="a saved Forecaster (forecaster.safetensors)")
    _add_data(p, None, "the one of the training")
    p.add_argument(
        "--init_time",
        required=True,
        metavar="TIME",
        help="UTC time of the last past state, such as 2019-03-30T00",
    )
    p.add_argument("--num_steps", type=_whole, required=True, metavar="N", help="steps to predict")
    p.add_argument("--output", required=True, metavar="FILE", help="file to write: .nc or .grib2")
    p.add_argument(
        "--free_border",
        action="store_true",
        help="forecast without truth in the border, for a strategy that imposes it",
    )


def verify_arguments(p: argparse.ArgumentParser) -> None:
    """The flags of verify."""
    p.add_argument("--forecaster", required=True, metavar="FILE", help="a saved Forecaster (forecaster.safetensors)")
    _add_data(p, None, "the one of the training")
    p.add_argument(
        "--split", default="test", choices=("train", "valid", "test"), help="period to score (default: test)"
    )
    p.add_argument("--num_steps", type=_whole, default=5, metavar="N", help="lead times (default: 5)")
    p.add_argument("--batch_size", type=_whole, default=4, metavar="N", help="forecasts at once (default: 4)")
    p.add_argument(
        "--metric",
        default="rmse",
        choices=("rmse", "mae", "bias"),
        help="what the table shows; the files hold all (default: rmse)",
    )
    p.add_argument(
        "--output",
        metavar="DIR",
        help="folder for scores.json and scores.csv (default: verify/ beside the Forecaster)",
    )


def graph_arguments(p: argparse.ArgumentParser) -> None:
    """The flags of graph."""
    _add_data(p, None, "dummy; gridded with --dataset_conf")
    p.add_argument("--model", default="graphlam", metavar="NAME", help="graphlam, hilam, hilamparallel, or a plugin's (default: graphlam)")  # fmt: skip
    p.add_argument("--model_conf", metavar="JSON", help="JSON file of the model's settings; examples in config/models/")
    p.add_argument("--output", default="graph.png", metavar="FILE", help="PNG file to draw to (default: graph.png)")


def plugins_arguments(p: argparse.ArgumentParser) -> None:
    """The flags of plugins."""
    p.add_argument("--broken", action="store_true", help="show only what cannot be used")
