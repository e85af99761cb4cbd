"""Rows: what every forecast contributed, kept on the disk, so that memory does not grow with the period.

A row is the time of the start and the sums and weights of some statistics, as numbers in a file that has no name
and goes with the process.
"""

import math
import tempfile
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["Rows"]

_HEADER = 1


class Rows:
    """Creates an empty table of forecasts."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the object)
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.count = 0

    @property
    def width(self) -> int:
        """The number of numbers in each row."""
        return _HEADER + sum(math.prod(shape) for shape in self.shapes.values())

    def append(self, init_time: np.datetime64, values: Mapping[str, Tensor]) -> None:
        """Adds a forecast: tensors of one shape per name, the same in every row."""
        shapes = {name: tuple(value.shape) for name, value in values.items()}
        if self.count == 0:
            self.shapes = shapes
        if shapes != self.shapes:
            raise ValueError(f"a row of {shapes} beside rows of {self.shapes}")
        seconds = np.asarray([init_time.astype("datetime64[s]").astype(np.int64)], dtype=np.float64)
        parts = [seconds, *(v.detach().cpu().double().numpy().ravel() for v in values.values())]
        self._write(np.concatenate(parts))

    def _write(self, numbers: NDArray[np.float64]) -> None:
        self._file.write(np.ascontiguousarray(numbers, dtype="<f8").tobytes())
        self.count += numbers.size // self.width

    def _table(self) -> NDArray[np.float64]:
        self._file.flush()
        if self.count == 0:
            return np.zeros((0, self.width))
        return np.memmap(self._file, dtype="<f8", mode="r", shape=(self.count, self.width))

    @property
    def order(self) -> NDArray[np.int64]:
        """Rows in the order of their starts."""
        return np.argsort(self._table()[:, 0], kind="stable")

    @property
    def init_times(self) -> NDArray[np.datetime64]:
        """Starts of the forecasts, sorted."""
        seconds = np.sort(np.asarray(self._table()[:, 0]))
        return seconds.astype(np.int64).astype("datetime64[s]")

    def read(self, name: str, chosen: Sequence[int] | NDArray[np.int64] | None = None) -> Tensor:
        """`(forecast, ...)` of a name, in the order of the starts; or of some of them."""
        start = _HEADER
        for other, shape in self.shapes.items():
            size = int(np.prod(shape))
            if other == name:
                rows = self.order if chosen is None else self.order[np.asarray(chosen, dtype=np.int64)]
                values = np.array(self._table()[:, start : start + size][rows])
                return torch.from_numpy(values).reshape(len(rows), *shape)
            start += size
        raise ValueError(f"no rows of {name!r}; there are {', '.join(self.shapes) or 'none'}")

    def pack(self) -> tuple[dict[str, tuple[int, ...]], NDArray[np.float64]]:
        """What another process needs to take the rows over."""
        return dict(self.shapes), np.array(self._table())

    def extend(self, shapes: Mapping[str, tuple[int, ...]], table: NDArray[np.float64]) -> None:
        """Adds the rows that another process packed."""
        if not len(table):
            return
        if self.count == 0:
            self.shapes = dict(shapes)
        if dict(shapes) != self.shapes:
            raise ValueError(f"rows of {dict(shapes)} beside rows of {self.shapes}")
        self._write(table)

    def __del__(self) -> None:
        self._file.close()
