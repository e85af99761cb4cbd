import numpy as np
import pytest
import torch
from torch import Tensor

from py4cast.metrics.case import Case, counted_everywhere
from py4cast.metrics.layout import Layout
from tests.metrics.layouts import layout

CELLS = (2, 3)
WEIGHTS = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]).double()


def weighted(num_members: int = 1) -> Layout:
    return layout(num_members, CELLS, WEIGHTS, scales=(1,))


def random_pair() -> tuple[Tensor, Tensor]:
    prediction, target = torch.randn(2, *CELLS, 3).unbind(0)
    return prediction, target


def as_planes(field: Tensor) -> Tensor:
    """The same values, the cells of a feature together in memory."""
    return field.movedim(-1, 0).contiguous().movedim(0, -1)


def test_nothing_missing_needs_no_mask() -> None:
    assert counted_everywhere(torch.zeros(2, 2), torch.ones(2, 2)) is None


def test_a_cell_counts_where_all_fields_hold_values() -> None:
    first, second = torch.zeros(2, 2), torch.ones(2, 2)
    first[0, 0], second[1, 1] = torch.nan, torch.inf
    counted = counted_everywhere(first, second)
    assert counted is not None and counted.tolist() == [[False, True], [True, False]]


def test_infinities_that_cancel_are_still_missing() -> None:
    field = torch.tensor([[torch.inf, -torch.inf], [0.0, 1.0]])
    counted = counted_everywhere(field)
    assert counted is not None and counted.tolist() == [[False, False], [True, True]]


@pytest.mark.parametrize("is_features_last", [True, False])
def test_sums_do_not_depend_on_the_order_in_memory(is_features_last: bool) -> None:
    prediction, target = random_pair()
    if not is_features_last:
        prediction, target = as_planes(prediction), as_planes(target)
    case = Case(weighted(), prediction, target)
    assert case.is_features_last == is_features_last and case.num_features == 3
    error = prediction.numpy() - target.numpy()
    assert case.error.dtype == torch.float64
    sums, totals = case.sums(case.squared_error)
    squares = error.astype(np.float64) ** 2
    np.testing.assert_allclose(sums, np.einsum("yx,yxf->f", WEIGHTS.numpy(), squares), rtol=1e-12)
    assert totals.tolist() == [21.0] * 3 and case.weights.shape == (*CELLS, 1)


def test_missing_cells_hold_the_mean_truth_and_have_no_weight() -> None:
    prediction, target = torch.ones(*CELLS, 3), torch.arange(18.0).reshape(*CELLS, 3)
    target[0, 0, 0], prediction[1, 2, 1] = torch.nan, torch.nan
    case = Case(weighted(), prediction, target)
    assert case.target[0, 0, 0] == case.prediction[0, 0, 0] == (3 + 6 + 9 + 12 + 15) / 5
    assert case.target[1, 2, 1] == case.prediction[1, 2, 1] == (1 + 4 + 7 + 10 + 13) / 5
    assert case.error[0, 0, 0] == 0 and case.error[1, 2, 1] == 0 and case.error[0, 1, 0] == 1.0 - 3.0
    assert case.totals.tolist() == [20.0, 15.0, 21.0]
    sums, totals = case.sums(torch.ones(*CELLS, 3).double())
    assert sums.tolist() == totals.tolist() == [20.0, 15.0, 21.0]


def test_a_feature_without_truth_has_weight_nowhere() -> None:
    prediction, target = random_pair()
    target[..., 2] = torch.nan
    case = Case(weighted(), prediction, target)
    assert float(case.totals[2]) == 0.0 and (case.target[..., 2] == 0).all()


def test_cells_to_score_are_joined_with_those_that_hold_values() -> None:
    prediction, target = random_pair()
    chosen = torch.ones(*CELLS, 3, dtype=torch.bool)
    chosen[0] = False
    whole = Case(weighted(), prediction, target, counted=chosen)
    assert whole.totals.tolist() == [15.0] * 3
    target[1, 0] = torch.nan
    assert Case(weighted(), prediction, target, counted=chosen).totals.tolist() == [11.0] * 3


def test_what_is_checked_is_believed() -> None:
    prediction, target = random_pair()
    target[0, 0] = torch.nan
    case = Case(weighted(), prediction, target, is_checked=True)
    assert case.counted is None and case.error[0, 0].isnan().all()


def test_an_ensemble_counts_where_all_its_members_do() -> None:
    members, target = torch.zeros(3, *CELLS, 3), torch.zeros(*CELLS, 3)
    members[0], members[1], members[2] = 1.0, 2.0, 6.0
    members[2, 0, 1, 0] = torch.nan
    case = Case(weighted(3), members, target)
    assert case.members is not None and case.members.dtype == torch.float64
    assert case.prediction[0, 0, 0] == 3.0 and case.totals.tolist() == [19.0, 21.0, 21.0]
    assert (case.members[:, 0, 1, 0] == 0.0).all() and case.error[0, 1, 0] == 0.0
    assert case.error[1, 1, 1] == 3.0 and case.as_given[0][0, 0, 0] == 3.0 and case.as_given[0][0, 1, 0].isnan()


def test_one_forecast_has_no_members() -> None:
    prediction, target = random_pair()
    case = Case(weighted(), prediction, target)
    assert case.members is None and case.as_given[0] is prediction and case.as_given[1] is target


def test_anomalies_are_of_the_climatology_and_else_of_the_truth() -> None:
    prediction, target = torch.full((*CELLS, 3), 5.0), torch.full((*CELLS, 3), 3.0)
    normal = torch.full((*CELLS, 3), 1.0)
    normal[0, 0] = torch.nan
    forecast, truth = Case(weighted(), prediction, target, normal).anomalies
    assert forecast[1, 1].tolist() == [4.0] * 3 and truth[1, 1].tolist() == [2.0] * 3
    assert forecast[0, 0].tolist() == [2.0] * 3 and truth[0, 0].tolist() == [0.0] * 3


def test_anomalies_of_an_ensemble_are_those_of_its_mean() -> None:
    members = torch.stack([torch.full((*CELLS, 3), x) for x in (1.0, 5.0)])
    target = torch.full((*CELLS, 3), 2.0)
    target[0, 0] = torch.nan
    forecast, truth = Case(weighted(2), members, target, torch.ones(*CELLS, 3)).anomalies
    assert forecast[1, 1].tolist() == [2.0] * 3 and truth[1, 1].tolist() == [1.0] * 3
    assert forecast[0, 0].tolist() == [0.0] * 3 and truth[0, 0].tolist() == [0.0] * 3


@pytest.mark.parametrize("is_missing", [True, False])
def test_parts_and_choices_hold_the_features_of_the_whole(is_missing: bool) -> None:
    prediction, target = random_pair()
    normal = torch.randn(*CELLS, 3)
    if is_missing:
        target[0, 1, 2] = torch.nan
    case = Case(weighted(), prediction, target, normal)
    assert case.part(0, 3) is case and case.part(0, 9) is case
    for part, places in ((case.part(1, 3), [1, 2]), (case.chosen((2, 0)), [2, 0])):
        torch.testing.assert_close(part.error, case.error[..., places])
        torch.testing.assert_close(part.totals, case.totals[places])
        torch.testing.assert_close(part.anomalies[0], case.anomalies[0][..., places])
    assert case.chosen((2, 0)) is case.chosen((2, 0))
