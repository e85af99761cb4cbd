import pytest
import torch

from py4cast.namedtensor import NamedTensor
from py4cast.normalizer import Normalizer
from py4cast.statistics import Stats


def row(mean: float, std: float) -> dict[str, float]:
    return {"mean": mean, "std": std, "min": 0.0, "max": 0.0, "count": 1.0}


STATS = Stats({"a": row(280.0, 4.0), "b": row(5e4, 10.0), "c": row(7.0, 0.0)})


def test_closed_form_and_back() -> None:
    normalizer = Normalizer(["a", "b", "c"], STATS)
    x = torch.tensor([[284.0, 49_990.0, 7.0]])
    assert torch.equal(normalizer.standardise(x), torch.tensor([[1.0, -1.0, 0.0]]))
    assert torch.equal(normalizer.physical(normalizer.standardise(x)), x)


def test_a_constant_feature_comes_back() -> None:
    normalizer = Normalizer(["c"], STATS)
    assert torch.equal(normalizer.physical(torch.zeros(2, 1)), torch.full((2, 1), 7.0))


def test_named_tensors_in_any_order() -> None:
    normalizer = Normalizer(["a", "b", "c"], STATS)
    nt = NamedTensor(torch.tensor([[50_010.0, 276.0]]), ["batch", "features"], ["b", "a"])
    assert torch.equal(normalizer.standardise_named(nt).tensor, torch.tensor([[1.0, -1.0]]))
    assert torch.equal(normalizer.physical_named(normalizer.standardise_named(nt)).tensor, nt.tensor)
    with pytest.raises(ValueError, match="no statistics of 'z'"):
        normalizer.standardise_named(NamedTensor(torch.zeros(1, 1), ["batch", "features"], ["z"]))


def test_statistics_are_no_weights() -> None:
    assert not Normalizer(["a"], STATS).state_dict()
