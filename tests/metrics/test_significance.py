import numpy as np
import pytest
import torch

from py4cast.metrics import Aggregator, make_metrics
from py4cast.metrics.rows import Rows
from py4cast.metrics.significance import block_length, draws, gain, intervals
from tests.metrics.layouts import HOUR, SHAPE, START, layout


def rows_of(errors: np.ndarray, times: np.ndarray | None = None) -> tuple[object, Rows]:
    """The rows of forecasts whose error is one number each."""
    own = layout(metrics=("rmse",))
    metric = make_metrics(own)
    found = Aggregator(metric, own, keeps_rows=True)
    truth = torch.zeros(len(errors), 1, *SHAPE, 3)
    given = torch.from_numpy(errors).float().reshape(-1, 1, 1, 1, 1).expand_as(truth)
    found.update(given, truth, init_times=START + np.arange(len(errors)) * 6 * HOUR if times is None else times)
    return metric[0], found.rows


def test_draws_are_whole_blocks() -> None:
    counts = draws(20, 5, 300)
    assert counts.shape == (300, 20) and (counts.sum(1) == 20).all()
    assert torch.equal(counts, draws(20, 5, 300)), "the same seed draws alike"
    np.testing.assert_allclose(counts.mean(0), 1.0, atol=0.25)
    for row in counts[:50]:
        # round the circle counts rise and fall only where blocks begin and end: at most 4 of them
        assert (row != row.roll(1)).sum() <= 8


def test_block_length() -> None:
    times = START + np.arange(100) * 12 * HOUR
    assert block_length(times, 48 * HOUR) == 5, "∛100 is more than the four that overlap"
    assert block_length(times, 240 * HOUR) == 20
    assert block_length(times, 2400 * HOUR) == 25, "at most a quarter"
    assert block_length(times[:1], HOUR) == 1


def test_the_interval_of_a_mean_covers_it() -> None:
    """Of 200 independent sets of white noise, the 90 % interval of the RMSE holds the true one about 180 times."""
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(60):
        metric, rows = rows_of(rng.standard_normal(60))
        found = intervals(metric, rows, None, 6 * HOUR, 400, 0.9, block=1)
        hits += bool(found.low[0, 0] <= 1.0 <= found.high[0, 0])
    assert 46 <= hits <= 60


def test_pairing_finds_a_small_gain_that_the_weather_hides() -> None:
    rng = np.random.default_rng(1)
    weather = 1 + 5 * rng.random(80)
    metric, ours = rows_of(0.98 * weather)
    _, theirs = rows_of(weather)
    found = intervals(metric, ours, theirs, 6 * HOUR)
    assert float(found.value[0, 0]) == pytest.approx(0.02, abs=1e-6)
    assert found.sign[0, 0] == 1
    alone = intervals(metric, ours, None, 6 * HOUR)
    assert float(alone.high[0, 0] - alone.low[0, 0]) > 0.2, "each by itself is uncertain"
    assert intervals(metric, theirs, ours, 6 * HOUR).sign[0, 0] == -1


def test_equal_systems_are_not_told_apart() -> None:
    rng = np.random.default_rng(2)
    metric, ours = rows_of(1 + rng.random(60))
    _, theirs = rows_of(1 + rng.random(60))
    assert intervals(metric, ours, theirs, 6 * HOUR, confidence=0.99).sign[0, 0] == 0


def test_common_forecasts_are_compared() -> None:
    times = START + np.arange(30) * 6 * HOUR
    metric, ours = rows_of(np.full(30, 1.0), times)
    _, theirs = rows_of(
        np.r_[np.full(20, 2.0), np.full(10, 9.0)], np.r_[times[10:], times[-1] + np.arange(1, 11) * 6 * HOUR]
    )
    assert float(intervals(metric, ours, theirs, 6 * HOUR).value[0, 0]) == pytest.approx(0.5)
    _, none = rows_of(np.ones(5), times[:5] + HOUR)
    with pytest.raises(ValueError, match="no start of forecast in common"):
        intervals(metric, ours, none, 6 * HOUR)


def test_few_forecasts_have_no_interval() -> None:
    metric, rows = rows_of(np.ones(7))
    found = intervals(metric, rows, None, 6 * HOUR)
    assert float(found.value[0, 0]) == 1.0 and found.low.isnan().all() and (found.sign == 0).all()


@pytest.mark.parametrize(
    ("orientation", "ours", "theirs", "expected"),
    [("low", 1.0, 2.0, 0.5), ("high", 0.9, 0.7, 0.2), ("one", 1.1, 0.6, 0.3), ("zero", -0.1, 0.3, 0.2)],
)
def test_gain(orientation: str, ours: float, theirs: float, expected: float) -> None:
    assert float(gain(torch.tensor(ours), torch.tensor(theirs), orientation)) == pytest.approx(expected)
    assert float(gain(torch.tensor(theirs), torch.tensor(ours), orientation)) < 0


def test_rows_come_in_the_order_of_time() -> None:
    rows = Rows()
    for hour in (3, 1, 2):
        rows.append(START + hour * HOUR, {"x": torch.tensor([float(hour), 0.0])})
    assert rows.read("x")[:, 0].tolist() == [1.0, 2.0, 3.0]
    assert rows.read("x", [2])[:, 0].tolist() == [3.0]
    assert (rows.init_times == START + np.array([1, 2, 3]) * HOUR).all()
    with pytest.raises(ValueError, match="no rows of 'y'; there are x"):
        rows.read("y")
    with pytest.raises(ValueError, match="beside rows of"):
        rows.append(START, {"x": torch.zeros(3)})
