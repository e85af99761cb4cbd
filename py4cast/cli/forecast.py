"""forecast: a Forecaster or an exported step, to files."""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from py4cast.cli.base import (
    Verb,
    add_calibration,
    add_data,
    add_members,
    by_comma,
    files_of,
    keys_of,
    renames,
    strip,
    whole,
)
from py4cast.errors import SettingsError

__all__ = ["VERB"]

_HELP = """\
examples:
  py4cast forecast --forecaster RUN/forecaster.safetensors --input 'analyses/*.grib' --num_steps 24 --output fc.grib2
  py4cast forecast --model step.onnx --input an.nc --boundary ifs.grib --num_steps 48 --output 'fc_{lead_time}.grib2'
  py4cast forecast --forecaster RUN/forecaster.safetensors --dataset_conf my.json \\
      --init_time 2019-03-30T00 --num_steps 24 --output forecast.nc forecast.zarr
  py4cast forecast --forecaster RUN/forecaster.safetensors --init_times 2022-01-01/2022-12-31/12h \\
      --num_steps 24 --output hindcasts.zarr --num_workers 4

The ending of --output chooses the format: .grib2, .nc (CF-NetCDF), .zarr. A path with {lead_time} becomes a file per
lead time, which stands as soon as it is written; {init_time} is the start. Input is matched to the Forecaster's
variables by name, CF name, GRIB name and level; units are converted; another grid is refused, or brought by --regrid.
A step exported to ONNX runs without torch: numpy, ONNX Runtime and the libraries of the formats are enough."""


def forecast_arguments(p: argparse.ArgumentParser) -> None:
    """The flags of forecast and export."""
    p.add_argument(
        "--forecaster", "--model", required=True, nargs="+", metavar="FILE",
        help="a saved Forecaster (forecaster.safetensors), or a step exported to ONNX (step.onnx); several make members together",
    )  # fmt: skip
    p.add_argument("--input", nargs="+", metavar="FILES", help="the last states in GRIB, NetCDF or Zarr; patterns too")
    p.add_argument(
        "--boundary", nargs="+", metavar="FILES",
        help="a driving model's forecast, for border values and forcings; its lead times are interpolated",
    )  # fmt: skip
    p.add_argument(
        "--further", action="append", default=[], metavar="KEY=FILES",
        help="files of a further input of the Forecaster, such as stations=obs.csv (default: found in --boundary or --input)",
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
    add_members(p)
    add_calibration(p)
    p.add_argument(
        "--perturb", choices=("spectrum", "bred"), default="",
        help="move the starts of all members but the first: by fields with the spectrum of the state (spectrum), or by what one step makes grow (bred)",
    )  # fmt: skip
    p.add_argument("--perturb_size", type=float, metavar="S", help="how far, in units of what changes in one step (default: 0.5)")  # fmt: skip
    p.add_argument("--device", metavar="NAME", help="where torch runs: cpu, cuda, cuda:1 (default: a GPU where there is one)")  # fmt: skip
    p.add_argument("--precision", default="32", choices=("32", "bf16", "16"), help="of torch's inner products (default: 32)")  # fmt: skip
    p.add_argument("--output", nargs="+", default=[], metavar="FILE", help="files to write: .grib2, .nc, .zarr")
    p.add_argument(
        "--grib", action="append", default=[], metavar="KEY=VALUE",
        help="a key of every GRIB message, such as centre=lfpw or generatingProcessIdentifier=211 (default: the input's centre)",
    )  # fmt: skip
    p.add_argument(
        "--part", metavar="NAME", help="write one part of a stretched grid: region or globe (default: all of it)"
    )
    p.add_argument("--stations", metavar="FILE", help="places (.csv with station, latitude, longitude) of --series")
    p.add_argument("--series", metavar="FILE", help="the forecast at the stations: .csv or .nc")
    p.add_argument("--overlay", metavar="DIR", help="maps (PNG per lead time) and an animation (GIF) of every variable")
    p.add_argument(
        "--free_border",
        action="store_true",
        help="forecast without truth in the border, for a strategy that imposes it",
    )


def asked_forecast(a: argparse.Namespace, scores: str | None = None) -> Any:
    """What forecast, or cycle, was asked for."""
    from py4cast.workflows.forecast.request import Forecast

    try:
        members = [int(m) for m in by_comma(a.members)]
    except ValueError:
        raise SettingsError(f"--members {a.members}: expected numbers by comma") from None
    return Forecast(
        forecaster=a.forecaster[0], others=a.forecaster[1:], output=a.output, num_steps=a.num_steps, init_time=a.init_time, input=a.input or (),
        boundary=a.boundary or (), further=files_of(a.further), dataset=a.dataset, path=a.dataset_conf, overrides=strip(a.overrides),
        renamed=renames(a.rename, "INPUT=FORECASTER"), accumulated=by_comma(a.accumulated), regrid=a.regrid, members=members,
        num_members=a.num_members, seed=a.seed, no_calibration=a.no_calibration, perturb=a.perturb, perturb_size=a.perturb_size,
        grib=keys_of(a.grib), device=a.device, precision=a.precision, free_border=a.free_border, stations=a.stations, series=a.series, overlay=a.overlay, part=a.part, scores=scores,
    )  # fmt: skip


def _run(a: argparse.Namespace) -> None:
    """Writes a forecast, or many, and prints its files."""
    if a.init_times is not None:
        _run_hindcasts(a)
        return
    for flag in ("variables", "scheduler", "verify"):
        if getattr(a, flag):
            raise SettingsError(f"--{flag}: of --init_times")
    if a.distributed == "domain":
        from py4cast.workflows.forecast.shared import forecast_shared as forecast
    else:
        from py4cast.workflows.forecast.run import forecast
    from py4cast.workflows.terminal import Bar

    with Bar() as bar:
        paths = forecast(asked_forecast(a), bar)
    sys.stdout.write("".join(f"{path}\n" for path in paths))


def _run_hindcasts(a: argparse.Namespace) -> None:
    """Makes forecasts from many starts, and prints the store, or their files."""
    from py4cast.workflows.hindcast.run import hindcast
    from py4cast.workflows.hindcast.starts import Starts
    from py4cast.workflows.terminal import Bar

    if a.distributed != "none":
        raise SettingsError("--distributed: of one forecast; processes of --init_times make one each (--num_workers)")
    if a.init_time is not None:
        raise SettingsError("--init_time and --init_times both say when to start; give one of them")
    starts = Starts.of(a.init_times)
    a.init_time = str(starts.times[0])
    if a.verify:
        _score_hindcasts(a, starts)
        return
    with Bar() as bar:
        made = hindcast(asked_forecast(a), starts, by_comma(a.variables), a.num_workers, a.scheduler, bar)
    sys.stdout.write("".join(f"{path}\n" for path in made.paths))
    _require_named(starts, made.missing)


def _score_hindcasts(a: argparse.Namespace, starts: Any) -> None:
    """Scores forecasts from many starts, and shows the table."""
    if a.output or a.variables or a.scheduler or a.num_workers > 1:
        raise SettingsError(
            "--verify of --init_times keeps no forecast and runs in one process; leave --output, --variables and --num_workers out, or "
            "score a store that is kept by py4cast verify --forecast"
        )
    from py4cast.workflows.hindcast.score import score_hindcasts
    from py4cast.workflows.terminal import Bar, score_table, show

    with Bar() as bar:
        scores, missing = score_hindcasts(asked_forecast(a, a.verify), starts, Path(a.verify), None, bar)
    show(score_table(scores.to_dict(), "rmse"))
    sys.stdout.write(f"{a.verify}\n")
    _require_named(starts, missing)


def _require_named(starts: Any, missing: Mapping[str, str]) -> None:
    """DataError where a start that was asked for by name is missing; what could be made stands."""
    if starts.is_named and missing:
        from py4cast.errors import DataError

        first, reason = next(iter(missing.items()))
        raise DataError(
            f"{len(missing)} of {len(starts.times)} starts that were asked for by name are missing, the first {first}: {reason}"
        )


def _arguments(p: argparse.ArgumentParser) -> None:
    """The flags of forecast."""
    forecast_arguments(p)
    p.add_argument(
        "--init_times", metavar="FIRST/LAST/EVERY",
        help="forecasts from many starts, such as 2022-01-01/2022-12-31/12h, or times by comma, to one .zarr or a file each ({init_time}); those that stand are not made again",
    )  # fmt: skip
    p.add_argument("--variables", metavar="NAMES", help="variables that --init_times keeps, by comma (default: all)")
    p.add_argument("--num_workers", type=whole, default=1, metavar="N", help="processes of --init_times (default: 1)")
    p.add_argument("--scheduler", metavar="ADDRESS", help="a Dask cluster whose workers make --init_times")
    p.add_argument("--distributed", default="none", choices=("none", "domain"), help="domain: the ranks of a torchrun compute each step together, each a part of the grid (default: none)")  # fmt: skip
    p.add_argument("--verify", metavar="DIR", help="score --init_times on the way, against the data they start from, in place of --output: nothing is kept")  # fmt: skip


VERB = Verb("write a forecast file, or many", _HELP, _arguments, _run)
