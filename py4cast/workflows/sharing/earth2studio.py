"""A Forecaster or an exported step as a prognostic model of Earth2Studio, which runs it beside those of others.

    model = PrognosticStep("step.onnx")
    earth2studio.run.deterministic(["2024-01-01"], 20, model, data, io)

It has the methods of `earth2studio.models.px.PrognosticModel` and needs nothing of that package. Variables take the names and
units of its lexicon: `u10m` [m s-1], `z500` [m2 s-2], `tp` [m].

Reference: NVIDIA Earth2Studio, "Prognostic model interface", https://nvidia.github.io/earth2studio.
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from py4cast.datasets.forcings import GROUPS, ComputedForcings
from py4cast.errors import DataError, SettingsError, nearest
from py4cast.given import Given
from py4cast.steppers import open_stepper
from py4cast.timeline import later
from py4cast.units import conversion
from py4cast.variables import Variable

__all__ = ["PrognosticStep", "lexicon_name"]

Coords = OrderedDict[str, NDArray[Any]]
_GRAVITY = 9.80665
# GRIB short names near the ground and on pressure levels: their name and units there
_SURFACE = {
    "2t": ("t2m", "K"), "2d": ("d2m", "K"), "10u": ("u10m", "m s-1"), "10v": ("v10m", "m s-1"), "100u": ("u100m", "m s-1"),
    "100v": ("v100m", "m s-1"), "msl": ("msl", "Pa"), "sp": ("sp", "Pa"), "tcwv": ("tcwv", "kg m-2"), "tp": ("tp", "kg m-2"), "sst": ("sst", "K"),
    "t2m": ("t2m", "K"), "d2m": ("d2m", "K"), "u10": ("u10m", "m s-1"), "v10": ("v10m", "m s-1"),
}  # fmt: skip
_LEVELS = {"z": "m2 s-2", "t": "K", "u": "m s-1", "v": "m s-1", "w": "Pa s-1", "q": "kg kg-1", "r": "%"}


def lexicon_name(variable: Variable) -> tuple[str, float, float]:
    """The name of a variable in Earth2Studio's lexicon, and scale and offset from our units to those; its own name where there is none."""
    name, units, factor = variable.name, "", 1.0
    if variable.type_of_level == "isobaricInhPa" and variable.level is not None:
        short = variable.short_name
        if variable.standard_name == "geopotential_height" or short == "gh":
            return f"z{variable.level:g}", _GRAVITY, 0.0
        if short in _LEVELS:
            name, units = f"{short}{variable.level:g}", _LEVELS[short]
    elif variable.short_name in _SURFACE:
        name, units = _SURFACE[variable.short_name]
        factor = 1e-3 if name == "tp" else 1.0  # a depth of water there
    if not units or not variable.units:
        return name, factor, 0.0
    scale, offset = conversion(variable.units, units)
    return name, factor * scale, factor * offset


class PrognosticStep:
    """Creates the prognostic model of a step.

    Args:
        path: `step.onnx`, or `forecaster.safetensors`.
        names: names in Earth2Studio by ours, where the lexicon's are not wanted.
        seed: of the noise, for a strategy that takes some; batch entries are members.
        device: where torch runs a Forecaster; an exported step runs on the CPU.

    Raises:
        DataError: a step on points, or one that needs forcings that are not computed, or further inputs.
        SettingsError: a name that is not of the step.
    """

    def __init__(
        self, path: str | Path, names: Mapping[str, str] | None = None, seed: int = 0, device: str | None = None
    ) -> None:
        self._path, self._seed = Path(path), seed
        self._stepper = open_stepper(path, device)
        info = self._stepper.info
        if not info.grid.is_rectangular:
            raise DataError(f"{path}: on {info.grid.describe()}; Earth2Studio's coordinates are rows and columns")
        made = {name: group for group, members in GROUPS.items() for name in members}
        lacking = [name for name in info.forcing if name not in made] + list(info.inputs)
        if lacking:
            raise DataError(f"{path}: needs {', '.join(lacking)} at every step, which Earth2Studio does not give")
        groups = list(dict.fromkeys(made[name] for name in info.forcing))
        self._forcings = ComputedForcings(groups, info.grid, info.step_duration)
        for name in names or {}:
            if name not in info.predicted:
                raise SettingsError(f"names: {name!r} is not predicted{nearest(name, info.predicted)}")
        told = [lexicon_name(v) for v in info.variables_of(info.predicted)]
        self.names = [(names or {}).get(ours, name) for ours, (name, _, _) in zip(info.predicted, told, strict=True)]
        self._scale, self._offset = (np.array([t[i] for t in told], dtype=np.float32) for i in (1, 2))

    def to(self, device: Any) -> Self:
        """The same on a device; an exported step stays on the CPU."""
        if self._path.suffix != ".onnx":
            self._stepper = open_stepper(self._path, str(device))
        return self

    def _places(self) -> Coords:
        grid = self._stepper.info.grid
        if grid.is_projected:
            rows, columns = (np.arange(n) if axis is None else axis for n, axis in zip(grid.shape, (grid.y, grid.x), strict=True))  # fmt: skip
            return OrderedDict({"y": np.asarray(rows), "x": np.asarray(columns)})
        return OrderedDict({"lat": grid.latitude, "lon": grid.longitude % 360})

    def input_coords(self) -> Coords:
        """What it takes: past states up to now, prognostic variables, rows and columns."""
        info = self._stepper.info
        leads = np.arange(1 - info.num_input_steps, 1) * info.step_duration
        names = np.array(self.names[: len(info.prognostic)])
        empty = np.empty(0)
        return OrderedDict(
            {
                "batch": empty,
                "time": empty,
                "lead_time": leads.astype("timedelta64[ns]"),
                "variable": names,
                **self._places(),
            }
        )

    def output_coords(self, input_coords: Coords) -> Coords:
        """What it gives for these: one step further, diagnostics too.

        Args:
            input_coords: in the order of `input_coords()`; before `time` any dimensions, or none.

        Raises:
            ValueError: other variables, lead times, rows or columns than it takes.
        """
        wanted = self.input_coords()
        del wanted["batch"]
        names = list(input_coords)
        if names[-len(wanted) :] != list(wanted):
            raise ValueError(f"dimensions {', '.join(names)}; expected batch, {', '.join(wanted)}")
        for name, values in list(wanted.items())[1:]:
            given = np.asarray(input_coords[name])
            if name == "lead_time":
                given, values = given - given[-1], values - values[-1]
            is_same = given.shape == values.shape and (
                np.array_equal(given, values)
                if name in ("variable", "lead_time")
                else np.allclose(given, values, atol=1e-3)
            )
            if not is_same:
                raise ValueError(f"{name} {_span(given)}; expected {_span(values)}")
        info, made = self._stepper.info, OrderedDict(input_coords)
        made["lead_time"] = np.asarray(input_coords["lead_time"])[-1:] + info.step_duration
        made["variable"] = np.array(self.names)
        return made

    def __call__(self, x: Tensor, coords: Coords) -> tuple[Tensor, Coords]:
        """One step: `(..., time, lead_time, variable, lat, lon)` → the same with one lead time, and its coordinates."""
        steps = self.create_iterator(x, coords)
        next(steps)
        return next(steps)

    def create_iterator(self, x: Tensor, coords: Coords) -> Iterator[tuple[Tensor, Coords]]:
        """Yields the last state that is given, then step after step without end."""
        info = self._stepper.info
        self.output_coords(coords)
        # whatever stands before time is the batch
        leading, num_times = x.shape[:-5], x.shape[-5]
        count = int(np.prod(leading))
        prognostic = len(info.prognostic)
        scale, offset = self._scale[:prognostic], self._offset[:prognostic]
        states = x.detach().float().cpu().movedim(-3, -1).reshape(count * num_times, *x.shape[-4:-3], *x.shape[-2:], -1)
        past = ((states.numpy() - offset) / scale).astype(np.float32)
        now = OrderedDict(coords) | {"lead_time": np.asarray(coords["lead_time"])[-1:]}
        yield x[..., -1:, :, :, :], now
        first = np.asarray(coords["time"], dtype="datetime64[s]") + now["lead_time"].astype("timedelta64[s]")[0]
        for step, made in enumerate(self._stepper.rollout(past, self._given(first, count))):
            fields = torch.from_numpy(made * self._scale + self._offset).to(x)
            fields = fields.reshape(*leading, num_times, *fields.shape[1:]).movedim(-1, -3).unsqueeze(-4)
            now = OrderedDict(now) | {"variable": np.array(self.names)}
            now["lead_time"] = np.asarray(coords["lead_time"])[-1:] + (step + 1) * info.step_duration
            yield fields, OrderedDict(now)

    def _given(self, starts: NDArray[np.datetime64], count: int) -> Iterator[Given[Any]]:
        """What is given of each step, of every batch entry and time in turn."""
        info, step = self._stepper.info, 0
        while True:
            forcing = noise = None
            if info.forcing:
                valid = np.array([later(start, step + 1, info.step_duration) for start in starts])
                fields = dict(zip(self._forcings.names, self._forcings.compute(valid), strict=True))
                made = np.stack([fields[name] for name in info.forcing], -1)
                forcing = np.ascontiguousarray(np.tile(made, (count, 1, 1, 1)), dtype=np.float32)
            if info.noise:
                drawn = info.noise.draw(self._seed, starts, range(count), step, info.grid.shape)
                noise = np.ascontiguousarray(np.swapaxes(drawn, 0, 1).reshape(-1, *drawn.shape[2:]))
            yield Given(forcing, None, {}, noise)
            step += 1


def _span(values: NDArray[Any]) -> str:
    if values.dtype.kind in "US" or values.size < 4:
        return ", ".join(map(str, values.tolist()))
    return f"{values.size} from {values[0]} to {values[-1]}"
