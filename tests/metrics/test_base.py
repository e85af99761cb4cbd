from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from py4cast.metrics.base import CellStatisticABC, MetricABC
from py4cast.metrics.case import Case
from py4cast.metrics.layout import Layout
from py4cast.testing import make_info
from tests.metrics.layouts import START, layout

CELLS = (1, 3)


class Doubled(CellStatisticABC):
    """Twice the truth of a cell."""

    name = "doubled"

    def cells(self, case: Case) -> Tensor:
        return 2 * case.target


class Plain(MetricABC):
    """A metric that says no more than it must."""

    name, long_name = "plain", "mean of twice the truth"

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.statistics = (Doubled(layout),)

    def value(self, means: Mapping[str, Tensor]) -> Tensor:
        return means["doubled"]


class Good(Plain):
    """One of which more is better."""

    orientation = "high"


class ForFields(Plain):
    """One that needs neighbours."""

    is_for_fields = True


def test_a_quantity_of_cells_is_summed_with_their_weights() -> None:
    fields_of = layout(1, CELLS, torch.tensor([[1.0, 2.0, 5.0]]).double(), scales=(1,))
    truth = torch.tensor([[1.0, 10.0, torch.nan]]).unsqueeze(-1).expand(*CELLS, 3)
    sums, weights = Doubled(fields_of).compute(Case(fields_of, torch.zeros(*CELLS, 3), truth))
    assert sums.tolist() == [42.0] * 3 and weights.tolist() == [3.0] * 3


def test_a_metric_is_of_every_feature_in_its_units() -> None:
    metric = Plain(layout())
    assert metric.features == ["u", "v", "tp"] and metric.dimensions == ()
    assert [metric.units(n) for n in metric.features] == ["m s-1", "m s-1", "kg m-2"]


def test_statistics_are_kept_of_metrics_that_tell_good_from_bad() -> None:
    assert Plain(layout()).kept == () and [s.name for s in Good(layout()).kept] == ["doubled"]
    metric = Good(layout())
    metric.is_compared = False  # type: ignore[misc]
    assert metric.kept == ()


def test_neighbours_are_on_a_grid() -> None:
    stations = Layout(make_info().variables[:1], torch.ones(1, 4), None, layout().step_duration)
    assert ForFields.lacking(stations) == "a grid" and Plain.lacking(stations) == "" == ForFields.lacking(layout())


def test_a_metric_of_means_keeps_no_samples() -> None:
    metric = Plain(layout())
    with pytest.raises(NotImplementedError, match="Plain keeps no samples"):
        metric.sample(Case(layout(), *torch.zeros(2, 12, 16, 3)))
    with pytest.raises(NotImplementedError, match="Plain keeps no samples"):
        metric.value_of_samples(START + torch.arange(2).numpy(), torch.zeros(2, 1, 3))
