import math

import numpy as np
import pytest
import torch
from torch import Tensor

from py4cast.grid import EARTH_RADIUS, Grid
from py4cast.metrics.aggregator import Aggregator
from py4cast.metrics.case import Case
from py4cast.metrics.deterministic import (
    MAE,
    RMSE,
    Bias,
    GradientError,
    GradientStatistic,
    Mu,
    NormalisedRMSE,
    Sigma,
    WindRMSE,
)
from py4cast.metrics.layout import Layout
from py4cast.testing import make_info
from py4cast.variables import Variable
from tests.metrics.layouts import HOUR, layout

CELLS = (2, 3)
WEIGHTS = torch.tensor([[1.0, 2.0, 1.0], [0.0, 4.0, 2.0]]).double()
ERRORS = torch.tensor([[1.0, -2.0, 3.0], [99.0, -1.0, 2.0]])


def weighted() -> Layout:
    return layout(1, CELLS, WEIGHTS, scales=(1,))


def in_all_features(field: Tensor) -> Tensor:
    return field[None, None, ..., None].expand(1, 1, *field.shape, 3)


def test_errors_weighted_by_hand() -> None:
    """Weights 1, 2, 1, 4, 2 of errors 1, −2, 3, −1, 2; the cell without weight counts nowhere."""
    fields_of = weighted()
    aggregator = Aggregator([RMSE(fields_of), MAE(fields_of), Bias(fields_of), WindRMSE(fields_of)], fields_of)
    aggregator.update(in_all_features(ERRORS) + 5.0, torch.full((1, 1, *CELLS, 3), 5.0))
    values = aggregator.values()
    mean_square = (1 + 2 * 4 + 9 + 4 * 1 + 2 * 4) / 10
    np.testing.assert_allclose(values["rmse"], np.full((1, 3), math.sqrt(mean_square)), rtol=1e-12)
    np.testing.assert_allclose(values["mae"], np.full((1, 3), (1 + 4 + 3 + 4 + 4) / 10), rtol=1e-12)
    np.testing.assert_allclose(values["bias"], np.full((1, 3), (1 - 4 + 3 - 4 + 4) / 10), rtol=1e-12)
    np.testing.assert_allclose(values["wind_rmse"], [[math.sqrt(2 * mean_square)]], rtol=1e-12)


def test_mu_compares_with_a_field_of_zeros() -> None:
    fields_of = weighted()
    truth = in_all_features(torch.full(CELLS, 4.0))
    aggregator = Aggregator([Mu(fields_of)], fields_of)
    aggregator.update(torch.zeros_like(truth), truth)
    np.testing.assert_allclose(aggregator.values()["mu"], 0.0, atol=1e-12)
    perfect = Aggregator([Mu(fields_of)], fields_of)
    perfect.update(truth, truth)
    assert (perfect.values()["mu"] == 1.0).all()


def test_mu_is_of_all_forecasts_and_sigma_of_each() -> None:
    """r² = 1/4 where the truth is 2, 1/16 where it is 4: μ = 1 − √(2/20), σ = ½·|1/2 − 1/4|."""
    fields_of = weighted()
    aggregator = Aggregator([Mu(fields_of), Sigma(fields_of)], fields_of)
    for size in (2.0, 4.0):
        truth = in_all_features(torch.full(CELLS, size))
        aggregator.update(truth + 1.0, truth)
    np.testing.assert_allclose(aggregator.values()["mu"], 1 - math.sqrt(2 / 20), rtol=1e-12)
    np.testing.assert_allclose(aggregator.values()["sigma"], 1 / 8, rtol=1e-12)


def test_a_truth_of_zeros_has_no_normalised_error() -> None:
    truth = torch.ones(*CELLS, 3)
    truth[..., 2] = 0.0
    values, counts = NormalisedRMSE(weighted()).compute(Case(weighted(), truth + 2.0, truth))
    assert values.tolist() == [[2.0, 4.0], [2.0, 4.0], [0.0, 0.0]]
    assert counts.tolist() == [[1.0, 1.0], [1.0, 1.0], [0.0, 0.0]]


def square_grid(rows: int, columns: int) -> Grid:
    """Cells of one degree beside the equator."""
    return Grid(np.arange(float(rows)), np.arange(float(columns)))


DEGREE = math.radians(1) * EARTH_RADIUS / 1000


def on_grid(grid: Grid, weights: Tensor | None = None) -> Layout:
    cells = torch.ones(grid.shape).double() if weights is None else weights
    return Layout([Variable(name="ssh", units="m"), Variable(name="c", units="1")], cells, grid, HOUR)


def slope(grid: Grid, north: float, east: float) -> Tensor:
    """Rises by so much per row and per column, `(lat, lon, 2)`."""
    rows, columns = (torch.arange(float(n)) for n in grid.shape)
    return (north * rows[:, None] + east * columns[None, :]).unsqueeze(-1).expand(*grid.shape, 2)


def test_the_squares_of_both_directions_add_up() -> None:
    """Near the equator a degree is as long east as north."""
    grid = square_grid(3, 4)
    fields_of = on_grid(grid)
    sums, weights = GradientStatistic(fields_of).compute(Case(fields_of, slope(grid, 3.0, 4.0), slope(grid, 0.0, 0.0)))
    np.testing.assert_allclose(sums / weights, (3**2 + 4**2) / DEGREE**2, rtol=1e-3)
    assert weights.tolist() == [(8 + 9) / 2] * 2, "pairs along columns and along rows"


def test_columns_converge_towards_the_pole() -> None:
    grid = Grid(np.array([60.0, 60.5]), np.arange(4.0))
    fields_of = on_grid(grid)
    sums, weights = GradientStatistic(fields_of).compute(Case(fields_of, slope(grid, 0.0, 1.0), slope(grid, 0.0, 0.0)))
    spacing = DEGREE * np.cos(np.deg2rad([60.0, 60.5]))
    np.testing.assert_allclose(sums / weights, np.mean(1 / spacing**2), rtol=1e-4)


@pytest.mark.parametrize("is_by_weight", [True, False])
def test_a_jump_beside_land_is_no_gradient(is_by_weight: bool) -> None:
    """The third column has no weight, or no truth: the pairs that it is in are left out."""
    grid = square_grid(3, 5)
    error = torch.zeros(*grid.shape, 2)
    error[:, 2], error[:, 3:] = 100.0, 7.0
    truth, weights = torch.zeros_like(error), torch.ones(grid.shape).double()
    if is_by_weight:
        weights[:, 2] = 0.0
    else:
        truth[:, 2] = torch.nan
    fields_of = on_grid(grid, weights)
    sums, totals = GradientStatistic(fields_of).compute(Case(fields_of, error, truth))
    assert sums.tolist() == [0.0, 0.0] and totals.tolist() == [(2 * 4 + 3 * 2) / 2] * 2


def mean_gradient(square: np.ndarray, weights: np.ndarray, spacing: np.ndarray) -> tuple[float, float]:
    """Of the pairs along the first axis: the weighted mean of a square over its distance squared, and the weight."""
    both = (weights[1:] > 0) & (weights[:-1] > 0)
    pairs = np.where(both, (weights[1:] + weights[:-1]) / 2, 0.0)
    return float((pairs * square / spacing**2).sum() / pairs.sum()), float(pairs.sum())


def test_pairs_have_the_mean_weight_of_their_cells() -> None:
    grid, rng = square_grid(4, 6), np.random.default_rng(0)
    weights, error = rng.random((4, 6)), rng.standard_normal((4, 6, 2))
    weights[1, 2:4] = weights[3, 0] = 0.0
    fields_of = on_grid(grid, torch.from_numpy(weights))
    east = DEGREE * np.cos(np.deg2rad(np.arange(4.0)))
    sums, totals = GradientStatistic(fields_of).compute(Case(fields_of, torch.from_numpy(error), torch.zeros(4, 6, 2)))
    for i in range(2):
        rows = mean_gradient(np.diff(error[..., i], axis=0) ** 2, weights, np.full((3, 6), DEGREE))
        columns = mean_gradient(np.diff(error[..., i].T, axis=0) ** 2, weights.T, np.tile(east, (5, 1)))
        assert float(totals[i]) == pytest.approx((rows[1] + columns[1]) / 2)
        assert float(sums[i] / totals[i]) == pytest.approx(rows[0] + columns[0], rel=1e-4)


def test_a_field_without_truth_has_no_gradient() -> None:
    grid = square_grid(3, 3)
    fields_of = on_grid(grid)
    truth = torch.full((3, 3, 2), torch.nan)
    sums, totals = GradientStatistic(fields_of).compute(Case(fields_of, slope(grid, 1.0, 1.0), truth))
    assert sums.tolist() == [0.0, 0.0] and totals.tolist() == [0.0, 0.0]


def test_units_and_what_is_lacking() -> None:
    fields_of = on_grid(square_grid(3, 3))
    assert [GradientError(fields_of).units(n) for n in ("ssh", "c")] == ["m km-1", "km-1"]
    assert Mu(fields_of).units("ssh") == Sigma(fields_of).units("ssh") == "1" and RMSE(fields_of).units("ssh") == "m"
    assert WindRMSE.lacking(fields_of) == "both components of a wind or a current"
    assert WindRMSE(weighted()).units("wind") == "m s-1" and WindRMSE(weighted()).features == ["wind"]
    stations = Layout(make_info().variables[:1], torch.ones(1, 4), None, HOUR)
    assert GradientError.lacking(stations) == "a grid" and RMSE.lacking(stations) == ""
