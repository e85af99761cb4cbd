"""What a closure is worth: a priori on true states, and in runs of the coarse flow with it.

    corr          correlation of the predicted with the exact subgrid tendency, over true states
    departure     time until the correlation with the truth falls below a limit, mean over starts [time units]
    energy        mean energy of the second half of long runs over the truth's; enstrophy alike
    spectrum      mean of |log₁₀ E(k)/E_true(k)| over the wavenumbers
    short_waves   enstrophy beyond half of the largest wavenumber over the truth's
    similarity    1 − W₁(ω, ω_true)/W₁(ω_none, ω_true), W₁ the distance of the distributions of vorticity (table)
    stable        share of the long runs that stay finite and below 20 times the truth's enstrophy

Reference: A. Ross et al. (2023), Benchmarking of machine learning ocean subgrid parameterizations in an idealized
model, doi 10.1029/2022MS003258 (similarity).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from py4cast.datasets.base import WindowDataset
from py4cast.errors import SettingsError
from py4cast.forecaster import Forecaster
from py4cast.given import Given
from py4cast.physics.barotropic import Barotropic
from py4cast.physics.invariants import (
    energy,
    energy_flux,
    energy_spectrum,
    enstrophy,
    enstrophy_flux,
    enstrophy_spectrum,
)
from py4cast.strategies.hybrid import Hybrid
from py4cast.workflows.experiments.closure.settings import Evaluation

__all__ = ["Judge"]

_QUANTILES = torch.linspace(0.0005, 0.9995, 1000)
_BLOWN_UP = 20.0


@dataclass(slots=True)
class Climate:
    """Sums over states of a run, and what they are in the mean."""

    count: int = 0
    sums: dict[str, Tensor] | None = None

    def add(self, quantities: dict[str, Tensor]) -> None:
        """The diagnostics of some states, each `(...)` summed over them."""
        self.sums = quantities if self.sums is None else {k: v + quantities[k] for k, v in self.sums.items()}
        self.count += 1

    def mean(self) -> dict[str, Any]:
        """As plain numbers; NaN where no state was added."""
        return {k: (v / self.count).tolist() for k, v in (self.sums or {}).items()}


class Judge:
    """Creates the judge of closures on one test flow.

    Args:
        test: split with one step per sample and its subgrid tendency.
        how: what is asked.
    """

    def __init__(self, test: WindowDataset, how: Evaluation) -> None:
        self.test, self.how = test, how
        self.info = test.info
        series = test.read_at(np.array([0]), how.num_test - 1)
        assert series.outputs is not None, "asked with its truth"
        states = torch.cat([series.inputs["vorticity"], series.outputs["vorticity"]], dim=1)
        self.truth = states[0, ..., 0]
        self.rates = series.outputs["subgrid_tendency"][0, ..., 0]
        self.forcing = None if series.forcing is None else series.forcing.tensor[0]

    def judge(self, forecaster: Forecaster) -> dict[str, Any]:
        """All that is found of a closure, as plain JSON values."""
        strategy, how = forecaster.strategy, self.how
        if not isinstance(strategy, Hybrid) or not isinstance(strategy.physics, Barotropic):
            raise SettingsError("closures are judged in the strategy hybrid with the physics barotropic")
        with torch.no_grad():
            judged = self._a_priori(forecaster, strategy)
            starts = np.linspace(0, how.num_test - 1 - how.num_steps, how.num_starts).astype(int)
            judged |= self._departure(forecaster, starts)
            begins = np.linspace(0, how.num_test - 1 - how.num_free_steps, how.num_free_runs).astype(int)
            judged |= self._free_runs(forecaster, strategy.physics, begins)
        return judged

    def reference(self, physics: Barotropic) -> dict[str, Any]:
        """The climate of the truth over the times of the long runs' second halves."""
        climate = Climate()
        with torch.no_grad():
            for state in self.truth[self.how.num_free_steps // 2 :: self.how.every]:
                climate.add(self._looked_at(physics, state.unsqueeze(0).unsqueeze(-1)))
        return climate.mean() | {"unit_time": physics.unit_time, "interval": self._interval(physics)}

    def _interval(self, physics: Barotropic) -> float:
        return float(self.info.step_duration / np.timedelta64(1, "s")) / physics.unit_time

    # A priori ------------------------------------------------------------------------------------------

    def _a_priori(self, forecaster: Forecaster, hybrid: Hybrid) -> dict[str, Any]:
        chosen = torch.arange(0, len(self.rates), self.how.every)
        pairs = []
        for part in torch.split(chosen, 32):
            window = forecaster.states.standardise(self.truth[part].unsqueeze(1).unsqueeze(-1))
            forcing = None if self.forcing is None else forecaster.forcings.standardise(self.forcing[part])
            rate, _ = hybrid.rate(forecaster.network, hybrid.assemble(window, forcing))
            pairs.append(hybrid.total_rate(hybrid.physical(window[:, -1]), rate)[..., 0])
        rates, exact = torch.cat(pairs).double(), self.rates[chosen].double()
        spread = rates.square().mean().sqrt()
        corr = (rates * exact).mean() / (spread * exact.square().mean().sqrt())
        # ⟨ω R⟩: how fast the closure takes enstrophy, over how fast it should
        omega = self.truth[chosen].double()
        share = (rates * omega).mean() / (exact * omega).mean()
        # a network that says nothing is right about nothing: what is left is round-off
        says = bool(spread > 1e-6 * exact.square().mean().sqrt())
        return {"corr": float(corr) if says else 0.0, "dissipation": float(share)}

    # In runs -------------------------------------------------------------------------------------------

    def _run(self, forecaster: Forecaster, starts: Any, steps: int) -> Iterator[Tensor]:
        """Yields the vorticity of every step, `(start, lat, lon)`, physical."""
        states = self.truth[torch.as_tensor(starts)].unsqueeze(1).unsqueeze(-1)
        index = torch.as_tensor(starts)

        def given() -> Iterator[Given[Tensor]]:
            for step in range(steps):
                yield Given(None if self.forcing is None else self.forcing[index + step])

        place = forecaster.info.predicted.index("vorticity")
        for prediction in forecaster.stream(states, given()):
            yield prediction[..., place]

    def _departure(self, forecaster: Forecaster, starts: Any) -> dict[str, Any]:
        how = self.how
        correlations = []
        for step, field in enumerate(self._run(forecaster, starts, how.num_steps)):
            truth = self.truth[torch.as_tensor(starts) + step + 1]
            correlations.append(_correlation(field, truth))
        series = torch.stack(correlations, dim=1).nan_to_num(0.0)
        below = series < how.departure
        first = torch.where(below.any(1), below.double().argmax(1), series.shape[1]) + 1
        interval = self._interval(forecaster.strategy.physics)  # type: ignore[arg-type]
        return {
            "departure": float(first.double().mean()) * interval,
            "correlation": series.mean(0).tolist(),
        }

    def _free_runs(self, forecaster: Forecaster, physics: Barotropic, begins: Any) -> dict[str, Any]:
        how = self.how
        limit = _BLOWN_UP * float(self.truth.square().mean())
        climate, lives = Climate(), torch.full((len(begins),), math.inf)
        enstrophies = []
        for step, field in enumerate(self._run(forecaster, begins, how.num_free_steps)):
            strengths = field.square().mean((1, 2))
            blown = ~(strengths < limit)
            lives = torch.where(blown & torch.isinf(lives), torch.tensor(float(step + 1)), lives)
            if step % how.every:
                continue
            enstrophies.append(torch.where(torch.isinf(lives), strengths, torch.nan).tolist())
            alive = field[torch.isinf(lives)]
            if step >= how.num_free_steps // 2 and len(alive):
                climate.add(self._looked_at(physics, alive.unsqueeze(-1)))
            if not len(alive):
                break
        interval = self._interval(physics)
        return {
            "stable": float(torch.isinf(lives).double().mean()),
            "life": [None if math.isinf(v) else v * interval for v in lives.tolist()],
            "enstrophy_series": enstrophies,
            "climate": climate.mean(),
        }

    def _looked_at(self, physics: Barotropic, states: Tensor) -> dict[str, Tensor]:
        """Means over states `(state, lat, lon, 1)` of all that makes a climate."""
        waves, equation = physics.waves, physics.equation()
        modes = physics.to_modes(states.float())
        rate = equation.nonlinear(modes)
        values = (states * physics.unit_time).flatten().double()
        looked_at = {
            "energy": energy(waves, modes),
            "enstrophy": enstrophy(waves, modes),
            "energy_spectrum": energy_spectrum(waves, modes),
            "enstrophy_spectrum": enstrophy_spectrum(waves, modes),
            "energy_flux": energy_flux(waves, modes, rate),
            "enstrophy_flux": enstrophy_flux(waves, modes, rate),
        }
        means = {name: values_of.double().mean(0) for name, values_of in looked_at.items()}
        return means | {"quantiles": torch.quantile(values, _QUANTILES.double())}


def _correlation(field: Tensor, truth: Tensor) -> Tensor:
    """Of two fields over the cells, `(start, lat, lon)` → `(start,)`."""
    a, b = field.double() - field.double().mean((1, 2), keepdim=True), truth.double()
    b = b - b.mean((1, 2), keepdim=True)
    correlation: Tensor = (a * b).mean((1, 2)) / (a.square().mean((1, 2)) * b.square().mean((1, 2))).sqrt()
    return correlation
