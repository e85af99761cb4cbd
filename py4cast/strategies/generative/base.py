"""GenerativeABC: a strategy that draws the change of a step from its law, by a network that removes noise."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor

from py4cast.dataset_info import DatasetInfo
from py4cast.errors import SettingsError
from py4cast.losses.base import LossABC
from py4cast.losses.crps import CRPS, CRPSSettings
from py4cast.strategies.base import Loss, Network, Samples
from py4cast.strategies.generative.mean_step import MeanStep, read_mean
from py4cast.strategies.scaled import ScaledABC

__all__ = ["GenerativeABC"]


class GenerativeABC(ScaledABC):
    """Abstract strategy that draws z = (x(t+1) − x(t) − μ_Δ)/σ_Δ, and diagnostics as they are, from their law.

    The network is given past states, statics and forcings, a noisy z and how noisy it is. It learns from one step of the
    truth at a time, however many a sample has; members are drawn in validation, test and forecasts alone. With `residual_of` a
    deterministic Forecaster's step z̄ is taken as it is, and (z − z̄)/s is drawn, s its error on the validation split.

    Args:
        settings: with `num_members_val`, `force_border`, `residual_of` and `mean`.
        info: of the data.
        num_fields: fields of noise that a draw takes.
    """

    default_loss: ClassVar[str] = "mse"
    model_defaults: ClassVar[dict[str, Any]] = {"norm": "group"}

    def __init__(self, settings: Any, info: DatasetInfo, num_fields: int) -> None:
        super().__init__(settings, info)
        self.num_drawn = len(info.predicted)
        self.noise, self.num_noise = "cells", self.num_drawn * num_fields
        self.num_members_val, self.force_border = settings.num_members_val, settings.force_border
        self.mean = self._mean_of(info)
        self.judge = CRPS(info if self.force_border else info.without_border(), CRPSSettings(alpha=1.0))

    def num_input_features(self, info: DatasetInfo, num_input_steps: int) -> int:
        # the noisy change and its level stand where the noise of the step was, and a mean change beside them
        width = len(info.predicted) * (1 if self.mean is None else 2)
        return super().num_input_features(info, num_input_steps) - self.num_noise + width + 1

    def _mean_of(self, info: DatasetInfo) -> MeanStep | None:
        """The deterministic step whose error is drawn; None where the whole change is."""
        asked, path = self.settings.mean, self.settings.residual_of
        if asked is not None:
            return MeanStep(asked, info)
        if not path:
            return None
        asked, weights = read_mean(path, info)
        # what is saved holds all of it: the file is needed no more
        self.settings = replace(self.settings, mean=asked)
        mean = MeanStep(asked, info)
        mean.load_state_dict(weights)
        return mean

    def check(self, num_input_steps: int) -> None:
        """Refuses past states of another number than those of the deterministic step; SettingsError."""
        super().check(num_input_steps)
        asked = self.settings.mean
        if asked is not None and asked.num_input_steps != num_input_steps:
            raise SettingsError(
                f"strategy.residual_of: it takes {asked.num_input_steps} past states, the training {num_input_steps}; expected the same"
            )

    def _with_mean(self, given: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]:
        """What the network is given, and what makes a change of what is drawn, and back."""
        if self.mean is None:
            return given, lambda drawn: drawn, lambda change: change
        middle, scale = self.mean(given), self.mean.errors.to(given.dtype)
        return torch.cat([given, middle], dim=-1), lambda drawn: middle + scale * drawn, lambda z: (z - middle) / scale

    def check_loss(self, loss: LossABC) -> None:
        """Refuses what is no squared error: only its least is the mean of what noise hides."""
        if getattr(type(loss), "power", 0) != 2 or not loss.is_of_cells:
            raise SettingsError(
                f"loss {type(loss).__name__}: strategy {type(self).__name__} learns the mean of what noise hides, which only the "
                f"squared error gives; use --loss mse"
            )

    @abstractmethod
    def draw(self, model: Network, given: Tensor, noise: Sequence[Tensor]) -> Tensor:
        """A z from its law, `(batch, lat, lon, features)`.

        Args:
            model: the network.
            given: past states, statics and forcings, `(batch, lat, lon, features)`.
            noise: standard normal fields, `(batch, lat, lon, features)` each.
        """

    @abstractmethod
    def guess(self, model: Network, given: Tensor, z: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """In training, the network's z from a noisy one, and the weight of its squared error, `(batch,)`."""

    def called(self, model: Network, given: Tensor, noisy: Tensor, level: float | Tensor) -> Tensor:
        """The network's output for a noisy z and a label of its level, a number or `(batch,)`."""
        shape = (*noisy.shape[:-1], 1)
        if isinstance(level, Tensor):
            label = level.to(noisy.dtype).reshape(-1, 1, 1, 1).expand(shape)
        else:
            label = torch.full_like(noisy[..., :1], level)
        return model(torch.cat([given, noisy, label], dim=-1))

    def advance(self, model: Network, x: Tensor, state: Tensor) -> Tensor:
        given, noise = x[..., : -self.num_noise], x[..., -self.num_noise :]
        given, change_of, _ = self._with_mean(given)
        drawn = self.draw(model, given, torch.split(noise, self.num_drawn, dim=-1))
        return self.changed(state, change_of(drawn))

    def _change(self, truth: Tensor, state: Tensor) -> Tensor:
        """The z of a true step, 0 where it is missing."""
        n = self.num_prognostic
        std = self.diff_std.clamp_min(torch.finfo(torch.float32).tiny)
        change = (truth[..., :n] - state - self.diff_mean) / std
        return self.fill(torch.cat([change * (self.diff_std > 0), truth[..., n:]], dim=-1))

    def training_loss(self, model: Network, loss: Loss, samples: Samples) -> Tensor:
        """λ·ℓ of the state that the network makes of a noisy change, `(batch, timestep)`, each step from the truth before."""
        assert samples.noise is not None, "the Forecaster draws it"
        window, values = self.fill_states(samples.states), []
        self.start(window)
        for step in range(samples.num_steps):
            forcing = samples.forcing_of(step)
            given = self.assemble(window, None if forcing is None else self.fill_forcing(forcing))
            inputs = {key: self.fill(field[:, step]) for key, field in samples.inputs.items()}
            network = partial(model, inputs=inputs) if inputs else model
            state, truth = window[:, -1], samples.truth[:, step]
            noise = samples.noise[:, step, ..., : self.num_drawn]
            given, change_of, drawn_of = self._with_mean(given)
            guessed, weight = self.guess(network, given, drawn_of(self._change(truth, state)), noise)
            error = loss(self.changed(state, change_of(guessed)).unsqueeze(1), truth.unsqueeze(1))
            values.append(error[:, 0] * weight)
            if step + 1 < samples.num_steps:
                window = self.slide(window, self.fill(truth))
        return torch.stack(values, dim=1)

    def validation_loss(self, model: Network, loss: Loss, samples: Samples, prediction: Tensor) -> Tensor:
        """The fair CRPS of the members of the forecast, on noise that is the same in every epoch."""
        value: Tensor = self.judge(prediction, samples.truth)
        return value
