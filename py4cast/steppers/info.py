"""StepInfo: all that running a saved Forecaster needs to know of it; numpy alone.

It is read from the JSON header and the few arrays (grid, valid cells) that a Forecaster's file and its exports carry.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from py4cast.border import Border, border_mask
from py4cast.calibration import Calibration
from py4cast.grid import Grid
from py4cast.noise import Noise
from py4cast.variables import Variable, names_of

__all__ = ["StepInfo", "StepInput"]


@dataclass(frozen=True, slots=True)
class StepInput:
    """A further input of a step, on a grid of its own.

    Args:
        grid: where its cells are.
        variables: its features, in order.
        at_start: whether all steps see what was known at the start of the forecast.
    """

    grid: Grid
    variables: list[Variable]
    at_start: bool = False


@dataclass(frozen=True, slots=True)
class StepInfo:
    """What a Forecaster takes and gives.

    Args:
        header: of its file, plain JSON values.
        grid: where the cells are.
        variables: prognostic, diagnostic and forcing ones, in the order of features.
        step_duration: time between two states.
        num_input_steps: past states that it is given.
        border: cells that are imposed at every step, `(lat, lon)`; None where none are.
        valid: False where a field never holds data, `(lat, lon)`.
        inputs: further inputs by key.
        noise: what it takes of noise at each step.
        num_members: members of a forecast where no number is asked for.
        calibration: what is put right in its forecasts; None for nothing.
    """

    header: Mapping[str, Any]
    grid: Grid
    variables: list[Variable]
    step_duration: np.timedelta64
    num_input_steps: int
    border: NDArray[np.bool_] | None
    valid: NDArray[np.bool_]
    inputs: Mapping[str, StepInput]
    noise: Noise = Noise()
    num_members: int = 1
    calibration: Calibration | None = None

    @classmethod
    def from_header(cls, header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> "StepInfo":
        """The StepInfo of a header and the arrays `grid.*`, `statics.valid_mask` and `inputs.KEY.*` beside it.

        Raises:
            KeyError: something that every header has is missing.
        """
        info = header["info"]

        def grid_of(meta: Mapping[str, Any], prefix: str) -> Grid:
            grid_arrays = {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
            return Grid.unpack(meta, grid_arrays)

        grid = grid_of(info["grid"], "grid.")
        asked = header.get("further_inputs", ())
        inputs = {
            key: StepInput(
                grid_of(meta["grid"], f"inputs.{key}."),
                [Variable.from_dict(v) for v in meta["variables"]],
                bool(meta.get("at_start", False)),
            )
            for key, meta in info.get("inputs", {}).items()
            if key in asked
        }
        forces = header.get("forces_border", header["strategy_settings"].get("force_border", False))
        border = Border.from_dict(info["border_size"], info.get("border", {}))
        return cls(
            header=header,
            grid=grid,
            variables=[Variable.from_dict(v) for v in info["variables"]],
            step_duration=np.timedelta64(info["step_duration_s"], "s"),
            num_input_steps=header["num_input_steps"],
            border=border_mask(grid, border) if forces and border else None,
            valid=np.asarray(arrays["statics.valid_mask"], dtype=bool).reshape(grid.shape),
            inputs=inputs,
            noise=Noise.from_dict(header.get("noise", {})),
            num_members=int(header.get("num_members", 1)),
            calibration=(
                Calibration.from_dict(header["calibration"], np.asarray(arrays["calibration.mean"], dtype=np.float32))
                if header.get("calibration")
                else None
            ),
        )

    @property
    def prognostic(self) -> list[str]:
        """Features that are predicted and fed back."""
        return names_of(self.variables, "prognostic")

    @property
    def forcing(self) -> list[str]:
        """Features that are given at each predicted step."""
        return names_of(self.variables, "forcing")

    @property
    def predicted(self) -> list[str]:
        """Features of the outputs: prognostic, then diagnostic."""
        return names_of(self.variables, "prognostic", "diagnostic")

    def variables_of(self, names: Sequence[str]) -> list[Variable]:
        """The variables of some features, in their order."""
        by_name = {v.name: v for v in self.variables}
        return [by_name[n] for n in names]

    @property
    def title(self) -> str:
        """Model and strategy, for people."""
        return f"{self.header['model']} ({self.header['strategy']})"
