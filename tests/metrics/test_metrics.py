import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from py4cast.metrics import Aggregator, registry
from py4cast.metrics.verification import Verification
from py4cast.testing import make_batch, make_info

WEIGHTS = torch.rand(5, 6, 1)


def aggregator() -> Aggregator:
    return Aggregator([registry.get(n)() for n in ("rmse", "mae", "bias")], WEIGHTS)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.lists(st.integers(0, 9), max_size=3), st.floats(0, 0.9))
def test_any_batching_and_merging_gives_the_whole(seed: int, cuts: list[int], missing: float) -> None:
    rng = np.random.default_rng(seed)
    y, truth = rng.standard_normal((2, 9, 2, 5, 6, 3))
    truth[rng.random(truth.shape) < missing] = np.nan
    parts = [slice(a, b) for a, b in zip([0, *sorted(cuts)], [*sorted(cuts), 9], strict=True)]
    merged = aggregator()
    for part in parts:
        other = aggregator()
        other.update(torch.from_numpy(y[part]), torch.from_numpy(truth[part]))
        merged.merge(other)
    found = merged.values()
    weights = np.broadcast_to(WEIGHTS.double().numpy(), y.shape) * np.isfinite(truth)
    error = np.where(np.isfinite(truth), y - truth, 0.0)
    with np.errstate(invalid="ignore"):
        total = weights.sum((0, 2, 3))
        expected = {
            "rmse": np.sqrt((weights * error**2).sum((0, 2, 3)) / total),
            "mae": (weights * np.abs(error)).sum((0, 2, 3)) / total,
            "bias": (weights * error).sum((0, 2, 3)) / total,
        }
    for name, values in expected.items():
        np.testing.assert_allclose(found[name].numpy(), values, rtol=1e-10, err_msg=name)


def test_rmse_is_the_root_of_the_mean_and_no_mean_of_roots() -> None:
    a = Aggregator([registry.get("rmse")()], torch.ones(1, 1, 1))
    a.update(torch.tensor([3.0, 4.0]).reshape(2, 1, 1, 1, 1), torch.zeros(2, 1, 1, 1, 1))
    assert float(a.values()["rmse"]) == pytest.approx(np.sqrt(12.5))


def test_references() -> None:
    info = make_info()
    batch = make_batch(info)
    normal = torch.zeros(17, 23, 3)
    check = Verification(info, lambda times: normal.expand(times.size, 17, 23, 3))
    check.update(batch, batch.outputs.tensor + 2.0)
    scores = check.scores()
    assert (
        scores["lead_times_h"] == [1.0, 2.0, 3.0] and scores["num_forecasts"] == 2 and scores["units"]["b"] == "m s-1"
    )
    assert scores["model"]["a"]["bias"] == pytest.approx([2.0] * 3, rel=1e-5)
    assert scores["persistence"]["d"]["rmse"] == [None] * 3, "no past value of a diagnostic is known"
    truth = batch.outputs["a"][..., 0].double()
    weights = (info.statics.area_weights * info.statics.interior_mask[..., 0]).double()
    last = batch.inputs["a"][:, -1:, ..., 0].double()
    expected = ((weights * (last - truth).square()).sum((2, 3)) / weights.sum()).mean(0).sqrt()
    assert scores["persistence"]["a"]["rmse"] == pytest.approx(expected.tolist(), rel=1e-6)
    flat = ((weights * truth.square()).sum((2, 3)) / weights.sum()).mean(0).sqrt()
    assert scores["climatology"]["a"]["rmse"] == pytest.approx(flat.tolist(), rel=1e-6)
