from typing import Any

import pytest

from py4cast.datasets.qg.settings import REGIMES, SIZES, TIME_UNIT, QgSettings

QUICK: dict[str, Any] = {"num_train": 3, "num_valid": 2, "num_test": 2}


@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize("size", SIZES)
def test_every_regime_goes_with_every_size(regime: Any, size: Any) -> None:
    plan = QgSettings(regime=regime, size=size).plan()
    expected = SIZES[size]._asdict()
    if regime == "decaying":
        expected["spinup"] = 0.5
    assert {name: getattr(plan, name) for name in expected} == expected
    assert (plan.drag, plan.beta, plan.wind, plan.is_decaying) == REGIMES[regime]
    assert plan.num_runs == (4 if regime == "decaying" else 1)


def test_what_is_set_goes_before_regime_and_size_zero_too() -> None:
    asked = {
        "fine": 32,
        "step": 0.5,
        "spinup": 0.0,
        "drag": 0.0,
        "wind": 0.0,
        "beta": -2.0,
        "num_runs": 3,
        "num_test": 7,
    }
    plan = QgSettings(regime="beta_plane", filter="gaussian", seed=5, diagnostics=(), **asked).plan()  # type: ignore[arg-type]
    assert {name: getattr(plan, name) for name in asked} == asked
    assert (plan.filter, plan.seed, plan.diagnostics, plan.coarse) == ("gaussian", 5, (), SIZES["seconds"].coarse)
    decaying = QgSettings(regime="decaying", spinup=3.0, num_runs=1).plan()
    assert (decaying.spinup, decaying.num_runs) == (3.0, 1)


def test_a_plan_knows_its_interval_its_physics_and_its_lengths() -> None:
    plan = QgSettings(step=0.25, num_substeps=3, viscosity=1e-3, viscosity_order=2, drag=0.1, beta=7.0, **QUICK).plan()
    assert plan.interval == 0.75
    assert plan.physics == {
        "viscosity": 1e-3, "viscosity_order": 2, "drag": 0.1, "beta": 7.0, "time_unit": TIME_UNIT,
    }  # fmt: skip
    assert [plan.num_instants(split) for split in ("train", "valid", "test")] == [3, 2, 2]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"fine": 14, "coarse": 8}, "fine 14: a flow that is spun up needs at least 16 points a side"),
        ({"num_valid": 1}, "every split must have at least 2 instants"),
        ({"num_runs": 0}, "num_runs and num_substeps be at least 1"),
        ({"num_substeps": 0}, "num_runs and num_substeps be at least 1"),
        ({"step": 0.0}, "step must be above 0"),
        ({"spinup": -1.0}, "spinup, viscosity, drag and wind not negative"),
        ({"viscosity": -1.0}, "spinup, viscosity, drag and wind not negative"),
        ({"wind": -1.0}, "spinup, viscosity, drag and wind not negative"),
        ({"step": 1e-7, "num_substeps": 4}, "step 1e-07: two instants are less than a second apart"),
    ],
)
def test_a_flow_that_is_none_is_refused(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        QgSettings(**asked)


def test_a_decaying_flow_needs_no_half_grid() -> None:
    assert QgSettings(regime="decaying", fine=14, coarse=8).plan().fine == 14
