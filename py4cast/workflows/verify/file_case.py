"""FileCase: forecasts, references and truth of a verification of files, opened and brought together."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from py4cast.cubes.base import CubeABC
from py4cast.cubes.files import open_fields
from py4cast.cubes.forecasts import Analyses, Forecasts, Observations
from py4cast.cubes.heights import height_shift, is_surface_temperature, orography_of
from py4cast.cubes.views.aligned import AlignedCube, Matched, match_variables
from py4cast.cubes.views.plausible import PlausibleCube
from py4cast.errors import DataError, SettingsError
from py4cast.formats.stations import Stations, read_stations
from py4cast.grid import Grid
from py4cast.metrics.climatology import Climatology
from py4cast.metrics.layout import Layout, ScoreSettings, areas_of, raster_of, sides_of
from py4cast.regrid import Method, Regridder
from py4cast.timeline import show_duration
from py4cast.variables import Variable
from py4cast.workflows.verify.normals import FileNormals, normals_of

__all__ = ["FileCase", "VerifyFiles"]

logger = logging.getLogger(__name__)
_TAKEN = ("forecast", "persistence", "climatology")


@dataclass(frozen=True, slots=True)
class VerifyFiles:
    """What is verified against what.

    Args:
        forecast: files of the forecasts, paths or patterns.
        truth: files of the analyses.
        stations: file of observations instead.
        references: files of further forecasts, by name.
        variables: names in the truth; by default all that both have.
        renamed: name in the forecast by name in the truth.
        accumulated: forecast variables that are sums since the start of the forecast.
        regrid: how forecasts come to the truth's grid, None where the grids must be the same.
        interpolation: to stations, linear or nearest.
        orography: file of the forecast's surface height, for the height correction of temperature at stations.
        climatology: file of normals, files of other analyses, `truth` or `none`.
        first: start of the first forecast, None for all.
        last: start of the last one.
        num_steps: lead times, from the first; None for all.
        has_normal_systems: whether persistence and climatology are scored too.
        scores: what is scored, and how.
    """

    forecast: Sequence[str]
    truth: Sequence[str] = ()
    stations: str | None = None
    references: Mapping[str, Sequence[str]] = field(default_factory=dict)
    variables: Sequence[str] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)
    accumulated: Sequence[str] = ()
    regrid: Method | None = None
    interpolation: Method = "linear"
    orography: str | None = None
    climatology: str = "truth"
    first: np.datetime64 | None = None
    last: np.datetime64 | None = None
    num_steps: int | None = None
    has_normal_systems: bool = True
    scores: ScoreSettings = field(default_factory=ScoreSettings)

    def described(self) -> dict[str, Any]:
        """What opens the same files again, as plain JSON values."""
        files = [str(Path(p).expanduser().absolute()) for p in self.forecast]
        return {
            "forecast": files,
            "truth": [str(Path(p).expanduser().absolute()) for p in self.truth],
            "stations": None if self.stations is None else str(Path(self.stations).expanduser().absolute()),
            "variables": list(self.variables),
            "renamed": dict(self.renamed),
            "accumulated": list(self.accumulated),
            "regrid": self.regrid,
            "interpolation": self.interpolation,
            "orography": self.orography,
            "num_steps": self.num_steps,
        }

    def __post_init__(self) -> None:
        if bool(self.truth) == bool(self.stations):
            raise SettingsError("verification of files needs either --truth FILES or --stations FILE")
        for name in self.references:
            if name in _TAKEN:
                raise SettingsError(f"--reference {name}: the name is taken; choose another")


class FileCase:
    """Creates the opened sources of a verification.

    Args:
        asked: what is opened.
        climatology: of the same files, where it is made already.

    Raises:
        DataError: files that do not fit together; names what differs, and what would fit.
    """

    def __init__(self, asked: VerifyFiles, climatology: Climatology | None = None) -> None:
        self.asked = asked
        self.climatology: FileNormals | Climatology | None = climatology
        self._opened: list[CubeABC] = []
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def _cube(self, files: Sequence[str], series: bool = False) -> CubeABC:
        """The cube of files, closed with the case."""
        cube = open_fields(files, () if series else self.asked.accumulated, series)
        self._opened.append(cube)
        return cube

    def _open(self) -> None:
        asked = self.asked
        source = self._cube(asked.forecast)
        self.grid: Grid | None = None
        self.stations: tuple[Sequence[str], Grid] | None = None
        self.truth: Analyses | Observations
        if asked.stations is None:
            truth = self._cube(asked.truth, series=True)
            matched = match_variables(source.variables, truth.variables, asked.variables, asked.renamed)
            _check_spans(source, truth, matched)
            scored = {m.name for m in matched}
            unscored = [] if asked.variables else [v.name for v in source.variables if v.name not in scored]
            if unscored:
                logger.warning("not scored, since the truth does not have them: %s", ", ".join(unscored))
            aligned = AlignedCube(truth, [Matched(m.variable, m.variable.name) for m in matched])
            cube = PlausibleCube(aligned, "--truth")
            self.truth, self._target, self._method = Analyses(cube, "--truth"), cube.grid, asked.regrid
            self.grid, self._elevation = cube.grid, None
        else:
            stations = read_stations(asked.stations)
            matched = match_variables(source.variables, observed(stations), asked.variables, asked.renamed)
            self._target, used = points_on(stations, source.grid)
            self._method, self._elevation = asked.interpolation, stations.elevation[used]
            self.stations = [n for n, is_used in zip(stations.names, used, strict=True) if is_used], self._target
            self.truth = Observations(stations, [m.variable.name for m in matched], used)
        self.variables = [m.variable for m in matched]
        self.systems = {"forecast": self._forecasts(source, matched, "--forecast")}
        for name, files in asked.references.items():
            other = self._cube(files)
            alike = match_variables(other.variables, self.variables, [v.name for v in self.variables])
            self.systems[name] = self._forecasts(other, alike, f"--reference {name}")
        self.lead_times: NDArray[np.timedelta64] = self._leads()
        self.init_times = self._starts()
        if isinstance(self.truth, Analyses) and self.climatology is None:
            needed = np.unique(self.init_times[:, None] + self.lead_times[None, :])
            self.climatology = normals_of(
                asked.climatology, self.truth.cube, self.variables, needed, asked.scores.dry_limit
            )
        self.layout = self._layout()

    @classmethod
    def again(cls, document: Mapping[str, Any]) -> "FileCase":
        """The case that a verification described; DataError when its files are no longer there."""
        return cls(VerifyFiles(**document["asked"], climatology="none"))

    @property
    def features(self) -> list[str]:
        """The names of the variables that are scored."""
        return [v.name for v in self.variables]

    def _forecasts(self, source: CubeABC, matched: Sequence[Matched], what: str) -> Forecasts:
        shifts = {} if self._elevation is None else self._shifts(source, [m.variable for m in matched])
        return Forecasts(AlignedCube(source, matched, self._target, self._method, shifts), what)

    def _shifts(self, source: CubeABC, variables: Sequence[Variable]) -> dict[str, NDArray[np.float64]]:
        """The height correction of temperatures near the surface, at stations."""
        warm = [v.name for v in variables if is_surface_temperature(v)]
        assert self._elevation is not None, "asked for stations alone"
        if not warm:
            return {}
        height = orography_of(source, self.asked.orography)
        if height is None or not np.isfinite(self._elevation).any():
            lacks = (
                "the forecast has no orography; give --orography FILE"
                if height is None
                else "the stations have no elevation"
            )
            logger.warning("no height correction of %s: %s", ", ".join(warm), lacks)
            return {}
        shift = height_shift(*height, self._target, self._elevation, self.asked.interpolation)
        return dict.fromkeys(warm, shift)

    def _leads(self) -> NDArray[np.timedelta64]:
        """Lead times after the start that all systems have."""
        leads = self.systems["forecast"].lead_times
        leads = leads[leads > np.timedelta64(0, "s")]
        if not leads.size:
            raise DataError(
                f"{self.systems['forecast'].what}: its only lead time is 0 h, as of analyses; expected forecasts, that have lead times after their start"
            )
        for name, system in self.systems.items():
            common = leads[np.isin(leads, system.lead_times)]
            if not common.size:
                raise DataError(
                    f"{system.what}: no lead time in common with the forecast; {name} has {_hours(system.lead_times)}, "
                    f"the forecast {_hours(leads)}"
                )
            leads = common
        return leads[: self.asked.num_steps]

    def _starts(self) -> NDArray[np.datetime64]:
        """Starts that all systems have and whose truth is there, within the period."""
        asked, forecasts = self.asked, self.systems["forecast"]
        starts = forecasts.init_times
        if asked.first is not None:
            starts = starts[starts >= asked.first]
        if asked.last is not None:
            starts = starts[starts <= asked.last]
        if not starts.size:
            raise DataError(
                f"--forecast: no start between {asked.first} and {asked.last}; they are {_span(forecasts.init_times)}"
            )
        for system in self.systems.values():
            common = starts[np.isin(starts, system.init_times)]
            if not common.size:
                raise DataError(
                    f"{system.what}: no start in common with the forecast; it has {_span(system.init_times)}, "
                    f"the forecast {_span(starts)}"
                )
            starts = common
        valid = starts[:, None] + self.lead_times[None, :]
        held = self.truth.has(valid.ravel()).reshape(valid.shape)
        if not held.any():
            raise DataError(
                f"forecast and truth have no time in common: the forecasts are valid {_span(valid.ravel())}, "
                f"the truth holds {_span(self.truth.times)}"
            )
        scored = starts[held.any(1)]
        if scored.size < starts.size:
            logger.warning("%d of %d forecasts have no truth at any lead time", starts.size - scored.size, starts.size)
        return scored

    def _layout(self) -> Layout:
        areas_or_ones = np.ones(self._target.shape) if self.grid is None else self.grid.area_weights()
        weights = torch.from_numpy(np.where(self._imposed(), 0.0, areas_or_ones))
        step = self.lead_times[0] if self.lead_times.size < 2 else self.lead_times[1] - self.lead_times[0]
        rain = None if self.climatology is None else self.climatology.rain
        members = self.systems["forecast"].num_members
        has_climatology = self.climatology is not None
        scores = self.asked.scores
        if scores.areas and self.grid is None:
            raise SettingsError("areas: stations are no grid; leave areas out")
        areas = {} if self.grid is None else areas_of(self.grid, scores, weights)
        # points have no neighbours along rows and columns
        grid = self.grid if self.grid is not None and self.grid.is_rectangular else None
        points = self.grid if grid is None else None
        raster = None if points is None else raster_of(points, scores)
        return Layout(
            self.variables, weights, grid, step, members, has_climatology, rain, scores, areas, points, raster
        )

    def _imposed(self) -> NDArray[np.bool_]:
        """Cells, or stations, whose values a forecast does not make: they are not scored, `(lat, lon)`.

        Raises:
            DataError: all of them.
        """
        imposed = np.zeros(self._target.shape, dtype=bool)
        for system in self.systems.values():
            aligned = system.cube
            assert isinstance(aligned, AlignedCube), "made by _forecasts"
            sides = sides_of(aligned.source.grid, self.asked.scores)
            for mask in (aligned.imposed, None if sides is None else aligned.brought(sides)):
                imposed |= False if mask is None else mask
        if imposed.all():
            raise DataError("--forecast: all cells are imposed or along the sides, so that none is scored")
        if imposed.any():
            what = "stations" if self.grid is None else "cells"
            logger.info(
                "%d of %d %s are not scored: values there are imposed, or along the sides",
                imposed.sum(),
                imposed.size,
                what,
            )
        return imposed

    def fields(self, init_time: np.datetime64) -> tuple[Tensor, Tensor]:
        """Forecast (the mean of its members) and truth from a start, `(timestep, lat, lon, features)` each."""
        members, truth = self.members(init_time)
        return self.layout.beside(members, truth).mean(0), truth

    def members(self, init_time: np.datetime64) -> tuple[Tensor, Tensor]:
        """The members `(member, timestep, lat, lon, features)` from a start, one of a single forecast, and the truth."""
        forecast = self.systems["forecast"].read(init_time, self.lead_times)
        truth = torch.stack(self.truth.read(init_time + self.lead_times))
        return forecast if forecast.dim() == 5 else forecast[None], truth

    @property
    def truth_shape(self) -> tuple[int, int]:
        """`(lat, lon)` of what is scored; `(1, station)` at stations."""
        return self._target.shape

    def close(self) -> None:
        """Closes all files that it has opened."""
        for cube in self._opened:
            cube.close()


def observed(stations: Stations) -> list[Variable]:
    """The variables that stations observed."""
    return [Variable(name=name, short_name=name, units=units, nan="mask").with_units(units) if units else Variable(name=name, short_name=name, nan="mask") for name, units in stations.units.items()]  # fmt: skip


def points_on(stations: Stations, grid: Grid) -> tuple[Grid, NDArray[np.bool_]]:
    """The stations that lie on a grid as points `(1, station)`, and which those are.

    Raises:
        DataError: none does.
    """
    everywhere = Grid(stations.latitude[None, :], stations.longitude[None, :])
    try:
        inside = Regridder(grid, everywhere, "nearest").covered[0]
    except DataError:
        lat, lon = stations.latitude, stations.longitude
        raise DataError(
            f"{stations.path}: no station lies on the grid: they span latitudes {lat.min():.2f} to {lat.max():.2f}, longitudes "
            f"{lon.min():.2f} to {lon.max():.2f}; the forecast is on {grid.describe()}"
        ) from None
    outside = [n for n, is_in in zip(stations.names, inside, strict=True) if not is_in]
    if outside:
        shown = ", ".join(outside[:5]) + (f" and {len(outside) - 5} more" if len(outside) > 5 else "")
        logger.warning("%d of %d stations lie outside the grid and are left out: %s", len(outside), len(inside), shown)
    return Grid(stations.latitude[None, inside], stations.longitude[None, inside]), inside


def _span(times: NDArray[np.datetime64]) -> str:
    return f"{times.min()} to {times.max()}" if times.size else "nothing"


def _hours(leads: NDArray[np.timedelta64]) -> str:
    hours = leads / np.timedelta64(3600, "s")
    return ", ".join(f"{h:g}" for h in hours[:6]) + (" ... " if hours.size > 6 else " ") + "h"


def _check_spans(source: CubeABC, truth: CubeABC, matched: Sequence[Matched]) -> None:
    """Refuses sums over other times than the truth's; DataError names both."""
    for match in matched:
        mine, theirs = source.spans.get(match.name, frozenset()), truth.spans.get(match.variable.name, frozenset())
        if len(mine) > 1:
            raise DataError(
                f"--forecast: {match.name} holds sums since the start of the forecast; add --accumulated {match.name}"
            )
        if len(theirs) > 1:
            raise DataError(
                f"--truth: {match.variable.name} holds sums since the start of the forecast; prepare it with "
                '"accumulated": true (py4cast new dataset proposes so), and give the store'
            )
        if len(mine) == len(theirs) == 1 and mine != theirs:
            (span,), (of_truth,) = mine, theirs
            raise DataError(
                f"{match.variable.name}: sums over {show_duration(span)} in the forecast, over {show_duration(of_truth)} in the truth; expected the same"
            )
