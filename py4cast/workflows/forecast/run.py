"""forecast: from a Forecaster and the last states, in a service's own files, to files of the next hours.

Only what is asked for is loaded: with an exported step (`.onnx`) and `--input` files neither torch nor Lightning.
"""

import filecmp
import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from py4cast.errors import SettingsError
from py4cast.formats import Heading, Put
from py4cast.formats.zarr_address import is_remote_zarr
from py4cast.planes.patterns import expand_patterns
from py4cast.remote import is_remote
from py4cast.steppers import Array, StepperABC, open_stepper
from py4cast.timeline import later
from py4cast.version import __version__
from py4cast.workflows.forecast.extremes import with_extremes_told
from py4cast.workflows.forecast.made import members_of, together
from py4cast.workflows.forecast.outputs import Outputs, Series, path_of
from py4cast.workflows.forecast.request import Forecast
from py4cast.workflows.forecast.room import memory_as_errors
from py4cast.workflows.terminal import Bar

__all__ = ["Forecast", "forecast", "heading_of", "open_others", "run"]

logger = logging.getLogger(__name__)


def forecast(asked: Forecast, bar: Bar | None = None) -> list[Path]:
    """Writes a forecast, lead time after lead time, and returns the files.

    Raises:
        SettingsError: wrong settings, time or ending.
        DataError: the data do not fit the Forecaster, or lack what the forecast needs.
        NumericalError: the forecast is no longer finite.
    """
    return run(asked, open_stepper(asked.forecaster, asked.device, asked.precision), bar)


def run(asked: Forecast, stepper: StepperABC, bar: Bar | None = None, writes: bool = True) -> list[Path]:
    """The same by a stepper that is open already; without `writes` it is made and dropped, for another rank writes it."""
    with ExitStack() as stack:
        first = members_of(asked, stepper, stack)
        others = open_others(asked, stepper)
        made = together([first, *(members_of(asked, other, stack, first.start) for other in others)])
        start, numbers, steps = made.start, made.numbers, made.steps
        heading = heading_of(asked, [stepper, *others], start, numbers)
        series = Series(asked.series, asked.stations, heading) if writes and asked.series and asked.stations else None
        outputs = stack.enter_context(Outputs(asked.output if writes else (), heading, series, asked.part))
        overlay = None
        if writes and asked.overlay:
            from py4cast.workflows.forecast.overlay import Overlay

            overlay = Overlay(
                path_of(asked.overlay, start, heading.lead_times[0]), heading, stepper.info.header["info"]["stats"]
            )
        puts = [outputs.put, *([overlay.put] if overlay else [])]
        with memory_as_errors(max(1, len(numbers))):
            _write(asked.num_steps, steps, heading, puts, bar)
        if overlay is not None:
            overlay.finish()
    logger.info("forecast of %d variables from %s over %d steps", len(heading.variables), start, asked.num_steps)
    return [*outputs.written, *(overlay.written if overlay else [])]


def open_others(asked: Forecast, stepper: StepperABC) -> list[StepperABC]:
    """The further Forecasters of a forecast, opened.

    Raises:
        SettingsError: one that stands twice, or whose forecasts are no members of one ensemble with the first's.
    """
    _check_several([asked.forecaster, *asked.others])
    others = [open_stepper(path, asked.device, asked.precision) for path in asked.others]
    for path, other in zip(asked.others, others, strict=True):
        _check_alike(asked, stepper, path, other)
    return others


def _check_several(forecasters: Sequence[str]) -> None:
    """Refuses a Forecaster that stands twice, whose members would stand twice too; SettingsError."""
    for path, other in combinations(forecasters, 2):
        if Path(path).is_file() and Path(other).is_file() and filecmp.cmp(path, other, shallow=False):
            raise SettingsError(f"--forecaster {path} {other}: are the same; their members would stand twice")


def _check_alike(asked: Forecast, stepper: StepperABC, path: str, other: StepperABC) -> None:
    """Refuses Forecasters whose forecasts are no members of one ensemble; SettingsError says in what they differ."""
    ours, theirs = stepper.info, other.info
    units = [{v.name: v.units for v in info.variables_of(info.predicted)} for info in (ours, theirs)]
    for what, differs in (
        ("grids", not ours.grid.same_as(theirs.grid)),
        ("steps", ours.step_duration != theirs.step_duration),
        ("variables", ours.predicted != theirs.predicted or units[0] != units[1]),
    ):
        if differs:
            raise SettingsError(
                f"--forecaster {asked.forecaster} {path}: of different {what}; their forecasts are no members of one ensemble"
            )


def heading_of(
    asked: Forecast, steppers: Sequence[StepperABC], start: np.datetime64, members: tuple[int, ...]
) -> Heading:
    """What a forecast by some steppers is, apart from its values; cells are imposed where one of them imposes values."""
    info = steppers[0].info
    borders = [] if asked.free_border else [s.info.border for s in steppers if s.info.border is not None]
    lineage = info.header.get("lineage", {})
    attributes = {
        "title": f"Forecast of {info.title} from {start}Z",
        "source": f"py4cast {lineage.get('version', '')}, trained {lineage.get('created', '')} on {info.header['info']['name']}",
        "history": f"{np.datetime64('now', 's')}Z py4cast {__version__} forecast",
    }
    leads = list(later(start, np.arange(1, asked.num_steps + 1), info.step_duration) - start)
    grib = {**_origin(asked.input), **asked.grib}
    return Heading(
        info.variables_of(info.predicted),
        info.grid,
        start,
        leads,
        attributes,
        members,
        grib=grib,
        imposed=np.logical_or.reduce(borders) if borders else None,
    )


def _origin(patterns: Sequence[str]) -> dict[str, Any]:
    """What the first input file says of who made it, where it is GRIB."""
    if len(patterns) == 1 and is_remote(patterns[0]) and is_remote_zarr(patterns[0]):
        return {}
    paths = (
        expand_patterns(Path.cwd(), [p if is_remote(p) else str(Path(p).expanduser().absolute()) for p in patterns])
        if patterns
        else []
    )
    if not paths or not paths[0].is_file():
        return {}
    with paths[0].open("rb") as stream:
        if stream.read(4) != b"GRIB":
            return {}
    from py4cast.formats.grib_keys import origin_of

    return origin_of(paths[0])


def _write(num_steps: int, steps: Iterator[Array], heading: Heading, puts: Sequence[Put], bar: Bar | None) -> None:
    """Puts every lead time where it is wanted, as soon as it is there."""
    if bar is not None:
        bar.start("forecasting", num_steps)
    for values in with_extremes_told(steps, heading.variables):
        for put in puts:
            put(values if heading.members else values[0])
        if bar is not None:
            bar.step()
