"""forecast: from a Forecaster and the last states, in a service's own files, to files of the next hours.

Only what is asked for is loaded: with an exported step (`.onnx`) and `--input` files neither torch nor Lightning.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from py4cast import __version__
from py4cast.datasets.timeline import instant
from py4cast.errors import DataError, SettingsError
from py4cast.formats import Heading, Put
from py4cast.regrid import Method
from py4cast.steppers import Array, StepperABC, open_stepper
from py4cast.workflows.file_input import FileInput
from py4cast.workflows.outputs import Outputs, Series, check_pattern, path_of
from py4cast.workflows.report import Bar

__all__ = ["Forecast", "forecast", "run"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What is forecast from what.

    Args:
        forecaster: a saved Forecaster, or an exported step.
        output: paths of the files, with `{init_time}` and `{lead_time}` for many.
        num_steps: to predict.
        init_time: UTC time of the last past state; the last that the input has by default.
        input: files of the last states; else the dataset is read.
        boundary: files of a driving model.
        dataset: registered name; by default the one of the training.
        path: its JSON file.
        overrides: dotted settings of the dataset.
        renamed: name in the input by name in the Forecaster.
        accumulated: variables that the input holds as sums since the start.
        regrid: how the input comes to the Forecaster's grid.
        members: of the input to forecast; all by default.
        device: where torch runs.
        precision: of torch's inner products.
        free_border: forecast without truth in the border, for a strategy that imposes it.
        stations: file of the places of a series.
        series: file of the forecast at the stations.
        overlay: folder of maps and animations.
    """

    forecaster: str
    output: Sequence[str]
    num_steps: int
    init_time: str | None = None
    input: Sequence[str] = ()
    boundary: Sequence[str] = ()
    dataset: str | None = None
    path: str | None = None
    overrides: Sequence[str] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)
    accumulated: Sequence[str] = ()
    regrid: Method | None = None
    members: Sequence[int] = ()
    device: str | None = None
    precision: str = "32"
    free_border: bool = False
    stations: str | None = None
    series: str | None = None
    overlay: str | None = None

    def __post_init__(self) -> None:
        if self.num_steps < 1:
            raise SettingsError(f"--num_steps {self.num_steps}: expected at least 1")
        if bool(self.stations) != bool(self.series):
            raise SettingsError("--stations FILE and --series FILE come together")
        if not (self.output or self.series or self.overlay):
            raise SettingsError("nothing to write: give --output FILE, --series FILE or --overlay DIR")
        for flag, texts in (
            ("--output", self.output),
            ("--series", [self.series or ""]),
            ("--overlay", [self.overlay or ""]),
        ):
            for text in texts:
                check_pattern(text, flag)
        if not self.input and (self.boundary or self.renamed or self.members or self.regrid):
            raise SettingsError("--boundary, --rename, --members and --regrid go with --input FILES")
        if not self.input and self.init_time is None:
            raise SettingsError("--init_time is needed, but with --input FILES, whose last time is taken")


def forecast(asked: Forecast, bar: Bar | None = None) -> list[Path]:
    """Writes a forecast, lead time after lead time, and returns the files.

    Raises:
        SettingsError: wrong settings, time or ending.
        DataError: the data do not fit the Forecaster, or lack what the forecast needs.
        NumericalError: the forecast is no longer finite.
    """
    return run(asked, open_stepper(asked.forecaster, asked.device, asked.precision), bar)


def run(asked: Forecast, stepper: StepperABC, bar: Bar | None = None) -> list[Path]:
    """The same by a stepper that is open already."""
    with ExitStack() as stack:
        if asked.input:
            source = FileInput(
                stepper.info, asked.input, asked.boundary, asked.renamed, asked.accumulated, asked.regrid,
                imposes_border=not asked.free_border,
            )  # fmt: skip
            stack.callback(source.close)
            start = instant(asked.init_time) if asked.init_time else source.latest()
            _check_border(asked, stepper)
            members = source.chosen_members(asked.members)
            states = source.states(start, members)
            given = source.given(start, asked.num_steps, states.shape[0])
        else:
            from py4cast.workflows.dataset_input import read_dataset

            assert asked.init_time is not None, "checked before"
            start, members = instant(asked.init_time), []
            states, given = read_dataset(asked, stepper, start)
        heading = _heading(asked, stepper, start, tuple(members))
        series = Series(asked.series, asked.stations, heading) if asked.series and asked.stations else None
        outputs = stack.enter_context(Outputs(asked.output, heading, series))
        overlay = None
        if asked.overlay:
            from py4cast.workflows.overlay import Overlay

            overlay = Overlay(
                path_of(asked.overlay, start, heading.lead_times[0]), heading, stepper.info.header["info"]["stats"]
            )
        puts = [outputs.put, *([overlay.put] if overlay else [])]
        _write(asked.num_steps, stepper.rollout(states, given), heading, puts, bar)
        if overlay is not None:
            overlay.finish()
    logger.info("forecast of %d variables from %s over %d steps", len(heading.variables), start, asked.num_steps)
    return [*outputs.written, *(overlay.written if overlay else [])]


def _check_border(asked: Forecast, stepper: StepperABC) -> None:
    if stepper.info.border is not None and not asked.boundary and not asked.free_border:
        raise DataError(
            "the strategy imposes values in the border: give a driving model's files by --boundary, or use --free_border"
        )


def _heading(asked: Forecast, stepper: StepperABC, start: np.datetime64, members: tuple[int, ...]) -> Heading:
    info = stepper.info
    lineage = info.header.get("lineage", {})
    attributes = {
        "title": f"Forecast of {info.title} from {start}Z",
        "source": f"py4cast {lineage.get('version', '')}, trained {lineage.get('created', '')} on {info.header['info']['name']}",
        "history": f"{np.datetime64('now', 's')}Z py4cast {__version__} forecast",
    }
    leads = [info.step_duration * (i + 1) for i in range(asked.num_steps)]
    return Heading(info.predicted, info.grid, start, leads, attributes, members)


def _write(num_steps: int, steps: Iterator[Array], heading: Heading, puts: Sequence[Put], bar: Bar | None) -> None:
    """Puts every lead time where it is wanted, as soon as it is there."""
    if bar is not None:
        bar.start("forecasting", num_steps)
    for values in steps:
        for put in puts:
            put(values if heading.members else values[0])
        if bar is not None:
            bar.step()
