"""What a rank reads of a batch, and the batch that the ranks of a group make of it."""

import torch

from py4cast.batch import ItemBatch
from py4cast.models.split.group import ModelGroup
from py4cast.namedtensor import NamedTensor

__all__ = ["BatchParts"]


class BatchParts:
    """Creates the way from what each rank of a group reads to whole batches: its rows, or its points.

    Args:
        group: the ranks; of one without a handle the window alone is told.
        grid_shape: `(lat, lon)`.
        whole_keys: fields on grids of their own, which every rank reads whole.
    """

    def __init__(
        self, group: ModelGroup, grid_shape: tuple[int, int], whole_keys: frozenset[str] = frozenset()
    ) -> None:
        self.group, self._whole_keys = group, whole_keys
        # points stand in one row
        self._dim, self._count = ("lon", grid_shape[1]) if grid_shape[0] == 1 else ("lat", grid_shape[0])

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns that this rank reads."""
        part, everything = slice(*self.group.band(self._count)), slice(None)
        return (part, everything) if self._dim == "lat" else (everything, part)

    def joined(self, batch: ItemBatch) -> ItemBatch:
        """The whole batch of the parts that all ranks of the group have read; all of them call it."""
        fields = {k: v if k in self._whole_keys else self._whole(v) for k, v in batch.fields.items()}
        return ItemBatch(fields, init_time=batch.init_time)

    def _whole(self, field: NamedTensor) -> NamedTensor:
        if field.dim_size(self._dim) == self._count:  # of a dataset that reads no parts
            return field
        first, last = self.group.band(self._count)
        index = torch.arange(first, last, device=field.tensor.device)
        with torch.no_grad():
            tensor = self.group.joined(field.tensor, index, self._count, field.names.index(self._dim))
        return NamedTensor(tensor, field.names, field.feature_names)
