import numpy as np
import pytest

from py4cast.workflows.calibrate.fit import CalibrationFit

SHAPE = (6, 7)
MEAN = np.full((*SHAPE, 1), 10.0, dtype=np.float32)
HOURS = np.array([3, 4])


def fitted(
    num_members: int = 1,
    bias: float = 0.0,
    alpha: float = 0.6,
    beta: float = 0.3,
    spread: float = 1.0,
    count: int = 200,
):
    rng = np.random.default_rng(0)
    fit = CalibrationFit(("t",), MEAN, np.ones(SHAPE), np.array([False]), 2, num_members)
    for _ in range(count):
        first = rng.normal(10, 3, (*SHAPE, 1))
        change = rng.normal(0, 2, (2, *SHAPE, 1))
        members = first + change + spread * rng.normal(0, 1, (num_members, 2, *SHAPE, 1)) * (num_members > 1)
        middle = members.mean(0)
        truth = first + alpha * (middle - first) + beta * (MEAN - first) + rng.normal(0, 0.5, (2, *SHAPE, 1))
        truth[0] -= bias
        fit.add(members.astype(np.float32), truth.astype(np.float32), first.astype(np.float32), HOURS)
    return fit.result({"split": "valid"})


def test_the_factors_of_the_truth_are_found() -> None:
    calibration = fitted()
    np.testing.assert_allclose(calibration.change, 0.6, atol=0.01)
    np.testing.assert_allclose(calibration.towards_mean, 0.3, atol=0.01)
    np.testing.assert_allclose(calibration.stretch, 1.0)


def test_a_bias_that_grows_with_the_lead_time_is_taken_as_it_has_grown() -> None:
    rng = np.random.default_rng(0)
    mean, weights = np.zeros((2, 3, 1), dtype=np.float32), np.ones((2, 3))
    fit = CalibrationFit(("t",), mean, weights, np.array([False]), 2)
    for _ in range(200):
        first = rng.normal(size=(2, 3, 1)).astype(np.float32)
        truth = np.stack([first + rng.normal(size=first.shape), first + 2 * rng.normal(size=first.shape)])
        fit.add((truth + np.array([0.2, 1.8]).reshape(2, 1, 1, 1))[None], truth, first, np.array([6, 6]))
    calibration = fit.result({})
    taken = calibration.bias_share[:, 0] * calibration.bias[6, 0] * 210 / 200
    np.testing.assert_allclose(taken, [0.2, 1.8], rtol=0.1, atol=0.02)


def test_a_bias_at_one_hour_is_found_there_alone() -> None:
    bias = fitted(bias=2.0).bias[:, 0]
    # what so many days tell is believed by 200/210
    assert bias[3] == pytest.approx(2.0 * 200 / 210, rel=0.05) and abs(bias[4]) < 0.1 and not bias[5:].any()


def test_a_few_days_are_hardly_believed() -> None:
    assert fitted(bias=2.0, count=2).bias[3, 0] == pytest.approx(2.0 * 2 / 12, rel=0.4)


def test_members_get_the_spread_of_their_error() -> None:
    calibration = fitted(num_members=8, spread=1.0)
    # the truth lies 0.5 about the mean, and the damped members 0.6: √(0.25·8/9)/0.6
    np.testing.assert_allclose(calibration.stretch, 0.5 * np.sqrt(8 / 9) / 0.6, rtol=0.05)


def test_a_forecast_that_never_changes_is_left_as_it_is() -> None:
    fit = CalibrationFit(("t",), MEAN, np.ones(SHAPE), np.array([False]), 1)
    field = MEAN[None]
    fit.add(field[None], field, MEAN, np.array([0]))
    calibration = fit.result({})
    assert calibration.change.tolist() == [[1.0]] and calibration.towards_mean.tolist() == [[0.0]]


def test_what_is_missing_does_not_count() -> None:
    values = []
    for wrong in (np.nan, 3.0):
        rng = np.random.default_rng(1)
        weights = np.ones(SHAPE)
        weights[0, 0] = 0.0 if wrong == 3.0 else 1.0
        fit = CalibrationFit(("t",), MEAN, weights, np.array([False]), 1)
        for _ in range(5):
            first, truth = rng.normal(10, 3, (2, *SHAPE, 1)).astype(np.float32)
            truth = truth.copy()
            truth[0, 0] = wrong
            fit.add((first + 1)[None, None] * 1.1, truth[None], first, np.array([0]))
        values.append(fit.result({}))
    np.testing.assert_allclose(values[0].change, values[1].change)
    np.testing.assert_allclose(values[0].bias, values[1].bias)


@pytest.mark.parametrize("num_members", [1, 5])
def test_the_errors_that_remain_are_told(num_members: int) -> None:
    rng = np.random.default_rng(2)
    mean, weights = np.full((*SHAPE, 1), 10.0, dtype=np.float32), rng.uniform(0.5, 1.5, SHAPE)
    fit = CalibrationFit(("t",), mean, weights, np.array([False]), 2, num_members)
    cases = []
    for day in range(40):
        first = rng.normal(10, 3, (*SHAPE, 1)).astype(np.float32)
        members = (first + rng.normal(0, 2, (num_members, 2, *SHAPE, 1))).astype(np.float32)
        truth = (0.5 * members.mean(0) + 0.5 * first + rng.normal(1.0, 0.5, (2, *SHAPE, 1))).astype(np.float32)
        truth[0, 0, 0] = np.nan
        hours = np.array([day % 3, (day + 1) % 3])
        fit.add(members, truth, first, hours)
        cases.append((members, truth, first, hours))
    calibration = fit.result({"split": "valid"})
    assert calibration.source["split"] == "valid"
    for step in range(2):
        squares = total = 0.0
        for members, truth, first, hours in cases:
            made = calibration.apply(
                members[:, step], np.repeat(first[None], num_members, 0), step, hours[step : step + 1], num_members
            ).mean(0)
            counted = np.isfinite(truth[step, ..., 0]) * weights
            squares += float((np.nan_to_num(made - truth[step])[..., 0] ** 2 * counted).sum())
            total += float(counted.sum())
        assert calibration.source["rmse"]["t"][step] == pytest.approx((squares / total) ** 0.5, rel=1e-5)


def test_a_direction_is_left_as_it_is_and_its_error_is_the_shorter_arc() -> None:
    fit = CalibrationFit(("dd",), MEAN, np.ones(SHAPE), np.array([False]), 2, turns=np.array([360.0]))
    for truth in (359.0, 2.0, 180.0):
        field = np.full((2, *SHAPE, 1), truth, dtype=np.float32)
        fit.add((field[None] + 4.0) % 360.0, field, np.full((*SHAPE, 1), 355.0, dtype=np.float32), HOURS)
    calibration = fit.result({"split": "valid"})
    assert (calibration.change == 1).all() and (calibration.towards_mean == 0).all() and (calibration.bias == 0).all()
    np.testing.assert_allclose(calibration.source["rmse"]["dd"], 4.0, rtol=1e-5)


def test_what_keeps_its_mean_is_left_as_it_is() -> None:
    fit = CalibrationFit(("t",), MEAN, np.ones(SHAPE), np.array([False]), 2, 1, None, np.array([True]))
    rng = np.random.default_rng(0)
    for _ in range(4):
        truth = rng.normal(0, 1, (2, *SHAPE, 1)).astype(np.float32)
        fit.add((0.5 * truth + 1)[None], truth, np.zeros((*SHAPE, 1), np.float32), HOURS)
    calibration = fit.result({"split": "valid"})
    assert (calibration.change == 1).all() and (calibration.towards_mean == 0).all() and (calibration.bias == 0).all()
