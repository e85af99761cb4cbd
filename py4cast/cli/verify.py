"""verify: scores of a Forecaster, or of any forecast files."""

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from py4cast.cli.base import Verb, add_calibration, add_data, add_members, by_comma, renames, strip, whole
from py4cast.errors import SettingsError

__all__ = ["VERB"]

_HELP = """\
examples:
  py4cast verify --forecaster RUN/forecaster.safetensors --num_steps 12 --output scores/
  py4cast verify --forecast 'forecasts/*.nc' --truth analyses.nc --output scores/
  py4cast verify --forecast arpege.grib --truth era5.grib --regrid linear --rename 2t=t2m
  py4cast verify --forecast f.nc --stations synop.csv --orography model_height.nc
  py4cast verify --forecast new.zarr --truth era5.zarr --reference 'ifs=ifs/*.grib' --climatology normals.nc

The folder then holds report.html (open it in any browser; nothing is fetched), scores.nc, scores.csv, scores.json.
Scored are interior cells that hold data in all systems, weighted by area, over forecasts that all systems have. A
system is told better than another where the 95 % interval of a block bootstrap of paired forecasts says so."""


def _arguments(p: argparse.ArgumentParser) -> None:
    """The flags of verify."""
    p.add_argument(
        "--forecaster", metavar="FILE", help="a saved Forecaster (forecaster.safetensors), on a dataset's split"
    )
    p.add_argument(
        "--forecast",
        nargs="+",
        metavar="FILES",
        help="or forecasts in NetCDF, Zarr or GRIB, whoever made them; patterns too",
    )
    add_data(p, None, "the one of the training")
    p.add_argument(
        "--split", default="test", choices=("train", "valid", "test"), help="period to score (default: test)"
    )
    p.add_argument(
        "--num_steps",
        type=whole,
        metavar="N",
        help="lead times (default: 5 of a Forecaster, fewer where it was validated on fewer; all of files)",
    )
    add_members(p)
    add_calibration(p)
    p.add_argument(
        "--gaussian",
        metavar="FORECASTER",
        help="of an ensemble: the deterministic Forecaster that, with the spread of its validation errors, is the reference "
        "gaussian (default: the mean of the members)",
    )
    p.add_argument("--batch_size", type=whole, default=4, metavar="N", help="forecasts at once (default: 4)")
    _add_files(p)
    p.add_argument(
        "--metrics",
        metavar="NAMES",
        help="scores by name and comma (default: all that fit); `py4cast plugins` lists them",
    )
    p.add_argument(
        "--metric", default="rmse", metavar="NAME", help="what the table shows; the files hold all (default: rmse)"
    )
    p.add_argument(
        "--output", metavar="DIR", help="folder of the results (default: verify/ beside the Forecaster, or here)"
    )


def _add_files(p: argparse.ArgumentParser) -> None:
    """What forecast files are scored against, and how the two are brought together."""
    p.add_argument("--truth", nargs="+", metavar="FILES", help="analyses that --forecast is scored against")
    p.add_argument("--stations", metavar="FILE", help="or observations at points: .csv, .parquet or .nc")
    p.add_argument(
        "--reference",
        action="append",
        default=[],
        metavar="NAME=FILES",
        help="further forecasts to compare with; may stand several times",
    )
    p.add_argument(
        "--variables", metavar="NAMES", help="by their names in the truth, by comma (default: all that both have)"
    )
    p.add_argument(
        "--rename",
        action="append",
        default=[],
        metavar="FORECAST=TRUTH",
        help="a variable that the two call by different names",
    )
    p.add_argument("--accumulated", metavar="NAMES", help="variables that the forecast holds as sums since its start")
    p.add_argument("--regrid", choices=("linear", "nearest", "mean"), help="bring forecasts to the truth's grid (default: refuse another grid)")  # fmt: skip
    p.add_argument(
        "--interpolation", default="linear", choices=("linear", "nearest"), help="to stations (default: linear)"
    )
    p.add_argument("--orography", metavar="FILE", help="height of the model's surface: temperatures are brought to the stations' by 6.5 K/km")  # fmt: skip
    p.add_argument(
        "--climatology",
        metavar="WHICH",
        help="of a Forecaster's training period: day_of_year, hour, auto or none (default: auto); "
        "with files: a file of normals or analyses, truth or none (default: truth)",
    )
    p.add_argument("--num_workers", type=whole, metavar="N", help="processes that read and score forecast files (default: one per core)")  # fmt: skip
    p.add_argument("--start", metavar="TIME", help="first start of forecast files to score")
    p.add_argument("--end", metavar="TIME", help="last one")


def _reference_files(texts: Sequence[str]) -> dict[str, list[str]]:
    """Files by name from `NAME=FILES` texts, several parted by comma."""
    for text in texts:
        if "=" not in text:
            raise SettingsError(f"--reference {text!r}: expected NAME=FILES")
    return {name: files.split(",") for name, files in (text.split("=", 1) for text in texts)}


def _files(a: argparse.Namespace, settings: Any) -> Any:
    """What verify was asked of forecast files."""
    from py4cast.timeline import instant
    from py4cast.workflows.verify.file_case import VerifyFiles

    return VerifyFiles(
        forecast=a.forecast or (),
        truth=a.truth or (),
        stations=a.stations,
        references=_reference_files(a.reference),
        variables=by_comma(a.variables),
        renamed=renames(a.rename, "FORECAST=TRUTH"),
        accumulated=by_comma(a.accumulated),
        regrid=a.regrid,
        interpolation=a.interpolation,
        orography=a.orography,
        climatology=a.climatology or "truth",
        first=instant(a.start) if a.start else None,
        last=instant(a.end, is_end=True) if a.end else None,
        num_steps=a.num_steps,
        scores=settings,
    )


# flags that mean something of one kind of source alone, and what they are by default
_OF_FILES: dict[str, Any] = {
    "truth": None, "stations": None, "variables": None, "rename": [], "accumulated": None, "interpolation": "linear",
    "orography": None, "start": None, "end": None, "num_workers": None,
}  # fmt: skip
_OF_FORECASTERS: dict[str, Any] = {
    "dataset": None, "dataset_conf": None, "split": "test", "batch_size": 4, "num_members": None, "seed": 0,
    "no_calibration": False, "gaussian": None,
}  # fmt: skip


def _check_flags(a: argparse.Namespace, of_data: list[str]) -> None:
    """Refuses what would be left out in silence."""
    others, kind = (_OF_FILES, "--forecast FILES") if a.forecaster else (_OF_FORECASTERS, "a --forecaster")
    for name, default in others.items():
        if getattr(a, name) != default:
            raise SettingsError(f"--{name}: of {kind}")
    if a.forecaster and a.regrid and not a.reference:
        raise SettingsError("--regrid: of --forecast FILES, and of --reference")
    if not a.forecaster and of_data:
        raise SettingsError(f"--set {of_data[0]}: of a --forecaster; of files scores.PLACE=VALUE alone")


def _run(a: argparse.Namespace) -> None:
    from pathlib import Path

    from py4cast.saved import file_of
    from py4cast.workflows.page.score_page import write_page
    from py4cast.workflows.terminal import Bar, score_table, show
    from py4cast.workflows.verify.score_files import write_scores
    from py4cast.workflows.verify.split import score_settings

    overrides = [o.removeprefix("scores.") for o in a.overrides if o.startswith("scores.")]
    if a.metrics:
        overrides.append(f"metrics={json.dumps(a.metrics.split(','))}")
    of_data = strip([o for o in a.overrides if not o.startswith("scores.")])
    settings = score_settings(overrides)
    case: Any
    if bool(a.forecaster) == bool(a.forecast):
        raise SettingsError("verify needs either --forecaster FILE or --forecast FILES; see py4cast verify --help")
    _check_flags(a, of_data)
    if a.forecaster:
        from py4cast.workflows.verify.split import verify

        output = Path(a.output) if a.output else file_of(Path(a.forecaster)).parent / "verify"
        further: dict[str, Any] = {"no_calibration": True} if a.no_calibration else {}
        further |= {"gaussian": a.gaussian} if a.gaussian else {}
        scores, case = verify(
            a.forecaster, a.dataset, a.dataset_conf, a.split, a.num_steps, a.batch_size, of_data, settings,
            a.climatology or "auto", references=_reference_files(a.reference), regrid=a.regrid, num_members=a.num_members, seed=a.seed,
            **further,
        )  # fmt: skip
    else:
        from py4cast.workflows.verify.files import verify_files

        output = Path(a.output or "verify")
        with Bar() as bar:
            scores, case = verify_files(_files(a, settings), bar=bar, num_workers=a.num_workers)
    write_scores(output, scores)
    write_page(output / "report.html", scores, case, f"Scores of {Path(a.forecaster or a.forecast[0]).name}")
    case.close()
    show(score_table(scores.to_dict(), a.metric))
    sys.stdout.write(f"{output}\n")


VERB = Verb("score a Forecaster, or any forecast files, against analyses or stations", _HELP, _arguments, _run)
