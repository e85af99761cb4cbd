"""Layout: what a metric knows of the fields that it scores, apart from their values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from py4cast.areas import AreaSettings, area_mask
from py4cast.border import Border, border_mask
from py4cast.dataset_info import DatasetInfo
from py4cast.errors import SettingsError, nearest
from py4cast.grid import Grid
from py4cast.metrics.raster import Raster
from py4cast.settings import Settings, setting
from py4cast.variables import Variable, shorter_arc

__all__ = ["Layout", "RainClimate", "ScoreSettings", "WindPair", "areas_of", "is_rain", "raster_of", "sides_of"]

_RAIN_THRESHOLDS = (0.1, 1.0, 5.0, 10.0)
_WIND_THRESHOLDS = (5.0, 10.0, 15.0)
_NORTHWARD = {"eastward": "northward", "x_wind": "y_wind", "grid_eastward": "grid_northward"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreSettings(Settings):
    """What is scored, and how."""

    metrics: tuple[str, ...] = setting((), "metrics by name; by default all that fit the data (lambda_t by name alone)")
    thresholds: dict[str, tuple[float, ...]] = setting(
        factory=dict,
        help="feature -> amounts that make an event, in its units; by default 0.1, 1, 5, 10 for precipitation "
        "[kg m-2] and 5, 10, 15 for wind speed [m s-1]",
    )
    scales: tuple[int, ...] = setting((1, 3, 9, 27), "windows of the fractions skill score [cells], odd")
    dry_limit: float = setting(0.25, "SEEPS: amount up to which it is dry [kg m-2]")
    areas: dict[str, AreaSettings] = setting(
        factory=dict,
        help="name -> a box, a polygon or a part of a stretched grid, on which means over cells are scored too: rmse_NAME",
    )
    border_size: int = setting(
        0,
        "of a rectangle: cells along the sides of the forecast's grid that are not scored, beside those that it says are imposed",
    )
    border_km: float | None = setting(None, "the same of any grid, within so many km of a side")
    raster: float | None = setting(
        None,
        "of points: spacing [degrees] of the latitude-longitude grid to which they are brought for what needs rows and columns "
        "(FSS, gradients, spectra, neighbours of members); by default those are left out",
    )
    num_bins: int = setting(10, "bins of the forecast probability in the reliability diagram")
    num_samples: int = setting(1000, "samples of the block bootstrap; 0 for no confidence intervals")
    confidence: float = setting(0.95, "of the confidence intervals")
    block: int | None = setting(
        None, "forecasts per block of the bootstrap; by default as many as overlap in time, at least ∛n"
    )

    def __post_init__(self) -> None:
        if any(s < 1 or s % 2 == 0 for s in self.scales):
            raise SettingsError(f"scales {list(self.scales)}: expected odd numbers of cells")
        if self.raster is not None and not 0 < self.raster <= 30:
            raise SettingsError(f"raster {self.raster:g}: expected more than 0, at most 30 degrees")
        if not 0.5 <= self.confidence < 1:
            raise SettingsError(f"confidence {self.confidence:g}: expected 0.5 to 1")
        if self.num_samples < 0 or self.num_bins < 2 or (self.block is not None and self.block < 1):
            raise SettingsError("num_samples expects at least 0, num_bins at least 2, block at least 1")


def is_rain(variable: Variable) -> bool:
    """Whether it is an amount of precipitation [kg m-2]."""
    return variable.units == "kg m-2" and any(w in variable.standard_name for w in ("precipitation", "rainfall"))


class WindPair(NamedTuple):
    """Two components of one vector, by their places among the features."""

    name: str
    eastward: int
    northward: int


class RainClimate(NamedTuple):
    """How often it rains and how much, of every rain feature by name: `(lat, lon)` each."""

    dry: Mapping[str, Tensor]
    heavy: Mapping[str, Tensor]


@dataclass(frozen=True)
class Layout:
    """Creates the layout of scored fields.

    Args:
        variables: one per feature, in order.
        weights: of the cells in means, `(lat, lon)`; 0 where a cell is not scored.
        grid: where the cells are; None for points, `(1, ngrid)`, which have no rows and columns.
        step_duration: time between two lead times.
        num_members: of the ensemble.
        has_climatology: whether the normal state of every forecast time is given.
        rain: for SEEPS.
        settings: what is scored, and how.
        areas: masks of areas that are scored too, by name, `(lat, lon)`.
        points: where the cells are that have no rows and columns; None for a rectangle and for stations.
        raster: brings points to rows and columns, where it is asked for.
    """

    variables: Sequence[Variable]
    weights: Tensor
    grid: Grid | None
    step_duration: np.timedelta64
    num_members: int = 1
    has_climatology: bool = False
    rain: RainClimate | None = None
    settings: ScoreSettings = field(default_factory=ScoreSettings)
    areas: Mapping[str, Tensor] = field(default_factory=dict)
    points: Grid | None = None
    raster: Raster | None = None

    def __post_init__(self) -> None:
        for name in self.settings.thresholds:
            if name not in (*self.features, *(p.name for p in self.pairs)):
                raise SettingsError(f"thresholds: no feature {name!r}{nearest(name, self.features)}")

    @cached_property
    def _turns(self) -> list[tuple[int, float]]:
        """Places of directions, and a whole turn in their units."""
        return [(place, v.turn) for place, v in enumerate(self.variables) if v.turn is not None]

    def beside(self, field: Tensor, target: Tensor) -> Tensor:
        """A forecast whose directions are told as near to the truth's as they are, 361 for 1 beside 359; fields `(..., lat, lon, features)`."""
        if not self._turns:
            return field
        field = field.clone()
        for place, turn in self._turns:
            field[..., place] = target[..., place] + shorter_arc(field[..., place] - target[..., place], turn)
        return field

    @classmethod
    def of(cls, info: DatasetInfo, settings: ScoreSettings | None = None, has_climatology: bool = False) -> "Layout":
        """The layout of what a Forecaster predicts."""
        settings = settings or ScoreSettings()
        variables = [info.variable(name) for name in info.predicted]
        weights = info.statics.cell_weights.squeeze(-1).double()
        if (sides := sides_of(info.grid, settings)) is not None:
            weights = weights.masked_fill(torch.from_numpy(sides).to(weights.device), 0.0)
        # points have no neighbours along rows and columns
        grid = info.grid if info.grid.is_rectangular else None
        areas = areas_of(info.grid, settings, weights)
        return cls(
            variables,
            weights,
            grid,
            info.step_duration,
            has_climatology=has_climatology,
            settings=settings,
            areas=areas,
            points=None if info.grid.is_rectangular else info.grid,
            raster=raster_of(info.grid, settings),
        )

    @cached_property
    def of_fields(self) -> "Layout":
        """The layout for what needs rows and columns: of the raster where points are brought to one, else this one."""
        if self.raster is None:
            return self
        weights = self.raster.weights(self.weights)
        return replace(self, weights=weights, grid=self.raster.grid, areas={}, points=None, raster=None, rain=None)

    @cached_property
    def features(self) -> list[str]:
        """The names of the features, in order."""
        return [v.name for v in self.variables]

    @cached_property
    def pairs(self) -> list[WindPair]:
        """Vectors whose components are both there, at one level."""
        pairs = []
        for i, east in enumerate(self.variables):
            for j, north in enumerate(self.variables):
                if i != j and _are_components(east, north):
                    pairs.append(WindPair(_vector_name(east), i, j))
        return pairs

    @cached_property
    def rains(self) -> dict[str, tuple[float, ...]]:
        """Thresholds of precipitation, by feature."""
        return {v.name: _RAIN_THRESHOLDS for v in self.variables if is_rain(v)}

    @cached_property
    def events(self) -> dict[str, tuple[float, ...]]:
        """Thresholds by feature or wind pair."""
        thresholds = dict(self.rains)
        for variable in self.variables:
            if variable.units == "m s-1" and variable.standard_name.startswith("wind_speed"):
                thresholds[variable.name] = _WIND_THRESHOLDS
        for pair in self.pairs:
            if "wind" in self.variables[pair.eastward].standard_name:
                thresholds[pair.name] = _WIND_THRESHOLDS
        return {**thresholds, **self.settings.thresholds}

    @cached_property
    def placed_events(self) -> dict[str, tuple[float, ...]]:
        """Of which how near they are placed is scored: precipitation, and what the settings name."""
        return {**self.rains, **self.settings.thresholds}

    def for_system(self, num_members: int) -> "Layout":
        """The same for a forecast with so many members."""
        return replace(self, num_members=num_members)

    def to(self, device: torch.device) -> "Layout":
        """The same with its weights on a device."""
        areas = {name: mask.to(device) for name, mask in self.areas.items()}
        raster = None if self.raster is None else self.raster.to(device)
        return replace(self, weights=self.weights.to(device), areas=areas, raster=raster)


def sides_of(grid: Grid, settings: ScoreSettings) -> NDArray[np.bool_] | None:
    """The cells along the sides that the settings leave out of the scores, `(lat, lon)`; None where they leave none.

    Raises:
        SettingsError: a border that the grid cannot have.
    """
    border = Border(settings.border_size, settings.border_km)
    return border_mask(grid, border) if border or settings.border_km is not None else None


def raster_of(grid: Grid, settings: ScoreSettings) -> Raster | None:
    """The raster of points that the settings ask for; a rectangle needs none."""
    if settings.raster is None or grid.is_rectangular:
        return None
    return Raster(grid, settings.raster)


def areas_of(grid: Grid, settings: ScoreSettings, weights: Tensor) -> dict[str, Tensor]:
    """The masks of the areas that the settings name, `(lat, lon)`.

    Raises:
        SettingsError: an area without a cell that counts.
    """
    areas = {name: torch.from_numpy(area_mask(grid, name, area)).double() for name, area in settings.areas.items()}
    for name, mask in areas.items():
        if not bool((mask * weights).any()):
            raise SettingsError(f"area {name!r}: none of its cells is scored; they lie in the border or hold no data")
    return areas


def _are_components(east: Variable, north: Variable) -> bool:
    if (east.level, east.type_of_level, east.units) != (north.level, north.type_of_level, north.units):
        return False
    for word, other in _NORTHWARD.items():
        if word in east.standard_name:
            return east.standard_name.replace(word, other) == north.standard_name
    return False


def _vector_name(east: Variable) -> str:
    """`u10` → `wind10`, `u_850_isobaricInhPa` → `wind_850_isobaricInhPa`."""
    word = "wind" if "wind" in east.standard_name else "current"
    return east.name.replace("u", word, 1) if "u" in east.name else f"{word} of {east.name}"
