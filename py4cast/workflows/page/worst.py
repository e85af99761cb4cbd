"""The worst forecasts of a verification, to be looked at."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from py4cast.grid import Grid
from py4cast.metrics.score_set import ScoreSet

__all__ = ["CaseSource", "MemberSource", "WorstCase", "worst_cases"]


class CaseSource(Protocol):
    """What gives the fields of any verified forecast again."""

    @property
    def grid(self) -> Grid | None:
        """Where the cells are; None for stations."""

    @property
    def lead_times(self) -> Any:
        """Distances from the start, one per timestep."""

    @property
    def features(self) -> Sequence[str]:
        """The names of the features, in order."""

    def fields(self, init_time: np.datetime64) -> tuple[Tensor, Tensor]:
        """Forecast (the mean of members) and truth, `(timestep, lat, lon, features)` each."""

    def close(self) -> None:
        """Closes the files that are open, if any."""


class MemberSource(CaseSource, Protocol):
    """What gives the members of any verified forecast too."""

    def members(self, init_time: np.datetime64) -> tuple[Tensor, Tensor]:
        """The members `(member, timestep, lat, lon, features)`, one where there is no more, and the truth."""


@dataclass(frozen=True, slots=True)
class WorstCase:
    """One forecast of one variable with a large error.

    Args:
        variable: its place among the features.
        init_time: start.
        step: place of the lead time.
        rmse: over the cells.
    """

    variable: int
    init_time: np.datetime64
    step: int
    rmse: float


def worst_cases(scores: ScoreSet, count: int = 2) -> list[WorstCase]:
    """Of every feature the forecasts with the largest RMSE at the last lead time at which any was scored."""
    rows = scores.rows.get(scores.systems[0])
    if rows is None or "squared_error.sum" not in rows.shapes:
        return []
    squares = (rows.read("squared_error.sum") / rows.read("squared_error.weight")).sqrt().numpy()
    cases = []
    for variable in range(squares.shape[2]):
        scored = np.isfinite(squares[:, :, variable])
        if not scored.any():
            continue
        step = int(np.flatnonzero(scored.any(0))[-1])
        errors = np.where(scored[:, step], squares[:, step, variable], -np.inf)
        for index in np.argsort(-errors)[:count]:
            if np.isfinite(errors[index]):
                cases.append(WorstCase(variable, scores.init_times[index], step, float(errors[index])))
    return cases
