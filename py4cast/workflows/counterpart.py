"""What a forecast is held against: another one, or the analysis, at the same valid times."""

import logging
import os
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from py4cast.axis import TimeAxis
from py4cast.cubes.base import CubeABC
from py4cast.cubes.views.aligned import AlignedCube, Matched, match_variables
from py4cast.errors import DataError, SettingsError
from py4cast.regrid import Method
from py4cast.timeline import show_duration
from py4cast.workflows.chosen import members_at, open_shown

__all__ = ["Counterpart", "Instant", "check_spans", "held_at", "name_of_files", "told_difference"]

logger = logging.getLogger(__name__)
Instant = tuple[np.datetime64, np.datetime64 | None]


def told_difference(files: Sequence[str | os.PathLike[str]], against: Sequence[str | os.PathLike[str]]) -> str:
    """What is subtracted from what, in words: `fc.nc less an.nc`; empty where nothing is."""
    if not against:
        return ""
    return f"{name_of_files(files)} less {name_of_files(against)}"


def name_of_files(files: Sequence[str | os.PathLike[str]]) -> str:
    """What files are called where there is room for one name: `fc.nc and 3 more`."""
    first = Path(files[0]).name
    return first if len(files) == 1 else f"{first} and {len(files) - 1} more"


def held_at(axis: TimeAxis, moments: Sequence[Instant]) -> list[tuple[int, ...]]:
    """The instants that are valid at each time, one per member; none where nothing is valid then.

    Of several forecasts it is the one of the same start, else the latest one, which is told.

    Args:
        axis: of the other one.
        moments: valid time and start of the forecast that is held against it; a start of None for a series.
    """
    held = [_held(axis, valid, start) for valid, start in moments]
    mixed = sum(is_mixed for _, is_mixed in held)
    if mixed:
        logger.warning("--with: at %d of %d times several forecasts of another start are valid; the latest is shown", mixed, len(moments))  # fmt: skip
    return [instants for instants, _ in held]


def _held(axis: TimeAxis, valid: np.datetime64, start: np.datetime64 | None) -> tuple[tuple[int, ...], bool]:
    """The instants of one time, and whether forecasts of several other starts are valid then."""
    places = np.flatnonzero(axis.times.astype("datetime64[s]") == valid)
    if axis.is_series or not places.size:
        return tuple(int(p) for p in places[:1]), False
    runs = places // (axis.num_members * axis.length)
    same = runs[axis.init_times[runs].astype("datetime64[s]") == start]
    run = int(same[0]) if same.size else int(runs[np.argmax(axis.init_times[runs])])
    return tuple(int(p) for p in places[runs == run]), not same.size and np.unique(runs).size > 1


class Counterpart:
    """Creates the other one in the words, units and places of the first.

    Args:
        files: of the other one, which are closed by `close`.
        cube: of the first.
        names: variables that are compared.
        moments: valid time and start of each time; a start of None for a series.
        regrid: how it comes to the grid of the first; None where the grids must be the same.

    Raises:
        SettingsError: nothing is valid at any of the times.
        DataError: a variable that lacks, units that cannot be converted, another grid.
    """

    def __init__(
        self, files: Sequence[str | os.PathLike[str]], cube: CubeABC, names: Sequence[str], moments: Sequence[Instant],
        regrid: Method | None = None,
    ) -> None:  # fmt: skip
        self._other = open_shown(files)
        try:
            self._cube, self._instants = self._matched(cube, names, moments, regrid)
        except BaseException:
            self.close()
            raise

    def _matched(
        self, cube: CubeABC, names: Sequence[str], moments: Sequence[Instant], regrid: Method | None
    ) -> tuple[AlignedCube, list[tuple[int, ...]]]:
        """Its fields in the words and places of the first, and its instants at the times."""
        words = ("--with", "first")
        matched = match_variables(self._other.variables, cube.variables, names, words=words)
        check_spans(self._other, cube, matched)
        aligned = AlignedCube(self._other, matched, cube.grid, regrid, words=words)
        instants = held_at(self._other.axis, moments)
        if not any(instants):
            raise SettingsError(
                f"--with: nothing is valid at the times of the forecast, {moments[0][0]} to {moments[-1][0]}"
            )
        return aligned, instants

    def members(self, name: str, place: int) -> NDArray[np.float32]:
        """A variable at one of the times, `(member, lat, lon)`; NaN where nothing is valid then."""
        instants = self._instants[place]
        if not instants:
            return np.full((1, *self._cube.shape), np.nan, dtype=np.float32)
        return members_at(self._cube, name, instants)

    def close(self) -> None:
        """Closes the files of the other one."""
        self._other.close()


def check_spans(other: CubeABC, cube: CubeABC, matched: Sequence[Matched]) -> None:
    """Refuses sums over other times than those of the first, whose difference would be one of amounts of two kinds."""
    for match in matched:
        theirs, ours = other.spans.get(match.name), cube.spans.get(match.variable.name)
        if theirs and ours and theirs != ours:
            raise DataError(
                f"--with: {match.name} holds sums {_over(theirs)}, {match.variable.name} of the first ones {_over(ours)}; expected the same"
            )


def _over(spans: Collection[np.timedelta64]) -> str:
    """Over what a sum runs, in words."""
    return f"over {show_duration(next(iter(spans)))}" if len(spans) == 1 else "since the start of the forecast"
