from typing import Any

import numpy as np
import torch

from py4cast.metrics.rows import Rows
from py4cast.metrics.score_set import ScoreSet
from py4cast.workflows.page.worst import WorstCase, worst_cases

DAY = np.timedelta64(24 * 3600, "s")
START = np.datetime64("2020-01-01T00", "s")


def scores_of(squares: Any, weights: Any = 1.0, name: str = "squared_error") -> ScoreSet:
    """Scores whose rows hold these sums `(forecast, lead_time, variable)`."""
    sums = torch.as_tensor(np.asarray(squares, dtype=np.float64))
    weight = torch.as_tensor(np.broadcast_to(np.asarray(weights, dtype=np.float64), sums.shape).copy())
    rows = Rows()
    for day in reversed(range(len(sums))):
        rows.append(START + day * DAY, {f"{name}.sum": sums[day], f"{name}.weight": weight[day]})
    return ScoreSet(
        ["forecast"], [DAY] * sums.shape[1], {f"v{i}": "K" for i in range(sums.shape[2])}, sums.shape[2],
        init_times=rows.init_times, rows={"forecast": rows},
    )  # fmt: skip


def test_the_worst_of_each_variable_at_the_last_lead_time() -> None:
    squares = np.zeros((4, 2, 2))
    squares[:, 1, 0], squares[:, 1, 1] = [8.0, 32.0, 2.0, 18.0], [50.0, 2.0, 8.0, 0.0]
    squares[:, 0] = 1000.0
    assert worst_cases(scores_of(squares, 2.0)) == [
        WorstCase(0, START + 1 * DAY, 1, 4.0),
        WorstCase(0, START + 3 * DAY, 1, 3.0),
        WorstCase(1, START, 1, 5.0),
        WorstCase(1, START + 2 * DAY, 1, 2.0),
    ]
    assert [c.rmse for c in worst_cases(scores_of(squares, 2.0), count=1)] == [4.0, 5.0]


def test_a_variable_is_judged_at_the_last_lead_time_that_was_scored() -> None:
    squares = np.array([[[4.0, 1.0], [9.0, 1.0]], [[1.0, 1.0], [16.0, 1.0]]])
    weights = np.ones((2, 2, 2))
    weights[:, 1, 0] = 0.0
    weights[:, :, 1] = 0.0
    squares = squares * (weights > 0)
    assert worst_cases(scores_of(squares, weights)) == [WorstCase(0, START, 0, 2.0), WorstCase(0, START + DAY, 0, 1.0)]


def test_forecasts_that_were_not_scored_are_no_cases() -> None:
    weights = np.array([1.0, 0.0, 1.0])[:, None, None]
    squares = np.array([1.0, 0.0, 9.0])[:, None, None]
    cases = worst_cases(scores_of(squares, weights), count=3)
    assert [(c.init_time, c.rmse) for c in cases] == [(START + 2 * DAY, 3.0), (START, 1.0)]


def test_scores_without_squared_errors_have_no_cases() -> None:
    assert worst_cases(scores_of(np.ones((2, 1, 1)), name="error")) == []
    scores = scores_of(np.ones((2, 1, 1)))
    scores.rows = {}
    assert worst_cases(scores) == []
