"""Maps of the error: its mean and its root mean square in every cell, by lead time."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from py4cast.metrics.case import Case

__all__ = ["ErrorMaps"]


class ErrorMaps:
    """Creates running sums of e = ŷ − y and e² per cell, `(timestep, lat, lon, features)`."""

    def __init__(self) -> None:
        self._sums: list[Tensor] = []
        self._squares: list[Tensor] = []
        self._counts: list[Tensor | float] = []

    def make_room(self, num_steps: int, shape: tuple[int, ...], device: torch.device) -> None:
        """Makes sums for so many lead times, where there are none yet."""
        while len(self._sums) < num_steps:
            for part in (self._sums, self._squares):
                part.append(torch.zeros(shape[-1], *shape[:2], dtype=torch.float64, device=device).movedim(0, -1))
            self._counts.append(0.0)

    def add(self, case: Case, step: int) -> None:
        """Adds a forecast at a lead time; different lead times may be added by different threads."""
        if case.counted is None:
            self._sums[step] += case.error
            self._squares[step] += case.squared_error
            self._counts[step] = self._counts[step] + 1.0
            return
        self._sums[step] += case.error * case.counted
        self._squares[step] += case.squared_error * case.counted
        self._counts[step] = self._counts[step] + case.counted.double()

    def pack(self) -> list[list[NDArray[np.float64]]]:
        """What another process needs to take the sums over."""
        counts = [torch.as_tensor(c, dtype=torch.float64) for c in self._counts]
        return [[x.cpu().numpy() for x in part] for part in (self._sums, self._squares, counts)]

    def add_packed(self, packed: list[list[NDArray[np.float64]]]) -> None:
        """Adds what another process packed."""
        sums, squares, counts = ([torch.from_numpy(np.asarray(x)) for x in part] for part in packed)
        if self.is_empty:
            self._sums, self._squares, self._counts = sums, squares, [*counts]
        elif sums:
            self._sums = [a.to(b) + b for a, b in zip(self._sums, sums, strict=True)]
            self._squares = [a.to(b) + b for a, b in zip(self._squares, squares, strict=True)]
            self._counts = [torch.as_tensor(a).to(b) + b for a, b in zip(self._counts, counts, strict=True)]

    @property
    def is_empty(self) -> bool:
        """Whether no forecast was added."""
        return not self._sums

    def bias(self) -> Tensor:
        """⟨e⟩ per cell; NaN where nothing was counted."""
        return torch.stack([s / c for s, c in zip(self._sums, self._counts, strict=True)])

    def rmse(self) -> Tensor:
        """√⟨e²⟩ per cell; NaN where nothing was counted."""
        return torch.stack([(s / c).sqrt() for s, c in zip(self._squares, self._counts, strict=True)])
