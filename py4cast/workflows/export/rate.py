"""export --rate: what the network of a hybrid gives to its physics, as a graph that a solver of one's own can call.

A solver in Fortran or C keeps its own dynamics and asks for the rate alone: state and forcings in, [units s-1] out, all
in physical units, with normalisation inside. Fields that the physics derives (a stream function) are given by the host
as further forcings, after those of the data. The file is called as a step is (`deploy/`), but by `p4c_rate`.
"""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from py4cast.atomic import atomic_path
from py4cast.errors import Py4castError, SettingsError
from py4cast.forecaster import Forecaster
from py4cast.normalizer import Normalizer
from py4cast.saved import identity_of, read_info
from py4cast.settings import encode
from py4cast.strategies.hybrid import Hybrid
from py4cast.workflows.export.graph import onnx_graph, require_onnx

__all__ = ["RATE", "RateNetwork", "export_rate"]

logger = logging.getLogger(__name__)
RATE = "py4cast.rate"
_TOLERANCE = 1e-4


class RateNetwork(nn.Module):
    """Creates the rate as a function of tensors alone, physical units.

    Args:
        forecaster: with the strategy hybrid.

    Raises:
        SettingsError: another strategy.
    """

    def __init__(self, forecaster: Forecaster) -> None:
        super().__init__()
        if not isinstance(forecaster.strategy, Hybrid):
            raise SettingsError(
                f"--rate: of the strategy hybrid alone; this Forecaster has {forecaster.names['strategy']!r}"
            )
        self.forecaster, self.hybrid, info = forecaster, forecaster.strategy, forecaster.info
        # not those of the physics, which the host's dynamics have
        self.own = Normalizer([n for n in info.forcing if n not in self.hybrid.acting.features], info.stats)

    @property
    def given(self) -> list[str]:
        """Features of the forcing, in order: those of the data, then those that the physics derives."""
        return [*self.own.features, *self.hybrid.settings.derived]

    def forward(self, *values: Tensor | None) -> Tensor:
        """The rate of a step, `(batch, lat, lon, features)` [units s-1].

        Args:
            values: past states, `(batch, timestep, lat, lon, features)`, and where `given` names any, the forcing,
                `(batch, lat, lon, features)`.
        """
        state, forcing = (*values, None)[:2]
        assert state is not None, "past states come first"
        hybrid, num_own = self.hybrid, len(self.own.features)
        window = hybrid.fill_states(self.forecaster.states.standardise(state))
        parts = list(window.unbind(1))
        if hybrid.statics.shape[-1]:
            parts.append(hybrid.statics.expand(window.shape[0], *hybrid.statics.shape))
        if forcing is not None:
            if num_own:
                parts.append(hybrid.fill(self.own.standardise(forcing[..., :num_own])))
            if hybrid.settings.derived:
                parts.append(hybrid.derived.standardise(forcing[..., num_own:]))
        return hybrid.scaled(self.forecaster.network(torch.cat(parts, dim=-1)))[0]

    def examples(self) -> list[Tensor]:
        """Random states and forcings, of two samples."""
        info, generator = self.forecaster.info, torch.Generator().manual_seed(0)

        def field(names: list[str], *leading: int) -> Tensor:
            noise = torch.randn(*leading, *info.grid.shape, len(names), generator=generator)
            return noise * info.stats.to_list("std", names) + info.stats.to_list("mean", names)

        state = field(info.prognostic, 2, self.forecaster.num_input_steps)
        return [state, *([field(self.given, 2)] if self.given else [])]


def export_rate(forecaster_path: Path, output: Path) -> float:
    """Writes the rate as ONNX, and returns its largest difference from torch [σ of the rate].

    Raises:
        SettingsError: no hybrid, or a model that does not export.
        Py4castError: it differs from torch; nothing is written.
    """
    import onnx
    import onnxruntime

    forecaster = Forecaster.load(forecaster_path)
    network = RateNetwork(forecaster).eval()
    require_onnx(forecaster)
    if output.suffix != ".onnx":
        raise SettingsError(f"--output {output}: expected a name that ends in .onnx")
    examples = dict(zip(("state", "forcing"), network.examples(), strict=False))
    model = onnx_graph(network, examples)
    with torch.no_grad():
        expected = network(*examples.values()).numpy()
    scale = network.hybrid.rates.std.numpy()
    with atomic_path(output, suffix=".onnx") as temporary:
        onnx.helper.set_model_props(model, {RATE: json.dumps(_header(network, forecaster_path), allow_nan=False)})
        onnx.checker.check_model(model)
        temporary.write_bytes(model.SerializeToString())
        session = onnxruntime.InferenceSession(temporary.read_bytes(), providers=["CPUExecutionProvider"])
        actual = session.run(None, {name: values.numpy() for name, values in examples.items()})[0]
        drift = float((np.abs(actual - expected) / scale).max())
        if not drift <= _TOLERANCE:
            raise Py4castError(f"{output}: the exported rate differs from torch by {drift:.2g} σ; it is not written")
    return drift


def _header(network: RateNetwork, path: Path) -> dict[str, Any]:
    """What a host must know: features in order with units, the step, how far the network sees, and the physics it is for."""
    info, hybrid = network.forecaster.info, network.hybrid
    units = {**info.units, **hybrid.physics.derived}
    halo = getattr(network.forecaster.network.model, "halo", None)
    if hybrid.physics.conserves_mean:
        logger.warning(
            "the rate is freed of its mean over the whole grid: in a solver cut into tiles, do so over all of them"
        )
    return {
        "state": [[n, units[n]] for n in info.prognostic],
        "forcing": [[n, units[n]] for n in network.given],
        "rate": [[n, f"{units[n]} s-1"] for n in info.prognostic],
        "coupling": hybrid.settings.coupling,
        "term": hybrid.settings.term,
        "physics": hybrid.settings.physics,
        "physics_settings": encode(hybrid.physics.settings),
        "learned": dict(hybrid.physics.learned()),
        "grid": list(info.grid.shape),
        "step_s": hybrid.step_s,
        "num_substeps": hybrid.settings.num_substeps,
        "num_input_steps": network.forecaster.num_input_steps,
        "halo": halo,
        "removes_mean": hybrid.physics.conserves_mean,
        "forecaster": identity_of(read_info(path)[0]),
        "torch": torch.__version__,
    }
