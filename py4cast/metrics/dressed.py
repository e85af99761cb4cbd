"""Dressed: the reference that an ensemble has to beat, one forecast with the spread of its own past errors."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from py4cast.noise import Noise

__all__ = ["Dressed"]


class Dressed:
    """Creates members x̂ + s(lead, feature)·z about a forecast x̂, z standard normal on every cell, s its error on the validation split.

    It is as well calibrated per cell as errors of the past allow, and knows nothing of the day, nor of what cells have in common.

    Args:
        rmse: s, root mean square error by feature, a number per lead time.
        features: in their order.
        seed: of z, which depends on start, member and lead time alone.

    Reference: M. S. Roulston and L. A. Smith (2003), Combining dynamical and statistical ensembles, doi 10.1034/j.1600-0870.2003.201378.x.
    """

    def __init__(self, rmse: Mapping[str, Sequence[float]], features: Sequence[str], seed: int = 0) -> None:
        self._spread = torch.tensor([list(rmse[name]) for name in features], dtype=torch.float32).T
        self._seed, self._noise = seed, Noise("cells", len(features))

    @property
    def num_steps(self) -> int:
        """Lead times of which the error is known."""
        return int(self._spread.shape[0])

    def members(self, forecast: Tensor, starts: NDArray[np.datetime64], num_members: int) -> Tensor:
        """The dressed forecast, `(batch, member, timestep, lat, lon, features)`, of one `(batch, timestep, lat, lon, features)`."""
        shape = (forecast.shape[2], forecast.shape[3])
        spread = self._spread.to(forecast)
        steps = []
        for step in range(forecast.shape[1]):
            drawn = self._noise.draw(self._seed, starts, range(num_members), step, shape)
            steps.append(forecast[:, None, step] + spread[step] * torch.from_numpy(drawn).to(forecast))
        return torch.stack(steps, dim=2)

    @classmethod
    def of(cls, rmse: object, features: Sequence[str], num_steps: int) -> "Dressed | None":
        """That of a table of errors; None where it lacks a feature or a lead time.

        Args:
            rmse: as a Forecaster's lineage holds it, whatever it is.
            features: that are forecast.
            num_steps: lead times to dress.
        """
        if not isinstance(rmse, Mapping):
            return None
        rows = [rmse.get(name) for name in features]
        if not all(isinstance(row, Sequence) and len(row) >= num_steps for row in rows):
            return None
        if not np.isfinite(
            np.asarray([list(row)[:num_steps] for row in rows if row is not None], dtype=np.float64)
        ).all():
            return None
        return cls(
            {name: list(row)[:num_steps] for name, row in zip(features, rows, strict=True) if row is not None}, features
        )
