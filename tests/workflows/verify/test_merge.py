from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from py4cast.errors import DataError
from py4cast.grid import Grid
from py4cast.metrics import Layout, ScoreSettings
from py4cast.metrics import registry as metrics
from py4cast.metrics.rows import Rows
from py4cast.metrics.score_set import ScoreArray, ScoreSet
from py4cast.settings import encode
from py4cast.variables import Variable
from py4cast.workflows.verify.merge import merged

HOUR = np.timedelta64(3600, "s")
START = np.datetime64("2020-01-01T00", "s")
GRID = Grid(np.array([51.0, 50.0]), np.array([0.0, 1.0, 2.0]))


def mean_squares(days: int, leads: int, features: int, seed: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).uniform(1.0, 2.0, (days, leads, features))


def scored(
    squares: NDArray[np.float64],
    names: str,
    hours: tuple[int, ...] = (6, 12),
    first_day: int = 0,
    target: float | None = None,
    mean: float | None = None,
    samples: int = 0,
    **changes: Any,
) -> ScoreSet:
    """Scores of which every forecast's mean square error is known, `(forecast, lead_time, variable)`."""
    variables = [Variable(name=name, short_name=name, units="K") for name in names]
    settings = ScoreSettings(metrics=("rmse",), num_samples=samples)
    layout = Layout(variables, torch.ones(GRID.shape).double(), GRID, hours[0] * HOUR, settings=settings)
    rows, days = Rows(), first_day + np.arange(len(squares))
    for day, square in zip(days, squares, strict=True):
        weight = torch.full(square.shape, 2.0 + float(day % 3)).double()
        values = {"squared_error.sum": torch.from_numpy(square) * weight, "squared_error.weight": weight}
        if target is not None:
            values |= {"target_square.sum": target * weight, "target_square.weight": weight}
        if mean is not None:
            values |= {"target.sum": mean * weight, "target.weight": weight}
        rows.append(START + day * 24 * HOUR, values)
    document = {"variables": [v.to_dict() for v in variables], "settings": encode(settings), "truth": "analyses"}
    scores = ScoreSet(
        ["forecast", "persistence"], [h * HOUR for h in hours], dict.fromkeys(names, "K"), len(names),
        num_forecasts=len(squares), init_times=rows.init_times, rows={"forecast": rows}, document=document, grid=GRID,
    )  # fmt: skip
    metric = metrics.get("rmse")(layout)
    scores.put("rmse", metric, [torch.from_numpy(squares.mean(0)).sqrt()] * 2)
    return replace(scores, **changes)


def root_mean(squares: NDArray[np.float64], days: range) -> NDArray[np.float64]:
    weight = np.array([2.0 + day % 3 for day in days])[:, None, None]
    return np.asarray(np.sqrt((squares * weight).sum(0) / weight.sum()))


def test_scores_are_made_again_of_what_the_runs_share() -> None:
    ours, theirs = mean_squares(4, 2, 2, 0), mean_squares(4, 3, 2, 1)
    both = merged({"new": scored(ours, "ab"), "old": scored(theirs, "ab", (12, 6, 18), 1)})
    assert both.init_times.tolist() == [(START + d * 24 * HOUR).tolist() for d in (1, 2, 3)]
    assert both.num_forecasts == 3 and both.num_features == 2 and both.lead_hours == [6.0, 12.0]
    assert list(both.systems) == ["new", "old"] and both.units == {"a": "K", "b": "K"} and both.grid is GRID
    expected_ours = root_mean(ours[1:], range(1, 4))
    expected_theirs = root_mean(theirs[:3], range(1, 4))[[1, 0]]
    np.testing.assert_allclose(both.table("rmse", "new"), expected_ours, rtol=1e-12)
    np.testing.assert_allclose(both.table("rmse", "old"), expected_theirs, rtol=1e-12)
    gain = both.arrays["rmse_gain"]
    assert gain.dims == ("reference", "lead_time", "variable")
    np.testing.assert_allclose(gain.values[0], 1 - expected_ours / expected_theirs, rtol=1e-12)
    assert np.isnan(both.arrays["rmse_low"].values).all(), "no interval of three forecasts"


def test_variables_in_another_order_are_not_exchanged() -> None:
    squares = mean_squares(4, 2, 2, 0)
    both = merged({"new": scored(squares, "ab"), "old": scored(squares[..., ::-1].copy(), "ba")})
    np.testing.assert_allclose(both.table("rmse", "old"), both.table("rmse", "new"), rtol=1e-12)
    np.testing.assert_allclose(both.arrays["rmse_gain"].values[0], 0.0, atol=1e-12)


def test_the_document_is_the_first_runs_and_holds_every_runs() -> None:
    runs = {name: scored(mean_squares(2, 2, 1, i), "a") for i, name in enumerate(("x", "y"))}
    runs["y"].document = {**runs["y"].document, "truth": "others"}
    document = merged(runs).document
    assert document["truth"] == "analyses"
    assert {name: run["truth"] for name, run in document["runs"].items()} == {"x": "analyses", "y": "others"}


def test_variables_that_one_run_lacks_are_left_out() -> None:
    ours, theirs = mean_squares(2, 2, 3, 0), mean_squares(2, 2, 2, 1)
    both = merged({"new": scored(ours, "abc"), "old": scored(theirs, "bc")})
    assert both.variables == ["b", "c"] and both.num_features == 2
    np.testing.assert_allclose(both.table("rmse", "new"), root_mean(ours, range(2))[:, 1:], rtol=1e-12)
    np.testing.assert_allclose(both.table("rmse", "old"), root_mean(theirs, range(2)), rtol=1e-12)


def test_one_run_alone_has_no_gain() -> None:
    alone = merged({"only": scored(mean_squares(2, 2, 1, 0), "a")})
    assert list(alone.systems) == ["only"] and not [n for n in alone.arrays if "gain" in n]


def test_intervals_are_of_the_common_forecasts_and_hold_the_value() -> None:
    ours = mean_squares(10, 1, 1, 0)
    both = merged({
        "new": scored(ours, "a", (6,), samples=200), "old": scored(4 * ours, "a", (6,), samples=200),
    })  # fmt: skip
    value, low, high = (both.arrays[f"rmse{end}"].values for end in ("", "_low", "_high"))
    assert (low < value).all() and (value < high).all()
    np.testing.assert_allclose(both.arrays["rmse_gain"].values, 0.5, rtol=1e-12)
    np.testing.assert_allclose(both.arrays["rmse_gain_low"].values, 0.5, rtol=1e-12, err_msg="both are drawn alike")


@pytest.mark.parametrize(("names", "hours", "are_kept"), [("ab", (6, 12), True), ("a", (6, 12), False), ("ab", (6,), False)])  # fmt: skip
def test_maps_of_the_first_run_are_kept_where_they_are_of_what_is_compared(
    names: str, hours: tuple[int, ...], are_kept: bool
) -> None:
    first = scored(mean_squares(2, 2, 2, 0), "ab")
    first.arrays["bias_map"] = ScoreArray(("lead_time", "feature", "row", "column"), np.ones((2, 2, 2, 3)))
    both = merged({"new": first, "old": scored(mean_squares(2, len(hours), len(names), 1), names, hours)})
    assert ("bias_map" in both.arrays) == are_kept and "rmse_map" not in both.arrays


def test_metrics_without_rows_of_the_forecasts_are_left_out() -> None:
    runs = {name: scored(mean_squares(2, 2, 1, i), "a") for i, name in enumerate(("x", "y"))}
    for run in runs.values():
        run.arrays["bias"] = ScoreArray(("system", "lead_time", "variable"), np.zeros((2, 2, 1)))
        run.arrays["of_a_plugin"] = ScoreArray(("system", "lead_time", "variable"), np.zeros((2, 2, 1)))
    assert merged(runs).metrics == ["rmse"]


def test_a_metric_that_one_run_lacks_is_left_out() -> None:
    runs = {name: scored(mean_squares(2, 2, 1, i), "a") for i, name in enumerate(("x", "y"))}
    del runs["y"].arrays["rmse"]
    assert merged(runs).arrays == {}


SQUARES = mean_squares(2, 2, 1, 0)


@pytest.mark.parametrize(
    ("other", "text"),
    [
        (scored(SQUARES, "a", grid=None), "different grids: new on 2 x 3 .*; old on stations"),
        (scored(SQUARES, "a", grid=GRID.rows_columns(slice(1), slice(None))), "new on 2 x 3 .*; old on 1 x 3"),
        (scored(SQUARES, "b"), "no variable in common: new has a; old has b"),
        (scored(SQUARES, "a", units={"a": "degC"}), "a is in 'K' in new and in 'degC' in old; verify both in one unit"),
        (scored(SQUARES, "a", (3, 9)), r"no lead time in common: new has \[6.0, 12.0\] h, old has \[3.0, 9.0\] h"),
        (
            scored(SQUARES, "a", first_day=2),
            "no start of forecast in common: new from 2020-01-01T00:00:00 to 2020-01-02T00:00:00; "
            "old from 2020-01-03T00:00:00 to 2020-01-04",
        ),
        (scored(SQUARES, "a", init_times=np.array([], dtype="datetime64[s]")), "in common: new from .*; old none"),
    ],
)
def test_runs_that_do_not_fit_are_refused(other: ScoreSet, text: str) -> None:
    with pytest.raises(DataError, match=text):
        merged({"new": scored(SQUARES, "a"), "old": other})


def test_truths_are_told_apart_by_mean_and_deviation_of_each_forecast() -> None:
    # pressure: 101000 Pa on the mean, 1500 Pa of deviation
    def truth(mean: float, deviation: float, hours: tuple[int, ...] = (6, 12)) -> ScoreSet:
        return scored(SQUARES, "a", hours, target=mean**2 + deviation**2, mean=mean)

    new = truth(101000.0, 1500.0)
    assert merged({"new": new, "old": truth(101001.0, 1501.0, (12, 18))}).lead_hours == [12.0]
    for other in (truth(101040.0, 1500.0), truth(101000.0, 1552.0)):
        with pytest.raises(
            DataError,
            match=r"new and old were scored against different truths, or on different cells: a of 2020-01-01T00:00:00 \+6 h is "
            r"101000 ± 1500 and 1010\d\d ± 15\d\d there",
        ):
            merged({"new": new, "old": other})
    assert merged({"new": new, "old": scored(SQUARES, "a")}).num_forecasts == 2, "one that does not say is trusted"
    unknown = scored(SQUARES, "a", target=float("nan"))
    assert merged({"new": new, "old": unknown}).num_forecasts == 2


def test_scores_of_older_releases_tell_truths_apart_by_the_mean_square() -> None:
    new = scored(SQUARES, "a", target=80000.0)
    assert merged({"new": new, "old": scored(SQUARES, "a", target=80000.0 * 1.0009)}).num_forecasts == 2
    with pytest.raises(DataError, match="different truths"):
        merged({"new": new, "old": scored(SQUARES, "a", target=80000.0 * 1.005)})
