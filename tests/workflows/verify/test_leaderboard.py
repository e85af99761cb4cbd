import datetime
from typing import Any

import numpy as np
import pytest

from py4cast.metrics.score_set import ScoreArray, ScoreSet
from py4cast.version import __version__
from py4cast.workflows.verify.leaderboard import leaderboard

HOUR = np.timedelta64(3600, "s")
STARTS = np.datetime64("2020-01-01T00", "s") + np.arange(3) * 24 * HOUR
TABLE = ("system", "lead_time", "variable")


def scores(rmse: Any, runs: dict[str, Any] | None = None, num_features: int = 2, **changes: Any) -> ScoreSet:
    values = np.asarray(rmse, dtype=np.float64)
    units = dict([("t2m", "K"), ("u10", "m s-1"), *[(f"x{i}", "1") for i in range(values.shape[2] - 2)]])
    fields: dict[str, Any] = {
        "systems": ["a", "b", "c"][: len(values)], "lead_times": [6 * HOUR, 12 * HOUR], "units": units,
        "num_features": num_features, "arrays": {"rmse": ScoreArray(TABLE, values)}, "num_forecasts": 3,
        "init_times": STARTS, "document": {"runs": runs or {}},
    }  # fmt: skip
    return ScoreSet(**{**fields, **changes})


def cells(text: str) -> list[dict[str, str]]:
    """The rows of the table by the heads of its columns."""
    lines = [[c.strip() for c in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    assert set(lines[1]) == {"---"} and len({len(line) for line in lines}) == 1
    return [dict(zip(lines[0], line, strict=True)) for line in lines[2:]]


RMSE = [[[2.0, 4.0], [2.0, 4.0]], [[1.0, 1.0], [4.0, 4.0]], [[8.0, 4.0], [2.0, 1.0]]]


def test_runs_stand_in_the_order_of_their_geometric_mean() -> None:
    rows = cells(leaderboard(scores(RMSE)))
    assert [(r["rank"], r["run"]) for r in rows] == [("1", "b"), ("2", "a"), ("3", "c")]
    means = {"a": 64**0.25, "b": 16**0.25, "c": 64**0.25}
    assert [r["gain"] for r in rows] == [f"{100 * (1 - means[r['run']] / means['c']):.1f} %" for r in rows]
    assert rows[0]["gain"] == "29.3 %"
    assert [r["t2m RMSE +12 h [K]"] for r in rows] == ["4", "2", "2"]
    assert [r["u10 RMSE +12 h [m s-1]"] for r in rows] == ["4", "4", "1"]


def test_wind_pairs_are_neither_ranked_nor_shown() -> None:
    with_pair = np.concatenate([RMSE, np.full((3, 2, 1), np.nan)], -1)
    assert leaderboard(scores(with_pair)).splitlines()[2:] == leaderboard(scores(RMSE)).splitlines()[2:]


def test_a_score_that_is_not_there_counts_for_nothing() -> None:
    rmse = np.array(RMSE)
    rmse[0, 1, 1] = np.nan
    rows = {r["run"]: r for r in cells(leaderboard(scores(rmse)))}
    assert rows["a"]["u10 RMSE +12 h [m s-1]"] == "-"
    # over what all have: u10 at the second lead time counts for none
    assert rows["a"]["gain"] == f"{100 * (1 - 16 ** (1 / 3) / 64 ** (1 / 3)):.1f} %"
    assert "over the 3 of 4 pairs of a variable and a lead time of which all runs have a score" in leaderboard(
        scores(rmse)
    )


def test_a_run_gains_nothing_by_scores_that_it_lacks() -> None:
    # the same run twice, once without the variable of large numbers
    rmse = np.array([[[np.nan, 0.1], [np.nan, 0.2]], [[500.0, 0.1], [700.0, 0.2]]])
    assert [r["gain"] for r in cells(leaderboard(scores(rmse)))] == ["0.0 %", "0.0 %"]
    rmse[0] = np.nan
    text = leaderboard(scores(rmse))
    assert [r["gain"] for r in cells(text)] == ["-", "-"] and "over nothing: there is no variable" in text


def test_four_variables_at_most_have_a_column() -> None:
    head = leaderboard(scores(np.ones((2, 2, 6)), num_features=6)).splitlines()[0]
    assert head.count("RMSE") == 4 and "x1 RMSE +12 h [1]" in head and "x2" not in head


def test_scores_of_resolution_are_means_over_variables_at_the_last_lead_time() -> None:
    board = scores(RMSE)
    wavelengths = np.arange(12.0).reshape(3, 2, 2)
    wavelengths[1, 1, 0] = np.nan
    board.arrays["lambda_x"] = ScoreArray(TABLE, wavelengths)
    assert {r["run"]: r["lambda_x"] for r in cells(leaderboard(board))} == {"a": "2.5", "b": "7", "c": "10.5"}


def test_a_row_says_what_was_verified_with_which_code() -> None:
    lineage = {"version": "1.2.3", "created": "2019-05-06T07:08:09"}
    runs = {"a": {"model": "unet", "strategy": "diff_ar", "lineage": lineage}, "b": {"strategy": "x|y"}}
    rows = {r["run"]: r for r in cells(leaderboard(scores(RMSE, runs)))}
    assert (rows["a"]["model"], rows["a"]["py4cast"], rows["a"]["date"]) == ("unet diff_ar", "1.2.3", "2019-05-06")
    assert rows["b"]["model"] == "x/y", "a bar would end the cell"
    today = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")
    assert rows["c"]["model"] == "files" and rows["c"]["py4cast"] == __version__ and rows["c"]["date"] <= today
    assert {r["forecasts"] for r in rows.values()} == {"3"}


@pytest.mark.parametrize("key", ["truth", "dataset", "split", "grid"])
def test_the_hash_is_of_what_was_verified(key: str) -> None:
    hashes = [r["data"] for r in cells(leaderboard(scores(RMSE, {"a": {key: "x"}, "b": {key: "y"}, "c": {key: "x"}})))]
    assert hashes[0] != hashes[1] == hashes[2] and {len(h) for h in hashes} == {8}
    later = cells(leaderboard(scores(RMSE, {"b": {key: "y"}}, init_times=STARTS + HOUR)))
    assert later[0]["run"] == "b" and later[0]["data"] != hashes[0]


def test_the_note_says_the_period_and_what_ranks() -> None:
    note = leaderboard(scores(RMSE)).splitlines()[-1]
    assert note == (
        "Forecasts from 2020-01-01T00:00:00 to 2020-01-03T00:00:00 UTC, lead times +6 to +12 h, ranked by the geometric "
        "mean of RMSE over 2 variables and 2 lead times; the gain is against the last row."
    )
    unknown = leaderboard(scores(RMSE, init_times=STARTS[:0]))
    assert "Forecasts from unknown UTC" in unknown


def test_another_metric_ranks_where_it_is_named() -> None:
    board = scores(RMSE)
    board.arrays["mae"] = ScoreArray(TABLE, 10 - np.array(RMSE))
    text = leaderboard(board, "mae")
    means = {name: np.prod(10 - np.array(table)) for name, table in zip("abc", RMSE, strict=True)}
    assert [r["run"] for r in cells(text)] == sorted(means, key=lambda name: means[name])
    assert "geometric mean of MAE" in text
