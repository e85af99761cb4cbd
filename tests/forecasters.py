"""Forecasters of the variables of `forecast_files`, untrained, for tests of operations."""

from typing import Any

import numpy as np
import torch

from py4cast.batch import ItemBatch, Statics
from py4cast.dataset_info import DatasetInfo
from py4cast.datasets.forcings import GROUPS, ComputedForcings
from py4cast.forecaster import Forecaster
from py4cast.grid import Grid
from py4cast.namedtensor import NamedTensor
from py4cast.statistics import Stats
from py4cast.variables import Variable
from tests import forecast_files as made

STEP = 6 * made.HOUR
GRID = Grid(made.LATITUDE, made.LONGITUDE)
HEIGHT = "heightAboveGround"
PREDICTED = [
    Variable(name="t2m", short_name="2t", units="K", level=2, type_of_level=HEIGHT, standard_name="air_temperature"),
    Variable(
        name="u10", short_name="10u", units="m s-1", level=10, type_of_level=HEIGHT, standard_name="eastward_wind"
    ),
    Variable(
        name="v10", short_name="10v", units="m s-1", level=10, type_of_level=HEIGHT, standard_name="northward_wind"
    ),
]
RAIN = Variable(name="tp", short_name="tp", role="diagnostic", units="kg m-2", accumulated=True)
GIVEN = ("hour", "toa_radiation")


def info(border_size: int = 0, diagnostics: bool = True, forcings: tuple[str, ...] = GIVEN) -> DatasetInfo:
    """What the Forecaster knows of the data."""
    computed = ComputedForcings(forcings, GRID, STEP)
    variables = [*PREDICTED, *([RAIN] if diagnostics else []), *computed.variables]
    table = {
        "t2m": (280.0, 3.0), "u10": (3.0, 2.0), "v10": (-2.0, 2.0), "tp": (0.2, 0.1), "toa_radiation": (200.0, 250.0),
        **dict.fromkeys(GROUPS["hour"], (0.0, 1.0)),
    }  # fmt: skip

    def stats(scale: float, at: float) -> Stats:
        return Stats(
            {
                v.name: {
                    "mean": at * table[v.name][0],
                    "std": scale * table[v.name][1],
                    "min": -1e3,
                    "max": 1e3,
                    "count": 9.0,
                }
                for v in variables
            }
        )

    fixed = torch.randn(*GRID.shape, 2, generator=torch.Generator().manual_seed(3))
    statics = Statics.build(GRID, NamedTensor(fixed, ["lat", "lon", "features"], ["orography", "land"]), border_size)
    differences = Stats({v.name: {"mean": 0.0, "std": 0.1, "min": -1.0, "max": 1.0, "count": 9.0} for v in variables})
    return DatasetInfo("tests", GRID, variables, STEP, stats(1.0, 1.0), differences, statics)


def forecaster(
    border_size: int = 0, model: str = "halfunet", settings: Any = None, num_input_steps: int = 2, **options: Any
) -> Forecaster:
    """An untrained Forecaster, the same at every call."""
    torch.manual_seed(1)
    small = {"num_filters": 8} if settings is None else settings
    return Forecaster.build(info(border_size, **options), model, "scaled_ar", num_input_steps, small).eval()


def batch_at(own: Forecaster, start: np.datetime64, num_steps: int, truth: bool = False) -> ItemBatch:
    """The batch of a forecast from `start` on the fields of `forecast_files.analyses()`."""
    first = int((start - made.START) / STEP)
    series = torch.from_numpy(np.stack([made.truth_of(v.name) for v in PREDICTED], -1))
    names = own.info.prognostic
    dims = ["batch", "timestep", "lat", "lon", "features"]
    past = series[first - own.num_input_steps + 1 : first + 1]
    computed = ComputedForcings([g for g in GROUPS if GROUPS[g][0] in own.info.forcing], GRID, STEP)
    valid = start + np.arange(1, num_steps + 1) * STEP
    forcing = torch.from_numpy(computed.compute(valid)).permute(1, 2, 3, 0)
    fields = {
        "inputs": NamedTensor(past[None], dims, names),
        "forcing": NamedTensor(forcing[None], dims, own.info.forcing),
    }
    if truth:
        later = series[first + 1 : first + 1 + num_steps]
        fields["boundary"] = NamedTensor(later[None], dims, names)
    return ItemBatch(fields, init_time=np.array([start]))
