"""A saved Forecaster in torch: arrays in and out, devices and precisions."""

from pathlib import Path

import numpy as np
import pytest
import torch

from py4cast.errors import DataError, SettingsError
from py4cast.forecaster import Forecaster
from py4cast.given import Given
from py4cast.steppers.eager import EagerStepper
from py4cast.testing import make_batch, make_info

INFO = make_info((6, 8))
BATCH = make_batch(INFO)


def saved(folder: Path, model: str = "zero") -> Path:
    torch.manual_seed(0)
    settings = {"num_filters": 4, "num_layers": 2, "kernel_size": 3} if model == "cnn" else {}
    Forecaster.build(INFO, model, "diff_ar", 2, settings).save(folder / "f.safetensors")
    return folder / "f.safetensors"


def given(num_steps: int) -> list[Given[np.ndarray]]:
    forcing = BATCH.fields["forcing"].tensor.numpy()
    return [Given(forcing[:, step]) for step in range(num_steps)]


def test_a_network_that_says_nothing_leaves_the_last_state(tmp_path: Path) -> None:
    states = BATCH.inputs.tensor.numpy()
    steps = list(EagerStepper(saved(tmp_path), "cpu").rollout(states, given(3)))
    assert len(steps) == 3 and all(step.dtype == np.float32 and step.shape == (2, 6, 8, 3) for step in steps)
    for step in steps:
        np.testing.assert_allclose(step[..., :2], states[:, -1], atol=1e-5)


def test_it_forecasts_as_the_forecaster_does(tmp_path: Path) -> None:
    stepper = EagerStepper(saved(tmp_path, "cnn"), "cpu")
    expected = Forecaster.load(tmp_path / "f.safetensors").forecast(BATCH, 3).tensor.numpy()
    steps = np.stack(list(stepper.rollout(BATCH.inputs.tensor.numpy(), given(3))), 1)
    np.testing.assert_allclose(steps, expected, atol=1e-5)
    assert stepper.info.title == "cnn (diff_ar)" and stepper.info.prognostic == ["a", "b"]


def test_lower_precision_is_near_and_comes_back_in_float32(tmp_path: Path) -> None:
    path, states = saved(tmp_path, "cnn"), BATCH.inputs.tensor.numpy()
    full, low = (next(EagerStepper(path, "cpu", p).rollout(states, given(1))) for p in ("32", "bf16"))
    assert low.dtype == np.float32
    gap = np.abs(low - full).max()
    assert 0 < gap < 0.05


def test_what_is_given_stays_as_it_was(tmp_path: Path) -> None:
    states, steps = BATCH.inputs.tensor.numpy().copy(), given(1)
    before = states.copy(), steps[0].forcing.copy()  # type: ignore[union-attr]
    next(EagerStepper(saved(tmp_path), "cpu").rollout(states, steps))
    assert np.array_equal(states, before[0]) and np.array_equal(steps[0].forcing, before[1])  # type: ignore[arg-type]


def test_a_precision_that_is_not_known_is_refused_before_the_file_is_read(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--precision 'bf61'; did you mean 'bf16'"):
        EagerStepper(tmp_path / "none.safetensors", "cpu", "bf61")


@pytest.mark.parametrize("device", ["tpu", "cuda:99"])
def test_a_device_that_is_not_there_is_refused(tmp_path: Path, device: str) -> None:
    with pytest.raises(SettingsError, match=f"--device {device}: not available here: .+"):
        EagerStepper(tmp_path / "none.safetensors", device)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.safetensors: no such file"):
        EagerStepper(tmp_path / "none.safetensors", "cpu")
