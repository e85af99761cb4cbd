from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from py4cast.grid import Grid
from py4cast.metrics.aggregator import Aggregator
from py4cast.metrics.case import Case
from py4cast.metrics.layout import Layout
from py4cast.metrics.neighbourhood import FSS, Fractions
from py4cast.testing import make_info
from tests.metrics.layouts import layout

CELLS = (5, 6)


def of_rain(*cells: tuple[int, int], amount: float = 2.0) -> Tensor:
    field = torch.zeros(*CELLS, 3)
    for cell in cells:
        field[(*cell, 2)] = amount
    return field


def layout_of(scales: tuple[int, ...], weights: Tensor | None = None) -> Layout:
    return layout(1, CELLS, torch.ones(CELLS).double() if weights is None else weights, scales=scales)


def scores_of(fields_of: Layout, prediction: Tensor, truth: Tensor) -> Tensor:
    """FSS of rain by threshold and scale."""
    aggregator = Aggregator([FSS(fields_of)], fields_of)
    aggregator.update(prediction[None, None], truth[None, None])
    return aggregator.values()["fss"][0, 0]


def test_rain_one_column_beside_is_right_in_two_windows_of_three() -> None:
    """Windows of three hold 1/9 where they hold the cell: 3 × 3 centres each, 3 × 2 of them together."""
    skill = scores_of(layout_of((1, 3)), of_rain((2, 2)), of_rain((2, 3)))
    assert float(skill[1, 0]) == 0.0, "at the scale of a cell there is no overlap"
    assert float(skill[1, 1]) == pytest.approx(1 - 6 / 18)
    assert skill[2:].isnan().all(), "neither has 5 kg m-2"


def test_sums_of_the_shares() -> None:
    fields_of = layout_of((3,))
    sums, totals = Fractions(fields_of).compute(Case(fields_of, of_rain((2, 2)), of_rain((2, 3), (2, 2))))
    assert sums.shape == (1, 4, 1, 3) and totals[0, 1, 0].tolist() == [12.0] * 3
    forecast, observed = np.zeros(CELLS), np.zeros(CELLS)
    forecast[2, 2] = observed[2, 2] = observed[2, 3] = 1.0
    shares = [np.lib.stride_tricks.sliding_window_view(x, (3, 3)).mean((2, 3)) for x in (forecast, observed)]
    expected = [((shares[0] - shares[1]) ** 2).sum(), (shares[0] ** 2).sum(), (shares[1] ** 2).sum()]
    np.testing.assert_allclose(sums[0, 1, 0], expected, rtol=1e-9, atol=1e-12)


def test_a_window_has_the_weight_of_its_centre() -> None:
    weights = torch.ones(CELLS).double()
    weights[:, 3] = 5.0
    fields_of = layout_of((3,), weights)
    sums, totals = Fractions(fields_of).compute(Case(fields_of, of_rain((2, 2)), of_rain()))
    assert float(totals[0, 1, 0, 0]) == 3 * (1 + 1 + 5 + 1)
    np.testing.assert_allclose(sums[0, 1, 0], np.array([1, 1, 0]) * 3 * (1 + 1 + 5) / 81, rtol=1e-9, atol=1e-12)


def test_missing_cells_count_as_dry_ones() -> None:
    truth = of_rain((2, 3))
    truth[2, 2, 2] = torch.nan
    skill = scores_of(layout_of((3,)), of_rain((2, 2), (2, 3)), truth)
    assert float(skill[1, 0]) == pytest.approx(1.0), "rain that was forecast where nothing is known"


def test_windows_that_do_not_fit_are_left_out() -> None:
    metric = FSS(layout_of((1, 5, 7, 27)))
    _, scale = metric.dimensions
    assert list(scale.values) == [1, 5] and scale.units == "cells"
    assert scores_of(layout_of((1, 5, 7)), of_rain((0, 0)), of_rain((4, 4))).shape == (4, 2)


def test_round_the_globe_every_column_is_a_centre() -> None:
    """The smaller of two scales reaches less far over the side than the larger."""
    grid = Grid(np.linspace(40, -40, 5), np.arange(0.0, 360.0, 60.0))
    fields_of = replace(layout_of((3, 5)), grid=grid)
    sums, totals = Fractions(fields_of).compute(Case(fields_of, of_rain((2, 0)), of_rain((2, 5))))
    assert totals[0, 1, :, 0].tolist() == [3 * 6, 1 * 6]
    np.testing.assert_allclose(sums[0, 1, 0], np.array([6, 9, 9]) / 81, rtol=1e-9)
    np.testing.assert_allclose(sums[0, 1, 1], np.array([2, 5, 5]) / 625, rtol=1e-9)


def test_only_placed_events_are_scored() -> None:
    assert FSS(layout_of((1,))).features == ["tp"] and FSS(layout_of((1,))).units("tp") == "1"
    named = layout(1, CELLS, scales=(1,), thresholds={"wind": (5.0,)})
    assert FSS(named).features == ["tp", "wind"]
    bare = Layout.of(make_info())
    assert FSS.lacking(bare) == "precipitation, or thresholds in the settings"
    assert FSS.lacking(replace(bare, grid=None)) == "a grid" and FSS.lacking(named) == ""
