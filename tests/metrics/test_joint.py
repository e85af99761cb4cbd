import math

import numpy as np
import pytest
import torch

from py4cast.metrics.aggregator import Aggregator
from py4cast.metrics.joint import NeighbourCorrelation, PooledSpreadSkill
from py4cast.metrics.layout import Layout
from tests.metrics.layouts import layout

CELLS = (12, 18)


def fields(num_members: int = 2) -> Layout:
    return layout(num_members, CELLS, torch.ones(CELLS).double(), scales=(1,))


def waves(seed: int, *lead: int) -> torch.Tensor:
    """Normal numbers, the sum of two neighbours along a row: adjacent cells of a row are correlated by ½."""
    white = torch.randn(*lead, CELLS[0], CELLS[1] + 1, 3, generator=torch.Generator().manual_seed(seed))
    return (white[..., 1:, :] + white[..., :-1, :]) / math.sqrt(2)


def test_the_correlation_of_neighbours_is_that_of_the_deviations() -> None:
    aggregator = Aggregator([NeighbourCorrelation(fields(8))], fields(8))
    aggregator.update(waves(0, 20, 8, 1), waves(1, 20, 1))
    # ½ along rows and 0 along columns
    np.testing.assert_allclose(aggregator.values()["neighbour_correlation"], np.full((1, 3), 0.25), atol=0.03)


def test_means_over_boxes_of_a_right_ensemble_have_the_spread_of_their_error() -> None:
    aggregator = Aggregator([PooledSpreadSkill(fields(8))], fields(8))
    aggregator.update(waves(0, 60, 8, 1), waves(1, 60, 1))
    np.testing.assert_allclose(aggregator.values()["pooled_spread_skill"], np.ones((1, 3)), atol=0.1)


def test_white_members_of_a_truth_that_moves_as_a_whole_are_told() -> None:
    generator = torch.Generator().manual_seed(0)
    aggregator = Aggregator([PooledSpreadSkill(fields(8))], fields(8))
    truth = torch.randn(60, 1, 1, 1, 3, generator=generator).expand(60, 1, *CELLS, 3)
    aggregator.update(torch.randn(60, 8, 1, *CELLS, 3, generator=generator), truth)
    assert float(aggregator.values()["pooled_spread_skill"].max()) < 0.25


def test_cells_without_truth_count_nowhere() -> None:
    members, truth = waves(0, 1, 8, 1), waves(1, 1, 1)
    expected = []
    for wrong in (0.0, 1e6):
        holes, shifted = truth.clone(), members.clone()
        holes[0, 0, 3, 4, 1] = torch.nan
        shifted[0, :, 0, 3, 4, 1] += wrong
        aggregator = Aggregator([NeighbourCorrelation(fields(8)), PooledSpreadSkill(fields(8))], fields(8))
        aggregator.update(shifted, holes)
        expected.append(aggregator.values())
    for name in ("neighbour_correlation", "pooled_spread_skill"):
        np.testing.assert_allclose(expected[0][name], expected[1][name])


@pytest.mark.parametrize("kind", [NeighbourCorrelation, PooledSpreadSkill])
def test_they_need_members_and_cells(kind) -> None:
    assert kind.lacking(fields(1)) == "several members"
    assert kind.lacking(layout(2, (2, 3), torch.ones(2, 3).double(), scales=(1,))) == "a grid of more than 6 x 6 cells"
    assert kind.lacking(fields()) == ""
