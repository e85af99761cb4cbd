"""What checks run on: a DatasetInfo and batches of random fields."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from py4cast.batch import ItemBatch, Statics
from py4cast.dataset_info import DatasetInfo
from py4cast.grid import Grid
from py4cast.namedtensor import NamedTensor
from py4cast.settings import Settings, decode, encode
from py4cast.statistics import Stats
from py4cast.variables import Variable

__all__ = ["check_settings", "make_batch", "make_info"]


def make_info(
    shape: tuple[int, int] | Grid = (17, 23), border_size: int = 1, valid: Any = None, diagnostic: bool = True
) -> DatasetInfo:
    """A DatasetInfo of two prognostic variables, one diagnostic and two forcings.

    Args:
        shape: of a small regional grid, or a grid.
        border_size: of a regional grid; none on one that is given.
        valid: mask of valid cells, `(lat, lon)`.
        diagnostic: whether there is a diagnostic variable.
    """
    if isinstance(shape, Grid):
        grid, shape, border_size = shape, shape.shape, 0
    else:
        grid = Grid(np.linspace(55, 45, shape[0]), np.linspace(-5, 9, shape[1]), name="testing")
    variables = [Variable(name="a", units="K"), Variable(name="b", units="m s-1")]
    variables += [Variable(name="d", role="diagnostic", units="kg m-2")] if diagnostic else []
    variables += [Variable(name=n, role="forcing", units="1") for n in ("f", "g")]
    names = [v.name for v in variables]
    stats = {n: {"mean": 1.0 + i, "std": 2.0 + i, "min": -9.0, "max": 9.0, "count": 100.0} for i, n in enumerate(names)}
    differences = {
        n: {"mean": 0.01 * (i + 1), "std": 0.2 + 0.1 * i, "min": -1, "max": 1, "count": 99} for i, n in enumerate(names)
    }
    generator = torch.Generator().manual_seed(0)
    features = NamedTensor(torch.rand(*shape, 2, generator=generator), ["lat", "lon", "features"], ["x", "y"])
    return DatasetInfo(
        name="testing",
        grid=grid,
        variables=variables,
        step_duration=np.timedelta64(3600, "s"),
        stats=Stats(stats),
        diff_stats=Stats(differences),
        statics=Statics.build(grid, features, border_size, valid),
    )


def make_batch(
    info: DatasetInfo, batch_size: int = 2, num_input_steps: int = 2, num_pred_steps: int = 3, seed: int = 0
) -> ItemBatch:
    """A batch of random fields that fits `info`."""
    generator = torch.Generator().manual_seed(seed)

    def field(steps: int, names: Sequence[str]) -> NamedTensor:
        mean, std = info.stats.to_list("mean", names), info.stats.to_list("std", names)
        noise = torch.randn(batch_size, steps, *info.grid.shape, len(names), generator=generator)
        return NamedTensor(noise * std + mean, ["batch", "timestep", "lat", "lon", "features"], list(names))

    times = np.datetime64("2020-01-01T00", "s") + np.arange(batch_size) * np.timedelta64(3600, "s")
    fields = {"inputs": field(num_input_steps, info.prognostic), "outputs": field(num_pred_steps, info.predicted)}
    if info.forcing:
        fields["forcing"] = field(num_pred_steps, info.forcing)
    return ItemBatch(fields, init_time=times)


def check_settings(kind: Any) -> None:
    """Its settings have defaults, read back what they write, and refuse unknown keys."""
    settings = decode(kind.settings_kls, {})
    assert decode(kind.settings_kls, encode(settings)) == settings, f"{kind.__name__}: settings do not round trip"
    if issubclass(kind.settings_kls, Settings):
        assert all(row[3] for row in kind.settings_kls.help()), f"{kind.__name__}: a setting has no line of help"
