"""Forecaster.forecast of an xarray.Dataset: the same forecast as `py4cast forecast --input`, without files of one's own."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from py4cast.errors import DataError, SettingsError
from py4cast.forecaster import Forecaster
from py4cast.formats import Heading, cf_imposed, conventions
from py4cast.regrid import Method
from py4cast.steppers.eager import EagerStepper
from py4cast.timeline import instant, later
from py4cast.workflows.forecast.made import members_from
from py4cast.workflows.forecast.request import Forecast
from py4cast.workflows.forecast.run import heading_of
from py4cast.workflows.forecast.sources import FileSource
from py4cast.workflows.python.copies import as_file, in_words_of_python, within

__all__ = ["forecast_dataset"]

# words of the command line, and what they are called here
_WORDS = {
    "--input": "the dataset", "--boundary": "boundary", "--rename INPUT=FORECASTER": "rename={'THEIRS': 'OURS'}",
    "--rename": "rename", "--regrid": "regrid", "--free_border": "free_border=True", "--num_members": "num_members",
    "--members": "members", "--init_time": "init_time",
}  # fmt: skip


def forecast_dataset(
    forecaster: Forecaster,
    data: xr.Dataset,
    num_steps: int,
    num_members: int | None = None,
    seed: int = 0,
    *,
    init_time: Any = None,
    boundary: xr.Dataset | None = None,
    rename: Mapping[str, str] | None = None,
    accumulated: Sequence[str] = (),
    regrid: Method | None = None,
    members: Sequence[int] = (),
    calibration: bool = True,
    free_border: bool = False,
) -> xr.Dataset:
    """The forecast from the last states of a Dataset, as a Dataset.

    Args:
        forecaster: that makes it, where it is.
        data: past states, matched by name, CF name, GRIB attributes and level; units are converted.
        num_steps: to predict.
        num_members: that a strategy with noise makes of each state.
        seed: of the members' noise.
        init_time: of the last past state, as text or numpy's; by default the last that the Dataset has. Several give a
            dimension `init_time`.
        boundary: a driving model's forecast, for border values and forcings.
        rename: name in the Forecaster by name in the Dataset.
        accumulated: variables that are sums since the start.
        regrid: how the states come to the Forecaster's grid: linear, nearest, mean; None refuses another grid.
        members: of the Dataset to forecast; by default all.
        calibration: whether what `calibrate` found is applied.
        free_border: forecast without truth in the border, for a strategy that imposes it.

    Returns:
        Variables `((init_time,) lead_time, (member,) lat, lon)` with CF attributes; a coordinate `imposed` is 1 where values are
        imposed and not forecast.

    Raises:
        DataError: a variable, time or level that the Dataset lacks, ambiguous units, another grid.
        SettingsError: wrong settings.
    """
    if isinstance(num_steps, bool) or not isinstance(num_steps, int | np.integer):
        raise SettingsError(f"num_steps {num_steps!r}: expected a whole number of at least 1")
    starts = None if init_time is None else _starts(init_time)
    is_many = starts is not None and np.ndim(init_time) > 0
    was_training = forecaster.training
    forecaster.eval()
    asked = Forecast(
        forecaster="", num_steps=num_steps, scores="none", num_members=num_members, seed=seed,
        renamed={ours: theirs for theirs, ours in (rename or {}).items()}, accumulated=accumulated, regrid=regrid,
        members=members, no_calibration=not calibration, free_border=free_border, input=["the dataset"],
    )  # fmt: skip
    try:
        parts = _made(EagerStepper.of(forecaster), asked, data, boundary, starts)
    finally:
        forecaster.train(was_training)
    return xr.concat(parts, "init_time", coords=["valid_time"], compat="override") if is_many else parts[0]


def _made(
    stepper: EagerStepper, asked: Forecast, data: xr.Dataset, boundary: xr.Dataset | None, starts: Any
) -> list[xr.Dataset]:
    """The forecasts of some starts, of the last where there are none."""
    info, file = stepper.info, ""
    try:
        with ExitStack() as stack:
            if starts is not None and isinstance(data, xr.Dataset):
                first = later(starts.min(), 1 - info.num_input_steps, info.step_duration)
                data = within(data, first, later(starts.max(), asked.num_steps, info.step_duration))
            file = stack.enter_context(as_file(data, "the dataset"))
            driving = [] if boundary is None else [stack.enter_context(as_file(boundary, "boundary"))]
            asked = replace(asked, input=[file], boundary=driving)
            source = FileSource(asked, stepper, stack)
            times = [source.latest()] if starts is None else list(starts)
            return [_one(asked, stepper, source, start) for start in times]
    except (DataError, SettingsError) as error:
        raise type(error)(in_words_of_python(str(error), _WORDS, {"the dataset": file})) from None


def _starts(asked: Any) -> Any:
    several = [asked] if isinstance(asked, str) or np.ndim(asked) == 0 else list(asked)
    if not several:
        raise SettingsError(
            "init_time: no start is given; expected one or more, or none of the argument for the latest"
        )
    try:
        return np.array([instant(v) if isinstance(v, str) else np.asarray(v, "datetime64[s]") for v in several])
    except (TypeError, ValueError):
        raise SettingsError(f"init_time {asked!r}: expected times, such as 2020-01-01T00 or numpy.datetime64") from None


def _one(asked: Forecast, stepper: EagerStepper, source: FileSource, start: np.datetime64) -> xr.Dataset:
    """The forecast of one start."""
    made = members_from(source, asked, stepper, start)
    heading = heading_of(asked, [stepper], start, made.numbers)
    fields = np.stack([np.array(values if heading.members else values[0]) for values in made.steps])
    return dataset_of(heading, fields)


def dataset_of(heading: Heading, fields: Any) -> xr.Dataset:
    """A forecast as a Dataset: `fields` is `(lead_time, (member,) lat, lon, features)`."""
    dims = ("lead_time", *conventions.dims_of(heading)[1:])
    shape = conventions.shape_of(heading)
    leads = np.array(heading.lead_times, dtype="timedelta64[s]")
    coords: dict[str, Any] = {}
    for name, (coordinate_dims, values, attrs) in conventions.forecast_coordinates(heading).items():
        # a level that stands once would be that of every variable; their attributes say which have one
        if name not in ("time", "lead_time", "init_time") and coordinate_dims:
            coords[name] = (coordinate_dims, values, dict(attrs))
    start = np.asarray(heading.init_time).astype("datetime64[ns]")
    told = {"standard_name": "forecast_period", "long_name": "lead time"}
    coords["lead_time"] = ("lead_time", leads.astype("timedelta64[ns]"), told)
    coords["init_time"] = (
        (),
        start,
        {"standard_name": "forecast_reference_time", "long_name": "start of the forecast"},
    )
    coords["valid_time"] = ("lead_time", start + leads, {"standard_name": "time", "long_name": "time of validity"})
    variables: dict[str, Any] = {}
    mapping = conventions.mapping_of(heading)
    if mapping is not None:
        coords[conventions.MAPPING] = ((), np.int32(0), dict(mapping))
    if (flag := conventions.imposed_flag(heading)) is not None:
        coords[cf_imposed.NAME] = flag
    for index, (name, variable) in enumerate(zip(conventions.names_in_file(heading), heading.variables, strict=True)):
        attrs = {k: v for k, v in conventions.variable_attributes(variable, heading).items() if k != "coordinates"}
        variables[name] = (dims, np.ascontiguousarray(fields[..., index]).reshape(shape), attrs)
    return xr.Dataset(variables, coords, {"Conventions": conventions.CONVENTIONS, **heading.attributes})
