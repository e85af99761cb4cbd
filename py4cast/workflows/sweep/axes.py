"""Axes of a sweep: what one setting may be, a list of values or a range."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from py4cast.errors import SettingsError, nearest

__all__ = ["AxisABC", "Choice", "Range", "axis_of"]


class AxisABC(ABC):
    """Abstract setting that is searched, under its dotted place."""

    def __init__(self, place: str) -> None:
        self.place = place

    @abstractmethod
    def values(self) -> Sequence[Any]:
        """All values, for a grid; SettingsError where there is no end of them."""

    @abstractmethod
    def sample(self, rng: np.random.Generator) -> Any:
        """Draws one of its values, at random."""

    @abstractmethod
    def suggest(self, trial: Any) -> Any:
        """The value that a trial of Optuna suggests."""


class Choice(AxisABC):
    """Creates the axis of a list of values.

    Args:
        place: dotted, as for `--set`.
        choices: plain JSON values.
    """

    def __init__(self, place: str, choices: Sequence[Any]) -> None:
        super().__init__(place)
        if not choices:
            raise SettingsError(f"space.{place}: an empty list; expected values to try")
        self._choices = list(choices)

    def values(self) -> Sequence[Any]:
        return self._choices

    def sample(self, rng: np.random.Generator) -> Any:
        return self._choices[int(rng.integers(len(self._choices)))]

    def suggest(self, trial: Any) -> Any:
        # Optuna keeps numbers, texts and booleans; lists are told by their place
        return self._choices[trial.suggest_categorical(self.place, list(range(len(self._choices))))]


class Range(AxisABC):
    """Creates the axis of all numbers between two.

    Args:
        place: dotted, as for `--set`.
        low: the least.
        high: the largest.
        is_log: whether factors are drawn evenly instead of differences.
        is_whole: whether only whole numbers are meant.
    """

    def __init__(self, place: str, low: float, high: float, is_log: bool, is_whole: bool) -> None:
        super().__init__(place)
        if not (math.isfinite(low) and math.isfinite(high) and low < high) or (is_log and low <= 0):
            raise SettingsError(
                f"space.{place}: from {low:g} to {high:g}; expected numbers that grow, above 0 where log is true"
            )
        self.low, self.high, self.is_log, self.is_whole = low, high, is_log, is_whole

    def values(self) -> Sequence[Any]:
        raise SettingsError(
            f"space.{self.place}: a range has no end of values; give a list, or search random or optuna"
        )

    def sample(self, rng: np.random.Generator) -> Any:
        low, high = (math.log(x) if self.is_log else x for x in (self.low, self.high))
        number = float(rng.uniform(low, high))
        number = math.exp(number) if self.is_log else number
        return round(number) if self.is_whole else float(f"{number:.4g}")

    def suggest(self, trial: Any) -> Any:
        if self.is_whole:
            return trial.suggest_int(self.place, round(self.low), round(self.high), log=self.is_log)
        return trial.suggest_float(self.place, self.low, self.high, log=self.is_log)


def axis_of(place: str, asked: Any) -> AxisABC:
    """The axis of a document: a list, or `{"low", "high", "log", "whole"}`.

    Raises:
        SettingsError: it is neither.
    """
    if isinstance(asked, list):
        return Choice(place, asked)
    if not isinstance(asked, Mapping) or not {"low", "high"} <= set(asked):
        raise SettingsError(f"space.{place}: found {asked!r}; expected a list of values, or a range such as {{\"low\": 1e-4, \"high\": 1e-2, \"log\": true}}")  # fmt: skip
    known = ("low", "high", "log", "whole")
    for key in asked:
        if key not in known:
            raise SettingsError(f"space.{place}: unknown {key!r}{nearest(key, known)}")
    if not all(isinstance(asked[key], int | float) and not isinstance(asked[key], bool) for key in ("low", "high")):
        raise SettingsError(f"space.{place}: low {asked['low']!r}, high {asked['high']!r}; expected numbers")
    return Range(place, float(asked["low"]), float(asked["high"]), asked.get("log") is True, asked.get("whole") is True)
