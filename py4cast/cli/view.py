"""view: a page on which a forecast is looked at."""

import argparse
import sys
from pathlib import Path

from py4cast.cli.base import Verb, add_where, by_comma, units_of, where_of, whole

__all__ = ["VERB", "page_arguments"]

_HELP = """\
examples:
  py4cast view fc.grib2 --output fc.html
  py4cast view fc.nc --variables t2m,msl --with 'analyses/*.grib' --output fc.html
  py4cast view hindcasts.zarr --init_time 2022-01-01T00 --lead_times 6h,12h,24h --output day.html

One file that any browser opens, without a network: the map with pan and zoom, all times, several fields with isobars and
wind, the value under the cursor, and the course at any place, with quantiles where there are members. --with holds it against
another forecast or the analysis. Colours have 8 bits, so that values are told with their error."""


def page_arguments(p: argparse.ArgumentParser) -> None:
    """The flags of what a page shows."""
    p.add_argument("--variables", metavar="NAMES", help="by comma (default: the first five)")
    p.add_argument("--isolines", default="auto", metavar="NAME", help="variable drawn as lines; none (default: pressure or geopotential)")  # fmt: skip
    p.add_argument("--wind", default="auto", metavar="NAME", help="first component drawn as barbs; none (default: near the ground)")  # fmt: skip
    p.add_argument("--units", action="append", default=[], metavar="NAME=UNITS", help="show a variable in other units, such as t2m=degF; may stand several times")  # fmt: skip
    p.add_argument("--thin", type=whole, default=1, metavar="N", help="show every Nth row and column (default: 1)")
    p.add_argument("--max_mb", type=float, default=12.0, metavar="MB", help="largest page (default: 12)")


def _arguments(p: argparse.ArgumentParser) -> None:
    """The flags of view."""
    p.add_argument("files", nargs="+", metavar="FILE", help="GRIB, NetCDF, Zarr, or a prepared store, of one forecast; patterns and addresses too")  # fmt: skip
    p.add_argument("--output", required=True, metavar="HTML", help="the page")
    p.add_argument("--with", dest="against", nargs="+", default=[], metavar="FILE", help="another forecast, or the analysis, to hold it against")  # fmt: skip
    p.add_argument("--init_time", metavar="TIME", help="start of the forecast, where there are several")
    p.add_argument("--lead_times", metavar="TIMES", help="such as 6h,12h (default: all)")
    p.add_argument("--regrid", choices=("linear", "nearest", "mean"), help="bring --with to the grid of the first (default: refuse another grid)")  # fmt: skip
    add_where(p)
    page_arguments(p)


def _run(a: argparse.Namespace) -> None:
    """Writes the page, and tells where it is."""
    from py4cast.workflows.terminal import Bar
    from py4cast.workflows.view.run import view

    with Bar() as bar:
        path = view(
            a.files, Path(a.output), by_comma(a.variables), a.init_time, by_comma(a.lead_times), a.against, a.isolines, a.wind,
            a.thin, a.max_mb, bar, units_of(a.units), where_of(a.where), a.regrid,
        )  # fmt: skip
    sys.stdout.write(f"{path}\n")


VERB = Verb("write a page on which a forecast is looked at", _HELP, _arguments, _run)
