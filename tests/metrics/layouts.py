"""Layouts and fields that the tests of metrics share."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from py4cast.grid import Grid
from py4cast.metrics import Layout, ScoreSettings
from py4cast.metrics.layout import RainClimate
from py4cast.variables import Variable

VARIABLES = [
    Variable(name="u", units="m s-1", standard_name="eastward_wind"),
    Variable(name="v", units="m s-1", standard_name="northward_wind"),
    Variable(name="tp", units="kg m-2", standard_name="precipitation_amount"),
]
SHAPE = (12, 16)
START = np.datetime64("2020-01-01T00", "s")
HOUR = np.timedelta64(3600, "s")


def layout(num_members: int = 1, shape: tuple[int, int] = SHAPE, weights: Any = None, **settings: Any) -> Layout:
    grid = Grid(np.linspace(60, 49, shape[0]), np.linspace(-5, 10, shape[1]))
    rain = RainClimate({"tp": torch.full(shape, 0.5)}, {"tp": torch.full(shape, 4.0)})
    settings.setdefault("scales", (1, 3, 7))
    return Layout(
        VARIABLES, torch.from_numpy(grid.area_weights()) if weights is None else weights, grid, HOUR, num_members, True,
        rain, ScoreSettings(**settings),
    )  # fmt: skip


def fields(seed: int, forecasts: int, steps: int = 2, members: int = 0, missing: float = 0.0) -> tuple[Tensor, ...]:
    """Forecast, truth and climatology, `(batch, (member,) timestep, lat, lon, features)`."""
    rng = np.random.default_rng(seed)
    shape = (forecasts, steps, *SHAPE, 3)
    truth = rng.standard_normal(shape) * [8, 8, 4]
    wide = (forecasts, members, steps, *SHAPE, 3) if members else shape
    prediction = (truth[:, None] if members else truth) + rng.standard_normal(wide) * [3, 3, 2]
    for array in (truth, prediction):
        array[..., 2] = np.maximum(array[..., 2], 0)
    truth[rng.random(shape) < missing] = np.nan
    normal = np.broadcast_to(rng.standard_normal(shape[1:]), shape).copy()
    return tuple(torch.from_numpy(x) for x in (prediction, truth, normal))
