"""HybridStep: a step of the physics, and in it a rate that a network gives; what every training of a hybrid uses."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from py4cast.dataset_info import DatasetInfo
from py4cast.errors import NumericalError, SettingsError, nearest
from py4cast.normalizer import Normalizer
from py4cast.physics import PhysicsABC
from py4cast.physics import registry as physics
from py4cast.settings import settings_of
from py4cast.statistics import Stats
from py4cast.strategies.base import Network, StrategyABC
from py4cast.strategies.hybrid.couplings import COUPLINGS
from py4cast.units import same_units

__all__ = ["HybridStep"]


class HybridStep(StrategyABC):
    """Abstract strategy with physics in its step; a concrete one says what is trained.

    Attributes:
        names: predicted features, in order.
        own: diagnostics that the network alone gives.
        learned: predicted features whose error training lessens.
        updates: batches of training so far.
    """

    updates: Tensor

    def __init__(self, settings: Any, info: DatasetInfo) -> None:
        super().__init__(settings, info)
        self.force_border = settings.force_border
        self.num_inter_steps = settings.num_inter_steps
        self.num_extra_inputs = len(settings.derived)
        kind = physics.get(settings.physics)
        # a forcing that the network stands for is one that it sees
        acting = [n for n in kind.forcing if n in info.forcing and n != settings.term]
        self.forcing_index = [info.forcing.index(n) for n in acting]
        self._check_features(info, kind)
        # what the data say of their own physics is where the settings say nothing
        told = info.lineage.get("physics", {}).get(settings.physics, {})
        self.physics = kind(settings_of(kind, {**told, **settings.physics_settings}, "physics"), info.grid)
        self.coupling = COUPLINGS[settings.coupling](self.physics, settings.term)
        self.step_s = float(info.step_duration / np.timedelta64(1, "s")) / self.num_inter_steps
        self.names, self.num_forcing = info.predicted, info.forcing_dim
        self.has_subgrid = settings.subgrid in info.diagnostic and info.weather_dim == 1
        self.made = tuple(n for n in info.diagnostic if n in self.physics.derived)
        given = {*self.made, settings.subgrid} if self.has_subgrid else set(self.made)
        self.own = [n for n in info.diagnostic if n not in given]
        self.learned = [settings.subgrid if settings.training == "offline" else n for n in info.prognostic] + self.own
        self.states = Normalizer(info.prognostic, info.stats)
        self.acting = Normalizer(acting, info.stats)
        self.derived = Normalizer(settings.derived, info.stats)
        self.outputs = Normalizer(info.predicted, info.stats)
        self.rates = self._rates(info)
        self.register_buffer("updates", torch.zeros((), dtype=torch.long))

    def _check_features(self, info: DatasetInfo, kind: type[PhysicsABC]) -> None:
        """Refuses data whose state is not the physics'."""
        name, needs = self.settings.physics, kind.prognostic
        if info.prognostic != list(needs):
            raise SettingsError(
                f"physics {name!r} steps {', '.join(needs)}; the data have the state {', '.join(info.prognostic)}"
            )
        given = {**needs, **{n: u for n, u in kind.forcing.items() if n in info.forcing}}
        given |= {n: u for n, u in kind.derived.items() if n in info.diagnostic}
        for feature, units in given.items():
            held_units = info.variable(feature).units
            if not same_units(held_units or "1", units):
                raise SettingsError(
                    f"physics {name!r} takes {feature} in [{units}]; the data have it in [{held_units}]"
                )
        for derived in self.settings.derived:
            if derived not in kind.derived:
                raise SettingsError(f"physics {name!r}: no derived field {derived!r}{nearest(derived, kind.derived)}")
            if derived not in info.stats:
                raise SettingsError(
                    f"derived field {derived!r}: the data have no statistics of it; make it a diagnostic"
                )

    def _rates(self, info: DatasetInfo) -> Normalizer:
        """Of the rate: the subgrid tendency's, or what a step of the data changes."""
        if self.has_subgrid:
            return Normalizer([self.settings.subgrid], info.stats)
        seconds = self.step_s * self.num_inter_steps
        change = {n: info.stats[n]["std"] * info.diff_stats[n]["std"] / seconds for n in info.prognostic}
        return Normalizer(info.prognostic, Stats({n: {"mean": 0.0, "std": c} for n, c in change.items()}))

    def num_input_features(self, info: DatasetInfo, num_input_steps: int) -> int:
        return super().num_input_features(info, num_input_steps) - len(self.forcing_index)

    def num_outputs(self, info: DatasetInfo) -> int:
        return len(info.prognostic) + len(self.own)

    def learned_features(self, info: DatasetInfo) -> list[str]:
        return self.learned

    def start(self, window: Tensor) -> None:
        """Refuses a step that is too long for the flow."""
        state = self.physical(window[:, -1].detach())
        step, largest = self.step_s / self.settings.num_substeps, self.physics.largest_step(state)
        if not bool(torch.isfinite(state).all()):
            raise NumericalError("the state to start from is not finite")
        if step > largest:
            least = -(-self.settings.num_substeps * step // largest)
            raise SettingsError(
                f"step of {step:g} s violates the CFL condition of physics {self.settings.physics!r}: the largest stable one is "
                f"{largest:.4g} s; set strategy.num_substeps={least:.0f} or more"
            )

    # One step ------------------------------------------------------------------------------------------

    def physical(self, state: Tensor) -> Tensor:
        """A standardised prognostic state in its units."""
        return self.states.physical(state.float())

    def assemble(self, window: Tensor, forcing: Tensor | None) -> Tensor:
        x = super().assemble(window, forcing)
        if not self.settings.derived:
            return x
        derived = self.physics.derive(self.physical(window[:, -1]), self.settings.derived)
        return torch.cat([x, self.derived.standardise(derived).to(x.dtype)], dim=-1)

    def rate(self, model: Network, x: Tensor) -> tuple[Tensor, Tensor]:
        """The network's rate of the state [units s-1], and what else it gives, standardised."""
        return self.scaled(model(self.seen(x)))

    def scaled(self, output: Tensor) -> tuple[Tensor, Tensor]:
        """The rate in its units out of the network's output, and what else it gives."""
        values = output.float()
        rate = self.rates.physical(values[..., : self.num_prognostic])
        if self.physics.conserves_mean:
            rate = rate - rate.mean((1, 2), keepdim=True)
        return rate, values[..., self.num_prognostic :]

    def _forcings(self, x: Tensor) -> slice:
        """Where forcings stand in the assembled input: last but for what the physics derives."""
        last = x.shape[-1] - self.num_extra_inputs
        return slice(last - self.num_forcing, last)

    def seen(self, x: Tensor) -> Tensor:
        """What the network sees of the assembled input: all but the forcings that act through the physics."""
        if not self.forcing_index:
            return x
        place = self._forcings(x)
        others = [i for i in range(self.num_forcing) if i not in self.forcing_index]
        return torch.cat([x[..., : place.start], x[..., place][..., others], x[..., place.stop :]], dim=-1)

    def physical_forcing(self, x: Tensor) -> Tensor | None:
        """The forcing of the physics, physical, out of the assembled input."""
        if not self.forcing_index:
            return None
        return self.acting.physical(x[..., self._forcings(x)][..., self.forcing_index].float())

    def advance(self, model: Network, x: Tensor, state: Tensor) -> Tensor:
        before = self.physical(state)
        rate, others = self.rate(model, x)
        substeps = self.settings.num_substeps
        later = self.coupling.advance(before, rate, self.step_s / substeps, substeps, self.physical_forcing(x))
        self._check_shape(later, before)
        return self._outputs(later, self.total_rate(before, rate) if self.has_subgrid else rate, others)

    def total_rate(self, state: Tensor, rate: Tensor) -> Tensor:
        """The network's rate and what a closure of a formula adds."""
        formula = self.physics.closure_tendency(state)
        return rate if formula is None else rate + formula

    def _outputs(self, state: Tensor, rate: Tensor, others: Tensor) -> Tensor:
        """Predicted features in order, standardised."""
        parts: dict[str, Tensor] = dict(zip(self.names, state.unbind(-1), strict=False))
        if self.made:
            parts |= dict(zip(self.made, self.physics.derive(state, self.made).unbind(-1), strict=True))
        if self.has_subgrid:
            parts[self.settings.subgrid] = rate[..., 0]
        of_network = dict(zip(self.own, others.unbind(-1), strict=True))
        stacked = torch.stack([of_network[n] if n in of_network else parts[n] for n in self.names], dim=-1)
        is_own = torch.tensor([n in of_network for n in self.names], device=stacked.device)
        return torch.where(is_own, stacked, self.outputs.standardise(stacked))

    def with_own(self, prediction: Tensor, others: Tensor) -> Tensor:
        """Predicted features, standardised, in which those of the network alone are as it gives them."""
        index = [self.names.index(n) for n in self.own]
        return prediction.index_copy(
            -1, torch.tensor(index, dtype=torch.long, device=others.device), others.to(prediction.dtype)
        )

    def _check_shape(self, later: Tensor, before: Tensor) -> None:
        if later.shape != before.shape:
            raise SettingsError(
                f"physics {self.settings.physics!r}: a state of shape {tuple(before.shape)} became {tuple(later.shape)}; "
                f"tendency must give the shape of its state"
            )
