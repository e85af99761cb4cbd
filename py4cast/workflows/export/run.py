"""export: one step of a Forecaster as a graph of its own, checked against torch before it is published.

Statistics, statics, the strategy's update and, where the Forecaster imposes values in its border, the blending are
inside: physical units in and out, a free batch. ONNX runs without torch (`py4cast forecast --model step.onnx`); `.pt2`
is `torch.export` for programs that have torch. The drift is the largest difference from torch at each lead time of a
forecast from smooth random states, in standard deviations; an export that differs at the first step is not written.
"""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from py4cast.atomic import atomic_path
from py4cast.errors import Py4castError, SettingsError
from py4cast.forecaster import Forecaster
from py4cast.given import Given
from py4cast.saved import identity_of, read_info
from py4cast.steppers import Array, StepInfo
from py4cast.steppers.eager import EagerStepper, step_arrays
from py4cast.steppers.onnx import ARRAYS, HEADER, INPUT_PREFIX, SEAL, UNSEALED, OnnxStepper, packed_arrays, sealed
from py4cast.workflows.export.compress import Weights, compressed
from py4cast.workflows.export.graph import OPSET, onnx_graph, quiet, require_onnx

__all__ = ["Drift", "Export", "export"]

logger = logging.getLogger(__name__)
_TOLERANCE = {"float32": 1e-4, "float16": 0.05, "int8": 0.5}


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """What is exported, and how its weights are stored.

    Args:
        forecaster: a saved Forecaster.
        output: `.onnx` or `.pt2`.
        weights: how they are stored: float32, or with loss float16 or int8 (ONNX).
        num_steps: lead times of the check against torch.
    """

    forecaster: str
    output: str
    weights: Weights = "float32"
    num_steps: int = 12

    def __post_init__(self) -> None:
        if Path(self.output).suffix not in (".onnx", ".pt2"):
            raise SettingsError(f"--output {self.output}: expected a name that ends in .onnx or .pt2")
        if self.weights != "float32" and self.output.endswith(".pt2"):
            raise SettingsError(f"--weights {self.weights}: of ONNX alone")
        if self.num_steps < 1:
            raise SettingsError(f"--num_steps {self.num_steps}: expected at least 1")


class Drift(NamedTuple):
    """How far an exported step is from torch, by lead time.

    Args:
        lead_times: of the forecast.
        largest: difference in any cell and feature [σ].
        rms: root mean square difference over cells and features [σ].
        growth: of the root mean square error of the Forecaster's test that such a difference brings, √(1 + (d/e)²) − 1,
            mean over the features; NaN where its scores are not known.
    """

    lead_times: list[np.timedelta64]
    largest: list[float]
    rms: list[float]
    growth: list[float]


class _Step(nn.Module):
    """The step as a function of tensors alone."""

    def __init__(self, forecaster: Forecaster, names: list[str]) -> None:
        super().__init__()
        self.forecaster, self.names = forecaster, names

    def forward(self, *values: Tensor) -> Tensor:
        given = dict(zip(self.names, values, strict=True))
        inputs = {n.removeprefix(INPUT_PREFIX): v for n, v in given.items() if n.startswith(INPUT_PREFIX)}
        next_state: Tensor = self.forecaster(
            given["state"], given.get("forcing"), inputs, given.get("border"), given.get("noise")
        )
        return next_state


def export(asked: Export) -> Drift:
    """Writes the step, and returns its drift from torch.

    Raises:
        SettingsError: the model does not export, or a package lacks.
        DataError: no Forecaster.
        Py4castError: the exported step differs from torch; nothing is written.
    """
    stepper = EagerStepper(Path(asked.forecaster), "cpu")
    forecaster, output = stepper.forecaster, Path(asked.output)
    require_onnx(forecaster)
    if not forecaster.strategy.exports:
        raise SettingsError(
            f"strategy {forecaster.names['strategy']!r}: {forecaster.strategy.unexported}; forecast with the Forecaster itself"
        )
    examples = dict(_examples(forecaster, stepper.info.border is not None))
    step = _Step(forecaster, list(examples)).eval()
    if output.suffix == ".pt2":
        return _export_pt2(step, examples, stepper, output)
    whole = onnx_graph(step, examples)
    model, count = compressed(whole, asked.weights, {n for n, _ in step.named_buffers()})
    if count:
        logger.info("%d numbers stored as %s", count, asked.weights)
    with atomic_path(output, suffix=".onnx") as temporary:
        _save(model, stepper.info, forecaster, temporary, asked, None)
        drift = _drift(stepper, OnnxStepper(temporary), examples, asked.num_steps)
        _refuse(drift.largest[0], _TOLERANCE[asked.weights], output)
        _save(model, stepper.info, forecaster, temporary, asked, drift)
    return drift


def _refuse(difference: float, most: float, output: Path) -> None:
    if not difference <= most:
        raise Py4castError(
            f"{output}: the exported step differs from torch by {difference:.2g} standard deviations; it is not written"
        )


def _examples(forecaster: Forecaster, has_border: bool, batch_size: int = 2) -> Iterator[tuple[str, Tensor]]:
    """Smooth random inputs of one step by name, physical; half of the border is not known."""
    info, generator = forecaster.info, torch.Generator().manual_seed(0)

    def field(stats: Any, names: list[str], shape: tuple[int, ...], *leading: int) -> Tensor:
        noise = torch.randn(*leading, len(names), *shape, generator=generator)
        smooth = nn.functional.avg_pool2d(noise.flatten(0, -4), 5, 1, 2).reshape(noise.shape).movedim(-3, -1)
        fields: Tensor = smooth / smooth.std() * stats.to_list("std", names) + stats.to_list("mean", names)
        return fields

    shape = info.grid.shape
    yield "state", field(info.stats, info.prognostic, shape, batch_size, forecaster.num_input_steps)
    if info.forcing:
        yield "forcing", field(info.stats, info.forcing, shape, batch_size)
    if has_border:
        border = field(info.stats, info.prognostic, shape, batch_size)
        border[:, : shape[0] // 2] = torch.nan
        yield "border", border
    if noise := forecaster.strategy.noise_of_step:
        yield "noise", torch.randn(batch_size, *noise.shape(shape), generator=generator)
    for key in forecaster.inputs:
        input_info = info.inputs[key]
        yield INPUT_PREFIX + key, field(input_info.stats, input_info.names, input_info.grid.shape, batch_size)


def _save(model: Any, info: StepInfo, forecaster: Forecaster, path: Path, asked: Export, drift: Drift | None) -> None:
    """Writes the model with its metadata."""
    import onnx

    drift_found = [] if drift is None else drift.largest
    header = {**info.header, "export": {"opset": OPSET, "weights": asked.weights, "torch": torch.__version__, "forecaster": identity_of(read_info(Path(asked.forecaster))[0]), "drift": drift_found}}  # fmt: skip
    text = json.dumps(header, allow_nan=False)
    onnx.helper.set_model_props(model, {SEAL: UNSEALED, HEADER: text, ARRAYS: packed_arrays(step_arrays(forecaster))})
    onnx.checker.check_model(model)
    path.write_bytes(sealed(model.SerializeToString()))


def _drift(eager: EagerStepper, other: OnnxStepper, examples: dict[str, Tensor], num_steps: int) -> Drift:
    """The drift over batches of one and of two."""
    info, valid = eager.forecaster.info, other.info.valid
    std = info.stats.to_list("std", info.predicted).numpy()
    std = np.where(std > 0, std, 1.0)
    largest, squares = np.zeros(num_steps), np.zeros((num_steps, std.size))
    for count in (1, 2):
        values_of: dict[str, Array] = {name: values[:count].numpy() for name, values in examples.items()}
        inputs = {n.removeprefix(INPUT_PREFIX): v for n, v in values_of.items() if n.startswith(INPUT_PREFIX)}
        given = [Given(values_of.get("forcing"), values_of.get("border"), inputs, values_of.get("noise"))] * num_steps
        pairs = zip(eager.advance(values_of["state"], given), other.advance(values_of["state"], given), strict=True)
        for step, (expected, actual) in enumerate(pairs):
            difference = np.abs(expected[:, valid] - actual[:, valid]).astype(np.float64) / std
            difference = np.where(np.isfinite(difference), difference, 1e30)
            largest[step] = max(largest[step], difference.max())
            squares[step] = np.maximum(squares[step], np.square(difference).mean((0, 1)))
    leads = [info.step_duration * (i + 1) for i in range(num_steps)]
    growth = [_growth(eager.forecaster, i, np.sqrt(row), std) for i, row in enumerate(squares)]
    return Drift(leads, largest.tolist(), np.sqrt(squares.mean(1)).tolist(), growth)


def _growth(forecaster: Forecaster, step: int, drift: Any, std: Any) -> float:
    """What the drift of each feature [σ] adds to the error that the Forecaster's test found at that lead time."""
    table = forecaster.lineage.get("scores", {}).get("model", {})
    growths = []
    for name, drift_of, scale in zip(forecaster.info.predicted, drift, std, strict=True):
        errors = table.get(name, {}).get("rmse", [])
        if step < len(errors) and errors[step]:
            growths.append(np.sqrt(1 + (drift_of * scale / errors[step]) ** 2) - 1)
    return float(np.mean(growths)) if growths else float("nan")


def _export_pt2(step: _Step, examples: dict[str, Tensor], stepper: EagerStepper, output: Path) -> Drift:
    """Writes `torch.export`'s archive, with the header and the arrays as extra files; its drift is that of one step."""
    with quiet():
        batch = torch.export.Dim("batch", max=1024)
        program = torch.export.export(
            step, tuple(examples.values()), dynamic_shapes=(tuple({0: batch} for _ in examples),)
        )
        with torch.no_grad():
            actual, expected = program.module()(*examples.values()), step(*examples.values())
        std = stepper.forecaster.info.stats.to_list("std", stepper.forecaster.info.predicted)
        difference = ((actual - expected).abs() / std).nan_to_num()
        largest, rms = float(difference.max()), float(difference.square().mean().sqrt())
        _refuse(largest, _TOLERANCE["float32"], output)
        extra = {HEADER: json.dumps(dict(stepper.info.header)), ARRAYS: packed_arrays(step_arrays(stepper.forecaster))}
        with atomic_path(output, suffix=".pt2") as temporary:
            torch.export.save(program, temporary, extra_files=extra)
    return Drift([stepper.info.step_duration], [largest], [rms], [float("nan")])
