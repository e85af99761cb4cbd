"""What a hybrid is trained on: a way is one class and one line here."""

import math
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from py4cast.dataset_info import DatasetInfo
from py4cast.errors import SettingsError
from py4cast.given import Samples
from py4cast.models.base import recomputation
from py4cast.strategies.base import Loss, Network
from py4cast.strategies.hybrid.settings import HybridSettings
from py4cast.strategies.hybrid.step import HybridStep

__all__ = ["OBJECTIVES", "ObjectiveABC", "segment_length"]


class ObjectiveABC(ABC):
    """Abstract objective that a hybrid is trained on.

    Args:
        settings: of the strategy.
        info: of the data.

    Attributes:
        steps_physics: whether the physics goes on from the states, which must then be ones that it can start from.
    """

    steps_physics: ClassVar[bool] = True

    def __init__(self, settings: HybridSettings, info: DatasetInfo) -> None:
        self.settings, self.num_prognostic = settings, info.weather_dim
        self.is_plane = info.grid.is_plane

    @abstractmethod
    def loss(self, hybrid: HybridStep, model: Network, loss: Loss, samples: Samples) -> Tensor:
        """The objective of a batch, `(batch, timestep)`."""


class Offline(ObjectiveABC):
    """Creates ℓ = loss(r, R): the subgrid tendency of the true states, instant by instant (a priori).

    The network's part is what the closure of a formula leaves, where the physics has one.
    """

    steps_physics: ClassVar[bool] = False

    def __init__(self, settings: HybridSettings, info: DatasetInfo) -> None:
        super().__init__(settings, info)
        self.index = info.predicted.index(settings.subgrid)

    def loss(self, hybrid: HybridStep, model: Network, loss: Loss, samples: Samples) -> Tensor:
        window, truth = samples.states, samples.truth
        rates, others_of = [], []
        for step in range(truth.shape[1]):
            x = hybrid.assemble(window, samples.forcing_of(step))
            state = hybrid.physical(window[:, -1])
            rate, others = hybrid.rate(model, x)
            rates.append(hybrid.rates.standardise(hybrid.total_rate(state, rate)))
            others_of.append(others)
            window = hybrid.slide(window, hybrid.fill_states(truth[:, step]))
        # all else is as the truth has it, so that the loss is that of the rate, with the weights of the house
        prediction = hybrid.with_own(truth, torch.stack(others_of, dim=1))
        prediction[..., self.index : self.index + 1] = torch.stack(rates, dim=1).to(truth.dtype)
        return loss(prediction, truth)


class Online(ObjectiveABC):
    """Creates ℓ = loss over the states of N steps of the physics with the network in it (a posteriori).

    N follows `horizons`. Where the grid is doubly periodic, the mean squared difference of log₁₀ of the spectra at the
    last step, times w/σ_Δ² as in `mse`, is added with its weight: a squared error alone is smallest where the flow
    is too smooth.
    """

    def __init__(self, settings: HybridSettings, info: DatasetInfo) -> None:
        super().__init__(settings, info)
        given = settings.spectral_weight
        self.spectral_weight = (1.0 if self.is_plane else 0.0) if given is None else given
        if self.spectral_weight and not self.is_plane:
            raise SettingsError("spectral_weight: the spectrum's error needs a doubly periodic grid; set it to 0")
        # in the units of the loss, which is that of one step's changes
        changes = info.diff_stats.to_list("std", info.prognostic).tolist()
        weights = [info.state_weights[n] for n in info.prognostic]
        self.scale = sum(w / c**2 if c else w for w, c in zip(weights, changes, strict=True)) / len(weights)

    def horizon(self, update: int, available: int) -> int:
        """Steps to go through at a batch of training; SettingsError where the samples hold fewer."""
        num_steps = available
        for begin, steps in self.settings.horizons:
            num_steps = steps if update >= begin else num_steps
        if num_steps > available:
            raise SettingsError(
                f"horizons: {num_steps} steps at batch {update}, the samples hold {available}; set num_pred_steps_train"
            )
        return num_steps

    def loss(self, hybrid: HybridStep, model: Network, loss: Loss, samples: Samples) -> Tensor:
        available = samples.truth.shape[1]
        horizon = self.horizon(int(hybrid.updates), available) if hybrid.training else available
        if self.settings.horizons:  # the longest that will be asked for is asked for at once
            longest = max(self.settings.horizons, key=lambda pair: pair[1])
            self.horizon(longest[0], available)
        prediction = self._unrolled(hybrid, model, samples, horizon)
        truth = samples.truth[:, :horizon]
        # what the physics makes of the state, and the rate itself, are not what is learned here
        is_learned = torch.tensor([n in hybrid.learned for n in hybrid.names], device=truth.device)
        states = torch.where(is_learned, truth, torch.nan)
        value = loss(prediction, states)
        if self.spectral_weight:
            error = spectral_error(prediction[:, -1], truth[:, -1], self.num_prognostic)
            value = value + self.spectral_weight * self.scale * error.unsqueeze(1)
        return value

    def _unrolled(self, hybrid: HybridStep, model: Network, samples: Samples, horizon: int) -> Tensor:
        def segment(window: Tensor, first: int, last: int) -> tuple[Tensor, Tensor]:
            steps = []
            for step in range(first, last):
                prediction = hybrid.step(model, window, samples.forcing_of(step), samples.border_of(step))
                window = hybrid.slide(window, prediction)
                steps.append(prediction)
            return window, torch.stack(steps, dim=1)

        window, parts = samples.states, []
        length = segment_length(horizon) if self.settings.is_checkpointed else horizon
        is_recomputed = self.settings.is_checkpointed and horizon > 1 and torch.is_grad_enabled()
        for first in range(0, horizon, length):
            last = min(first + length, horizon)
            # the last segment is gone through backwards at once
            if is_recomputed and last < horizon:
                window, part = checkpoint(
                    segment, window, first, last, use_reentrant=False, context_fn=recomputation(model)
                )
            else:
                window, part = segment(window, first, last)
            parts.append(part)
        return torch.cat(parts, dim=1)


class Increments(ObjectiveABC):
    """Creates ℓ = loss(f_W + WΔt·r(f_W), x_W): the network learns what a short forecast of the physics alone lacks.

    A forecast of W steps (as many as a sample has, or one less where the network sees forcings) ends at a time of analysis; the increment (analysis − forecast)/(WΔt)
    is the target, the features are those of the *forecast valid then*: over a window the error has moved with the flow
    away from the state that caused it.

    Reference: W. Gregory et al. (2023), Deep learning of systematic sea ice model errors from data assimilation
    increments, doi 10.1029/2023MS003757.
    """

    def loss(self, hybrid: HybridStep, model: Network, loss: Loss, samples: Samples) -> Tensor:
        window, steps = samples.states, self._window(hybrid, samples)
        with torch.no_grad():
            for step in range(steps):
                silent = hybrid.step(_silent(hybrid), window, samples.forcing_of(step), samples.border_of(step))
                window = hybrid.slide(window, silent)
        forecast = hybrid.physical(window[:, -1])
        # the last forcing is that of the forecast's end, or where the network sees any, of the step after it, as in a run
        rate, others = hybrid.rate(model, hybrid.assemble(window, samples.forcing_of(-1)))
        seconds = hybrid.step_s * hybrid.num_inter_steps * steps
        truth = samples.truth[:, steps - 1 : steps]
        prediction = hybrid.with_own(truth, others.unsqueeze(1))
        corrected = hybrid.states.standardise(forecast + seconds * rate).unsqueeze(1)
        prediction[..., : self.num_prognostic] = corrected.to(prediction.dtype)
        return loss(prediction, truth)

    @staticmethod
    def _window(hybrid: HybridStep, samples: Samples) -> int:
        """Steps of the short forecast: one less than a sample has where the network sees forcings."""
        steps = samples.truth.shape[1]
        if hybrid.num_forcing == len(hybrid.forcing_index):
            return steps
        if steps < 2:
            raise SettingsError(
                "training=increments: the network sees forcings, of the step after the short forecast; set num_pred_steps_train=2 or more"
            )
        return steps - 1


def segment_length(num_steps: int) -> int:
    """Steps that are computed again together: √N/3 segments of 3√N steps, the last of which is not computed again.

    Memory grows with √N; the fewer segments, the less is computed twice.
    """
    num_segments = max(1, math.ceil(math.sqrt(num_steps) / 3))
    return -(-num_steps // num_segments)


def _silent(hybrid: HybridStep) -> Network:
    """A network whose rate is 0."""

    def network(x: Tensor) -> Tensor:
        nothing = hybrid.rates.standardise(x.new_zeros((*x.shape[:-1], hybrid.num_prognostic)))
        return torch.cat([nothing, x.new_zeros((*x.shape[:-1], len(hybrid.own)))], dim=-1)

    return network


def spectral_error(prediction: Tensor, truth: Tensor, features: int) -> Tensor:
    """Mean over shells and features of (log₁₀ P(k) − log₁₀ P_true(k))², `(batch,)`, of `(batch, lat, lon, features)`.

    P(k) is the power in the shell round(|k|) = k of a doubly periodic square, k = 1 … n/2 − 1.
    """
    size = prediction.shape[1]
    k = torch.fft.fftfreq(size, 1 / size, device=truth.device)
    shell = torch.hypot(k[:, None], k[None, : size // 2 + 1].abs()).round().long()
    inside = (shell >= 1) & (shell < size // 2)

    def power(field: Tensor) -> Tensor:
        waves = torch.fft.rfft2(field[..., :features].movedim(-1, 1).float(), norm="forward").abs().square()
        sums = waves.new_zeros((*waves.shape[:2], size // 2))
        power_of: Tensor = sums.index_add(2, shell[inside], waves[:, :, inside])[..., 1:]
        return power_of

    with torch.autocast(truth.device.type, enabled=False):
        power_of, wanted = power(prediction), power(truth)
        # shells of round-off alone do not count
        least = 1e-12 * wanted.sum(-1, keepdim=True)
        error: Tensor = (torch.log10(power_of + least) - torch.log10(wanted + least)).square().mean((1, 2))
        return error


OBJECTIVES: dict[str, Any] = {"online": Online, "offline": Offline, "increments": Increments}
