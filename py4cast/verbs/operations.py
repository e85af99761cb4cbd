"""forecast, cycle, export, register and catalogue."""

import argparse
import logging
import sys
from typing import Any

from py4cast.errors import SettingsError
from py4cast.verbs.texts import by_comma, renames, strip

__all__ = ["run_catalogue", "run_cycle", "run_export", "run_forecast", "run_register"]

logger = logging.getLogger(__name__)


def run_forecast(a: argparse.Namespace) -> None:
    """Writes a forecast, and prints its files."""
    from py4cast.workflows.forecast import forecast
    from py4cast.workflows.report import Bar

    with Bar() as bar:
        paths = forecast(_asked(a), bar)
    sys.stdout.write("".join(f"{path}\n" for path in paths))


def _asked(a: argparse.Namespace) -> Any:
    """What forecast, or cycle, was asked for."""
    from py4cast.workflows.forecast import Forecast

    try:
        members = [int(m) for m in by_comma(a.members)]
    except ValueError:
        raise SettingsError(f"--members {a.members}: expected numbers by comma") from None
    return Forecast(
        forecaster=a.forecaster, output=a.output, num_steps=a.num_steps, init_time=a.init_time, input=a.input or (),
        boundary=a.boundary or (), dataset=a.dataset, path=a.dataset_conf, overrides=strip(a.overrides),
        renamed=renames(a.rename, "INPUT=FORECASTER"), accumulated=by_comma(a.accumulated), regrid=a.regrid, members=members,
        device=a.device, precision=a.precision, free_border=a.free_border, stations=a.stations, series=a.series, overlay=a.overlay,
    )  # fmt: skip


def run_export(a: argparse.Namespace) -> None:
    """Writes a step, and shows what it loses."""
    from py4cast.workflows.export import Export, export
    from py4cast.workflows.report import drift_table, show

    if a.rate:
        from pathlib import Path

        from py4cast.workflows.export_rate import export_rate

        drift_of_rate = export_rate(Path(a.forecaster), Path(a.output))
        sys.stdout.write(f"{a.output}\n")
        logger.info("differs from torch by %.1e standard deviations", drift_of_rate)
        return
    drift = export(Export(forecaster=a.forecaster, output=a.output, weights=a.weights, num_steps=a.num_steps))
    show(drift_table(drift, a.weights))
    sys.stdout.write(f"{a.output}\n")


def run_register(a: argparse.Namespace) -> None:
    """Registers items, and prints them."""
    from py4cast.workflows.catalogue_view import register

    sys.stdout.write("".join(f"{line}\n" for line in register(a.files, a.catalogue, a.name, a.note)))


def run_catalogue(a: argparse.Namespace) -> None:
    """Shows the catalogue, or fetches from it."""
    from py4cast.workflows.catalogue_view import catalogue
    from py4cast.workflows.report import show

    for item in catalogue(a.what, a.item, a.catalogue, a.kind, a.output):
        show(item)


def _length(text: str | None) -> Any:
    import numpy as np

    from py4cast.datasets.timeline import duration

    return duration(text) if text else np.timedelta64(0, "s")


def run_cycle(a: argparse.Namespace) -> None:
    """Forecasts cycle after cycle, and prints the files of each."""
    from py4cast.datasets.timeline import duration, instant
    from py4cast.workflows.cycle import Cycle, Schedule

    schedule = Schedule(
        every=duration(a.every), delay=_length(a.delay), timeout=_length(a.timeout), max_fallbacks=a.fallbacks,
        state=a.state, verify=a.verify, verify_last=duration(a.verify_last),
    )  # fmt: skip
    start = a.init_time
    cycle = Cycle(_asked(a), schedule)
    if a.once or start:
        done = cycle.run(instant(start) if start else cycle.due())
        sys.stdout.write("".join(f"{path}\n" for path in done))
        return
    for done in cycle.forever():
        sys.stdout.write("".join(f"{path}\n" for path in done))
        sys.stdout.flush()
