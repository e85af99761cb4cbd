"""The contract of strategies: how a network becomes a next state, and a next state becomes a forecast.

`advance` is one step in standardised units, the only thing that a strategy must say. `rollout` is the same for
all: a generator that yields every lead time and owns the sliding window of past states, boundary forcing,
inter steps and missing cells. Diagnostics are predicted and never fed back.

    x = cat(x̂(t−n+1) … x̂(t), statics, forcing(t+1))  →  advance  →  border ← truth  →  yield  →  repeat
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple, final

import torch
from torch import Tensor, nn

from py4cast.dataset_info import DatasetInfo
from py4cast.errors import SettingsError
from py4cast.models import GriddedNetwork

__all__ = ["Given", "Loss", "Network", "StrategyABC"]


class Given(NamedTuple):
    """What is given of one step to predict, standardised.

    Args:
        forcing: `(batch, lat, lon, features)`.
        truth: predicted features, `(batch, lat, lon, features)`, NaN where they are not known.
        inputs: further inputs by key.
    """

    forcing: Tensor | None = None
    truth: Tensor | None = None
    inputs: Mapping[str, Tensor] = MappingProxyType({})


Network = Callable[..., Tensor]
Loss = Callable[[Tensor, Tensor], Tensor]


class StrategyABC(nn.Module, ABC):
    """Abstract strategy.

    Args:
        settings: of the class `settings_kls`.
        info: of the data; statistics become buffers.

    Attributes:
        force_border: whether truth is imposed in the border ring at every step.
        num_inter_steps: calls of the network per step of the data.
        num_members: members of the forecast.
        num_extra_inputs: features that it adds to the network's input.
        exports: whether a step can be exported.
        uses_states: whether past states are part of the network's input.
    """

    settings_kls: ClassVar[type]
    reference: ClassVar[str] = ""
    uses_states: ClassVar[bool] = True
    exports: ClassVar[bool] = True
    force_border: bool = False
    num_inter_steps: int = 1
    num_members: int = 1
    num_extra_inputs: int = 0

    statics: Tensor
    border_mask: Tensor
    valid_mask: Tensor

    def __init__(self, settings: Any, info: DatasetInfo) -> None:
        super().__init__()
        self.settings = settings
        self.num_prognostic = info.weather_dim
        features = info.statics.grid_static_features.tensor
        self.register_buffer("statics", features.clone(), persistent=False)
        self.register_buffer("border_mask", info.statics.border_mask.bool().clone(), persistent=False)
        self.register_buffer("valid_mask", info.statics.valid_mask.clone(), persistent=False)
        self.has_holes = not bool(info.statics.valid_mask.all())

    def num_input_features(self, info: DatasetInfo, num_input_steps: int) -> int:
        """Width of the network's input."""
        steps = num_input_steps if self.uses_states else 0
        return info.num_input_features(steps) + self.num_extra_inputs

    def num_outputs(self, info: DatasetInfo) -> int:
        """Width of the network's output."""
        return len(info.predicted)

    def learned_features(self, info: DatasetInfo) -> list[str]:
        """The predicted features whose error training lessens; by default all."""
        return info.predicted

    def start(self, window: Tensor) -> None:
        """Refuses past states `(batch, timestep, lat, lon, features)`, standardised, that no forecast can start from."""

    def check(self, num_input_steps: int) -> None:
        """Refuses a number of input steps that does not fit; SettingsError."""
        if self.num_inter_steps > 1 and num_input_steps > 1:
            raise SettingsError(
                f"num_inter_steps {self.num_inter_steps} needs num_input_steps 1, found {num_input_steps}: "
                f"past states and inter steps would be different distances apart"
            )

    @abstractmethod
    def advance(self, model: Network, x: Tensor, state: Tensor) -> Tensor:
        """The next state, standardised: prognostic then diagnostic features.

        Args:
            model: the network, `(batch, lat, lon, features)` → `(batch, lat, lon, features)`.
            x: its input.
            state: the last prognostic state, `(batch, lat, lon, features)`.
        """

    def assemble(self, window: Tensor, forcing: Tensor | None) -> Tensor:
        """The network's input from `(batch, timestep, lat, lon, features)` past states and one step's forcing."""
        parts = list(window.unbind(1)) if self.uses_states else []
        if self.statics.shape[-1]:
            parts.append(self.statics.to(window.dtype).expand(window.shape[0], *self.statics.shape))
        if forcing is not None:
            parts.append(forcing)
        return torch.cat(parts, dim=-1)

    def fill(self, values: Tensor) -> Tensor:
        """Missing cells set to 0, which is the mean."""
        # infinities stay, so that they are noticed
        return torch.nan_to_num(values, nan=0.0, posinf=torch.inf, neginf=-torch.inf)

    def fill_forcing(self, forcing: Tensor) -> Tensor:
        """Forcings as the network takes them; by default with 0 where they are missing."""
        return self.fill(forcing)

    @final
    def fill_states(self, states: Tensor) -> Tensor:
        """Past states with 0 where values are missing, and on cells that never hold data, whatever a file has there."""
        filled = self.fill(states)
        return filled.masked_fill(~self.valid_mask, 0.0) if self.has_holes else filled

    @final
    def step(self, model: Network, window: Tensor, forcing: Tensor | None, truth: Tensor | None = None) -> Tensor:
        """One step of the data: `num_inter_steps` advances with the same forcing and border truth.

        Args:
            model: the network.
            window: past states, `(batch, timestep, lat, lon, features)`, standardised, nothing missing.
            forcing: of the step, `(batch, lat, lon, features)`.
            truth: predicted features of the step where they are known, `(batch, lat, lon, features)`.

        Returns:
            Prognostic then diagnostic features, `(batch, lat, lon, features)`.
        """
        prediction = self._advance_once(model, window, forcing, truth)
        for _ in range(self.num_inter_steps - 1):
            window = self.slide(window, prediction)
            prediction = self._advance_once(model, window, forcing, truth)
        return prediction

    def _advance_once(self, model: Network, window: Tensor, forcing: Tensor | None, truth: Tensor | None) -> Tensor:
        prediction = self.advance(model, self.assemble(window, forcing), window[:, -1])
        if self.has_holes:
            prediction = prediction * self.valid_mask.to(prediction.dtype)
        if truth is not None and self.force_border:
            imposed = self.border_mask & torch.isfinite(truth)
            prediction = torch.where(imposed, truth.to(prediction.dtype), prediction)
        return prediction

    def slide(self, window: Tensor, prediction: Tensor) -> Tensor:
        """The past states one step later: the oldest goes, the predicted one comes."""
        state = prediction[..., : self.num_prognostic].unsqueeze(1).to(window.dtype)
        return torch.cat([window[:, 1:], state], dim=1) if window.shape[1] > 1 else state

    @final
    def rollout(
        self,
        model: Network,
        states: Tensor,
        forcing: Tensor | None,
        num_steps: int,
        truth: Tensor | None = None,
        inputs: Mapping[str, Tensor] | None = None,
    ) -> Iterator[Tensor]:
        """Yields the prediction of each lead time, standardised, `(batch, lat, lon, features)`.

        Args:
            model: the network.
            states: past states, `(batch, timestep, lat, lon, features)`.
            forcing: `(batch, timestep, lat, lon, features)`, one per predicted step, or None.
            num_steps: how many steps to predict.
            truth: predicted features of the same steps, imposed in the border where the strategy does so; a driving
                model's fields do as well, NaN for features that it has not.
            inputs: further inputs by key, on grids of their own, `(batch, timestep, lat, lon, features)`.
        """

        def given(i: int) -> Given:
            own = {key: values[:, i] for key, values in (inputs or {}).items()}
            return Given(None if forcing is None else forcing[:, i], None if truth is None else truth[:, i], own)

        return self.unroll(model, states, map(given, range(num_steps)), num_steps * self.num_inter_steps > 1)

    @final
    def unroll(self, model: Network, states: Tensor, given: Iterable[Given], is_long: bool = True) -> Iterator[Tensor]:
        """Yields the prediction of each lead time as `rollout` does, from what is given of one after the other.

        Args:
            model: the network.
            states: past states, `(batch, timestep, lat, lon, features)`.
            given: of every step to predict; asked for when its turn comes, so that it need not be there before.
            is_long: whether the network is called so often that it pays to prepare it.
        """
        window, prediction = self.fill_states(states), None
        self.start(window)
        if is_long and isinstance(model, GriddedNetwork):
            model = model.for_rollout()
        for step in given:
            if prediction is not None:
                window = self.slide(window, prediction)
            forcing = None if step.forcing is None else self.fill_forcing(step.forcing)
            own = {key: self.fill(values) for key, values in step.inputs.items()}
            network = partial(model, inputs=own) if own else model
            prediction = self.step(network, window, forcing, step.truth)
            yield prediction

    def training_loss(
        self,
        model: Network,
        loss: Loss,
        states: Tensor,
        forcing: Tensor | None,
        truth: Tensor,
        border: Tensor | None = None,
        inputs: Mapping[str, Tensor] | None = None,
    ) -> Tensor:
        """The objective, `(batch, timestep)`: by default unroll, then loss.

        Args:
            model: the network.
            loss: of prediction and truth.
            states: past states.
            forcing: of every step.
            truth: predicted features of every step.
            border: what is imposed in the border where it is not the truth.
            inputs: further inputs by key.
        """
        imposed = truth if border is None else border
        found = list(self.rollout(model, states, forcing, truth.shape[1], imposed, inputs))
        return loss(found[0].unsqueeze(1) if len(found) == 1 else torch.stack(found, dim=1), truth)
