"""The flags of the verbs about data and what is installed: prepare, inspect, graph, plugins."""

import argparse

from py4cast.arguments.base import add_data, whole

__all__ = [
    "GRAPH_HELP",
    "INSPECT_HELP",
    "PREPARE_HELP",
    "graph_arguments",
    "inspect_arguments",
    "plugins_arguments",
    "prepare_arguments",
]

PREPARE_HELP = """\
examples:
  py4cast prepare --dataset_conf config/datasets/era5_uk.json --set dataset.root=/data/era5
  py4cast prepare --dataset titan --dataset_conf my.json --num_workers 16
  py4cast prepare --dataset_conf my.json --output STORE --append       a new month, when the periods reach it
  py4cast prepare --dataset_conf my.json --scheduler tcp://host:8786   the workers of a Dask cluster

Work that is killed goes on where it stopped when the same command is given again. The last line on standard
output is the folder of the store, an open Zarr v3 that xarray reads."""

INSPECT_HELP = """\
examples:
  py4cast inspect STORE
  py4cast inspect STORE --plot maps.png --time 2019-03-30T12 --variables t2m,u10
  py4cast inspect other_tool.zarr
  py4cast inspect RUN/forecaster.safetensors

Period, grid, sizes, statistics, missing instants, and the files that it was made of. STORE is a folder that
py4cast prepare made, a Zarr of anemoi-datasets, mllam-data-prep or WeatherBench 2, or any CF-NetCDF or Zarr."""

GRAPH_HELP = """\
examples:
  py4cast graph --model hilam --set dataset.size=128
  py4cast graph --dataset_conf config/datasets/arome_arctic.json --model graphlam --set model.mesh_spacing=4

Nodes of every level, edges of every set, how many each receiver hears, and who hears or is heard by nobody. The
graph is kept in the cache of $PY4CAST_ROOTDIR, where training finds it. The last line on standard output is the
picture."""


def prepare_arguments(p: argparse.ArgumentParser) -> None:
    """The flags of prepare."""
    add_data(p, "gridded", "gridded")
    p.add_argument("--output", metavar="DIR", help="folder of the store (default: in the cache of $PY4CAST_ROOTDIR)")
    p.add_argument("--num_workers", type=whole, metavar="N", help="processes (default: one per core)")
    p.add_argument(
        "--scheduler", metavar="ADDRESS", help="use the workers of this Dask cluster, such as tcp://host:8786"
    )
    p.add_argument(
        "--append", action="store_true", help="add to a finished store the instants that its files have gained"
    )


def inspect_arguments(p: argparse.ArgumentParser) -> None:
    """The flags of inspect."""
    p.add_argument(
        "path",
        metavar="STORE",
        help="folder of a store, a NetCDF file, a Forecaster (.safetensors) or an exported step (.onnx)",
    )
    p.add_argument("--plot", metavar="FILE", help="PNG file to draw maps to")
    p.add_argument("--time", metavar="TIME", help="UTC time of the maps (default: the middle of the data)")
    p.add_argument("--variables", metavar="NAMES", help="variables to draw, by name and comma (default: all)")
    p.add_argument("--check", action="store_true", help="read everything and compare it with its checksums")


def graph_arguments(p: argparse.ArgumentParser) -> None:
    """The flags of graph."""
    add_data(p, None, "dummy; gridded with --dataset_conf")
    p.add_argument("--model", default="graphlam", metavar="NAME", help="graphlam, hilam, hilamparallel, or a plugin's (default: graphlam)")  # fmt: skip
    p.add_argument("--model_conf", metavar="JSON", help="JSON file of the model's settings; examples in config/models/")
    p.add_argument("--output", default="graph.png", metavar="FILE", help="PNG file to draw to (default: graph.png)")


def plugins_arguments(p: argparse.ArgumentParser) -> None:
    """The flags of plugins."""
    p.add_argument("--broken", action="store_true", help="show only what cannot be used")
