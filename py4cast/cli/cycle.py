"""cycle: forecasts every few hours, as input comes."""

import argparse
import sys
from typing import Any

from py4cast.cli.base import Verb, whole
from py4cast.cli.forecast import asked_forecast, forecast_arguments

__all__ = ["VERB"]

_HELP = """\
examples:
  py4cast cycle --every 6h --delay 3h --timeout 45min --model step.onnx --input 'an/an_%Y%m%d%H.grib2' \\
      --boundary 'ifs/ifs_%Y%m%d%H.grib2' --num_steps 48 --output 'out/fc_{init_time}.grib2' --verify out/scores
  py4cast cycle --once --every 6h ...          one call from cron or ecFlow

In --input %Y %m %d %H %M stand for the time of a state, in --boundary for the start of the driving model's run, of
which the freshest is taken. Input that is not there and whole in time is replaced by that of the cycle before, with as
many steps more; a line says so. A cycle that is done is not done again. Exit status: 0 done, 2 settings, 3 no input."""


def _arguments(p: argparse.ArgumentParser) -> None:
    """The flags of cycle: those of forecast, and when."""
    forecast_arguments(p)
    p.add_argument("--every", required=True, metavar="DURATION", help="between two starts, from 00 UTC: 1h, 6h, ...")
    p.add_argument("--delay", metavar="DURATION", help="after a start, when its input can be there (default: none)")
    p.add_argument("--timeout", metavar="DURATION", help="how long the input is waited for (default: not)")
    p.add_argument(
        "--fallbacks",
        type=whole,
        default=1,
        metavar="N",
        help="cycles before, from which it may start instead (default: 1)",
    )
    p.add_argument("--once", action="store_true", help="the cycle that is due now, then end: for cron, ecFlow, ...")
    p.add_argument("--state", default="cycle.json", metavar="FILE", help="what was done (default: cycle.json)")
    p.add_argument("--verify", metavar="DIR", help="scores of the last forecasts, with a page (needs torch)")
    p.add_argument(
        "--verify_last", default="10d", metavar="DURATION", help="how far back they are verified (default: 10d)"
    )


def _length(text: str | None) -> Any:
    import numpy as np

    from py4cast.timeline import duration

    return duration(text) if text else np.timedelta64(0, "s")


def _run(a: argparse.Namespace) -> None:
    """Forecasts cycle after cycle, and prints the files of each."""
    from py4cast.timeline import duration, instant
    from py4cast.workflows.cycle.run import Cycle, Schedule

    schedule = Schedule(
        every=duration(a.every), delay=_length(a.delay), timeout=_length(a.timeout), max_fallbacks=a.fallbacks,
        state=a.state, verify=a.verify, verify_last=duration(a.verify_last),
    )  # fmt: skip
    start = a.init_time
    cycle = Cycle(asked_forecast(a), schedule)
    if a.once or start:
        done = cycle.run(instant(start) if start else cycle.due())
        sys.stdout.write("".join(f"{path}\n" for path in done))
        return
    for done in cycle.forever():
        sys.stdout.write("".join(f"{path}\n" for path in done))
        sys.stdout.flush()


VERB = Verb("forecast every few hours, as input comes", _HELP, _arguments, _run)
