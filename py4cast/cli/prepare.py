"""prepare: from files to a prepared store."""

import argparse
import sys

from py4cast.cli.base import GOES_ON, Verb, add_data, strip, whole

__all__ = ["VERB"]

_HELP = """\
examples:
  py4cast prepare --dataset_conf config/datasets/era5_uk.json --set dataset.root=/data/era5
  py4cast prepare --dataset titan --dataset_conf my.json --num_workers 16
  py4cast prepare --dataset_conf my.json --output STORE --append       a new month, when the periods reach it
  py4cast prepare --dataset_conf my.json --scheduler tcp://host:8786   the workers of a Dask cluster

Work that is killed goes on where it stopped when the same command is given again. The last line on standard
output is the folder of the store, an open Zarr v3 that xarray reads."""


def _arguments(p: argparse.ArgumentParser) -> None:
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
    p.add_argument("--profile", action="store_true", help="say where the time goes: files, decoding, statistics, writing, waiting")  # fmt: skip


def _run(a: argparse.Namespace) -> None:
    import os
    from pathlib import Path

    from py4cast.progress import WorkClock
    from py4cast.workflows.prepare import prepare

    clock = WorkClock()
    store = prepare(
        a.dataset,
        a.dataset_conf,
        Path(a.output) if a.output else None,
        strip(a.overrides),
        a.num_workers,
        a.scheduler,
        a.append,
        **({"clock": clock} if a.profile else {}),
    )
    if a.profile:
        for name, seconds, what in clock.table(a.num_workers or len(os.sched_getaffinity(0))):
            sys.stderr.write(f"{name:<11}{seconds:8.2f} s  {what}\n")
    sys.stdout.write(f"{store.path}\n")


VERB = Verb("turn GRIB or NetCDF files into a fast store", _HELP, _arguments, _run, GOES_ON)
