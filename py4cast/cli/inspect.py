"""inspect: what a store, a Forecaster or an exported step holds."""

import argparse

from py4cast.cli.base import Verb, by_comma
from py4cast.errors import SettingsError

__all__ = ["VERB"]

_HELP = """\
examples:
  py4cast inspect STORE
  py4cast inspect STORE --plot maps.png --time 2019-03-30T12 --variables t2m,u10
  py4cast inspect other_tool.zarr
  py4cast inspect RUN/forecaster.safetensors

Period, grid, sizes, statistics, missing instants, and the files that it was made of. STORE is a folder that
py4cast prepare made, a Zarr of anemoi-datasets, mllam-data-prep or WeatherBench 2, or any CF-NetCDF or Zarr."""


def _arguments(p: argparse.ArgumentParser) -> None:
    """The flags of inspect."""
    p.add_argument(
        "path",
        metavar="STORE",
        help="folder of a store, a NetCDF file, a Forecaster (.safetensors) or an exported step (.onnx); addresses too",
    )
    p.add_argument("--plot", metavar="FILE", help="PNG file to draw maps to")
    p.add_argument("--time", metavar="TIME", help="UTC time of the maps (default: the middle of the data)")
    p.add_argument("--variables", metavar="NAMES", help="variables to draw, by name and comma (default: all)")
    p.add_argument("--check", action="store_true", help="read everything and compare it with its checksums")


def _run(a: argparse.Namespace) -> None:
    from pathlib import Path

    from py4cast.formats.zarr_address import is_remote_zarr
    from py4cast.remote import as_local, is_remote
    from py4cast.workflows.inspect.step import inspect_step, is_step
    from py4cast.workflows.terminal import show

    if is_remote(a.path) and not is_remote_zarr(a.path):
        a.path = str(as_local(a.path))
    if is_step(Path(a.path)):
        if a.plot or a.time or a.check or a.variables:
            raise SettingsError(f"{a.path}: --plot, --time, --check and --variables are of data, not of Forecasters")
        for item in inspect_step(Path(a.path)):
            show(item)
        return
    from py4cast.workflows.inspect.data import inspect

    names = by_comma(a.variables)
    for item in inspect(a.path, a.plot, a.time, a.check, names):
        show(item)


VERB = Verb("show what a store, a Forecaster or an exported step holds", _HELP, _arguments, _run)
