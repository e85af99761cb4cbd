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
from typing import Any

import torch
from torch import Tensor, nn

from py4cast.batch import ItemBatch
from py4cast.calibration import Calibration
from py4cast.dataset_info import DatasetInfo
from py4cast.description import description, pairs_of
from py4cast.door import ClassDoor, door
from py4cast.entry import Entry, calibrated, check_finite, random_state, tell_own_noise
from py4cast.errors import DataError, SettingsError
from py4cast.given import Given, Samples
from py4cast.html import facts
from py4cast.learned import learned_of
from py4cast.losses import LossABC
from py4cast.models import GriddedNetwork, ModelABC, build_network
from py4cast.models import registry as models
from py4cast.namedtensor import NamedTensor
from py4cast.normalizer import Normalizer
from py4cast.saved import FORMAT, bounded_parameters, damaged_as_errors, load_weights, read_saved, write_saved
from py4cast.settings import encode, settings_of
from py4cast.strategies import StrategyABC
from py4cast.strategies import registry as strategies

__all__ = ["FORMAT", "Forecaster", "StepInputs"]

_PARTS = ("info", "network", "strategy", "climatology", "calibration")
_STEP_DIMS = ["batch", "lat", "lon", "features"]
StepInputs = Given  # its name in the older interface


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

    train: Any = ClassDoor("python.training:train_forecaster", nn.Module.train)

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
        self.info, self.network, self.strategy = info, network, strategy
        self.num_input_steps, self.names, self.model_settings = num_input_steps, dict(names), model_settings
        self.lineage: dict[str, Any] = dict(lineage or {})
        self.carried: dict[str, Tensor] = {}
        self.calibration: Calibration | None = None
        assert isinstance(network.model, ModelABC), "the builder makes only models"
        self.entry = Entry(info, network.further_inputs, network.model.hears_gaps)

    @property
    def device(self) -> torch.device:
        """The device that it computes on."""
        return self.strategy.border_mask.device

    @property
    def states(self) -> Normalizer:
        """What standardises the prognostic features."""
        return self.entry.states

    @property
    def predictions(self) -> Normalizer:
        """What standardises the predicted features."""
        return self.entry.predictions

    @property
    def forcings(self) -> Normalizer:
        """What standardises the features of the forcing."""
        return self.entry.forcings

    @property
    def inputs(self) -> nn.ModuleDict:
        """Of the further inputs, by key."""
        return self.entry.inputs

    @classmethod
    def build(
        cls,
        info: DatasetInfo,
        model: str,
        strategy: str,
        num_input_steps: int,
        model_settings: Any = None,
        strategy_settings: Any = None,
        use_checkpoint: bool = False,
        source: str = "",
    ) -> "Forecaster":
        """A Forecaster with fresh weights, from registered names and settings, plain or decoded.

        Raises:
            SettingsError: unknown names, wrong settings, or ones that do not fit together.
        """
        if num_input_steps < 1:
            raise SettingsError(f"num_input_steps {num_input_steps}: expected at least 1")
        kind = strategies.get(strategy)
        learned = learned_of(info, strategy, kind.takes_transforms)
        plan = kind(settings_of(kind, strategy_settings or {}, "strategy"), learned)
        plan.check(num_input_steps)
        inputs = plan.num_input_features(learned, num_input_steps)
        network, settings = build_network(
            model,
            inputs,
            plan.num_outputs(learned),
            model_settings or {},
            info.grid,
            info.statics,
            source,
            use_checkpoint,
            info.inputs,
            plan.condition_size,
            plan.num_latent,
        )
        return cls(info, network, plan, num_input_steps, {"model": model, "strategy": strategy}, settings)

    # Forecasting ---------------------------------------------------------------------------------------

    def forward(
        self,
        state: Tensor,
        forcing: Tensor | None = None,
        inputs: Mapping[str, Tensor] | None = None,
        border: Tensor | None = None,
        noise: Tensor | None = None,
    ) -> Tensor:
        """The next state, physical in and out; this is the unit that is exported.

        Args:
            state: past states, `(batch, timestep, lat, lon, features)`, prognostic features in order.
            forcing: of the step to predict, `(batch, lat, lon, features)`.
            inputs: further inputs of the step by key, `(batch, lat, lon, features)`, where the model asks for them.
            border: prognostic features of the step to predict, imposed in the border where the strategy does so,
                `(batch, lat, lon, features)`; NaN where they are not known.
            noise: of the step, standard normal, where the strategy takes it, `(batch, noise)` or `(batch, lat, lon, noise)`.

        Returns:
            Prognostic then diagnostic features, `(batch, lat, lon, features)`; NaN where the data have none.
        """
        given = self.entry.given(Given(forcing, border, inputs or {}, noise))
        filled = None if given.forcing is None else self.strategy.fill_forcing(given.forcing)
        further = {k: self.strategy.fill(v) for k, v in given.inputs.items()}
        network = partial(self.network, inputs=further) if further else self.network
        window = self.strategy.fill_states(self.states.standardise(state))
        return self._physical(self.strategy.step(network, window, filled, given.border, given.noise))

    def stream(self, state: Tensor, given: Iterable[Given[Tensor]], num_members: int = 1) -> Iterator[Tensor]:
        """Yields the forecast of each lead time, physical, `(batch, (member,) lat, lon, features)`; in operations.

        Args:
            state: past states, `(batch, timestep, lat, lon, features)`.
            given: of each step in turn, physical, asked for when it is needed.
            num_members: members of each forecast, for a strategy with noise.
        """
        steps = map(self.entry.given, given)
        states = self.states.standardise(state)
        unrolled = self.strategy.unroll(self.network, states, steps, num_members=num_members)
        for prediction in self._without_own_noise(unrolled):
            yield self._physical(prediction)

    def _without_own_noise(self, predictions: Iterator[Tensor]) -> Iterator[Tensor]:
        """The predictions; it is told where the first one has drawn random numbers that nobody gave it."""
        before = None if self.training else random_state(self.device)
        for prediction in predictions:
            if before is not None and not torch.equal(before, random_state(self.device)):
                tell_own_noise(self.names)
            before = None
            yield prediction

    def _physical(self, prediction: Tensor) -> Tensor:
        values = self.entry.physical(prediction)
        return values.masked_fill(~self.strategy.valid_mask, torch.nan) if self.strategy.has_holes else values

    def _standardised(self, batch: ItemBatch) -> tuple[Tensor, Tensor | None, Tensor]:
        """States, forcings and truth of a batch, standardised."""
        return self._samples(batch)[:3]

    def _samples(self, batch: ItemBatch) -> Samples:
        return self.entry.samples(batch, self.num_input_steps, self.strategy.force_border)

    def members_for(self, asked: int | None) -> int:
        """Members of a forecast: those asked for, else the strategy's; SettingsError where it can make but one."""
        num_members = self.strategy.num_forecast_members if asked is None else asked
        self.strategy.check_members(num_members)
        return num_members

    def noise(self, batch: ItemBatch, step: int, num_members: int, seed: int) -> Tensor:
        """The noise of one step of a batch's forecasts, `(batch, (member,) …)`, a function of (seed, start, member, step).

        Raises:
            DataError: the batch does not say when its forecasts start.
        """
        if batch.init_time is None:
            raise DataError("a batch without init_time: the noise of a member depends on the start of its forecast")
        drawn = self.strategy.noise_of_step.draw(seed, batch.init_time, range(num_members), step, self.info.grid.shape)
        tensor = torch.from_numpy(drawn).to(batch.inputs.device)
        return tensor if num_members > 1 else tensor[:, 0]

    def rollout(
        self, batch: ItemBatch, num_steps: int | None = None, num_members: int | None = None, seed: int = 0
    ) -> Iterator[NamedTensor]:
        """Yields the forecast of each lead time, `(batch, lat, lon, features)`, physical units.

        Args:
            batch: past states and forcings; where the strategy forces the border, the truth of the steps too.
            num_steps: how many; by default as many as the batch covers.
            num_members: members of each forecast, which then have a dimension `member` behind `batch`; by default the
                strategy's.
            seed: of the members' noise.

        Raises:
            DataError: features, forcings or steps that the batch lacks.
            NumericalError: the forecast is no longer finite; names the variable and the lead time.
            SettingsError: several members of a strategy without noise.
        """
        members = self.members_for(num_members)
        samples = self._samples(batch)
        steps = batch.num_pred_steps if num_steps is None else num_steps
        border = samples.border if self.strategy.force_border else None
        for name, given in (("forcing", samples.forcing), ("border truth", border), *samples.inputs.items()):
            if given is not None and given.shape[1] < steps:
                raise DataError(f"{steps} steps asked for, {name} covers {given.shape[1]}")
        takes_noise = bool(self.strategy.noise_of_step)
        noise = (lambda step: self.noise(batch, step, members, seed)) if takes_noise else None
        unrolled = self.strategy.rollout(
            self.network, samples.states, samples.forcing, steps, samples.border, samples.inputs, members, noise
        )
        dims = _STEP_DIMS if members == 1 else [_STEP_DIMS[0], "member", *_STEP_DIMS[1:]]
        if self.calibration is not None:
            self.calibration.check(steps)
        for i, prediction in enumerate(self._without_own_noise(unrolled)):
            check_finite(prediction, self.entry.learned, i)
            values = self._physical(prediction)
            if self.calibration is not None:
                values = calibrated(values, batch, i, self.info, self.calibration, self.strategy.force_border)
            yield NamedTensor(values, dims, self.info.predicted)

    def _learned_samples(self, batch: ItemBatch, seed: int, num_steps: int | None = None) -> Samples:
        """A batch to learn from, with the noise of all its steps; DataError without truth."""
        whole = self._samples(batch)
        samples = whole if num_steps is None else whole.first(num_steps)
        if batch.outputs is None:
            raise DataError("a batch without outputs cannot be trained on")
        if not self.strategy.noise_of_step:
            return samples
        members = self.strategy.num_members
        steps = [self.noise(batch, step, members, seed) for step in range(samples.num_steps)]
        return samples._replace(noise=torch.stack(steps, dim=1 if members == 1 else 2))

    def forecast(
        self, batch: Any, num_steps: int | None = None, num_members: int | None = None, seed: int = 0, **further: Any
    ) -> Any:
        """All lead times at once, `(batch, (member,) timestep, lat, lon, features)`, physical, without gradients.

        It takes and raises what `rollout` does. Of an `xarray.Dataset` of past states instead of a batch it makes a Dataset, and
        takes what `py4cast.workflows.python.forecasting.forecast_dataset` does.
        """
        if not isinstance(batch, ItemBatch):
            forecast_dataset: Any = door("python.forecasting:forecast_dataset")
            return forecast_dataset(self, batch, num_steps, num_members, seed, **further)
        with torch.no_grad():
            steps = list(self.rollout(batch, num_steps, num_members, seed))
        return NamedTensor.stack(steps, "timestep", dim=steps[0].ndims - 3)

    def training_loss(
        self, batch: ItemBatch, loss: LossABC, seed: int | None = None, num_steps: int | None = None
    ) -> Tensor:
        """The strategy's objective on a batch, `(batch, timestep)`; DataError without truth.

        Args:
            batch: what is learned from.
            loss: of the training.
            seed: of the noise that a strategy takes; by default that of torch, which a training sets anew for every batch.
            num_steps: how many of the steps; by default all.
        """
        learned = self._learned_samples(batch, torch.initial_seed() if seed is None else seed, num_steps)
        value: Tensor = self.strategy.training_loss(self.network, loss, learned)
        return value

    def validation_loss(self, batch: ItemBatch, loss: LossABC, forecast: NamedTensor, seed: int = 0) -> Tensor:
        """What chooses the best epoch, `(batch, timestep)`, over the features that are learned.

        Args:
            batch: of the validation.
            loss: of the training.
            forecast: of the batch, physical, `(batch, (member,) timestep, lat, lon, features)`.
            seed: of the noise, the same in every epoch.
        """
        info, samples = self.entry.learned, self._learned_samples(batch, seed)
        learned = set(self.strategy.learned_features(info))
        is_learned = torch.tensor([n in learned for n in info.predicted], device=samples.truth.device)
        # what is missing does not count: the best epoch is that of what is learned
        known = samples._replace(truth=torch.where(is_learned, samples.truth, torch.nan))
        prediction = self.predictions.standardise(forecast.tensor)
        return self.strategy.validation_loss(self.network, loss, known, prediction)

    def _repr_html_(self) -> str:
        return facts("Forecaster", pairs_of(self.describe(), self.info.summary())) + self.info._repr_html_()

    def describe(self) -> str:
        """What it is: model, strategy, parameters, data."""
        count = sum(p.numel() for p in self.network.parameters())
        settings = json.dumps(encode(self.model_settings))
        reference = models.get(self.names["model"]).reference
        head = description(self.names, count, self.num_input_steps, settings, reference, self.lineage, self.calibration)
        return f"{head}\n{self.info.summary()}"

    # Files ---------------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str], **lineage: Any) -> None:
        """Writes one safetensors file, whole or not at all; `lineage` is added to the header."""
        from py4cast.version import __version__

        tensors = {f"info.{k}": v for k, v in self.info.pack()[1].items()}
        for part, module in (("network", self.network.model), ("strategy", self.strategy)):
            tensors |= {f"{part}.{k}": v.detach().cpu().contiguous().clone() for k, v in module.state_dict().items()}
        tensors |= {f"climatology.{k}": v.contiguous() for k, v in self.carried.items()}
        if self.calibration is not None:
            tensors["calibration.mean"] = torch.from_numpy(self.calibration.mean).contiguous()
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
            "noise": self.strategy.noise_of_step.to_dict(),
            "num_members": self.strategy.num_forecast_members,
            "further_inputs": list(self.inputs),
            **({} if self.calibration is None else {"calibration": self.calibration.to_dict()}),
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
        parts: dict[str, dict[str, Tensor]] = {part: {} for part in _PARTS}
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
        forecaster.lineage, forecaster.carried = header["lineage"], parts["climatology"]
        if header.get("calibration"):
            forecaster.calibration = Calibration.from_dict(header["calibration"], parts["calibration"]["mean"].numpy())
        modules = {"network": forecaster.network.model, "strategy": forecaster.strategy}
        load_weights(modules, parts, f"{source}: its weights do not fit the model {header['model']!r} installed here")
        return forecaster.eval()
