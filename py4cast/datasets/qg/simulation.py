"""Simulation: one run of the fine flow, instant by instant, kept on disk from time to time so that it can go on.

To reach statistical equilibrium at little cost, a forced flow is spun up on half as many points with a dynamic Leith
closure at twice the step, then put on the fine grid, where it fills its short waves for an eighth of that time.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from py4cast.atomic import atomic_path
from py4cast.datasets.qg.settings import LENGTH, TIME_UNIT, Plan
from py4cast.errors import NumericalError
from py4cast.physics.closures.dynamic import DynamicLeith
from py4cast.physics.filters import FILTERS
from py4cast.physics.forcing import Wind
from py4cast.physics.invariants import energy, enstrophy
from py4cast.physics.spectral import SpectralGrid
from py4cast.physics.steppers import RungeKutta4
from py4cast.physics.vorticity import VorticityEquation
from py4cast.settings import digest

__all__ = ["Simulation"]

Plane = NDArray[np.float32]


class Simulation:
    """Creates one run of the flow, which goes forward as its planes are asked for.

    Args:
        plan: what is simulated.
        seed: of its first state.
        folder: where states are kept while it is under way.
        spun_up: where the state after the spin-up is kept for other splits and lengths of the same flow.
        keep_every: a state is kept before every so many instants, which are written together.
        tell: called with a number of steps that are done.
    """

    def __init__(
        self, plan: Plan, seed: int, folder: Path, spun_up: Path, keep_every: int, tell: Callable[[int], None]
    ) -> None:
        self.plan, self.seed, self._folder, self._spun_up_folder, self._tell = plan, seed, folder, spun_up, tell
        self._keep_every = keep_every
        self.grid, self.coarse_grid = SpectralGrid(plan.fine), SpectralGrid(plan.coarse)
        parameters = (plan.viscosity, plan.drag, plan.beta, plan.viscosity_order)
        self.equation = VorticityEquation(self.grid, *parameters)
        self.coarse = VorticityEquation(self.coarse_grid, *parameters)
        self.filter = FILTERS[plan.filter](self.coarse_grid)
        self.stepper = RungeKutta4(self.equation, plan.step)
        self._factors = self.stepper.factors()
        self._wind = Wind(self.grid, plan.wind) if plan.wind else None
        self._index: int | None = None
        self._state = torch.zeros(self.grid.shape, dtype=torch.complex64)
        self._subgrid = torch.zeros(self.coarse_grid.shape, dtype=torch.complex64)

    # The flow ------------------------------------------------------------------------------------------

    def first_state(self, grid: SpectralGrid) -> Tensor:
        """Random eddies: of a forced flow weak and large, of a decaying one strong and small, drawn alike on any grid."""
        is_decaying, generator = self.plan.is_decaying, torch.Generator().manual_seed(self.seed)
        low, high = (self.plan.coarse / 6.4, self.plan.coarse / 2) if is_decaying else (3.0, 5.0)
        widest = math.ceil(high)
        phases = 2 * torch.pi * torch.rand(2 * widest + 1, widest + 1, generator=generator)
        sizes = torch.rand(2 * widest + 1, widest + 1, generator=generator)
        drawn = SpectralGrid(max(8, 2 * widest + 2))
        k = drawn.square.sqrt()
        modes = torch.polar(sizes, phases)[: drawn.shape[0], : drawn.shape[1]] * ((k >= low) & (k <= high))
        # the waves along y alone are stored twice: one is the other's conjugate, as of any real field
        modes = grid.resize(drawn.modes(drawn.field(modes)))
        scale = 8.0 / enstrophy(grid, modes) if is_decaying else 0.01 / energy(grid, modes)
        return modes * scale.sqrt()

    def _source(self, time: float, grid: SpectralGrid) -> Tensor | None:
        """The wind on a grid."""
        if self._wind is None:
            return None
        wind = self._wind(torch.tensor(time, dtype=torch.float64))
        return wind if grid is self.grid else grid.resize(wind)

    def _run(
        self, state: Tensor, begin: float, steps: int, stepper: RungeKutta4, closure: DynamicLeith | None = None
    ) -> Tensor:
        """Steps with the wind of each step's middle, and with what a closure adds."""
        factors = self._factors if stepper is self.stepper else stepper.factors()
        stepper.check(state)
        for i in range(steps):
            source = self._source(begin + (i + 0.5) * stepper.step, stepper.equation.grid)
            if closure is not None:
                source = closure(state) if source is None else source + closure(state)
            state = stepper.advance((state,), factors, source)[0]
            self._tell(1)
        if not bool(torch.isfinite(state.real).all()):
            raise NumericalError(
                f"qg, seed {self.seed}: the flow blew up before time {begin + steps * stepper.step:.3f}"
            )
        return state

    @property
    def num_spinup_steps(self) -> int:
        """Steps before the first instant."""
        return sum(self._spinup_steps)

    @property
    def _spinup_steps(self) -> tuple[int, int]:
        plan = self.plan
        if plan.is_decaying:
            return 0, round(plan.spinup / plan.step)
        return round(plan.spinup / (2 * plan.step)), round(plan.spinup / 8 / plan.step)

    def _spun_up(self) -> Tensor:
        plan, (early, late) = self.plan, self._spinup_steps
        state, time = self.first_state(self.grid), -plan.interval - late * plan.step - early * 2 * plan.step
        if early:
            half = SpectralGrid(plan.fine // 2 + plan.fine // 2 % 2)
            # the shortest waves of the half grid are damped as those of the whole one
            viscosity = plan.viscosity * 2.0 ** (2 * plan.viscosity_order)
            equation = VorticityEquation(half, viscosity, plan.drag, plan.beta, plan.viscosity_order)
            stepper = RungeKutta4(equation, 2 * plan.step)
            state = self.grid.resize(self._run(half.resize(state), time, early, stepper, DynamicLeith(equation)))
            time += early * 2 * plan.step
        return self._run(state, time, late, self.stepper)

    def _begin(self) -> Tensor:
        """The spun-up state, as another simulation of the same flow has left it, or made."""
        others: dict[str, Any] = dict.fromkeys(("num_train", "num_valid", "num_test", "num_runs"), 0)
        flow = self.plan._replace(**others, filter="", diagnostics=(), seed=self.seed)
        path = self._spun_up_folder / f"{digest(flow._asdict())[:16]}.npy"
        if path.exists():
            self._tell(self.num_spinup_steps)
            return torch.view_as_complex(torch.from_numpy(np.load(path)))
        state = self._spun_up()
        _save(path, state)
        return state

    # Instants ------------------------------------------------------------------------------------------

    def planes(self, index: int) -> dict[str, Plane]:
        """The coarse fields of an instant [SI units]; a step's forcing and subgrid tendency stand at its end."""
        with torch.no_grad():
            self._go_to(index)
            waves = self.coarse_grid
            bar = self.filter(self._state)
            fields = {"vorticity": waves.field(bar) / TIME_UNIT}
            fields["subgrid_tendency"] = waves.field(self._subgrid) / TIME_UNIT**2
            unit = LENGTH / (2 * torch.pi)
            fields["stream_function"] = waves.field(self.coarse.stream_function(bar)) * (unit**2 / TIME_UNIT)
            wind = self._source((index - 0.5) * self.plan.interval, self.grid)
            if wind is not None:
                fields["vorticity_forcing"] = waves.field(self.filter(wind)) / TIME_UNIT**2
            return {name: field.numpy().astype(np.float32) for name, field in fields.items()}

    def _go_to(self, index: int) -> None:
        if self._index is None or self._index > index:
            self._restore(index)
        assert self._index is not None, "restored"
        while self._index < index:
            self._subgrid = self.filter.subgrid_term(self.equation, self.coarse, self._state)
            begin = self._index * self.plan.interval
            self._state = self._run(self._state, begin, self.plan.num_substeps, self.stepper)
            self._index += 1
            if (self._index + 1) % self._keep_every == 0:
                self._keep()

    def _path(self, index: int) -> Path:
        return self._folder / f"{self.seed}_{index}.npy"

    def _keep(self) -> None:
        """Keeps the state on disk, and the one before it."""
        assert self._index is not None, "under way"
        _save(self._path(self._index), torch.cat([self._state.flatten(), self._subgrid.flatten()]))
        self._path(self._index - 2 * self._keep_every).unlink(missing_ok=True)

    def _restore(self, index: int) -> None:
        """The last state on disk up to an instant, or the spun-up one, one interval before the first instant."""
        indices = [int(p.stem.split("_")[1]) for p in self._folder.glob(f"{self.seed}_*.npy")]
        usable = [i for i in indices if i <= index]
        if not usable:
            self._index, self._state = -1, self._begin()
            self._keep()
            return
        self._index = max(usable)
        values = torch.view_as_complex(torch.from_numpy(np.load(self._path(self._index))))
        size = self._state.numel()
        self._state = values[:size].reshape(self.grid.shape)
        self._subgrid = values[size:].reshape(self.coarse_grid.shape)


def _save(path: Path, modes: Tensor) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path, ".npy") as temporary, temporary.open("wb") as stream:
        np.save(stream, torch.view_as_real(modes).numpy())
