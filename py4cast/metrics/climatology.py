"""Climatology: the normal state of every cell by hour of the day and day of the year, a reference for forecasts.

For every hour of the day that the data have, a mean and the first harmonics of the year,

    c(hour, d) = a₀ + Σₖ aₖ cos(2πkd/365.2425) + bₖ sin(2πkd/365.2425),

fitted to the training period by least squares. A fit of few harmonics predicts the normal state of another year
better than the mean of each day does, since it averages over neighbouring days.

Reference: B. Narapusetty, T. DelSole and M. K. Tippett (2009), Optimal estimation of the climatological mean, doi
10.1175/2009JCLI2944.1.
"""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from py4cast.errors import DataError
from py4cast.metrics.layout import RainClimate

__all__ = ["Climatology", "ClimatologyKind", "Fit", "RainCounts", "uncovered_days", "year_phase"]

ClimatologyKind = Literal["auto", "day_of_year", "hour"]
NUM_HARMONICS = 3
_MAX_GAP = 31  # days of the year in a row that the harmonics may bridge
_YEAR = 365.2425
_DAY = 86400


def year_phase(times: NDArray[np.datetime64]) -> NDArray[np.float64]:
    """2π × the fraction of the year that has passed."""
    days = times.astype("datetime64[s]") - times.astype("datetime64[Y]").astype("datetime64[s]")
    return np.asarray(2 * np.pi * days.astype(np.float64) / (_DAY * _YEAR))


def uncovered_days(times: NDArray[np.datetime64]) -> tuple[str, str] | None:
    """First and last day (`MM-DD`) of the longest stretch of the year without data, where it is longer than a month."""
    if not len(times):
        return "01-01", "12-31"
    day = times.astype("datetime64[D]")
    of_year = (day - day.astype("datetime64[Y]").astype("datetime64[D]")).astype(np.int64)
    held = np.unique(of_year)
    gaps = np.diff(np.concatenate([held, held[:1] + 366])) - 1
    widest = int(np.argmax(gaps))
    if gaps[widest] <= _MAX_GAP:
        return None
    first = int(held[widest]) + 1
    days = (first % 366, (first + int(gaps[widest]) - 1) % 366)
    # in the calendar of a leap year
    names = [str(np.datetime64("2000-01-01") + day)[5:] for day in days]
    return names[0], names[1]


def _slot(times: NDArray[np.datetime64], step: np.timedelta64) -> NDArray[np.int64]:
    """The time of day in steps; 0 where a step is a day or longer."""
    seconds = times.astype("datetime64[s]").astype(np.int64) % _DAY
    return np.asarray(seconds // max(1, int(step / np.timedelta64(1, "s"))))


class Climatology:
    """Creates a climatology from its coefficients.

    Args:
        step: between the hours of the day that are told apart.
        coefficients: by slot of the day, `(1 + 2 · harmonics, lat, lon, features)`; a slot without data takes their
            mean.
        description: what it is, for people.
        rain: how often and how much it rains, for SEEPS.
        period: first and last instant of what it was made of, where it is known.
        dry_limit: of the climate of rain [kg m-2].
    """

    def __init__(
        self,
        step: np.timedelta64,
        coefficients: Mapping[int, NDArray[np.float32]],
        description: str,
        rain: RainClimate | None = None,
        period: tuple[np.datetime64, np.datetime64] | None = None,
        dry_limit: float = 0.25,
    ) -> None:
        self.step, self.description, self.rain = step, description, rain
        self.period, self.dry_limit = period, dry_limit
        self._coefficients = {slot: torch.from_numpy(np.asarray(c, np.float32)) for slot, c in coefficients.items()}
        self._overall = torch.stack(list(self._coefficients.values())).nanmean(0)

    @property
    def has_days(self) -> bool:
        """Whether it knows the day of the year."""
        return self._overall.shape[0] > 1

    @property
    def mean(self) -> Tensor:
        """The mean over the year and the hours of the day, `(lat, lon, features)`."""
        return self._overall[0]

    @property
    def num_bytes(self) -> int:
        """The size of its coefficients [bytes]."""
        return sum(c.numel() * c.element_size() for c in self._coefficients.values())

    def covers(self, times: NDArray[np.datetime64]) -> bool:
        """Whether any of the times lies within the period that it was made of."""
        return self.period is not None and bool(((times >= self.period[0]) & (times <= self.period[1])).any())

    def pack(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Plain JSON values and tensors, from which `unpack` makes the same one."""
        meta: dict[str, Any] = {
            "step_s": int(self.step / np.timedelta64(1, "s")), "description": self.description, "dry_limit": self.dry_limit,
            "period": None if self.period is None else [str(t) for t in self.period],
        }  # fmt: skip
        tensors = {f"slot.{slot}": c.clone() for slot, c in self._coefficients.items()}
        for key, fields in (("dry", self.rain.dry), ("heavy", self.rain.heavy)) if self.rain else ():
            tensors |= {f"{key}.{name}": field.clone() for name, field in fields.items()}
        return meta, tensors

    @classmethod
    def unpack(cls, meta: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> "Climatology":
        """The climatology of what `pack` gave."""
        parts: dict[str, dict[str, Tensor]] = {"slot": {}, "dry": {}, "heavy": {}}
        for key, tensor in tensors.items():
            part, _, name = key.partition(".")
            parts[part][name] = tensor
        coefficients = {int(slot): c.numpy() for slot, c in parts["slot"].items()}
        rain = RainClimate(parts["dry"], parts["heavy"]) if parts["dry"] else None
        period = None if meta["period"] is None else tuple(np.datetime64(t) for t in meta["period"])
        step = np.timedelta64(meta["step_s"], "s")
        return cls(step, coefficients, meta["description"], rain, period, meta["dry_limit"])  # type: ignore[arg-type]

    def __call__(self, times: NDArray[np.datetime64]) -> Tensor:
        """The normal state at each time, `(time, lat, lon, features)`; NaN where a cell never holds data."""
        count = (self._overall.shape[0] - 1) // 2
        phases = year_phase(times)
        normals = []
        for slot, phase in zip(_slot(times, self.step).tolist(), phases, strict=True):
            held = self._coefficients.get(slot, self._overall)
            basis = torch.tensor(_basis(phase, count), dtype=held.dtype)
            normals.append(torch.tensordot(basis, held, 1))
        return torch.stack(normals)


def _basis(phase: float, count: int) -> list[float]:
    waves = [f(k * phase) for k in range(1, count + 1) for f in (np.cos, np.sin)]
    return [1.0, *(float(w) for w in waves)]


class Fit:
    """Creates the running least-squares fit of one feature set.

    Args:
        step: of the data.
        num_harmonics: of the year; 0 for the mean of each hour of the day.
    """

    def __init__(self, step: np.timedelta64, num_harmonics: int) -> None:
        self.step, self.num_harmonics = step, num_harmonics
        self._moments: dict[int, NDArray[np.float64]] = {}
        self._normal: dict[int, NDArray[np.float64]] = {}
        self._counts: dict[int, NDArray[np.float64]] = {}
        self._number: dict[int, int] = {}

    def add(self, time: np.datetime64, field: NDArray[np.float32]) -> None:
        """Adds an instant, `(features, lat, lon)`."""
        slot = int(_slot(np.array([time]), self.step)[0])
        basis = np.array(_basis(float(year_phase(np.array([time]))[0]), self.num_harmonics))
        finite = np.isfinite(field)
        values = np.where(finite, field, 0.0)
        if slot not in self._moments:
            self._moments[slot] = np.zeros((basis.size, *field.shape))
            self._normal[slot] = np.zeros((basis.size, basis.size))
            self._counts[slot], self._number[slot] = np.zeros(field.shape), 0
        for k, weight in enumerate(basis):
            self._moments[slot][k] += weight * values
        self._normal[slot] += np.outer(basis, basis)
        self._counts[slot] += finite
        self._number[slot] += 1

    def coefficients(self) -> dict[int, NDArray[np.float32]]:
        """By slot, `(1 + 2 · harmonics, lat, lon, features)`.

        A cell that lacks some instants has their mean without harmonics; one that has none is NaN.
        """
        harmonics = {}
        for slot, moments in self._moments.items():
            solved = np.tensordot(np.linalg.pinv(self._normal[slot]), moments, 1)
            with np.errstate(invalid="ignore", divide="ignore"):
                mean = moments[0] / self._counts[slot]
            is_whole = self._counts[slot] == self._number[slot]
            solved[0] = np.where(is_whole, solved[0], mean)
            solved[1:] = np.where(is_whole, solved[1:], 0.0)
            harmonics[slot] = np.ascontiguousarray(np.moveaxis(solved, 1, -1), dtype=np.float32)
        return harmonics


class RainCounts:
    """Creates the running climate of precipitation: how often it is dry, and the amount above which rain is heavy.

    Amounts are counted in bins of equal width in their logarithm; heavy is the upper third of the wet times.

    Args:
        shape: `(lat, lon)`.
        dry_limit: amount up to which it is dry [kg m-2].
    """

    def __init__(self, shape: tuple[int, int], dry_limit: float) -> None:
        self._edges = np.geomspace(dry_limit, 1000.0, 65)
        self._dry, self._number = np.zeros(shape), np.zeros(shape)
        self._bins = np.zeros((len(self._edges) - 1, *shape), dtype=np.float32)

    def add(self, field: NDArray[np.float32]) -> None:
        """Adds an instant, `(lat, lon)`."""
        finite = np.isfinite(field)
        amounts = np.where(finite, field, 0.0)
        is_wet = amounts > self._edges[0]
        self._number += finite
        self._dry += finite & ~is_wet
        rows, columns = np.nonzero(is_wet)
        index = np.searchsorted(self._edges, amounts[rows, columns], side="left") - 1
        self._bins[index.clip(0, len(self._bins) - 1), rows, columns] += 1

    def result(self) -> tuple[Tensor, Tensor]:
        """p₁ and the amount between light and heavy, `(lat, lon)` each; NaN where there is no data."""
        with np.errstate(invalid="ignore", divide="ignore"):
            dry = self._dry / self._number
        total = self._bins.sum(0)
        cumulative = np.cumsum(self._bins, axis=0)
        wanted = total * (2 / 3)
        index = np.argmax(cumulative >= wanted, axis=0)
        before = np.take_along_axis(cumulative - self._bins, index[None], 0)[0]
        inside = np.take_along_axis(self._bins, index[None], 0)[0]
        share = np.where(inside > 0, (wanted - before) / np.maximum(inside, 1), 0.0)
        heavy = self._edges[index] + share * (self._edges[index + 1] - self._edges[index])
        heavy = np.where(total > 0, heavy, np.nan)
        return torch.from_numpy(dry), torch.from_numpy(np.asarray(heavy))


def check_kind(kind: ClimatologyKind, times: NDArray[np.datetime64]) -> int:
    """Harmonics of a climatology of these times.

    Raises:
        DataError: days of the year are asked for that the times lack; names them.
    """
    missing = uncovered_days(times)
    if kind == "day_of_year" and missing:
        raise DataError(
            f"climatology by day of the year: the training period holds no day from {missing[0]} to {missing[1]}; "
            f"train on whole years, or use --climatology hour"
        )
    return 0 if kind == "hour" or missing else NUM_HARMONICS
