"""What travels between a dataset and a model: Item (one sample), ItemBatch (several), Statics (what is fixed).

The layout is `(batch, timestep, lat, lon, features)`, values in physical units, one NamedTensor per key:
`inputs` the past states (prognostic), `forcing` what is known at each predicted step, `outputs` the truth
(prognostic then diagnostic) of each predicted step. Other keys are free.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from py4cast.border import Border, border_mask
from py4cast.errors import nearest
from py4cast.grid import Grid
from py4cast.namedtensor import NamedTensor

__all__ = ["Item", "ItemBatch", "Statics", "collate_fn"]

STANDARD_KEYS = ("inputs", "forcing", "outputs")


class _Fields:
    """The fields of a sample by key; absent keys read as None where the key is a standard one."""

    fields: dict[str, NamedTensor]
    init_time: Any

    def __init__(
        self,
        fields: Mapping[str, NamedTensor | None] | None = None,
        *,
        init_time: Any = None,
        **named: NamedTensor | None,
    ) -> None:
        self.fields = {k: v for k, v in {**(fields or {}), **named}.items() if v is not None}
        self.init_time = init_time
        for key, value in self.fields.items():
            if not isinstance(value, NamedTensor):
                raise ValueError(f"field {key!r}: expected a NamedTensor, found {type(value).__name__}")
            if "timestep" not in value.names and key in STANDARD_KEYS:
                raise ValueError(f"field {key!r}: expected a dimension 'timestep', found {value.names}")

    def __getitem__(self, key: str) -> NamedTensor:
        if key not in self.fields:
            raise ValueError(f"no field {key!r} in this sample{nearest(key, self.fields)}")
        return self.fields[key]

    def __contains__(self, key: str) -> bool:
        return key in self.fields

    @property
    def inputs(self) -> NamedTensor:
        """Past states, prognostic features; ValueError when absent."""
        return self["inputs"]

    @property
    def forcing(self) -> NamedTensor | None:
        """Forcings known at each predicted step, or None."""
        return self.fields.get("forcing")

    @property
    def outputs(self) -> NamedTensor | None:
        """Truth of each predicted step, or None (operations)."""
        return self.fields.get("outputs")

    @property
    def num_input_steps(self) -> int:
        """The number of past states."""
        return self.inputs.dim_size("timestep")

    @property
    def num_pred_steps(self) -> int:
        """Number of steps that truth or forcings cover."""
        for later in (self.outputs, self.forcing):
            if later is not None:
                return later.dim_size("timestep")
        return 0

    def _replace(self, fields: Mapping[str, NamedTensor]) -> Self:
        return type(self)(fields, init_time=self.init_time)

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Moved or converted, with the arguments of `torch.Tensor.to`; from page-locked memory to a GPU without a wait."""
        if args and str(args[0]).startswith("cuda") and all(v.tensor.is_pinned() for v in self.fields.values()):
            kwargs.setdefault("non_blocking", True)
        return self._replace({k: v.to(*args, **kwargs) for k, v in self.fields.items()})

    def pin_memory(self) -> Self:
        """The same fields in page-locked memory."""
        return self._replace({k: v.pin_memory() for k, v in self.fields.items()})

    def __str__(self) -> str:
        return "\n".join(f"{key}: {value}" for key, value in self.fields.items())


class Item(_Fields):
    """Creates one sample: fields `(timestep, lat, lon, features)` and the `init_time` of its last past state."""


class ItemBatch(_Fields):
    """Creates a batch: fields `(batch, timestep, lat, lon, features)` and one `init_time` per sample."""

    @property
    def batch_size(self) -> int:
        """The number of samples in the batch."""
        return next(iter(self.fields.values())).dim_size("batch")


def collate_fn(items: Sequence[Item]) -> ItemBatch:
    """The batch of `items`, stacked along a leading dimension `batch`, in float32.

    Raises:
        ValueError: no items, or items with different keys.
    """
    if not items:
        raise ValueError("collate_fn needs at least one Item, found none")
    keys = list(items[0].fields)
    for i, item in enumerate(items):
        if list(item.fields) != keys:
            raise ValueError(f"items of one batch hold different fields: {keys} and {list(item.fields)} (item {i})")
    fields = {key: NamedTensor.stack([item.fields[key] for item in items], "batch").to(torch.float32) for key in keys}
    times = None if items[0].init_time is None else np.array([item.init_time for item in items])
    return ItemBatch(fields, init_time=times)


@dataclass(slots=True)
class Statics:
    """What is fixed on a grid. A model receives its own copy, which it may change.

    Args:
        grid_static_features: static inputs of the network, `(lat, lon, features)`.
        grid_shape: `(lat, lon)`.
        border_mask: 1 in the ring where truth is imposed, `(lat, lon, 1)`.
        interior_mask: 1 − border_mask.
        area_weights: weights of the cells in means, mean 1, `(lat, lon)`.
        valid_mask: False where a field never holds data (land for an ocean), `(lat, lon, 1)`.
        meshgrid: coordinates of the cells, `(2, lat, lon)`: longitude and latitude [degrees], or x and y [m].
        border: what the border mask was made of.
    """

    grid_static_features: NamedTensor
    grid_shape: tuple[int, int]
    border_mask: Tensor
    interior_mask: Tensor
    area_weights: Tensor
    valid_mask: Tensor
    meshgrid: Tensor
    border: Border = Border()

    @classmethod
    def build(cls, grid: Grid, features: NamedTensor, border_size: int | Border = 0, valid: Any = None) -> "Statics":
        """The statics of a grid, with its border ring and its valid cells.

        Args:
            grid: where the cells are.
            features: static inputs of the network, `(lat, lon, features)`.
            border_size: width of the border ring [cells], or another border.
            valid: False where a field never holds data, `(lat, lon)`; None for everywhere.
        """
        border = torch.from_numpy(border_mask(grid, border_size)).float().unsqueeze(-1)
        mask = np.ones(grid.shape, dtype=bool) if valid is None else np.asarray(valid, dtype=bool)
        if grid.x is not None and grid.y is not None:
            mesh = np.stack(np.meshgrid(grid.x, grid.y))
        else:
            mesh = np.stack([grid.longitude_2d(), grid.latitude_2d()])
        return cls(
            grid_static_features=features,
            grid_shape=grid.shape,
            border_mask=border,
            interior_mask=1.0 - border,
            area_weights=torch.from_numpy(grid.area_weights().copy()).float(),
            valid_mask=torch.from_numpy(mask.copy()).unsqueeze(-1),
            meshgrid=torch.from_numpy(mesh).float(),
            border=Border(border_size) if isinstance(border_size, int) else border_size,
        )

    @property
    def cell_weights(self) -> Tensor:
        """Weights of the cells in losses and scores, `(lat, lon, 1)`: their areas, 0 in the border and where no data are."""
        return self.area_weights.unsqueeze(-1) * self.interior_mask * self.valid_mask

    def copy(self) -> "Statics":
        """An independent copy, which its owner may change."""
        return copy.deepcopy(self)
