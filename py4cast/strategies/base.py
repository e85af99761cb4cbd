"""The contract of strategies: how a network becomes a next state, and a next state becomes a forecast.

`advance` is one step in standardised units, the only thing that a strategy must say. `rollout` is the same for
all: a generator that yields every lead time and owns the sliding window of past states, boundary forcing,
inter steps and missing cells. Diagnostics are predicted and never fed back.

    x = cat(x̂(t−n+1) … x̂(t), statics, forcing(t+1), noise)  →  advance  →  border ← truth  →  yield  →  repeat

A strategy whose forecast is random says so: `noise` and `num_noise` are what it is given at every step, and members are
one behind the other in the batch while a step is made, so that neither `advance` nor a network notices them.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn

from py4cast.dataset_info import DatasetInfo
from py4cast.errors import SettingsError
from py4cast.given import Given, Samples
from py4cast.limits import limits_of, reachable_of
from py4cast.losses.base import LossABC
from py4cast.models.base import GriddedNetwork
from py4cast.noise import Noise, NoiseKind
from py4cast.strategies.fold import repeated, stacked
from py4cast.strategies.older import accept_seven, also_of_seven

__all__ = ["Given", "Loss", "Network", "Samples", "StrategyABC"]


Network = Callable[..., Tensor]
Loss = Callable[[Tensor, Tensor], Tensor]
NoiseOfStep = Callable[[int], Tensor]


class StrategyABC(nn.Module, ABC):
    """Abstract strategy, which says how a network becomes a next state.

    Args:
        settings: of the class `settings_kls`.
        info: of the data; statistics become buffers.

    Attributes:
        force_border: whether truth is imposed in the border ring at every step.
        num_inter_steps: calls of the network per step of the data.
        pushes_forward: whether a step is learned from the states that the steps before give as they are, without gradients.
        noise: what noise it is given: `none`; `vector`, as the network's `condition`; `cells`, as the last features of the
            network's input.
        num_noise: numbers of noise per member and advance, and per cell for `cells`.
        num_members: members that it is trained on.
        num_members_val: members of validation, test and of a forecast where no number is asked for; None for `num_members`.
        num_conditions: numbers of the vector that it gives the network as `condition` beside noise.
        num_latent: numbers of a latent variable on each node of the network's mesh, for networks that have one.
        num_extra_inputs: features that it adds to the network's input, noise apart.
        exports: whether a step can be exported.
        unexported: why it cannot, and what can be done instead.
        uses_states: whether past states are part of the network's input.
        takes_transforms: whether variables may be learned as something else; not where physics reads them.
        default_loss: what it is trained on where no loss is named.
        default_model: the network that it is trained with where none is named.
        model_defaults: settings of a network that fit it better than the network's own defaults, where it has them.
    """

    settings_kls: ClassVar[type]
    reference: ClassVar[str] = ""
    uses_states: ClassVar[bool] = True
    takes_transforms: ClassVar[bool] = True
    exports: ClassVar[bool] = True
    unexported: ClassVar[str] = "its step has no ONNX"
    default_loss: ClassVar[str] = "mse"
    default_model: ClassVar[str] = "halfunet"
    model_defaults: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    force_border: bool = False
    num_inter_steps: int = 1
    pushes_forward: bool = False
    noise: NoiseKind = "none"
    num_noise: int = 0
    num_members: int = 1
    num_members_val: int | None = None
    num_conditions: int = 0
    num_latent: int = 0
    num_extra_inputs: int = 0

    statics: Tensor
    border_mask: Tensor
    valid_mask: Tensor

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        accept_seven(cls)

    def __init__(self, settings: Any, info: DatasetInfo) -> None:
        super().__init__()
        self.settings = settings
        self.num_prognostic = info.weather_dim
        features = info.statics.grid_static_features.tensor
        self.register_buffer("statics", features.clone(), persistent=False)
        self.register_buffer("border_mask", info.statics.border_mask.bool().clone(), persistent=False)
        self.register_buffer("valid_mask", info.statics.valid_mask.clone(), persistent=False)
        self.has_holes = not bool(info.statics.valid_mask.all())
        self.limits, self.reachable = limits_of(info), reachable_of(info)

    def num_input_features(self, info: DatasetInfo, num_input_steps: int) -> int:
        """Width of the network's input."""
        steps = num_input_steps if self.uses_states else 0
        noise = self.num_noise if self.noise == "cells" else 0
        return info.num_input_features(steps) + self.num_extra_inputs + noise

    @final
    @property
    def noise_of_step(self) -> Noise:
        """What one step of the data takes of noise: the numbers of all its advances."""
        return Noise(self.noise, self.num_noise * self.num_inter_steps if self.noise != "none" else 0)

    @final
    @property
    def condition_size(self) -> int:
        """Numbers of the vector that the network is given as `condition`; 0 for none."""
        return self.num_conditions + (self.num_noise if self.noise == "vector" else 0)

    @final
    @property
    def num_forecast_members(self) -> int:
        """Members of a forecast where no number is asked for."""
        return self.num_members if self.num_members_val is None else self.num_members_val

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
        if (self.noise == "none") != (self.num_noise == 0) or self.num_noise < 0:
            raise SettingsError(
                f"strategy {type(self).__name__}: noise {self.noise!r} of {self.num_noise} numbers; expected none of 0, or vector or "
                f"cells of at least 1"
            )
        self.check_members(self.num_members)

    @final
    def check_members(self, num_members: int) -> None:
        """Refuses members that the strategy cannot make; SettingsError says where they can come from."""
        if num_members < 1:
            raise SettingsError(f"num_members {num_members}: expected at least 1")
        if num_members > 1 and self.noise == "none":
            raise SettingsError(
                f"num_members {num_members}: strategy {type(self).__name__} takes no noise, so that all members would be the same; "
                f"members come from a strategy with noise, an ensemble of analyses (--input), or several Forecasters"
            )

    def check_loss(self, loss: LossABC) -> None:
        """Refuses a loss that does not fit; SettingsError.

        By default one that scores single forecasts where the strategy makes members by noise and is trained on them: the
        error of one random member is least where members do not differ.
        """
        if loss.needs_members and self.num_members < 2:
            told = f"loss {type(loss).__name__} scores the law of members, strategy {type(self).__name__} trains one"
            raise SettingsError(f"{told}; choose a strategy that makes several, such as ensemble, or another loss")
        is_of_forecasts = type(self).training_loss is StrategyABC.training_loss
        if self.noise != "none" and is_of_forecasts and not loss.takes_members:
            told = f"loss {type(loss).__name__} scores one forecast, strategy {type(self).__name__} trains {self.num_members} members"
            raise SettingsError(f"{told}; choose one that takes members, such as crps, alone or as a term of loss.sum")

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
    def step(
        self,
        model: Network,
        window: Tensor,
        forcing: Tensor | None,
        border: Tensor | None = None,
        noise: Tensor | None = None,
    ) -> Tensor:
        """One step of the data: `num_inter_steps` advances with the same forcing and border truth.

        Args:
            model: the network.
            window: past states, `(batch, timestep, lat, lon, features)`, standardised, nothing missing.
            forcing: of the step, `(batch, lat, lon, features)`.
            border: predicted features of the step where they are known, `(batch, lat, lon, features)`.
            noise: standard normal, `(batch, noise)` or `(batch, lat, lon, noise)`; each advance takes its `num_noise`.

        Returns:
            Prognostic then diagnostic features, `(batch, lat, lon, features)`.

        Raises:
            ValueError: noise that lacks, or is of another size.
        """
        parts = self._noise_of_advances(noise)
        prediction = self._advance_once(model, window, forcing, border, parts[0])
        for part in parts[1:]:
            window = self.slide(window, prediction)
            prediction = self._advance_once(model, window, forcing, border, part)
        return prediction

    def _noise_of_advances(self, noise: Tensor | None) -> list[Tensor | None]:
        """The noise of each advance of a step."""
        wanted = self.noise_of_step.size
        size = 0 if noise is None else noise.shape[-1]
        if size != wanted:
            raise ValueError(
                f"strategy {type(self).__name__} takes {wanted} numbers of noise ({self.noise}) per step, {size} given; noise is "
                f"given to a step and never drawn inside it"
            )
        return [None] * self.num_inter_steps if noise is None else list(torch.split(noise, self.num_noise, dim=-1))

    def _advance_once(
        self, model: Network, window: Tensor, forcing: Tensor | None, border: Tensor | None, noise: Tensor | None
    ) -> Tensor:
        x = self.assemble(window, forcing)
        if noise is not None:
            if self.noise == "cells":
                x = torch.cat([x, noise.to(x.dtype)], dim=-1)
            else:
                model = partial(model, condition=noise)
        prediction = self.advance(model, x, window[:, -1])
        if self.limits is not None:
            prediction = self.limits(prediction, window[:, -1])
        if self.has_holes:
            prediction = prediction * self.valid_mask.to(prediction.dtype)
        if border is not None and self.force_border:
            imposed = self.border_mask & torch.isfinite(border)
            prediction = torch.where(imposed, border.to(prediction.dtype), prediction)
        return prediction

    def slide(self, window: Tensor, prediction: Tensor) -> Tensor:
        """The past states one step later: the oldest goes, the predicted one comes."""
        state = prediction[..., : self.num_prognostic].to(window.dtype)
        state = (state if self.reachable is None else self.reachable(state)).unsqueeze(1)
        return torch.cat([window[:, 1:], state], dim=1) if window.shape[1] > 1 else state

    @final
    def rollout(
        self,
        model: Network,
        states: Tensor,
        forcing: Tensor | None,
        num_steps: int,
        border: Tensor | None = None,
        inputs: Mapping[str, Tensor] | None = None,
        num_members: int = 1,
        noise: NoiseOfStep | None = None,
    ) -> Iterator[Tensor]:
        """Yields the prediction of each lead time, standardised, `(batch, lat, lon, features)`.

        Args:
            model: the network.
            states: past states, `(batch, timestep, lat, lon, features)`.
            forcing: `(batch, timestep, lat, lon, features)`, one per predicted step, or None.
            num_steps: how many steps to predict.
            border: predicted features of the same steps, imposed in the border where the strategy does so; the truth, or
                a driving model's fields, NaN for features that it has not.
            inputs: further inputs by key, on grids of their own, `(batch, timestep, lat, lon, features)`.
            num_members: members of each forecast; with more than one, predictions have a dimension `member` behind
                `batch`.
            noise: gives that of a step by its number, `(batch, (member,) …)`.
        """

        def given(i: int) -> Given[Tensor]:
            further = {key: values[:, i] for key, values in (inputs or {}).items()}
            return Given(
                None if forcing is None else forcing[:, i],
                None if border is None else border[:, i],
                further,
                None if noise is None else noise(i),
            )

        is_long = num_steps * self.num_inter_steps > 1
        return self.unroll(model, states, map(given, range(num_steps)), is_long, num_members)

    @final
    def unroll(
        self,
        model: Network,
        states: Tensor,
        given: Iterable[Given[Tensor]],
        is_long: bool = True,
        num_members: int = 1,
    ) -> Iterator[Tensor]:
        """Yields the prediction of each lead time as `rollout` does, from what is given of one after the other.

        Args:
            model: the network.
            states: past states, `(batch, timestep, lat, lon, features)`.
            given: of every step to predict; asked for when its turn comes, so that it need not be there before.
            is_long: whether the network is called so often that it pays to prepare it.
            num_members: members of each forecast.

        Raises:
            SettingsError: members of a strategy without noise.
        """
        self.check_members(num_members)
        window, prediction = self.fill_states(states), None
        self.start(window)
        window = repeated(window, num_members)
        if is_long and isinstance(model, GriddedNetwork):
            model = model.for_rollout()
        for step in given:
            if prediction is not None:
                window = self.slide(window, prediction.detach() if self.pushes_forward else prediction)
            forcing = None if step.forcing is None else repeated(self.fill_forcing(step.forcing), num_members)
            border = None if step.border is None else repeated(step.border, num_members)
            inputs = {key: repeated(self.fill(values), num_members) for key, values in step.inputs.items()}
            noise = step.noise if step.noise is None or num_members == 1 else step.noise.flatten(0, 1)
            network = partial(model, inputs=inputs) if inputs else model
            prediction = self.step(network, window, forcing, border, noise)
            yield prediction if num_members == 1 else prediction.reshape(-1, num_members, *prediction.shape[1:])

    @also_of_seven
    def training_loss(self, model: Network, loss: Loss, samples: Samples) -> Any:
        """The objective, `(batch, timestep)`: by default unroll, then loss.

        Args:
            model: the network.
            loss: of prediction `(batch, (member,) timestep, lat, lon, features)` and truth.
            samples: what is learned from.
        """
        given = samples.noise
        step_dim = 1 if self.num_members == 1 else 2
        steps = self.rollout(
            model,
            samples.states,
            samples.forcing,
            samples.num_steps,
            samples.truth if samples.border is None else samples.border,
            samples.inputs,
            self.num_members,
            None if given is None else lambda step: given.select(step_dim, step),
        )
        return loss(stacked(list(steps), step_dim), samples.truth)

    def validation_loss(self, model: Network, loss: Loss, samples: Samples, prediction: Tensor) -> Tensor:
        """What chooses the best epoch, `(batch, timestep)`: by default the loss of the forecast in what is learned.

        Where members are made by noise it is the training objective, on the noise of the samples, which is the same in
        every epoch.

        Args:
            model: the network.
            loss: as in training.
            samples: of the validation; features that are not learned are missing in their truth.
            prediction: their forecast, standardised, `(batch, (member,) timestep, lat, lon, features)`.
        """
        if self.noise == "none":
            return loss(prediction, samples.truth)
        # never the error of one random member
        value: Tensor = self.training_loss(model, loss, samples)
        return value
