import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from py4cast.batch import ItemBatch
from py4cast.errors import DataError, NumericalError
from py4cast.forecaster import Forecaster
from py4cast.lightning import AutoRegressiveLightning
from py4cast.losses import registry as losses
from py4cast.namedtensor import NamedTensor
from py4cast.optim import OptimSettings, cosine_with_warmup
from py4cast.testing import make_batch, make_info

INFO = make_info()


def module(**optim) -> AutoRegressiveLightning:
    torch.manual_seed(0)
    forecaster = Forecaster.build(INFO, "halfunet", "scaled_ar", 2, {"num_filters": 4})
    return AutoRegressiveLightning(forecaster, losses.get("mse")(INFO), OptimSettings(**optim))


def test_schedule_is_warm_up_then_cosine() -> None:
    factors = [cosine_with_warmup(step, 110, 10, 0.1) for step in range(111)]
    assert factors[:10] == pytest.approx([(i + 1) / 10 for i in range(10)]) and factors[10] == 1.0
    assert factors[60] == pytest.approx(0.1 + 0.9 * 0.5) and factors[110] == pytest.approx(0.1)
    assert factors[35] == pytest.approx(0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi / 4)))
    with pytest.raises(ValueError, match="0 <= min_lr <= lr"):
        OptimSettings(lr=1e-4, min_lr=1e-3)


def test_optimiser_is_adamw_with_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = module(lr=3e-3, weight_decay=0.02)
    mine.trainer = pl.Trainer(
        max_epochs=1, logger=False, enable_checkpointing=False, accelerator="cpu", enable_progress_bar=False
    )
    monkeypatch.setattr(pl.Trainer, "estimated_stepping_batches", property(lambda self: 100))
    group = mine.configure_optimizers()["optimizer"].param_groups[0]
    assert (group["weight_decay"], group["betas"], group["initial_lr"]) == (0.02, (0.9, 0.95), 3e-3)


def test_observers_call_the_loss_in_physical_units() -> None:
    mine, batch = module(), make_batch(INFO)
    prediction = batch.outputs.like(batch.outputs.tensor + 1.0)
    per_cell = mine.loss(prediction, batch.outputs, reduce_spatial_dim=False)
    assert per_cell.shape == (2, 3, 17, 23) and mine.grid_shape == (17, 23) and mine.model.info.output_dim == 2
    expected = sum(
        INFO.state_weights[n] / INFO.diff_stats[n]["std"] ** 2 / INFO.stats[n]["std"] ** 2 for n in INFO.predicted
    )
    assert torch.allclose(mine.loss(prediction, batch.outputs), torch.full((2, 3), float(expected)), rtol=1e-3)


def test_nan_stops_with_names_and_dates() -> None:
    mine, batch = module(), make_batch(INFO)
    broken = batch.inputs.tensor.clone()
    broken[0, 0, 3, 3, 1] = torch.inf
    mine.log = lambda *a, **k: None
    with pytest.raises(
        NumericalError, match=r"loss is not finite at step 0, forecasts from 2020-01-01T00:00:00, .*: inputs b"
    ):
        mine.training_step(
            ItemBatch({**batch.fields, "inputs": batch.inputs.like(broken)}, init_time=batch.init_time), 0
        )
    assert mine.batches_done == 0


@pytest.mark.parametrize("key", ["inputs", "forcing", "outputs"])
def test_a_gap_where_nan_is_forbidden_is_told(key: str) -> None:
    info = make_info()
    forecaster = Forecaster.build(info, "halfunet", "scaled_ar", 2, {"num_filters": 4})
    mine, batch = (
        AutoRegressiveLightning(forecaster, losses.get("mse")(info), OptimSettings()),
        make_batch(info, num_pred_steps=2),
    )
    batch.init_time = np.array(["2020-01-01T00", "2020-01-02T06"], dtype="datetime64[s]")
    name = batch[key].feature_names[-1]
    batch[key][name][1, 0, 3, 4:6] = torch.nan
    message = f"{key} {name} of the forecast from 2020-01-02T06:00:00: 2 values are NaN, which its setting nan: forbid"
    mine.on_test_epoch_start()
    for step in (mine.training_step, mine.validation_step, mine.test_step):
        with pytest.raises(DataError, match=message):
            step(batch, 0)
    info.variables = [replace(v, nan="mask") for v in info.variables]
    info.check_gaps(batch)


def test_a_batch_without_truth_is_refused() -> None:
    mine, batch = module(), make_batch(INFO)
    with pytest.raises(DataError, match="without outputs"):
        mine.validation_step(ItemBatch(inputs=batch.inputs, forcing=batch.forcing), 0)


class Batches:
    def __init__(self, count: int) -> None:
        self.batches = [make_batch(INFO, seed=i) for i in range(count)]

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self):
        return iter(self.batches)


@pytest.mark.filterwarnings("ignore:.*does not have many workers.*")
def test_fit_validate_test_through_lightning(tmp_path: Path) -> None:
    mine = module()
    trainer = pl.Trainer(
        max_epochs=1, logger=False, enable_checkpointing=False, accelerator="cpu", enable_progress_bar=False,
        enable_model_summary=False, num_sanity_val_steps=0, log_every_n_steps=1,
    )  # fmt: skip
    batches = Batches(3)
    before = [p.clone() for p in mine.parameters()]
    trainer.fit(mine, batches, batches)
    logged = dict(trainer.callback_metrics)
    trainer.test(mine, batches, verbose=False)
    assert any(not torch.equal(a, b) for a, b in zip(before, mine.parameters(), strict=True))
    assert {"val_mean_loss", "timestep_losses/val_step_2", "train_loss_epoch"} <= set(logged)
    per_step = torch.stack([logged[f"timestep_losses/val_step_{i}"] for i in range(3)])
    assert float(per_step.mean()) == pytest.approx(float(logged["val_mean_loss"]), rel=1e-5)
    assert mine.verification.scores().num_forecasts == 6 and mine.batches_done == 3


def test_forecast_and_loss_agree_with_named_input() -> None:
    mine, batch = module(), make_batch(INFO)
    prediction, target = mine._forecast(batch)
    assert isinstance(prediction, NamedTensor) and prediction.feature_names == target.feature_names == INFO.predicted
