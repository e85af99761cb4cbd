"""From a cube and the settings of a dataset to its three splits: roles, statistics, statics, samples."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from py4cast.border import border_mask
from py4cast.cubes.base import CubeABC
from py4cast.cubes.driver import Driver
from py4cast.cubes.sources import open_source
from py4cast.cubes.views import placed
from py4cast.dataset_info import DatasetInfo, InputInfo
from py4cast.datasets.base import Splits
from py4cast.datasets.forcings import ComputedForcings
from py4cast.datasets.series_settings import SeriesSettings
from py4cast.datasets.statics import build_statics
from py4cast.errors import DataError, Py4castError, SettingsError, nearest
from py4cast.grid import Grid
from py4cast.statistics import Stats
from py4cast.timeline import duration, told
from py4cast.variables import Variable

__all__ = ["describe", "fitted", "open_drivers"]


def describe(
    settings: SeriesSettings,
    cube: CubeABC,
    variables: Sequence[Variable],
    lineage: Mapping[str, Any],
    drivers: Mapping[str, Driver],
) -> Splits:
    """All that the splits share.

    Args:
        settings: of the dataset.
        cube: its planes.
        variables: those of the cube that it uses, with roles and weights.
        lineage: where the cube comes from.
        drivers: further sources by key.

    Raises:
        SettingsError: settings that do not fit the cube.
        DataError: no cell holds all variables, or the training period holds nothing.
    """
    grid, step = cube.grid, duration(settings.step)
    if cube.axis.length > 1 and cube.axis.step != step:
        raise SettingsError(f"step {settings.step}: the data have one of {told(cube.axis.step)}")
    computed = ComputedForcings(settings.forcings, grid, step)
    for name in computed.names:
        if name in cube.names:
            raise SettingsError(f"forcings: {name!r} is a variable of the data too{nearest(name, computed.names)}")
    border = settings.grid.border_on(grid)
    border_mask(grid, border)
    predicted = [v.name for v in variables if v.is_predicted]
    if not predicted:
        raise SettingsError("variables: none is prognostic or diagnostic; there is nothing to predict")
    valid = cube.valid_mask(predicted)
    if not valid.any():
        raise DataError(f"dataset {settings.name!r}: no cell holds data of all of {', '.join(predicted)}")
    wanted = settings.statics
    if wanted is None:
        is_round = grid.is_periodic or not grid.is_rectangular
        wanted = ("sin_latitude", "sin_longitude", "cos_longitude") if is_round else ("x", "y")
        wanted += ("border_mask",) if border else ()
        wanted += () if valid.all() else ("valid_mask",)
    inside = cube.axis.inside(settings.periods.described)
    stats, differences = cube.statistics(inside, [v.name for v in variables])
    info = DatasetInfo(
        name=settings.name,
        grid=grid,
        variables=[
            *sorted(variables, key=lambda v: ("prognostic", "diagnostic", "forcing").index(v.role)),
            *computed.variables,
        ],
        step_duration=step,
        stats=stats | computed.stats(np.unique(cube.times[inside])),
        diff_stats=differences.standardised_by(stats),
        statics=build_statics(grid, wanted, cube.static_fields(), border, valid),
        lineage={**lineage, "periods": settings.to_dict()["periods"]},
        inputs={key: _input_info(driver, settings) for key, driver in drivers.items() if key != "boundary"},
    )
    return Splits(cube, info, computed, fitted(drivers, info))


def fitted(drivers: Mapping[str, Driver], info: DatasetInfo) -> dict[str, Driver]:
    """The drivers with the features that a Forecaster of `info` takes, in its order.

    Raises:
        DataError: one that is missing, lacks a feature, or lies on another grid.
    """
    for key in info.inputs:
        if key not in drivers:
            raise DataError(f"no input {key!r} given; the Forecaster was trained with it: set dataset.inputs.{key}")
    fitting = {}
    for key, driver in drivers.items():
        if key != "boundary" and key not in info.inputs:
            continue
        names, grid = (
            (info.prognostic, info.grid) if key == "boundary" else (info.inputs[key].names, info.inputs[key].grid)
        )
        try:
            cube = placed(driver.cube, grid)
            if not cube.grid.same_as(grid):
                raise DataError(f"on {cube.grid.describe()}; expected {grid.describe()}")
            fitting[key] = Driver(cube, names, at_start=driver.at_start)
        except DataError as error:
            raise DataError(f"{key}: {error}") from None
    return fitting


def _input_info(driver: Driver, settings: SeriesSettings) -> InputInfo:
    inside = driver.cube.axis.inside(replace(settings.periods.described, init_step=None))
    stats: Stats = driver.cube.statistics(inside, driver.names)[0]
    chosen = [replace(driver.cube.variable(n), role="forcing") for n in driver.names]
    return InputInfo(driver.cube.grid, chosen, stats, driver.at_start)


def open_drivers(settings: SeriesSettings, grid: Grid) -> dict[str, Driver]:
    """The further sources of a dataset by key; border values come to the dataset's grid, inputs stay on their own."""
    drivers: dict[str, Driver] = {}
    sources = dict(settings.inputs)
    if settings.boundary is not None:
        boundary = settings.boundary
        sources["boundary"] = boundary if boundary.regrid is not None else replace(boundary, regrid="linear")
    for key, source in sources.items():
        place = key if key == "boundary" else f"inputs.{key}"
        try:
            cube = open_source(source, grid)
            drivers[key] = Driver(cube, cube.names, at_start=key in settings.inputs_at_start)
        except Py4castError as error:
            raise type(error)(f"{place}: {error}") from None
    return drivers
