from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from py4cast.batch import ItemBatch
from py4cast.metrics.batches import BatchVerification, SampledVerification
from py4cast.metrics.layout import ScoreSettings
from py4cast.metrics.score_set import ScoreSet
from py4cast.namedtensor import NamedTensor
from py4cast.testing import make_batch, make_info

INFO = make_info((5, 6))
RMSE = ScoreSettings(metrics=("rmse",))
DIMS = ["batch", "timestep", "lat", "lon", "features"]


def truth_of(batch: ItemBatch) -> Tensor:
    assert batch.outputs is not None
    return batch.outputs.tensor


def with_fields(batch: ItemBatch, times: Any = None, **fields: NamedTensor) -> ItemBatch:
    return ItemBatch({**batch.fields, **fields}, init_time=times)


def interior_mean(values: Tensor) -> np.ndarray:
    """Over forecasts and the cells within the border, `(timestep, features)`."""
    weights = INFO.statics.cell_weights.squeeze(-1).double()
    return (torch.einsum("btxyf,xy->tf", values.double(), weights) / (values.shape[0] * weights.sum())).numpy()


def test_persistence_holds_the_last_state() -> None:
    batch = make_batch(INFO)
    check = BatchVerification(INFO, settings=ScoreSettings(metrics=("bias",)))
    check.update(batch, truth_of(batch))
    scores = check.scores()
    error = batch.inputs.tensor[:, -1:] - truth_of(batch)[..., :2]
    assert list(scores.systems) == ["model", "persistence"]
    np.testing.assert_allclose(scores.table("bias", "persistence")[:, :2], interior_mean(error), rtol=1e-5)
    assert np.isnan(scores.table("bias", "persistence")[:, 2]).all() and (scores.table("bias", "model") == 0).all()


def test_the_driving_model_is_scored_where_it_has_a_feature() -> None:
    batch = make_batch(INFO)
    boundary = NamedTensor(truth_of(batch)[..., [1, 0]] + 2.0, DIMS, ["b", "a"])
    check = BatchVerification(INFO, settings=RMSE, has_references=False, has_driver=True)
    check.update(with_fields(batch, boundary=boundary), truth_of(batch))
    scores = check.scores()
    assert list(scores.systems) == ["model", "driver"]
    np.testing.assert_allclose(scores.table("rmse", "driver")[:, :2], 2.0, rtol=1e-6)
    assert np.isnan(scores.table("rmse", "driver")[:, 2]).all()
    assert np.isfinite(scores.table("rmse", "model")).all(), "what the driver lacks hides nothing"


def test_a_driving_model_may_go_further_than_the_truth() -> None:
    batch = make_batch(INFO)
    longer = torch.cat([truth_of(batch) + 1.0, torch.zeros_like(truth_of(batch))], 1)
    check = BatchVerification(INFO, settings=RMSE, has_references=False, has_driver=True)
    check.update(with_fields(batch, boundary=NamedTensor(longer, DIMS, INFO.predicted)), truth_of(batch))
    np.testing.assert_allclose(check.scores().table("rmse", "driver"), 1.0, rtol=1e-6)


def test_a_forecast_that_another_system_lacks_is_not_scored() -> None:
    batch = make_batch(INFO, batch_size=3)
    asked = []

    def read(start: np.datetime64, leads: Any) -> Tensor | None:
        asked.append((start, leads))
        return None if start == batch.init_time[1] else torch.zeros(3, *INFO.grid.shape, 3)

    check = BatchVerification(INFO, settings=RMSE, has_references=False, further={"other": read})
    prediction = truth_of(batch).clone()
    prediction[1] += 100.0
    check.update(batch, prediction)
    assert check.num_forecasts == 2 and [start for start, _ in asked] == list(batch.init_time)
    assert (asked[0][1] == np.arange(1, 4) * np.timedelta64(1, "h")).all()
    scores = check.scores()
    assert (scores.table("rmse", "model") == 0).all()
    mean_square = interior_mean(truth_of(batch)[[0, 2]].square())
    np.testing.assert_allclose(scores.table("rmse", "other"), np.sqrt(mean_square), rtol=1e-5)


class Normal:
    """A climatology of ones that counts how often it is asked, and for which times."""

    description = "ones"

    def __init__(self) -> None:
        self.times: list[np.ndarray] = []

    def __call__(self, times: np.ndarray) -> Tensor:
        self.times.append(times)
        return torch.ones(len(times), *INFO.grid.shape, 3)


def test_a_climatology_is_read_at_the_valid_times() -> None:
    batch, normal = make_batch(INFO), Normal()
    check = BatchVerification(INFO, normal, RMSE)
    check.update(batch, truth_of(batch))
    hours = np.timedelta64(1, "h") * np.array([[1, 2, 3], [2, 3, 4]])
    (times,) = normal.times
    assert (times == (np.datetime64("2020-01-01T00", "s") + hours).ravel()).all()
    expected = np.sqrt(interior_mean((truth_of(batch) - 1.0).square()))
    np.testing.assert_allclose(check.scores().table("rmse", "climatology"), expected, rtol=1e-5)


@pytest.mark.parametrize(("metrics", "calls"), [(("rmse",), 0), (("rmse", "acc"), 1)])
def test_without_references_a_climatology_is_read_for_metrics_of_anomalies_alone(metrics: Any, calls: int) -> None:
    batch, normal = make_batch(INFO), Normal()
    check = BatchVerification(INFO, normal, ScoreSettings(metrics=metrics), has_references=False)
    check.update(batch, truth_of(batch))
    assert len(normal.times) == calls and list(check.scores().systems) == ["model"]
    if calls:
        np.testing.assert_allclose(check.scores().table("acc", "model"), 1.0, rtol=1e-9)


def test_scores_say_of_what_they_are() -> None:
    document = BatchVerification(INFO, Normal(), RMSE).scores({"model": "m"}).document
    assert document["dataset"] == "testing" and document["climatology"] == "ones" and document["model"] == "m"
    assert document["settings"]["metrics"] == ["rmse"] and document["settings"]["num_bins"] == 10
    assert BatchVerification(INFO, settings=RMSE).scores().document["climatology"] == ""


def test_ranks_are_gathered() -> None:
    batch = make_batch(INFO)
    first, second = (BatchVerification(INFO, settings=RMSE, has_references=False) for _ in range(2))
    first.update(batch, truth_of(batch) + 1.0)
    second.update(batch, truth_of(batch) + 3.0)
    packs: list[Any] = []

    def gather(pack: Any) -> list[Any]:
        packs.append(pack)
        return list(packs)

    first.gather(gather)
    second.gather(gather)
    assert (first.num_forecasts, second.num_forecasts) == (2, 4)
    np.testing.assert_allclose(second.scores().table("rmse", "model"), np.sqrt((1 + 9) / 2), rtol=1e-6)


def test_members_of_the_model() -> None:
    batch = make_batch(INFO)
    check = BatchVerification(INFO, settings=ScoreSettings(metrics=("rmse", "spread")), num_members=2)
    members = truth_of(batch)[:, None] + torch.tensor([0.0, 2.0]).reshape(1, 2, 1, 1, 1, 1)
    check.update(batch, members)
    scores = check.scores()
    np.testing.assert_allclose(scores.table("rmse", "model"), 1.0, rtol=1e-5)
    np.testing.assert_allclose(scores.table("spread", "model"), np.sqrt(2.0), rtol=1e-5)
    assert np.isnan(scores.table("spread", "persistence")).all() and check.layout.num_members == 2


def sampled(has_times: bool) -> tuple[SampledVerification, ScoreSet]:
    """Four forecasts that err by 1, 2, 3 and 4, two batches, of which those at 00 and 02 are scored in full."""
    settings = ScoreSettings(metrics=("rmse", "mu"))
    check = SampledVerification(INFO, settings=settings, every=2)
    whole = make_batch(INFO, batch_size=4)
    errors = torch.arange(1.0, 5.0).reshape(4, 1, 1, 1, 1)
    for chosen in ([0, 1, 2], [3]):
        fields = {
            key: value.new_like(torch.ones_like(value.tensor[chosen]), value) for key, value in whole.fields.items()
        }
        times = whole.init_time[chosen] if has_times else None
        batch = ItemBatch(fields, init_time=times)
        check.update(batch, truth_of(batch) + errors[chosen])
    return check, check.scores()


@pytest.mark.parametrize("has_times", [True, False])
def test_a_validation_scores_some_forecasts_in_full(has_times: bool) -> None:
    _, scores = sampled(has_times)
    assert scores.num_forecasts == 4 and list(scores.metrics) == ["rmse", "mu", "mae", "bias"]
    np.testing.assert_allclose(scores.table("rmse", "model"), np.sqrt((1 + 4 + 9 + 16) / 4), rtol=1e-6)
    np.testing.assert_allclose(scores.table("bias", "model"), 2.5, rtol=1e-6)
    np.testing.assert_allclose(scores.table("mu", "model"), 1 - np.sqrt((1 + 9) / 2), rtol=1e-6)


def test_a_validation_of_two_ranks() -> None:
    check, _ = sampled(True)
    check.gather(lambda pack: [pack, pack])
    assert check.scores().num_forecasts == 8
    np.testing.assert_allclose(check.scores().table("mu", "model"), 1 - np.sqrt(5.0), rtol=1e-6)


def test_a_batch_without_a_chosen_start_counts_in_the_light_scores_alone() -> None:
    batch = make_batch(INFO)
    batch.init_time = batch.init_time + np.timedelta64(1, "h")
    check = SampledVerification(INFO, settings=ScoreSettings(metrics=("rmse", "mu")), every=100)
    check.update(batch, truth_of(batch) + 1.0)
    assert list(check.scores().metrics) == ["rmse", "mae", "bias"] and check.scores().num_forecasts == 2


def test_intervals_and_maps_are_made_where_they_are_asked_for() -> None:
    batch, settings = make_batch(INFO, batch_size=4), ScoreSettings(metrics=("rmse",), num_samples=10)
    asked = BatchVerification(INFO, settings=settings, is_compared=True, has_maps=True, has_references=False)
    plain = BatchVerification(INFO, settings=settings, has_references=False)
    for check in (asked, plain):
        check.update(batch, truth_of(batch) + 2.0)
    assert set(plain.scores().arrays) == {"rmse"} and plain.layout.num_members == 1
    arrays = asked.scores().arrays
    assert set(arrays) == {"rmse", "rmse_low", "rmse_high", "bias_map", "rmse_map"}
    np.testing.assert_allclose(arrays["bias_map"].values, 2.0, rtol=1e-5)
