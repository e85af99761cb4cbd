"""The worst forecasts as a page shows them: maps, the course at the worst place, and what their members say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from py4cast.grid import Grid
from py4cast.metrics.score_set import ScoreSet
from py4cast.observers.colours import DIFFERENCE, ColourTable, table_of
from py4cast.variables import Variable
from py4cast.workflows.page.member_views import meteogram, probability_map, stamps
from py4cast.workflows.page.numbers import rounded
from py4cast.workflows.page.pictures import images_of, without_border
from py4cast.workflows.page.worst import CaseSource, WorstCase, worst_cases

__all__ = ["case_entries"]

_BOTH = ColourTable(DIFFERENCE, is_symmetric=True)


def case_entries(
    scores: ScoreSet,
    variables: Sequence[Variable],
    grid: Grid,
    source: CaseSource,
    count: int,
    border: NDArray[np.bool_] | None,
    station_names: Sequence[str] = (),
) -> list[Mapping[str, Any]]:
    """The worst forecasts of each variable; of stations only their course where they were most wrong.

    Args:
        scores: what was found.
        variables: those that are shown.
        grid: of the fields.
        source: of the fields.
        count: forecasts of each variable.
        border: cells where truth is imposed.
        station_names: where the fields are at stations `(1, station)`: their names.
    """
    held = _Held(scores, grid, border, station_names)
    worst = [w for w in worst_cases(scores, count) if w.variable < len(variables)]
    cases: list[tuple[int, Mapping[str, Any]]] = []
    # a start whose forecast is among the worst of several variables is read once
    for init_time in sorted({w.init_time for w in worst}):
        members, truth = _members(source, init_time)
        for place, case in enumerate(worst):
            if case.init_time == init_time:
                fields = (members[..., case.variable].numpy(), truth[..., case.variable].numpy())
                cases.append((place, held.entry(case, variables[case.variable], *fields)))
    return [entry for _, entry in sorted(cases, key=lambda pair: pair[0])]


def _members(source: CaseSource, init_time: np.datetime64) -> tuple[Tensor, Tensor]:
    """All members `(member, timestep, lat, lon, features)` where a source gives them, else its forecast as one."""
    members_of = getattr(source, "members", None)
    if members_of is None:
        forecast, truth = source.fields(init_time)
        return forecast[None], truth
    members: tuple[Tensor, Tensor] = members_of(init_time)
    return members


@dataclass(frozen=True, slots=True)
class _Held:
    """Creates the entries of a page's cases."""

    scores: ScoreSet
    grid: Grid
    border: NDArray[np.bool_] | None
    station_names: Sequence[str]

    def entry(
        self, case: WorstCase, variable: Variable, members: NDArray[Any], truth: NDArray[Any]
    ) -> Mapping[str, Any]:
        """One case: `members` `(member, timestep, lat, lon)` and `truth` `(timestep, lat, lon)` of its variable."""
        entry: dict[str, Any] = {
            "variable": variable.name, "init_time": str(case.init_time).replace("T", " ")[:16],
            "lead": self.scores.lead_hours[case.step], "rmse": rounded(case.rmse),
        }  # fmt: skip
        error = without_border(members[:, case.step].mean(0) - truth[case.step], self.border)
        if not self.station_names:
            entry |= self._maps(case, variable, members[:, case.step], truth[case.step], error)
        if np.isfinite(error).any():
            row, column = np.unravel_index(int(np.nanargmax(np.abs(error))), error.shape)
            name = self.station_names[int(column)] if self.station_names else ""
            entry["meteogram"] = meteogram(members, truth, self.grid, (int(row), int(column)), name)
        return entry

    def _maps(
        self, case: WorstCase, variable: Variable, members: NDArray[Any], truth: NDArray[Any], error: NDArray[Any]
    ) -> Mapping[str, Any]:
        """Maps of one lead time; of the members too where there are several."""
        table, mean = table_of(variable), members.mean(0)
        span = table.span(truth, mean)
        pair, difference = images_of([truth, mean], self.grid, table, span), images_of([error], self.grid, _BOTH)
        maps: dict[str, Any] = {
            "images": {"truth": pair["images"][0], "forecast": pair["images"][1], "error": difference["images"][0]},
            "bar": pair["bar"], "error_bar": difference["bar"],
        }  # fmt: skip
        if len(members) > 1:
            maps["stamps"] = stamps(members, self.grid, table, span)
            maps["probability"] = probability_map(members, truth, self.grid, self._thresholds(case.variable))
        return maps

    def _thresholds(self, place: int) -> list[float]:
        """The thresholds at which events of a variable were scored."""
        if "threshold" not in self.scores.coordinates:
            return []
        return [float(t) for t in np.ravel(self.scores.coordinates["threshold"].values[place])]
