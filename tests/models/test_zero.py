"""zero: zeros in the place of every output."""

import torch

from py4cast.batch import Statics
from py4cast.grid import Grid
from py4cast.models import build_network
from py4cast.models.zero import Zero
from py4cast.namedtensor import NamedTensor


def test_zeros_are_of_the_inputs_precision_and_places() -> None:
    y = Zero(4, 3, None)(torch.ones(2, 5, 7, 4, dtype=torch.float64))
    assert y.dtype == torch.float64 and torch.equal(y, torch.zeros(2, 5, 7, 3, dtype=torch.float64))


def test_points_are_as_good_as_rectangles() -> None:
    points = Grid.points([10, 20, 30], [0, 5, 9], areas=[1, 1, 1])
    statics = Statics.build(points, NamedTensor(torch.zeros(1, 3, 0), ["lat", "lon", "features"], []))
    network, _ = build_network("zero", 2, 4, {}, points, statics)
    assert torch.equal(network(torch.ones(2, 1, 3, 2)), torch.zeros(2, 1, 3, 4))
