"""compare: runs or verified forecasts side by side."""

import argparse
import sys

from py4cast.cli.base import Verb, by_comma

__all__ = ["VERB"]

_HELP = """\
examples:
  py4cast compare RUN_A RUN_B --output compared/
  py4cast compare new=RUN_A/verify old=RUN_B/verify ifs=ifs_scores/ --init_time 2019-03-28T15
  py4cast compare 'mine=forecasts/*.nc' 'ifs=ifs/*.grib' --truth analyses.nc --regrid linear

RUN is the folder of a run, a folder that py4cast verify wrote (of forecasts of any tool), a scores.nc, or with --truth
or --stations forecast files, which are verified first. The first is compared with each of the others, over the forecasts, variables and lead times that all have; runs that were scored
against different truths or on different cells are refused. The folder then holds report.html, scores.nc, scores.csv,
leaderboard.md to commit, and maps (PNG, animated GIF) of one case."""


def _arguments(p: argparse.ArgumentParser) -> None:
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


def _run(a: argparse.Namespace) -> None:
    from py4cast.timeline import instant
    from py4cast.workflows.terminal import score_table, show
    from py4cast.workflows.verify.compare import Compare, compare, named_runs

    names = by_comma(a.variables)
    asked = Compare(
        named_runs(a.runs), instant(a.init_time) if a.init_time else None, names, a.truth or (), a.stations, a.regrid
    )
    show(score_table(compare(asked, a.output).to_dict(), a.metric))
    sys.stdout.write(f"{a.output}\n")


VERB = Verb("put several runs or verified forecasts side by side", _HELP, _arguments, _run)
