import numpy as np
import pytest

from py4cast.calibration import Calibration
from py4cast.errors import SettingsError

MEAN = np.full((2, 3, 2), 5.0, dtype=np.float32)


def made(**changed: object) -> Calibration:
    tables = {
        "change": np.ones((3, 2)), "towards_mean": np.zeros((3, 2)), "bias": np.zeros((24, 2)), "stretch": np.ones((3, 2)),
        "is_positive": np.zeros(2, dtype=bool),
    }  # fmt: skip
    return Calibration(("t", "tp"), **{**tables, **changed}, mean=MEAN, source={"num_forecasts": 4})  # type: ignore[arg-type]


def fields(*values: float, features: int = 2) -> np.ndarray:
    return np.stack([np.full((2, 3, features), v, dtype=np.float32) for v in values])


HOURS = np.array([6])


def test_nothing_to_put_right_leaves_a_forecast_as_it_is() -> None:
    np.testing.assert_allclose(made().apply(fields(7.0), fields(1.0, features=1), 0, HOURS), fields(7.0))


def test_a_change_is_damped_and_goes_towards_the_mean() -> None:
    calibration = made(change=np.full((3, 2), 0.5), towards_mean=np.full((3, 2), 0.25))
    value = calibration.apply(fields(9.0), fields(1.0, features=1), 1, HOURS)
    # 1 + ½·(9 − 1) + ¼·(5 − 1)
    np.testing.assert_allclose(value[..., 0], 6.0)
    # of a diagnostic no state is known: 5 + ½·(9 − 5)
    np.testing.assert_allclose(value[..., 1], 7.0)


def test_the_bias_is_that_of_the_hour() -> None:
    bias = np.zeros((24, 2))
    bias[6] = [2.0, -1.0]
    calibration = made(bias=bias)
    np.testing.assert_allclose(calibration.apply(fields(9.0), fields(1.0, features=1), 0, HOURS)[0, 0, 0], [7.0, 10.0])
    np.testing.assert_allclose(calibration.apply(fields(9.0), fields(1.0, features=1), 0, HOURS + 1), fields(9.0))


def test_members_are_stretched_about_their_mean() -> None:
    calibration = made(stretch=np.full((3, 2), 2.0))
    value = calibration.apply(fields(1.0, 3.0, 10.0, 10.0), fields(*[0.0] * 4, features=1), 2, np.array([6, 7]), 2)
    np.testing.assert_allclose(value[:, 0, 0, 0], [0.0, 4.0, 10.0, 10.0])


def test_what_is_never_below_zero_stays_so_and_known_cells_stay() -> None:
    bias = np.full((24, 2), 4.0)
    calibration = made(bias=bias, is_positive=np.array([False, True]))
    border = np.zeros((2, 3), dtype=bool)
    border[0] = True
    value = calibration.apply(fields(1.0), fields(1.0, features=1), 0, HOURS, imposed=border)
    np.testing.assert_allclose(value[0, 1, 0], [-3.0, 0.0])
    np.testing.assert_allclose(value[0, 0, 0], [1.0, 1.0])


def test_it_is_written_and_read_again() -> None:
    calibration = made(change=np.random.default_rng(0).random((3, 2)))
    again = Calibration.from_dict(calibration.to_dict(), MEAN)
    assert again.to_dict() == calibration.to_dict() and again.num_steps == 3


@pytest.mark.parametrize("name", ["change", "bias", "stretch"])
def test_tables_that_do_not_fit_are_refused(name: str) -> None:
    for wrong in ([[1.0]], None):
        document = made().to_dict()
        document[name] = wrong if wrong is not None else [[float("nan")] * 2] * len(document[name])
        with pytest.raises(ValueError, match="calibration: tables of"):
            Calibration.from_dict(document, MEAN)


def test_lead_times_beyond_are_refused() -> None:
    made().check(3)
    with pytest.raises(SettingsError, match="4 steps asked for, the calibration was fitted on 3: .*--no_calibration"):
        made().check(4)
