import numpy as np
import pytest
import torch

from py4cast.forecaster import StepInputs
from py4cast.given import Given, Samples
from py4cast.steppers import StepGiven


def test_nothing_is_given_by_default() -> None:
    assert Given() == (None, None, {}, None)
    with pytest.raises(TypeError):
        Given().inputs["a"] = 1  # type: ignore[index]


def test_arrays_and_tensors_are_given_alike() -> None:
    array, tensor = np.zeros((2, 3, 4, 1), np.float32), torch.zeros(2, 3, 4, 1)
    assert Given(array).forcing is array and Given(border=tensor).border is tensor


def test_the_older_names_are_the_same_noun() -> None:
    assert StepInputs is Given and StepGiven is Given


def test_samples_give_what_belongs_to_a_step() -> None:
    truth = torch.arange(24.0).reshape(2, 3, 2, 2, 1)
    samples = Samples(truth[:, :1], 10 * truth, truth)
    assert samples.num_steps == 3 and torch.equal(samples.forcing_of(2), 10 * truth[:, 2])
    assert torch.equal(samples.border_of(1), truth[:, 1]), "the truth is imposed where nothing else is given"
    driven = samples._replace(border=truth + 5, forcing=None)
    assert torch.equal(driven.border_of(1), truth[:, 1] + 5) and driven.forcing_of(0) is None
