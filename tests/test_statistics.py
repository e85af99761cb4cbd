import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from py4cast.statistics import SMALLEST_CHANGE, Stats, merge_moments, moments


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 40), min_size=1, max_size=6), st.floats(0, 0.9))
def test_any_cut_and_order_gives_the_moments_of_the_whole(seed: int, cuts: list[int], missing: float) -> None:
    rng = np.random.default_rng(seed)
    values = 5e4 + rng.standard_normal((2, 41))
    values[rng.random(values.shape) < missing] = np.nan
    parts = np.split(values, sorted(cuts), axis=1)
    rng.shuffle(parts)
    merged = merge_moments(np.stack([moments(part) for part in parts]))
    for row, found in zip(values, merged, strict=True):
        finite = row[np.isfinite(row)]
        assert found[0] == finite.size
        if finite.size:
            assert found[1] == pytest.approx(finite.mean(), rel=1e-12)
            assert found[2] == pytest.approx(((finite - finite.mean()) ** 2).sum(), rel=1e-6, abs=1e-8)
            assert (found[3], found[4]) == (finite.min(), finite.max())


def test_geopotential_keeps_its_digits() -> None:
    values = (5e4 + np.random.default_rng(0).standard_normal((1, 200_000))).astype(np.float32)
    stats = Stats.from_moments(["z"], merge_moments(np.stack([moments(p) for p in np.split(values, 8, axis=1)])))
    assert stats["z"]["std"] == pytest.approx(values.astype(np.float64).std(), rel=1e-9)


def test_lists_and_names() -> None:
    stats = Stats.from_moments(["a", "b"], moments(np.array([[1.0, 3.0], [2.0, 2.0]])))
    assert torch.equal(stats.to_list("mean", ["b", "a"]), torch.tensor([2.0, 2.0]))
    assert stats.to_list("std", []).shape == (0,) and stats.to_list("std", []).dtype == torch.float32
    assert stats["a"] == {"mean": 2.0, "std": 1.0, "min": 1.0, "max": 3.0, "count": 2.0}
    with pytest.raises(ValueError, match="no statistics of 'c'"):
        stats["c"]
    assert Stats(stats.to_dict()).table == stats.table and "a" in stats and [n for n, _ in stats.items()] == ["a", "b"]


def test_nothing_has_plain_statistics() -> None:
    assert Stats.from_moments(["a"], moments(np.full((1, 3), np.nan)))["a"]["std"] == 0.0


def test_differences_in_standard_units() -> None:
    stats = Stats({"a": {"mean": 1.0, "std": 4.0, "min": 0, "max": 9, "count": 5}})
    raw = Stats({"a": {"mean": 2.0, "std": 1.0, "min": -2, "max": 2, "count": 4}})
    assert raw.standardised_by(stats)["a"] == {"mean": 0.5, "std": 0.25, "min": -0.5, "max": 0.5, "count": 4}


@pytest.mark.parametrize(
    ("change", "counted"), [(0.0, 0.0), (2e-9, SMALLEST_CHANGE), (5e-3, SMALLEST_CHANGE), (0.02, 0.01), (1.0, 0.5)]
)
def test_a_tiny_change_is_raised_and_told(change: float, counted: float, caplog: pytest.LogCaptureFixture) -> None:
    row = {"mean": 0.0, "std": 2.0, "min": -9.0, "max": 9.0, "count": 5.0}
    differences = Stats({"slow": {**row, "std": change}}).standardised_by(Stats({"slow": row}))
    assert differences["slow"]["std"] == counted
    assert ("slow hardly changes from step to step" in caplog.text) == (counted == SMALLEST_CHANGE)
