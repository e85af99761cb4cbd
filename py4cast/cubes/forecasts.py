"""Forecasts and truths by start and valid time, as tensors: what verification of files reads."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from py4cast.cubes.base import CubeABC
from py4cast.errors import DataError
from py4cast.formats.stations import Stations

__all__ = ["Analyses", "Forecasts", "Observations"]

_BLOCK_BYTES = 4_000_000


class Forecasts:
    """Creates the forecasts of a cube.

    Args:
        cube: with starts and lead times.
        what: what to call it in errors.

    Raises:
        DataError: the cube is a series of analyses.
    """

    def __init__(self, cube: CubeABC, what: str) -> None:
        if cube.axis.is_series:
            raise DataError(f"{what}: holds analyses, no forecasts: its fields have no lead time")
        self.cube, self.what = cube, what
        axis = cube.axis
        self.init_times: NDArray[np.datetime64] = axis.init_times.astype("datetime64[s]")
        self.lead_times: NDArray[np.timedelta64] = axis.lead_times.astype("timedelta64[s]")
        self.num_members = axis.num_members

    def has(self, init_time: np.datetime64) -> bool:
        """Whether there is a forecast from this start."""
        return bool((self.init_times == init_time).any())

    def read(self, init_time: np.datetime64, lead_times: NDArray[np.timedelta64]) -> Tensor:
        """`(timestep, lat, lon, features)`, with a leading `member` for several; NaN where a field is missing."""
        start = int(np.flatnonzero(self.init_times == init_time)[0])
        place = np.searchsorted(self.lead_times, lead_times)
        first, stop = int(place[0]), int(place[-1]) + 1
        names, shape = self.cube.names, self.cube.shape
        read_fields = torch.empty((self.num_members, len(names), stop - first, *shape))
        for member in range(self.num_members):
            begin = (start * self.num_members + member) * self.lead_times.size
            self.cube.read(names, begin + first, begin + stop, read_fields[member].numpy())
        self._check_members(read_fields, init_time)
        chosen = read_fields if stop - first == place.size else read_fields[:, :, place - first]
        fields = chosen.permute(0, 2, 3, 4, 1)
        return fields if self.num_members > 1 else fields[0]

    def _check_members(self, fields: Tensor, init_time: np.datetime64) -> None:
        """DataError where some members lack a field that others have; names the first."""
        if self.num_members < 2:
            return
        is_lacking = torch.isnan(fields).flatten(3).all(-1)
        odd = is_lacking & ~is_lacking.all(0)
        if bool(odd.any()):
            member, feature, _ = (int(x) for x in odd.nonzero()[0])
            name, number = self.cube.names[feature], self.cube.axis.members[member]
            raise DataError(
                f"{self.what}: member {number} lacks {name} of the forecast from {init_time}, which other members have"
            )


class Analyses:
    """Creates the truth of a series; a stretch of it is read at once and kept while it is used.

    Raises:
        DataError: the cube is no series.
    """

    def __init__(self, cube: CubeABC, what: str) -> None:
        if not cube.axis.is_series:
            raise DataError(f"{what}: holds forecasts with several lead times, where a series of analyses is needed")
        self.cube, self.what = cube, what
        self.times: NDArray[np.datetime64] = cube.times.astype("datetime64[s]")
        self._kept: dict[int, Tensor] = {}
        plane_bytes = 4 * len(cube.names) * cube.shape[0] * cube.shape[1]
        self._block = max(1, min(64, _BLOCK_BYTES // plane_bytes))

    def has(self, times: NDArray[np.datetime64]) -> NDArray[np.bool_]:
        """Whether there is an analysis at each time."""
        return np.isin(times, self.times)

    def read(self, times: NDArray[np.datetime64]) -> list[Tensor]:
        """`(lat, lon, features)` at each time; NaN where there is none."""
        nothing = torch.full((), torch.nan).expand(*self.cube.shape, len(self.cube.names))
        place, held = np.searchsorted(self.times, times).tolist(), self.has(times).tolist()
        if any(held):
            self._forget(min(p for p, is_there in zip(place, held, strict=True) if is_there))
        return [self._plane(p) if is_there else nothing for p, is_there in zip(place, held, strict=True)]

    def _forget(self, first: int) -> None:
        """Lets go of what lies before an instant; starts go forward."""
        for index in [i for i in self._kept if i < first - 1]:
            del self._kept[index]

    def _plane(self, index: int) -> Tensor:
        if index not in self._kept:
            stop = min(index + self._block, self.times.size)
            read = np.empty((len(self.cube.names), stop - index, *self.cube.shape), dtype=np.float32)
            self.cube.read(self.cube.names, index, stop, read)
            for i in range(index, stop):
                self._kept[i] = torch.from_numpy(read[:, i - index].copy()).permute(1, 2, 0)
        return self._kept[index]


class Observations:
    """Creates the truth at stations.

    Args:
        stations: what was observed.
        names: of the variables, in order.
        used: which stations.
    """

    def __init__(self, stations: Stations, names: Sequence[str], used: NDArray[np.bool_]) -> None:
        self._stations, self._names, self._used = stations, list(names), used
        self.what, self.times = str(stations.path), stations.times

    def has(self, times: NDArray[np.datetime64]) -> NDArray[np.bool_]:
        """Whether anything was observed at each time."""
        return np.isin(times, self.times)

    def read(self, times: NDArray[np.datetime64]) -> list[Tensor]:
        """`(1, station, features)` at each time; NaN where nothing was observed."""
        values: Any = self._stations.at(times, self._names)[:, self._used]
        return list(torch.from_numpy(values).unsqueeze(1))
