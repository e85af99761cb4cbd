"""AutoRegressiveLightning: fits, validates and tests a Forecaster, and nothing else."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from py4cast.batch import ItemBatch
from py4cast.datasets.loader import Loader
from py4cast.diagnosis import answer_loss
from py4cast.epoch import Epoch, LossMeans, Shared, go_on, loss_of, progress_of, values_at_end
from py4cast.errors import DataError
from py4cast.forecaster import Forecaster
from py4cast.late import watch_of
from py4cast.losses import LossABC
from py4cast.meter import Meter
from py4cast.metrics import ScoreSettings
from py4cast.metrics.batches import BatchVerification, SampledVerification
from py4cast.metrics.climatology import Climatology
from py4cast.metrics.dressed import Dressed
from py4cast.models import GriddedNetwork
from py4cast.namedtensor import NamedTensor
from py4cast.observers import ErrorObserver
from py4cast.observers.base import finish_epoch, show_forecast
from py4cast.observers.clock import PlotClock
from py4cast.optim import OptimSettings, make_optimizer
from py4cast.ranks import Sharing, agreed
from py4cast.rollout_length import RolloutLength
from py4cast.seeding import seed_step

__all__ = ["AutoRegressiveLightning"]

_LOG_EVERY = 10


class AutoRegressiveLightning(pl.LightningModule):
    """Creates the training of a Forecaster.

    Args:
        forecaster: what is trained.
        loss: what is differentiated.
        optim: of the optimiser.
        seed: what the random numbers of every step are drawn from.
        valid_observers: called in validation, in physical units.
        test_observers: called in test.
        climatology: a reference for the test scores.
        plots: folder of the pictures, None for none.
        scores: what is scored in validation and test, and how.
        rollout: how many steps are unrolled in training; by default all of a batch.
    """

    def __init__(
        self,
        forecaster: Forecaster,
        loss: LossABC,
        optim: OptimSettings,
        seed: int = 0,
        valid_observers: Sequence[ErrorObserver] = (),
        test_observers: Sequence[ErrorObserver] = (),
        climatology: Climatology | None = None,
        plots: Path | None = None,
        scores: ScoreSettings | None = None,
        rollout: RolloutLength | None = None,
    ) -> None:
        super().__init__()
        self.forecaster = forecaster
        self.training_objective = loss
        self.optim, self.seed, self.plots = optim, seed, plots
        self.valid_plotters, self.test_plotters = list(valid_observers), list(test_observers)
        self.climatology, self._scores = climatology, scores
        self.rollout = rollout or RolloutLength()
        self.verification: BatchVerification | None = None
        self.init_times: Any = None  # of the batch that is shown
        self.validation: SampledVerification | None = None
        self.clock, self._draws, self._spent_before = PlotClock(), False, 0.0
        self.batches_done = self.validated_epoch = 0
        self.validation_rmse: dict[str, list[float]] = {}
        self.samples_per_s = self.waiting_share = 0.0
        self._epoch_began, self._epoch_samples, self._waited_before = time.perf_counter(), 0, 0.0
        self.last_loss, self.meter, self.stops_when_not_finite = torch.zeros(()), Meter(), True
        self.epoch, self.train_loss_epoch = Epoch(), float("nan")
        self.learning: Shared | None = None  # how ranks share an epoch, where a run goes on
        self._validation_losses = LossMeans()
        self.sharing, self.watch = Sharing(), watch_of(torch.device("cpu"))
        self.lays_out: Callable[[GriddedNetwork], None] = lambda network: None
        self.whole_batch: Callable[[ItemBatch], ItemBatch] = lambda batch: batch

    @property
    def info(self) -> Any:
        """The DatasetInfo of what is learned from."""
        return self.forecaster.info

    @property
    def model(self) -> GriddedNetwork:
        """The network on the grid; `model.info.output_dim` is 2."""
        return self.forecaster.network

    @property
    def grid_shape(self) -> tuple[int, int]:
        """The shape of a field, `(lat, lon)`."""
        return self.forecaster.info.grid.shape

    def loss(
        self,
        prediction: NamedTensor,
        target: NamedTensor,
        mask: Tensor | None = None,
        reduce_spatial_dim: bool = True,
    ) -> Tensor:
        """The training loss of fields in physical units, `(batch, timestep)`, or per cell `(batch, timestep, lat, lon)`."""
        normalizer = self.forecaster.predictions
        standardised = [normalizer.standardise_named(x).tensor for x in (prediction, target)]
        result: Tensor = self.training_objective(*standardised, mask, reduce_spatial_dim=reduce_spatial_dim)
        return result

    def on_after_batch_transfer(self, batch: ItemBatch, dataloader_idx: int) -> ItemBatch:
        """The batch, where ranks read it in parts the whole of it."""
        return self.whole_batch(batch)

    def configure_model(self) -> None:
        self.lays_out(self.forecaster.network)

    def configure_optimizers(self) -> Any:
        """AdamW(0.9, 0.95), linear warm-up, then cosine to `min_lr`, per optimiser step."""
        return make_optimizer(self.optim, self.forecaster.parameters(), int(self.trainer.estimated_stepping_batches))

    def _waited_s(self) -> float:
        loader = self.trainer.train_dataloader
        return loader.waited_s if isinstance(loader, Loader) else 0.0

    def on_train_epoch_start(self) -> None:
        self.watch = watch_of(self.device)
        self.clock.start()
        self.meter.begin(is_new=self.epoch.begin())
        self._epoch_began, self._epoch_samples, self._waited_before = time.perf_counter(), 0, self._waited_s()

    def on_train_batch_start(self, batch: ItemBatch, batch_idx: int) -> None:
        seed_step(self.seed, self.batches_done, self.sharing.rank(self.trainer.global_rank))

    def training_step(self, batch: ItemBatch, batch_idx: int) -> Tensor:
        """The mean loss over samples and steps; NumericalError names variable and dates when it is not finite."""
        self.watch.look(self.info.has_gaps(batch), lambda has: self.info.check_gaps(batch) if has else None)
        num_steps = self.rollout.of(self.current_epoch, self.batches_done, batch.num_pred_steps)
        fewer = {} if num_steps == batch.num_pred_steps else {"num_steps": num_steps}
        loss = self.rollout.mean(self.forecaster.training_loss(batch, self.training_objective, **fewer))
        is_finite = torch.isfinite(loss.detach())
        told = partial(answer_loss, self.forecaster, batch, self.global_step, self.stops_when_not_finite)
        self.watch.look(~is_finite, told)
        self.last_loss = loss.detach()
        if self.batches_done % _LOG_EVERY == 0:  # Lightning's log costs a millisecond a call
            self.log("train_loss", self.last_loss, batch_size=batch.batch_size)
        # counted here and not in on_train_batch_end, which comes after the callbacks that save
        self.batches_done += 1
        self.epoch.add(self.last_loss, batch.batch_size, self.sharing.size(self.trainer.world_size))
        return loss * torch.where(is_finite, 1.0, torch.nan)  # a gradient of NaN, which the guard answers on all ranks

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        self.watch.pass_step()

    def on_train_batch_end(self, outputs: Any, batch: ItemBatch, batch_idx: int) -> None:
        self._epoch_samples += batch.batch_size
        if self.trainer.is_last_batch or self.trainer.should_stop:
            self.watch.settle()
            self.epoch.is_complete, self.train_loss_epoch = self.trainer.is_last_batch, self.epoch.mean_loss
        passed = max(time.perf_counter() - self._epoch_began, 1e-9)
        self.samples_per_s = self._epoch_samples * self.sharing.size(self.trainer.world_size) / passed
        self.waiting_share = (self._waited_s() - self._waited_before) / passed

    def on_train_epoch_end(self) -> None:
        for name, value in values_at_end(self).items():
            self.log(name, value, sync_dist=True)

    def _forecast(self, batch: ItemBatch) -> tuple[NamedTensor, NamedTensor]:
        """Prediction and target of a batch, physical units."""
        if batch.outputs is None:
            raise DataError("a batch without outputs cannot be scored")
        self.info.check_gaps(batch)
        self.init_times = batch.init_time
        return self.forecaster.forecast(batch, seed=self.seed), batch.outputs[self.info.predicted]

    def validation_step(self, batch: ItemBatch, batch_idx: int) -> None:
        """Logs the loss per lead time and its mean; observers see the forecast."""
        prediction, target = self._forecast(batch)
        loss = self.forecaster.validation_loss(batch, self.training_objective, prediction, self.seed)
        self._validation_losses.add(loss)
        assert self.validation is not None, "made when the validation begins"
        self.validation.update(batch, prediction.tensor)
        with self.clock.counting():
            show_forecast(self.valid_plotters if self._draws else (), self, prediction, target)

    def on_validation_epoch_start(self) -> None:
        self.validation = SampledVerification(
            self.info, self.climatology, self._scores, num_members=self.forecaster.strategy.num_forecast_members
        )
        self._validation_losses = LossMeans()
        # the clocks of ranks differ, and what is drawn is gathered from all
        self._draws, self._spent_before = not agreed(int(not self.clock.allows()))[0], self.clock.spent_s

    def on_validation_epoch_end(self) -> None:
        self.validated_epoch = self.current_epoch + 1
        for name, value in self._validation_losses.values().items():
            self.log(name, value, prog_bar=name == "val_mean_loss", sync_dist=True)
        assert self.validation is not None, "made when the validation begins"
        if (gather := self.sharing.gatherer(self.trainer.world_size)) is not None:
            self.validation.gather(gather)
        self.validation_rmse = self.validation.rmse()
        if self._draws:
            with self.clock.counting():
                finish_epoch(self.valid_plotters, self, gather)
            self.clock.finish(self._spent_before)

    def on_test_epoch_start(self) -> None:
        members, features = self.forecaster.strategy.num_forecast_members, self.info.predicted
        errors = self.validation_rmse
        dressed = Dressed.of(errors, features, len(errors.get(features[0], [])))
        self.verification = BatchVerification(
            self.info, self.climatology, self._scores, True, True, members, dressed=dressed
        )

    def test_step(self, batch: ItemBatch, batch_idx: int) -> None:
        """Adds the batch to the scores; observers see the forecast."""
        assert self.verification is not None, "made when the test begins"
        prediction, target = self._forecast(batch)
        self.verification.update(batch, prediction.tensor)
        show_forecast(self.test_plotters, self, prediction, target)

    def on_test_epoch_end(self) -> None:
        assert self.verification is not None, "made when the test begins"
        if (gather := self.sharing.gatherer(self.trainer.world_size)) is not None:
            self.verification.gather(gather)
        finish_epoch(self.test_plotters, self, gather)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["py4cast"] = {
            **{name: getattr(self, name) for name in ("batches_done", "validated_epoch", "validation_rmse")},
            "meter": self.meter.state(),
            **progress_of(self.epoch, self.trainer.world_size, self.trainer.num_nodes),
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.batches_done, self.validated_epoch = go_on(self.epoch, checkpoint, self.learning)
        self.validation_rmse = checkpoint["py4cast"].get("validation_rmse", {})
        self.train_loss_epoch = loss_of(checkpoint)
        self.meter.load(checkpoint["py4cast"].get("meter", {}))
