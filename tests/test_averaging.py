from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch

from py4cast.averaging import average_of
from py4cast.callbacks import AtomicCheckpointIO
from py4cast.cli.train import _schedule
from py4cast.errors import SettingsError
from py4cast.forecaster import Forecaster
from py4cast.lightning import AutoRegressiveLightning
from py4cast.workflows.train.run import train
from tests.test_callbacks import last, same_weights, tiny

SETTINGS = {"ema": 0.9, "rollout_schedule": [[0, 1], [1, 2]], "random_rollout": True, "gradient_clip": 1.0}


def recorded(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, torch.Tensor]]:
    """The weights after every step."""
    weights: list[dict[str, torch.Tensor]] = []
    batch_end = AutoRegressiveLightning.on_train_batch_end

    def noted(self, outputs, batch, index):
        weights.append({name: p.detach().clone() for name, p in self.named_parameters()})
        batch_end(self, outputs, batch, index)

    monkeypatch.setattr(AutoRegressiveLightning, "on_train_batch_end", noted)
    return weights


def test_the_average_is_that_of_the_weights_and_is_what_is_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = recorded(monkeypatch)
    folder = train(tiny(ema=0.9, epochs=2), run_name="average")
    state = AtomicCheckpointIO().load_checkpoint(folder / "checkpoints" / "last.ckpt")
    average = average_of(state)
    name = next(iter(average))
    # n steps, from the first weights that a fresh run of the same seed has
    expected = None
    for n, after in enumerate(weights, 1):
        decay = min(0.9, (1 + n) / (10 + n))
        before = average_start(name) if expected is None else expected
        expected = decay * before + (1 - decay) * after[name]
    torch.testing.assert_close(average[name], expected, rtol=1e-4, atol=1e-6)
    assert not torch.allclose(state["state_dict"][name], average[name]), "training goes on from the weights"
    best = AtomicCheckpointIO().load_checkpoint(folder / "checkpoints" / "best.ckpt")
    saved = Forecaster.load(folder / "forecaster.safetensors")
    torch.testing.assert_close(dict(saved.named_parameters())[name.removeprefix("forecaster.")], average_of(best)[name])


def average_start(name: str) -> torch.Tensor:
    from py4cast.workflows.train.run import _make

    with TemporaryDirectory() as folder:  # the settings of the data are written there
        module, _ = _make(tiny(ema=0.9, epochs=2), Path(folder), None)
    return dict(module.named_parameters())[name].detach()


@pytest.mark.parametrize("stop", [3, 9])
def test_a_stopped_run_goes_on_exactly(monkeypatch: pytest.MonkeyPatch, stop: int) -> None:
    import os
    import signal

    from py4cast.callbacks import Preempted

    config = tiny(**SETTINGS, epochs=2)
    whole = last(train(config, run_name="whole"))
    step = AutoRegressiveLightning.training_step

    def signalled(self, batch, index, sent=[]):  # noqa: B006
        loss = step(self, batch, index)
        if self.batches_done == stop and not sent:
            sent.append(os.kill(os.getpid(), signal.SIGTERM))
        return loss

    monkeypatch.setattr(AutoRegressiveLightning, "training_step", signalled)
    with pytest.raises(Preempted):
        train(config, run_name=f"stop{stop}")
    monkeypatch.setattr(AutoRegressiveLightning, "training_step", step)
    resumed = last(train(config, run_name=f"stop{stop}", resume=True))
    assert same_weights(whole, resumed)
    for name, average in average_of(whole).items():
        assert torch.equal(average, average_of(resumed)[name]), name


def test_a_checkpoint_within_a_validation_holds_the_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    validation, kept = AutoRegressiveLightning.validation_step, []

    def saved(self, batch, index):
        validation(self, batch, index)
        self.trainer.save_checkpoint(tmp_path / "inside.ckpt")
        kept.append({name: p.detach().clone() for name, p in self.named_parameters()})

    monkeypatch.setattr(AutoRegressiveLightning, "validation_step", saved)
    weights = recorded(monkeypatch)
    train(tiny(ema=0.9, epochs=1), run_name="inside")
    state = AtomicCheckpointIO().load_checkpoint(tmp_path / "inside.ckpt")
    name = next(iter(weights[-1]))
    torch.testing.assert_close(state["state_dict"][name], weights[-1][name])
    torch.testing.assert_close(average_of(state)[name], kept[-1][name])


def test_push_forward_takes_no_gradient_through_the_steps_before() -> None:
    from py4cast.losses import registry as losses
    from py4cast.testing import make_batch, make_info

    info = make_info((16, 16), diagnostic=False)
    torch.manual_seed(0)
    forecaster = Forecaster.build(info, "halfunet", "scaled_ar", 1, {"num_filters": 4, "norm": "none"}).train()
    batch, loss = make_batch(info, num_input_steps=1, num_pred_steps=2), losses.get("mse")(info)
    slopes = []
    for pushes in (False, True):
        forecaster.strategy.pushes_forward = pushes
        forecaster.zero_grad()
        forecaster.training_loss(batch, loss)[:, 1].mean().backward()
        slopes.append(torch.cat([p.grad.flatten() for p in forecaster.parameters()]))
    # by hand: the second step alone, from the state that the first gives
    samples = forecaster._samples(batch)
    with torch.no_grad():
        steps = forecaster.strategy.rollout(forecaster.network, samples.states, samples.forcing, 1, samples.truth)
        (first,) = list(steps)
    forecaster.zero_grad()
    window = first[:, None, ..., : info.weather_dim]
    forcing = samples.forcing[:, 1:]
    (second,) = list(forecaster.strategy.rollout(forecaster.network, window, forcing, 1, samples.truth[:, 1:]))
    loss(second.unsqueeze(1), samples.truth[:, 1:]).mean().backward()
    alone = torch.cat([p.grad.flatten() for p in forecaster.parameters()])
    torch.testing.assert_close(slopes[1], alone)
    assert not torch.allclose(slopes[0], alone)


def test_the_schedule_of_the_command_line() -> None:
    assert _schedule("0:1,10:2") == [[0, 1], [10, 2]]
    with pytest.raises(SettingsError, match="expected EPOCH:STEPS by comma"):
        _schedule("0:1,x")
