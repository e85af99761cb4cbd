"""plot: charts of forecasts, analyses or stores."""

import argparse
import sys
from pathlib import Path

from py4cast.cli.base import Verb, add_where, by_comma, units_of, where_of
from py4cast.errors import SettingsError

__all__ = ["VERB"]

_HELP = """\
examples:
  py4cast plot fc.grib2 --output fc.png
  py4cast plot fc.nc --variables t2m --lead_times 6h,12h,24h --output fc.png
  py4cast plot fc.nc --with analysis.nc --variables msl --units msl=mbar --output error.png
  py4cast plot members.nc --kind meteogram --at 48.85,2.35 --output paris.png
  py4cast plot fc.nc --with analysis.nc --kind hovmoller --variables z500 --output errors.png
  py4cast plot arpege.grib2 --where stepType=max --variables gust --output gusts.png
  py4cast plot 'analyses/*.grib' --times 2019-03-30T00 --isolines none --output an.png

A row of charts per variable, a column per time: the field in the units that people use, the coast, pressure or geopotential as
lines with lows and highs, wind near the ground as barbs (or arrows, or streamlines). Of an ensemble the mean is drawn, and said so. --kind meteogram draws the course at a place (with quantiles), profile and skewt what
stands above it, hovmoller a field along longitude or latitude in time."""


def _arguments(p: argparse.ArgumentParser) -> None:
    """The flags of plot."""
    p.add_argument(
        "files", nargs="+", metavar="FILE", help="GRIB, NetCDF, Zarr, or a prepared store; patterns and addresses too"
    )
    p.add_argument(
        "--kind", default="map", metavar="KIND", help="map, hovmoller, meteogram, profile or skewt (default: map)"
    )
    p.add_argument("--at", metavar="LAT,LON", help="place of a meteogram, a profile or a skew-T, such as 48.85,2.35")
    p.add_argument("--along", choices=("longitude", "latitude"), help="of a Hovmöller diagram (default: longitude)")  # fmt: skip
    p.add_argument("--output", required=True, metavar="PNG", help="the picture")
    p.add_argument("--variables", metavar="NAMES", help="by comma (default: the first four)")
    p.add_argument("--init_time", metavar="TIME", help="start of the forecast, where there are several")
    p.add_argument("--lead_times", metavar="TIMES", help="of a forecast, such as 6h,12h (default: six, evenly)")
    p.add_argument("--times", metavar="TIMES", help="of a series, such as 2019-03-30T00 (default: six, evenly)")
    p.add_argument("--isolines", default="auto", metavar="NAME", help="variable drawn as lines; none (default: pressure or geopotential)")  # fmt: skip
    p.add_argument("--wind", default="auto", metavar="NAME", help="first component drawn over it; none (default: near the ground)")  # fmt: skip
    p.add_argument(
        "--wind_style", default="barbs", metavar="STYLE", help="barbs, arrows or streamlines (default: barbs)"
    )
    p.add_argument(
        "--units",
        action="append",
        default=[],
        metavar="NAME=UNITS",
        help="show a variable in other units, such as t2m=degF",
    )
    p.add_argument(
        "--with", dest="against", nargs="+", metavar="FILE", help="another forecast, or the analysis: the difference is drawn, dots where members tell it from chance"
    )  # fmt: skip
    add_where(p)
    p.add_argument("--regrid", choices=("linear", "nearest", "mean"), help="bring --with to the grid of the first (default: refuse another grid)")  # fmt: skip


def _check_flags(a: argparse.Namespace) -> None:
    """Refuses flags of another kind of chart, which would be left out in silence."""
    of_maps = {"--isolines": a.isolines != "auto", "--wind": a.wind != "auto", "--wind_style": a.wind_style != "barbs"}
    given = [flag for flag, is_given in of_maps.items() if is_given]
    if a.kind != "map" and given:
        raise SettingsError(f"{', '.join(given)}: of --kind map, not of {a.kind}")
    if a.kind != "hovmoller" and a.along is not None:
        raise SettingsError("--along: of --kind hovmoller")
    if a.kind == "map" and a.at is not None:
        raise SettingsError("--at: of --kind meteogram, profile and skewt")


def _run(a: argparse.Namespace) -> None:
    """Draws, and tells where the picture is."""
    common = (a.files, Path(a.output), by_comma(a.variables), a.init_time, by_comma(a.lead_times), by_comma(a.times))
    _check_flags(a)
    if a.kind != "map":
        from py4cast.workflows.charts.run import chart

        path = chart(
            a.kind,
            *common,
            a.at,
            units_of(a.units),
            a.against or (),
            a.along or "longitude",
            a.regrid,
            where_of(a.where),
        )
        sys.stdout.write(f"{path}\n")
        return
    from py4cast.workflows.plot import plot

    path = plot(
        *common, a.isolines, a.wind, units=units_of(a.units), wind_style=a.wind_style, against=a.against or (), regrid=a.regrid,
        where=where_of(a.where),
    )  # fmt: skip
    sys.stdout.write(f"{path}\n")


VERB = Verb("draw charts of forecasts, analyses or stores", _HELP, _arguments, _run)
