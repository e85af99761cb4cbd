import numpy as np
import pytest
import torch
from torch import Tensor

from py4cast.dataset_info import DatasetInfo
from py4cast.losses.cells import CellLossABC, tensor_of
from py4cast.namedtensor import NamedTensor
from py4cast.statistics import Stats
from py4cast.testing import make_info

CELLS = (5, 6)


class Cubed(CellLossABC):
    """|ŷ − y|³ of every value, of which the masked are 0."""

    power = 3

    def score(self, prediction: Tensor, target: Tensor, counted: Tensor | None) -> Tensor:
        cubes = (prediction - target).abs() ** 3
        return cubes if counted is None else torch.where(counted, cubes, 0.0)


def fields() -> tuple[Tensor, Tensor]:
    truth = torch.randn(2, 1, *CELLS, 3)
    return truth + 2.0, truth


def weight_of(info: DatasetInfo, power: int = 3) -> float:
    """Σ w/σ_Δ^p over the features."""
    return float(sum(info.state_weights[n] / info.diff_stats[n]["std"] ** power for n in info.predicted))


def test_values_lose_their_names_and_half_precision() -> None:
    half = torch.ones(1, 2, 2, 1, dtype=torch.float16)
    named = NamedTensor(half, ["timestep", "lat", "lon", "features"], ["t"])
    for values in (half, named):
        assert tensor_of(values).dtype == torch.float32 and torch.equal(tensor_of(values), half.float())


def test_features_are_divided_by_the_power_of_their_changes() -> None:
    info, (prediction, truth) = make_info(CELLS), fields()
    np.testing.assert_allclose(Cubed(info)(prediction, truth), 8 * weight_of(info), rtol=1e-5)


def test_a_feature_that_never_changes_is_not_divided() -> None:
    info = make_info(CELLS)
    still = {n: {**info.diff_stats[n], "std": 0.0} for n in info.predicted}
    object.__setattr__(info, "diff_stats", Stats(still))
    expected = [info.state_weights[n] for n in info.predicted]
    np.testing.assert_allclose(Cubed(info).feature_weights, expected, rtol=1e-6)


def test_whole_and_masked_terms_have_one_mean() -> None:
    """Where nothing lacks, weights are 1; with a mask of all cells they are those of the cells' shares."""
    loss, (prediction, truth) = Cubed(make_info(CELLS)), fields()
    whole, masked = loss.terms(prediction, truth), loss.terms(prediction, truth, torch.ones(*CELLS, 1))
    assert (whole.weight == 1).all()
    torch.testing.assert_close(masked.weight, whole.weight)
    torch.testing.assert_close(masked.mean(), whole.mean())


def test_weights_tell_the_share_of_the_cells_that_count() -> None:
    info, (prediction, truth) = make_info(CELLS), fields()
    truth[0, 0, 2, 3, 1] = torch.nan
    terms = Cubed(info).terms(prediction, truth)
    shares = info.statics.cell_weights.squeeze(-1).double()
    shares = shares / shares.sum()
    expected = torch.ones(2, 1, 3).double()
    expected[0, 0, 1] -= shares[2, 3]
    np.testing.assert_allclose(terms.weight, expected, rtol=1e-6)
    np.testing.assert_allclose(terms.mean(), 8 * weight_of(info), rtol=1e-5)


def test_cells_without_data_count_nowhere() -> None:
    sea = np.ones(CELLS, dtype=bool)
    sea[2, 2] = False
    info, (prediction, truth) = make_info(CELLS, valid=sea), fields()
    prediction[:, :, 2, 2] = 1e9
    loss = Cubed(info)
    assert loss.has_holes and not Cubed(make_info(CELLS)).has_holes
    np.testing.assert_allclose(loss(prediction, truth), 8 * weight_of(info), rtol=1e-5)


@pytest.mark.parametrize("is_masked", [True, False])
def test_the_map_holds_the_weighted_score_of_cells_that_count(is_masked: bool) -> None:
    info, (prediction, truth) = make_info(CELLS), fields()
    mask = torch.ones(*CELLS, 1)
    mask[1, 1] = 0.0
    cells = Cubed(info).cells(prediction, truth, mask if is_masked else None)
    assert cells.shape == (2, 1, *CELLS)
    expected = np.zeros(CELLS)
    expected[1:-1, 1:-1] = 8 * weight_of(info)
    if is_masked:
        expected[1, 1] = 0.0
    np.testing.assert_allclose(cells, np.broadcast_to(expected, cells.shape), rtol=1e-5)


def test_weights_stay_out_of_the_checkpoint() -> None:
    assert not Cubed(make_info(CELLS)).state_dict()
