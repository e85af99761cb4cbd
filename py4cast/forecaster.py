"""Forecaster: model + strategy + normalisation + statics + all that is known of the data.

It is what is trained, verified, exported and operated. Everything that goes in or comes out is in physical
units; it is standardised once on entry and brought back once on exit. A saved Forecaster is one safetensors
file: tensors, and a JSON header with what they are. Nothing in it is ever executed.
"""

import datetime
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from py4cast.batch import ItemBatch
from py4cast.dataset_info import DatasetInfo
from py4cast.errors import DataError, NumericalError, SettingsError
from py4cast.losses import LossABC
from py4cast.models import GriddedNetwork, build_network, read_settings
from py4cast.models import registry as models
from py4cast.namedtensor import NamedTensor
from py4cast.normalizer import Normalizer
from py4cast.saved import FORMAT, bounded_parameters, damaged_as_errors, read_saved, write_saved
from py4cast.settings import encode
from py4cast.strategies import Given, StrategyABC
from py4cast.strategies import registry as strategies

__all__ = ["FORMAT", "Forecaster", "StepInputs"]

_STEP_DIMS = ["batch", "lat", "lon", "features"]


class StepInputs(NamedTuple):
    """What is given of one step to predict, physical units.

    Args:
        forcing: `(batch, lat, lon, features)`.
        border: prognostic (or all predicted) features that are imposed in the border, NaN where they are not known.
        inputs: further inputs by key.
    """

    forcing: Tensor | None = None
    border: Tensor | None = None
    inputs: Mapping[str, Tensor] = MappingProxyType({})


class Forecaster(nn.Module):
    """Creates a Forecaster; `build` and `load` make one from names and from a file.

    Args:
        info: of the data.
        network: the model behind its GriddedNetwork.
        strategy: how the network becomes a next state.
        num_input_steps: past states that it is given.
        names: `{"model": name, "strategy": name}` as registered.
        model_settings: of the model.
        lineage: how it came to be, plain JSON values.
    """

    def __init__(
        self,
        info: DatasetInfo,
        network: GriddedNetwork,
        strategy: StrategyABC,
        num_input_steps: int,
        names: Mapping[str, str],
        model_settings: Any,
        lineage: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.info = info
        self.network = network
        self.strategy = strategy
        self.num_input_steps = num_input_steps
        self.names = dict(names)
        self.model_settings = model_settings
        self.lineage: dict[str, Any] = dict(lineage or {})
        self.states = Normalizer(info.prognostic, info.stats)
        self.predictions = Normalizer(info.predicted, info.stats)
        self.forcings = Normalizer(info.forcing, info.stats)
        wanted = getattr(network.model, "further_inputs", ())
        self.inputs = nn.ModuleDict({key: Normalizer(info.inputs[key].names, info.inputs[key].stats) for key in wanted})

    @classmethod
    def build(
        cls,
        info: DatasetInfo,
        model: str,
        strategy: str,
        num_input_steps: int,
        model_settings: Mapping[str, Any] | None = None,
        strategy_settings: Mapping[str, Any] | None = None,
        use_checkpoint: bool = False,
        source: str = "",
    ) -> "Forecaster":
        """A Forecaster with fresh weights, from registered names and plain settings.

        Raises:
            SettingsError: unknown names, wrong settings, or ones that do not fit together.
        """
        if num_input_steps < 1:
            raise SettingsError(f"num_input_steps {num_input_steps}: expected at least 1")
        kind = strategies.get(strategy)
        plan = kind(read_settings(kind, strategy_settings or {}, "strategy"), info)
        plan.check(num_input_steps)
        inputs = plan.num_input_features(info, num_input_steps)
        network, settings = build_network(
            model,
            inputs,
            plan.num_outputs(info),
            model_settings or {},
            info.grid,
            info.statics,
            source,
            use_checkpoint,
            info.inputs,
        )
        names = {"model": model, "strategy": strategy}
        return cls(info, network, plan, num_input_steps, names, settings)

    # Forecasting ---------------------------------------------------------------------------------------

    def forward(
        self,
        state: Tensor,
        forcing: Tensor | None = None,
        inputs: Mapping[str, Tensor] | None = None,
        border: Tensor | None = None,
    ) -> Tensor:
        """The next state, physical in and out; this is the unit that is exported.

        Args:
            state: past states, `(batch, timestep, lat, lon, features)`, prognostic features in order.
            forcing: of the step to predict, `(batch, lat, lon, features)`.
            inputs: further inputs of the step by key, `(batch, lat, lon, features)`, where the model asks for them.
            border: prognostic features of the step to predict, imposed in the border where the strategy does so,
                `(batch, lat, lon, features)`; NaN where they are not known.

        Returns:
            Prognostic then diagnostic features, `(batch, lat, lon, features)`; NaN where the data have none.
        """
        given = self._given(StepInputs(forcing, border, inputs or {}))
        filled = None if given.forcing is None else self.strategy.fill_forcing(given.forcing)
        further = {k: self.strategy.fill(v) for k, v in given.inputs.items()}
        network = partial(self.network, inputs=further) if further else self.network
        window = self.strategy.fill_states(self.states.standardise(state))
        return self._physical(self.strategy.step(network, window, filled, given.truth))

    def stream(self, state: Tensor, given: Iterable[StepInputs]) -> Iterator[Tensor]:
        """Yields the forecast of each lead time, physical, `(batch, lat, lon, features)`; in operations.

        Args:
            state: past states, `(batch, timestep, lat, lon, features)`.
            given: of each step in turn, physical, asked for when it is needed.
        """
        steps = map(self._given, given)
        for prediction in self.strategy.unroll(self.network, self.states.standardise(state), steps):
            yield self._physical(prediction)

    def _given(self, step: StepInputs) -> Given:
        """What is given of a step, standardised."""
        forcing = None if step.forcing is None or not self.info.forcing else self.forcings.standardise(step.forcing)
        border = None
        if step.border is not None:
            is_whole = step.border.shape[-1] == len(self.info.predicted)
            border = (
                self.predictions.standardise(step.border)
                if is_whole
                else self._widened(self.states.standardise(step.border))
            )
        return Given(forcing, border, {k: n.standardise(step.inputs[k]) for k, n in self._normalizers().items()})

    def _widened(self, states: Tensor) -> Tensor:
        """Prognostic features with NaN for the diagnostic ones, which have no border: they are never fed back."""
        lacking = len(self.info.predicted) - states.shape[-1]
        return nn.functional.pad(states, (0, lacking), value=torch.nan) if lacking else states

    def _normalizers(self) -> dict[str, Normalizer]:
        """Of the further inputs, by key."""
        return {key: n for key, n in self.inputs.items() if isinstance(n, Normalizer)}

    def _physical(self, prediction: Tensor) -> Tensor:
        values = self.predictions.physical(prediction.float())
        if self.strategy.has_holes:
            values = values.masked_fill(~self.strategy.valid_mask, torch.nan)
        return values

    def _standardised(self, batch: ItemBatch) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """States, forcings and truth of a batch, standardised, features in the Forecaster's order."""
        info = self.info
        states = self.states.standardise(_ordered(batch.inputs, info.prognostic))
        if batch.num_input_steps != self.num_input_steps:
            raise DataError(f"{batch.num_input_steps} past states given; this Forecaster takes {self.num_input_steps}")
        if info.forcing and batch.forcing is None:
            raise DataError(f"no forcing given; this Forecaster needs {', '.join(info.forcing)}")
        forcing, outputs = batch.forcing, batch.outputs
        given = (
            self.forcings.standardise(_ordered(forcing, info.forcing)) if info.forcing and forcing is not None else None
        )
        truth = None if outputs is None else self.predictions.standardise(_ordered(outputs, info.predicted))
        return states, given, truth

    def _further(self, batch: ItemBatch) -> dict[str, Tensor]:
        """What the model asks for beside states and forcings, standardised."""
        found = {}
        for key, normalizer in self._normalizers().items():
            if key not in batch:
                raise DataError(f"no input {key!r} given; this Forecaster needs {', '.join(self.inputs)}")
            found[key] = normalizer.standardise(_ordered(batch[key], self.info.inputs[key].names))
        return found

    def _border(self, batch: ItemBatch, truth: Tensor | None) -> Tensor | None:
        """What is imposed in the border: a driving model's fields where the batch has them, else the truth."""
        if "boundary" not in batch or not self.strategy.force_border:
            return truth
        return self._widened(self.states.standardise(_ordered(batch["boundary"], self.info.prognostic)))

    def rollout(self, batch: ItemBatch, num_steps: int | None = None) -> Iterator[NamedTensor]:
        """Yields the forecast of each lead time, `(batch, lat, lon, features)`, physical units.

        Args:
            batch: past states and forcings; where the strategy forces the border, the truth of the steps too.
            num_steps: how many; by default as many as the batch covers.

        Raises:
            DataError: features, forcings or steps that the batch lacks.
            NumericalError: the forecast is no longer finite; names the variable and the lead time.
        """
        states, forcing, truth = self._standardised(batch)
        border, inputs = self._border(batch, truth), self._further(batch)
        steps = batch.num_pred_steps if num_steps is None else num_steps
        for name, given in (
            ("forcing", forcing),
            ("border truth", border if self.strategy.force_border else None),
            *inputs.items(),
        ):
            if given is not None and given.shape[1] < steps:
                raise DataError(f"{steps} steps asked for, {name} covers {given.shape[1]}")
        for i, prediction in enumerate(self.strategy.rollout(self.network, states, forcing, steps, border, inputs)):
            self._check_finite(prediction, i)
            yield NamedTensor(self._physical(prediction), _STEP_DIMS, self.info.predicted)

    def _check_finite(self, prediction: Tensor, step: int) -> None:
        finite = torch.isfinite(prediction)
        if not bool(finite.all()):
            bad = [n for i, n in enumerate(self.info.predicted) if not bool(finite[..., i].all())]
            lead = (step + 1) * self.info.step_duration
            _, row, column, _ = (int(i) for i in torch.nonzero(~finite)[0])
            grid = self.info.grid
            place = f"{grid.latitude_2d()[row, column]:.2f} N {grid.longitude_2d()[row, column]:.2f} E"
            raise NumericalError(
                f"the forecast of {', '.join(bad)} is not finite at lead time {lead}, first at row {row}, column {column} ({place})"
            )

    def forecast(self, batch: ItemBatch, num_steps: int | None = None) -> NamedTensor:
        """All lead times at once, `(batch, timestep, lat, lon, features)`, physical units, without gradients."""
        with torch.no_grad():
            return NamedTensor.stack(list(self.rollout(batch, num_steps)), "timestep", dim=1)

    def training_loss(self, batch: ItemBatch, loss: LossABC) -> Tensor:
        """The strategy's objective on a batch, `(batch, timestep)`; DataError without truth."""
        states, forcing, truth = self._standardised(batch)
        if truth is None:
            raise DataError("a batch without outputs cannot be trained on")
        if not self.inputs and "boundary" not in batch:
            return self.strategy.training_loss(self.network, loss, states, forcing, truth)
        border, inputs = self._border(batch, truth), self._further(batch)
        return self.strategy.training_loss(self.network, loss, states, forcing, truth, border, inputs)

    def describe(self) -> str:
        """What it is: model, strategy, parameters, data."""
        count = sum(p.numel() for p in self.network.parameters())
        reference = models.get(self.names["model"]).reference
        lines = [
            f"Forecaster: model {self.names['model']} ({count:,} parameters), strategy {self.names['strategy']}, "
            f"{self.num_input_steps} input steps",
            f"model settings {json.dumps(encode(self.model_settings))}",
        ]
        lines += [f"reference {reference}"] if reference else []
        lines += (
            [f"trained {self.lineage['created']} with py4cast {self.lineage['version']}"]
            if "created" in self.lineage
            else []
        )
        return "\n".join([*lines, self.info.summary()])

    # Files ---------------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str], **lineage: Any) -> None:
        """Writes one safetensors file, whole or not at all; `lineage` is added to the header."""
        from py4cast.version import __version__

        tensors = {f"info.{k}": v for k, v in self.info.pack()[1].items()}
        tensors |= {
            f"network.{k}": v.detach().cpu().contiguous().clone() for k, v in self.network.model.state_dict().items()
        }
        tensors |= {
            f"strategy.{k}": v.detach().cpu().contiguous().clone() for k, v in self.strategy.state_dict().items()
        }
        created = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.lineage = {**self.lineage, **lineage, "created": created, "version": __version__}
        write_saved(path, self.header(), tensors)

    def header(self) -> dict[str, Any]:
        """What it is, as plain JSON values: all that its files say beside weights and fields."""
        return {
            "format": FORMAT,
            **self.names,
            "model_settings": encode(self.model_settings),
            "strategy_settings": encode(self.strategy.settings),
            "num_input_steps": self.num_input_steps,
            "forces_border": self.strategy.force_border,
            "further_inputs": list(self.inputs),
            "info": self.info.pack()[0],
            "lineage": self.lineage,
        }

    @staticmethod
    def load(path: str | os.PathLike[str]) -> "Forecaster":
        """The Forecaster of a file, ready to forecast.

        Raises:
            DataError: the file is missing, damaged, or no Forecaster; or made by a later version.
            SettingsError: its model or strategy is not installed here.
        """
        header, tensors = read_saved(Path(path))
        with damaged_as_errors(str(path)):
            return Forecaster._restored(header, tensors, str(path))

    @staticmethod
    def _restored(header: Mapping[str, Any], tensors: Mapping[str, Tensor], source: str) -> "Forecaster":
        """The Forecaster of a file's header and tensors."""
        parts: dict[str, dict[str, Tensor]] = {"info": {}, "network": {}, "strategy": {}}
        for key, tensor in tensors.items():
            part, _, name = key.partition(".")
            parts[part][name] = tensor
        info = DatasetInfo.unpack(header["info"], parts["info"])
        given = (t.numel() for part in ("network", "strategy") for t in parts[part].values())
        with bounded_parameters(sum(given)):
            forecaster = Forecaster.build(
                info, header["model"], header["strategy"], header["num_input_steps"],
                header["model_settings"], header["strategy_settings"], source=source,
            )  # fmt: skip
        forecaster.lineage = header["lineage"]
        for module, part in ((forecaster.network.model, "network"), (forecaster.strategy, "strategy")):
            try:
                module.load_state_dict(parts[part])
            except RuntimeError as error:
                reason = " ".join(str(error).split())
                raise DataError(
                    f"{source}: its weights do not fit the model {header['model']!r} installed here: {reason}"
                ) from None
        return forecaster.eval()


def _ordered(values: NamedTensor, names: list[str]) -> Tensor:
    """The features `names` in this order; DataError names what lacks."""
    if values.feature_names == names:
        return values.tensor
    lacking = [n for n in names if n not in values.feature_names]
    if lacking:
        raise DataError(f"features {lacking} are missing; given {values.feature_names}")
    return cast(Tensor, values[names].tensor)
