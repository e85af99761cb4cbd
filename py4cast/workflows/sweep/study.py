"""Study: a sweep that Optuna leads. Its state is a journal in the sweep's folder, which any number of processes share."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from py4cast.errors import BusyError, SettingsError
from py4cast.workflows.sweep.settings import SweepSettings
from py4cast.workflows.sweep.trial import Trial

__all__ = ["Study"]


class _Pruner(Callback):
    """Creates what ends a training that lags behind earlier trials at the same epoch."""

    def __init__(self, trial: Any) -> None:
        self._trial = trial

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Reports the validation of the epoch."""
        import optuna

        value = trainer.callback_metrics.get("val_mean_loss")
        if value is None or trainer.current_epoch + 1 != getattr(pl_module, "validated_epoch", 0):
            return
        self._trial.report(float(value), trainer.current_epoch)
        if self._trial.should_prune():
            raise optuna.TrialPruned(f"epoch {trainer.current_epoch}")


class Study:
    """Creates, or opens again, the study of a sweep.

    Args:
        asked: the sweep.
        output: its folder.
        campaign: of its runs.
        number: of this process among those that share the study, so that no two of them draw the same.

    Raises:
        SettingsError: Optuna is not installed.
    """

    def __init__(self, asked: SweepSettings, output: Path, campaign: str, number: int = 0) -> None:
        try:
            import optuna
        except ModuleNotFoundError:
            raise SettingsError(
                "search optuna: the package optuna is not installed; pip install py4cast[sweep]"
            ) from None
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._asked, self._output, self._campaign, self._optuna = asked, output, campaign, optuna
        self._axes, self._document = asked.axes(), asked.document()
        output.mkdir(parents=True, exist_ok=True)
        is_loss = asked.objective == "val_mean_loss" and asked.direction == "lowest"
        self._study = optuna.create_study(
            study_name=campaign, storage=JournalStorage(JournalFileBackend(str(output / "study.log"))), load_if_exists=True,
            direction="minimize" if asked.direction == "lowest" else "maximize",
            sampler=optuna.samplers.TPESampler(seed=asked.sampling_seed + number),
            # only what is judged by its loss can be compared within an epoch
            pruner=optuna.pruners.MedianPruner() if is_loss else optuna.pruners.NopPruner(),
        )  # fmt: skip

    def retry_killed(self) -> None:
        """Trials that a killed process left are tried again first; their trainings go on."""
        states = self._optuna.trial.TrialState
        for trial in self._study.get_trials(deepcopy=False, states=(states.RUNNING,)):
            self._study.tell(trial.number, state=states.FAIL)
            self._study.enqueue_trial(trial.params)

    def num_made(self) -> int:
        """Trials that are done or pruned, those that could not be trained among them."""
        states = self._optuna.trial.TrialState
        return len(self._study.get_trials(deepcopy=False, states=(states.COMPLETE, states.PRUNED)))

    def make_next(self) -> None:
        """Makes one trial more: all seeds of the values that Optuna suggests."""
        # values that another task is at are drawn anew
        self._study.optimize(self._objective, n_trials=1, catch=(BusyError,))

    def _objective(self, trial: Any) -> float:
        values = {axis.place: axis.suggest(trial) for axis in self._axes}
        objectives = []
        for number, seed in enumerate(self._asked.seeds):
            made = Trial.of(self._document, values, seed)
            try:
                callbacks = (_Pruner(trial),) if number == 0 else ()
                row = made.make(self._output, self._campaign, self._asked.objective, callbacks)
            except self._optuna.TrialPruned as error:
                made.keep(self._output, {"values": values, "seed": seed, "state": "pruned", "error": str(error)})
                raise
            if row["state"] != "done":
                # what cannot be trained counts as tried, and is worth nothing
                raise self._optuna.TrialPruned(row.get("error", ""))
            objectives.append(row["objective"])
        return float(sum(objectives) / len(objectives))
