from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch

from py4cast.errors import DataError, SettingsError
from py4cast.forecaster import Forecaster
from py4cast.steppers import StepperABC
from py4cast.steppers.eager import EagerStepper
from py4cast.workflows.forecast.dataset_input import read_dataset
from py4cast.workflows.forecast.request import Forecast

SETTINGS = ["size=16", "num_train=27", "num_valid=10", "num_test=10", "border_size=2"]


def saved(folder: Path, dataset: Any, **options: Any) -> EagerStepper:
    """The stepper of an untrained Forecaster of the dummy dataset."""
    torch.manual_seed(0)
    model = Forecaster.build(dataset.info, "halfunet", "scaled_ar", 2, {"num_filters": 8}, options)
    model.save(folder / "f.safetensors")
    return EagerStepper(folder / "f.safetensors", "cpu")


def asked(**changes: Any) -> Forecast:
    words = {"forecaster": "f", "output": ["o.nc"], "num_steps": 2, "init_time": "x", "dataset": "dummy", "overrides": SETTINGS}  # fmt: skip
    return Forecast(**{**words, **changes})


def test_an_exported_step_reads_files_alone() -> None:
    with pytest.raises(SettingsError, match=r"f\.onnx: an exported step starts from --input FILES"):
        read_dataset(asked(forecaster="f.onnx"), cast(StepperABC, SimpleNamespace()), np.datetime64("2020-01-01", "s"))


def test_states_and_what_is_given_are_those_of_the_samples(tmp_path: Path, small: Any) -> None:
    test = small[2]
    item = test[0]
    start = np.datetime64(item.init_time, "s")
    stepper = saved(tmp_path, test)
    states, given = read_dataset(asked(num_steps=3), stepper, start)
    info = stepper.info
    np.testing.assert_array_equal(states[0], item.inputs[info.prognostic].tensor.numpy())
    steps = list(given)
    assert len(steps) == 3 and stepper.info.border is not None
    for number, step in enumerate(steps):
        assert step.forcing is not None and step.border is not None
        np.testing.assert_array_equal(step.forcing[0], item.forcing[info.forcing].tensor[number].numpy())
        np.testing.assert_array_equal(step.border[0], item.outputs[info.predicted].tensor[number].numpy())


def test_truth_in_the_border_is_needed_unless_the_border_is_free(tmp_path: Path, small: Any) -> None:
    test = small[2]
    stepper = saved(tmp_path, test)
    start = test.cube.times[-1]
    with pytest.raises(DataError, match="imposes truth in the border: give it, or use --free_border"):
        read_dataset(asked(), stepper, start)
    states, given = read_dataset(asked(free_border=True), stepper, start)
    assert states.shape[:2] == (1, 2) and all(step.border is None for step in given)
