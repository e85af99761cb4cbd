"""Perturbed initial states: members of any Forecaster, whose starts differ by what an analysis may be wrong by.

    spectrum   δ = F⁻¹(|F(x − x̄)|·e^{iφ}), φ those of white noise: fields with the spectrum of the state's own, and no place in common
    bred       δ ← size·(M(x + δ) − M(x))/‖·‖, some times over: what one step makes grow most, in the structures that grow at this state

Both are scaled so that their root mean square, feature by feature (bred: over all features together), is `size` times what changes
in one step. All past states of a member are moved alike. Member 0 is not perturbed.

References: L. Magnusson, J. Nycander and E. Källén (2009), Flow-dependent versus flow-independent initial perturbations for
ensemble prediction, doi 10.1111/j.1600-0870.2008.00385.x; Z. Toth and E. Kalnay (1997), Ensemble forecasting at NCEP and the
breeding method, doi 10.1175/1520-0493(1997)125<3297:EFANAT>2.0.CO;2.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from py4cast.constraint import bounded_array
from py4cast.errors import SettingsError, nearest
from py4cast.given import Given
from py4cast.noise import Noise
from py4cast.steppers import Array, StepInfo, StepperABC
from py4cast.variables import bounds_of

__all__ = ["PERTURBATIONS", "Bred", "PerturbationABC", "Spectrum", "perturbation_of"]

# of the noise of perturbations: those of a forecast's steps are numbered from 0
_STEP = -1
_CYCLES = 4
Field = NDArray[np.float64]


class PerturbationABC(ABC):
    """Abstract perturbation of initial states.

    Args:
        stepper: of the Forecaster.
        size: root mean square, in units of what changes in one step.
        seed: of the members.

    Attributes:
        widening: sides of the field of noise that it takes, over those of the grid.

    Raises:
        SettingsError: no size.
    """

    widening: ClassVar[int] = 1

    def __init__(self, stepper: StepperABC, size: float, seed: int) -> None:
        if not 0 < size < float("inf"):
            raise SettingsError(f"--perturb_size {size:g}: expected more than 0")
        self.stepper, self.info, self.size, self._seed = stepper, stepper.info, size, seed
        info = self.info.header["info"]
        names = self.info.prognostic
        change = [info["diff_stats"][n]["std"] * (info["stats"][n]["std"] or 1.0) for n in names]
        self.change = np.asarray([value or 0.0 for value in change])
        self._least = np.asarray([0.0 if info["stats"][n]["min"] >= 0 else -np.inf for n in names])

    def check(self, info: StepInfo) -> None:
        """Refuses a Forecaster that the perturbation does not fit; SettingsError."""

    @abstractmethod
    def shift(self, states: Array, white: Field, first: Given[Array]) -> Field:
        """The perturbation of a state, `(lat, lon, features)`, in any size.

        Args:
            states: past states, `(timestep, lat, lon, features)`, nothing missing.
            white: standard normal numbers, `(lat, lon, features)`, each side `widening` times that of the grid.
            first: what is given of the first step to one state, `(1, lat, lon, features)`.
        """

    @final
    def members(self, states: Array, start: np.datetime64, rows: Sequence[int], first: Given[Array]) -> Array:
        """The past states of every member, `(member, timestep, lat, lon, features)`.

        Args:
            states: of every member before, of the same shape.
            start: of the forecast.
            rows: numbers of the members, from 0.
            first: what is given of the first step to one state.
        """
        self.check(self.info)
        noise, (height, width) = Noise("cells", states.shape[-1]), self.info.grid.shape
        (white,) = noise.draw(self._seed, start, rows, _STEP, (self.widening * height, self.widening * width))
        moved = states.copy()
        for place, row in enumerate(rows):
            if row == 0:
                continue
            filled = _filled(states[place])
            shift = self.shift(filled, white[place].astype(np.float64), first)
            moved[place] = self._within(states[place] + self._scaled(shift).astype(np.float32), states[place])
        return moved

    def _scaled(self, shift: Field) -> Field:
        """The perturbation in its size, feature by feature."""
        rms = np.sqrt(np.square(shift).mean(axis=(0, 1)))
        return shift * np.where(rms > 0, self.size * self.change / np.where(rms > 0, rms, 1.0), 0.0)

    def _within(self, moved: Array, before: Array) -> Array:
        """What never was below 0 stays so, and bounds that are asked for hold; where nothing is known nothing becomes known."""
        kept = np.where(moved < self._least, np.maximum(before, np.float32(0.0)), moved).astype(np.float32)
        bounds = {
            n: c for n, c in bounds_of(self.info.variables).items() if n in self.info.prognostic and not c.at_most
        }
        return bounded_array(kept, self.info.prognostic, bounds)


def _filled(states: Array) -> Array:
    """States with the mean of a feature where it is missing."""
    missing = ~np.isfinite(states)
    if not missing.any():
        return states
    with np.errstate(invalid="ignore"):
        means = np.nanmean(np.where(missing, np.nan, states), axis=(0, 1, 2))
    return np.where(missing, np.nan_to_num(means), states).astype(np.float32)


class Spectrum(PerturbationABC):
    """Creates perturbations with the spectrum of the state, at random places."""

    widening = 2

    def check(self, info: StepInfo) -> None:
        if not info.grid.is_rectangular:
            raise SettingsError("--perturb spectrum: of rectangles, whose fields have a spectrum; use --perturb bred")

    def shift(self, states: Array, white: Field, first: Given[Array]) -> Field:
        last = states[-1].astype(np.float64)
        anomaly = last - last.mean(axis=(0, 1))
        amplitude = np.abs(np.fft.rfft2(_mirrored(anomaly), axes=(0, 1)))
        phases = np.fft.rfft2(white, axes=(0, 1))
        phases = phases / np.maximum(np.abs(phases), np.finfo(np.float64).tiny)
        rows, columns = anomaly.shape[:2]
        whole: Field = np.fft.irfft2(amplitude * phases, s=(2 * rows, 2 * columns), axes=(0, 1))
        return whole[:rows, :columns]


def _mirrored(field: Field) -> Field:
    """The field and its mirror images, periodic, so that its sides do not make waves."""
    wide = np.concatenate([field, field[::-1]], axis=0)
    return np.concatenate([wide, wide[:, ::-1]], axis=1)


class Bred(PerturbationABC):
    """Creates perturbations that one step of the Forecaster makes grow."""

    def shift(self, states: Array, white: Field, first: Given[Array]) -> Field:
        scale = np.where(self.change > 0, self.change, 1.0)
        shift = self._together(white * scale, scale)
        still = self._step(states, first)
        for _ in range(_CYCLES):
            moved = self._step(states + shift.astype(np.float32), first)
            shift = self._together((moved - still).astype(np.float64), scale)
        return shift

    def _scaled(self, shift: Field) -> Field:
        # features keep what they have to do with each other
        return shift

    def _together(self, shift: Field, scale: Field) -> Field:
        """A perturbation in its size, over all features together."""
        rms = np.sqrt(np.square(shift / scale).mean())
        if not np.isfinite(rms) or rms == 0:
            raise SettingsError(
                "--perturb bred: a step of this Forecaster makes nothing of a perturbation; use --perturb spectrum"
            )
        bred: Field = shift * (self.size / rms)
        return bred

    def _step(self, states: Array, first: Given[Array]) -> Array:
        """The prognostic features that one step makes of past states, without noise."""
        noise = self.info.noise
        given = first._replace(
            noise=np.zeros((1, *noise.shape(self.info.grid.shape)), dtype=np.float32) if noise else None
        )
        (prediction,) = self.stepper.rollout(states[None], iter([given]))
        return np.nan_to_num(prediction[0, ..., : states.shape[-1]])


PERTURBATIONS: Mapping[str, Callable[[StepperABC, float, int], PerturbationABC]] = MappingProxyType(
    {"spectrum": Spectrum, "bred": Bred}
)


def perturbation_of(name: str, stepper: StepperABC, size: float, seed: int) -> PerturbationABC:
    """The perturbation of a name; SettingsError for one that there is not."""
    if name not in PERTURBATIONS:
        raise SettingsError(f"--perturb {name!r}{nearest(name, PERTURBATIONS)}")
    return PERTURBATIONS[name](stepper, size, seed)
