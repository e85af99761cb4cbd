from typing import Any

import pytest

from py4cast.errors import SettingsError
from py4cast.workflows.experiments.closure.settings import ClosureExperiment, Evaluation


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_starts": 0}, "must be at least 1, num_free_steps 2·every"),
        ({"num_steps": 0}, "must be at least 1"),
        ({"every": 0}, "must be at least 1"),
        ({"num_free_runs": 0}, "must be at least 1"),
        ({"num_free_steps": 19, "every": 10}, "num_free_steps 2·every"),
        ({"num_test": 3016}, "num_test is too short for the steps that are asked for"),
        ({"departure": 0.0}, "departure must lie between 0 and 1"),
        ({"departure": 1.0}, "departure must lie between 0 and 1"),
    ],
)
def test_evaluations_that_cannot_be_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Evaluation(**changes)


def test_the_shortest_test_that_holds_all_runs_is_taken() -> None:
    # 3000 steps from 16 starts and the instant they begin at
    assert Evaluation(num_test=3017).num_test == 3017
    assert Evaluation(num_free_steps=20, every=10, num_steps=4, num_starts=1, num_free_runs=2, num_test=23)


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        ({"seeds": ()}, ValueError, "seeds must be given, each once"),
        ({"seeds": (1, 2, 1)}, ValueError, "seeds must be given, each once"),
        ({"trainings": {"on": {"modle": {}, "optmi": {}}}}, SettingsError, "trainings.on: unknown modle, optmi; expected"),
        ({"trainings": {"none": {}}}, SettingsError, "trainings.none: the name is a formula's"),
        ({"trainings": {"backscatter": {}}}, SettingsError, "trainings.backscatter: the name is a formula's"),
    ],
)  # fmt: skip
def test_experiments_that_cannot_be_are_refused(changes: dict[str, Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        ClosureExperiment(**changes)


def test_no_closure_is_compared_first_then_formulas_then_trainings() -> None:
    experiment = ClosureExperiment(formulas=("smagorinsky",), trainings={"online": {"train": {}}, "backscatter": {}})
    assert experiment.closures == ["none", "smagorinsky", "online", "backscatter"]
