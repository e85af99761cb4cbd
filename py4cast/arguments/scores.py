"""The flags of the verbs about scores: verify and compare."""

import argparse

from py4cast.arguments.base import add_data, whole

__all__ = ["COMPARE_HELP", "VERIFY_HELP", "compare_arguments", "verify_arguments"]

COMPARE_HELP = """\
examples:
  py4cast compare RUN_A RUN_B --output compared/
  py4cast compare new=RUN_A/verify old=RUN_B/verify ifs=ifs_scores/ --init_time 2019-03-28T15
  py4cast compare 'mine=forecasts/*.nc' 'ifs=ifs/*.grib' --truth analyses.nc --regrid linear

RUN is the folder of a run, a folder that py4cast verify wrote (of forecasts of any tool), a scores.nc, or with --truth
or --stations forecast files, which are verified first. The first is compared with each of the others, over the forecasts, variables and lead times that all have; runs that were scored
against different truths or on different cells are refused. The folder then holds report.html, scores.nc, scores.csv,
leaderboard.md to commit, and maps (PNG, animated GIF) of one case."""

VERIFY_HELP = """\
examples:
  py4cast verify --forecaster RUN/forecaster.safetensors --num_steps 12 --output scores/
  py4cast verify --forecast 'forecasts/*.nc' --truth analyses.nc --output scores/
  py4cast verify --forecast arpege.grib --truth era5.grib --regrid linear --rename 2t=t2m
  py4cast verify --forecast f.nc --stations synop.csv --orography model_height.nc
  py4cast verify --forecast new.zarr --truth era5.zarr --reference 'ifs=ifs/*.grib' --climatology normals.nc

The folder then holds report.html (open it in any browser; nothing is fetched), scores.nc, scores.csv, scores.json.
Scored are interior cells that hold data in all systems, weighted by area, over forecasts that all systems have. A
system is told better than another where the 95 % interval of a block bootstrap of paired forecasts says so."""


def verify_arguments(p: argparse.ArgumentParser) -> None:
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
    p.add_argument("--num_steps", type=whole, metavar="N", help="lead times (default: 5 of a Forecaster, all of files)")
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


def compare_arguments(p: argparse.ArgumentParser) -> None:
    """The flags of compare."""
    p.add_argument(
        "runs", nargs="+", metavar="RUN", help="folder of a run or of scores, or scores.nc; NAME=RUN names it"
    )
    p.add_argument("--output", default="compare", metavar="DIR", help="folder of the results (default: compare)")
    p.add_argument(
        "--metric", default="rmse", metavar="NAME", help="what the table shows; the files hold all (default: rmse)"
    )
    p.add_argument(
        "--init_time", metavar="TIME", help="start of the case that is drawn (default: the middle of the period)"
    )
    p.add_argument("--variables", metavar="NAMES", help="that are drawn, by comma (default: the first two)")
    p.add_argument(
        "--truth", nargs="+", metavar="FILES", help="analyses that runs are scored against that are forecast files"
    )
    p.add_argument("--stations", metavar="FILE", help="or observations at points: .csv, .parquet or .nc")
    p.add_argument("--regrid", choices=("linear", "nearest", "mean"), help="bring forecast files to the truth's grid")
