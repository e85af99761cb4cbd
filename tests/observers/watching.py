"""What observers see and what they draw, without a network: figures are caught before they become pixels."""

from importlib import import_module
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from py4cast.dataset_info import DatasetInfo
from py4cast.losses import registry as losses
from py4cast.namedtensor import NamedTensor
from py4cast.testing import make_info

DIMS = ["batch", "timestep", "lat", "lon", "features"]


def watched(info: DatasetInfo | None = None) -> Any:
    """The side of a Lightning module that observers look at."""
    seen = info or make_info((9, 10))
    return SimpleNamespace(info=seen, loss=losses.get("mse")(seen), plots=None, logger=None, current_epoch=3)


def caught(monkeypatch: pytest.MonkeyPatch, observer: str) -> dict[str, Figure]:
    """Figures that the module `py4cast.observers.<observer>` emits, by name."""
    figures: dict[str, Figure] = {}
    module = import_module(f"py4cast.observers.{observer}")
    monkeypatch.setattr(module, "emit", lambda obj, name, figure: figures.update({name: figure}))
    return figures


def fields(info: DatasetInfo, num_steps: int = 3, batch_size: int = 2, seed: int = 0) -> NamedTensor:
    """Random physical fields of all that is predicted."""
    shape = (batch_size, num_steps, *info.grid.shape, len(info.predicted))
    return NamedTensor(torch.randn(shape, generator=torch.Generator().manual_seed(seed)), DIMS, info.predicted)


def cells_of(axes: Any) -> Any:
    """What shows the field of a panel: pixels, or a mesh where rows or columns are uneven."""
    (cells,) = [*axes.images, *(c for c in axes.collections if type(c).__name__ == "QuadMesh")]
    return cells


def mesh_of(axes: Any) -> np.ma.MaskedArray:
    """The field that a panel shows, `(lat, lon)`."""
    return np.ma.masked_invalid(cells_of(axes).get_array())


def limits_of(axes: Any) -> tuple[float, float]:
    """Of a panel's colours."""
    low, high = cells_of(axes).get_clim()
    return float(low), float(high)


def titles(figure: Figure) -> list[str]:
    """Of all panels that have one."""
    return [axes.get_title() for axes in figure.axes if axes.get_title()]
