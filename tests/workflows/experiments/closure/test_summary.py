import math
from typing import Any

import numpy as np
import pytest

from py4cast.workflows.experiments.closure.summary import COLUMNS, cell, closure_table, markdown, scalars, summary

TRUTH = {
    "energy": 2.0, "enstrophy": 8.0, "energy_spectrum": [0.0, 4.0, 2.0, 1.0, 1.0], "enstrophy_spectrum": [0.0, 4.0, 3.0, 2.0, 2.0],
    "quantiles": [-1.0, 0.0, 1.0],
}  # fmt: skip
CLIMATE = {
    "energy": 1.0, "enstrophy": 12.0, "energy_spectrum": [9.0, 0.4, 2.0, 100.0, 1.0], "enstrophy_spectrum": [9.0, 9.0, 9.0, 1.0, 2.0],
    "quantiles": [-1.5, 0.0, 1.0],
}  # fmt: skip
BARE = {"climate": {**TRUTH, "quantiles": [-2.0, 0.0, 3.0]}}


def diagnostics(climate: dict[str, Any]) -> dict[str, Any]:
    return {"corr": 0.5, "departure": 12, "dissipation": 0.9, "stable": 1, "climate": climate, "life": [None]}


def test_numbers_of_a_climate_beside_the_truth() -> None:
    numbers = scalars(diagnostics(CLIMATE), BARE, TRUTH)
    assert set(numbers) == set(COLUMNS) and (numbers["corr"], numbers["departure"], numbers["stable"]) == (0.5, 12.0, 1)
    assert (numbers["energy"], numbers["enstrophy"]) == (0.5, 1.5)
    # decades off in waves 1 to 4: 1, 0, 2, 0; wave 0 is not looked at
    assert numbers["spectrum"] == pytest.approx(0.75)
    assert numbers["short_waves"] == pytest.approx(3.0 / 4.0), "of the upper half of the waves"
    # mean distances of the quantiles: 0.5/3, and 3/3 without a closure
    assert numbers["similarity"] == pytest.approx(1 - 0.5 / 3.0)


def test_the_truth_is_perfect_and_no_closure_has_no_similarity() -> None:
    perfect = scalars(diagnostics(TRUTH), BARE, TRUTH)
    assert [perfect[n] for n in ("energy", "enstrophy", "spectrum", "short_waves", "similarity")] == [1, 1, 0, 1, 1]
    assert scalars(BARE | diagnostics(BARE["climate"]), BARE, TRUTH)["similarity"] == 0.0
    assert math.isnan(scalars(diagnostics(CLIMATE), {"climate": {}}, TRUTH)["similarity"])


def test_runs_that_blew_up_before_their_climate_have_none() -> None:
    numbers = scalars(diagnostics({}), BARE, TRUTH)
    assert set(numbers) == set(COLUMNS)
    assert {n for n, v in numbers.items() if math.isnan(v)} == {"energy", "enstrophy", "spectrum", "short_waves", "similarity"}  # fmt: skip


def numbers_of(**changes: float) -> dict[str, float]:
    return {**dict.fromkeys(COLUMNS, 1.0), **changes}


def test_means_are_over_the_seeds_that_have_a_number() -> None:
    seeds = [numbers_of(corr=0.2), numbers_of(corr=0.6), numbers_of(corr=np.nan, energy=np.inf)]
    found = summary({"net": seeds, "none": [numbers_of(stable=math.nan)]})
    assert found["net"]["corr"] == {"mean": pytest.approx(0.4), "low": 0.2, "high": 0.6, "count": 2.0}
    assert found["net"]["energy"]["count"] == 2.0 and found["none"]["stable"]["count"] == 0
    assert cell(found["net"]["corr"]) == "0.40 (0.20–0.60)"
    assert cell(found["net"]["energy"]) == "1.00" and cell(found["none"]["stable"]) == "–"
    assert cell({"mean": 0.401, "low": 0.399, "high": 0.4, "count": 2}) == "0.40", "alike to two digits"


def test_tables_have_what_is_perfect_above_the_closures() -> None:
    summaries = summary({"none": [numbers_of()], "net": [numbers_of(corr=0.25)]})
    lines = markdown(summaries, 3).splitlines()
    assert lines[0].startswith("| closure | corr(R) | departs at |") and lines[2].startswith("| *perfect* | *1* | *late* |")  # fmt: skip
    assert lines[3] == f"| `none` |{' 1.00 |' * len(COLUMNS)}" and lines[4].startswith("| `net` | 0.25 | 1.00 |")
    assert lines[-1] == "Mean over 3 seeds (least to greatest)."
    assert len({line.count("|") for line in lines[:5]}) == 1
    table = closure_table(summaries)
    assert [[str(x) for x in c.cells][:3] for c in table.columns[:2]] == [
        ["perfect", "none", "net"],
        ["1", "1.00", "0.25"],
    ]
