"""get: data of services and archives."""

import argparse
import sys
from pathlib import Path

from py4cast.cli.base import Verb, by_comma
from py4cast.errors import SettingsError

__all__ = ["VERB"]

_HELP = """\
examples:
  py4cast get                                          what there is, and what each needs
  py4cast get weatherbench2 --variables z500,t850,t2m --start 2020-01-01 --end 2020-12-31T18 --folder wb2
  py4cast get ecmwf --variables t2m,u10,v10,msl,z500 --start 2026-11-29T00 --lead_times 0h,6h,12h --folder ifs
  py4cast get era5 --variables t2m,msl --start 2019-03-01 --end 2019-03-31T23 --box 60,-10,40,20 --folder era5
  py4cast prepare --dataset_conf wb2/dataset.json      what comes with it is ready for training

It writes files/, recipe.json (what was asked, licence, checksums) and dataset.json, a proposal that prepare takes. Files that stand are
not fetched again, so that the same command goes on where it was stopped. --address reads a mirror, such as
https://ecmwf-forecasts.s3.eu-central-1.amazonaws.com."""


def _arguments(p: argparse.ArgumentParser) -> None:
    """The flags of get."""
    p.add_argument("source", nargs="?", metavar="SOURCE", help="ecmwf, era5, weatherbench2, arco_era5, meteofrance, metnorway or copernicusmarine")  # fmt: skip
    p.add_argument(
        "--variables", metavar="NAMES", help="by comma, such as t2m,msl,z500; of meteofrance packages, such as SP1"
    )
    p.add_argument("--start", metavar="TIME", help="first instant, or start of the first forecast")
    p.add_argument("--end", metavar="TIME", help="the last one (default: --start)")
    p.add_argument("--every", metavar="TIME", help="between two of them, such as 6h (default: that of the source)")
    p.add_argument("--lead_times", metavar="TIMES", help="of forecasts, such as 0h,6h,12h (default: all of the source)")
    p.add_argument("--box", metavar="N,W,S,E", help="a part, in degrees (default: all)")
    p.add_argument("--dataset", default="", metavar="NAME", help="which of several: 5.6, 1.5, 0.25; arome0025, arpege01; a Copernicus Marine ID")  # fmt: skip
    p.add_argument("--address", default="", metavar="URL", help="a mirror of the source")
    p.add_argument("--folder", metavar="DIR", help="where it all goes (default: the name of the source)")


def _run(a: argparse.Namespace) -> None:
    """Fetches, or tells what there is."""
    from py4cast.workflows.get.asked import Asked
    from py4cast.workflows.get.run import get
    from py4cast.workflows.get.sources import SOURCES, source_of
    from py4cast.workflows.terminal import Bar

    if a.source is None:
        for name, kind in SOURCES.items():
            account, licence, size = kind.needs
            sys.stdout.write(f"{name}\n  {kind.title}\n  {account}; {licence}\n  {size}\n")
        return
    source = source_of(a.source)
    if a.start is None:
        raise SettingsError(f"get {a.source}: --start is needed, such as 2020-01-01")
    asked = Asked.of_words(
        by_comma(a.variables),
        a.start,
        a.end,
        a.every or source.every,
        by_comma(a.lead_times),
        a.box,
        a.address,
        a.dataset,
    )
    with Bar() as bar:
        fetched = get(a.source, asked, Path(a.folder or a.source), bar)
    for remark in fetched.remarks:
        sys.stderr.write(f"{remark}\n")
    sys.stdout.write(
        "".join(f"{path}\n" for path in (*fetched.files, fetched.recipe, fetched.dataset) if path is not None)
    )


VERB = Verb("fetch data of services and archives", _HELP, _arguments, _run)
