import numpy as np
import pytest

from py4cast.datasets.forcings import SOLAR_CONSTANT, ComputedForcings, sun, toa_radiation
from py4cast.errors import SettingsError
from py4cast.grid import Grid

HOUR = np.timedelta64(3600, "s")
ZERO = np.timedelta64(0, "s")


def at(*texts: str) -> np.ndarray:
    return np.array(texts, dtype="datetime64[s]")


def test_declination_at_the_turning_points_of_the_year() -> None:
    delta, _, distance = sun(at("2021-03-20T09:37", "2021-06-21T03:32", "2021-09-22T19:21", "2021-12-21T15:59"))
    assert np.rad2deg(delta) == pytest.approx([0.0, 23.44, 0.0, -23.44], abs=0.45)
    # perihelion early in January, aphelion early in July: (r0/r)^2 = 1/(1 -+ 0.0167)^2
    _, _, distance = sun(at("2021-01-03", "2021-07-05"))
    assert distance == pytest.approx([1 / (1 - 0.0167) ** 2, 1 / (1 + 0.0167) ** 2], abs=1e-3)


def test_equation_of_time() -> None:
    # minutes by which the Sun is ahead: about -14.2 on 11 February, +16.4 on 3 November
    _, equation, _ = sun(at("2021-02-11T12", "2021-11-03T12"))
    assert np.rad2deg(equation) * 4 == pytest.approx([-14.2, 16.4], abs=0.6)


def test_radiation_at_an_instant_is_the_closed_form() -> None:
    time = at("2021-06-21T12")
    delta, equation, distance = sun(time)
    lat, lon = np.array([[50.0, -80.0]]), np.array([[10.0, 10.0]])
    omega = np.deg2rad(10.0) + equation
    cosine = np.sin(np.deg2rad(50)) * np.sin(delta) + np.cos(np.deg2rad(50)) * np.cos(delta) * np.cos(omega)
    found = toa_radiation(time, lat, lon, ZERO)[0, 0]
    assert found[0] == pytest.approx(float(SOLAR_CONSTANT * distance[0] * cosine[0]), rel=1e-6)
    assert found[1] == 0.0, "polar night"


@pytest.mark.parametrize("latitude", [-89.0, -45.0, 0.0, 30.0, 66.0, 80.0, 90.0])
@pytest.mark.parametrize("hours", [1, 6, 24, 30])
def test_the_mean_over_a_step_is_the_integral(latitude: float, hours: int) -> None:
    step = np.timedelta64(hours * 3600, "s")
    end = at("2021-04-10T05")
    lat, lon = np.array([[latitude]]), np.array([[17.0]])
    # the Sun's place is taken at the middle of the step, so the reference fixes it there too
    fine = (
        end[0]
        - step
        + (np.arange(20_000) + 0.5) / 20_000 * (step / np.timedelta64(1, "s")) * np.timedelta64(1000, "ms")
    )
    delta, equation, distance = (x[0] for x in sun(end - step // 2))
    seconds = (fine - fine.astype("datetime64[D]")) / np.timedelta64(1, "s")
    omega = 2 * np.pi * (seconds / 86400 - 0.5) + np.deg2rad(17.0) + equation
    phi = np.deg2rad(latitude)
    cosine = np.maximum(0, np.sin(phi) * np.sin(delta) + np.cos(phi) * np.cos(delta) * np.cos(omega))
    expected = SOLAR_CONSTANT * distance * cosine.mean()
    assert float(toa_radiation(end, lat, lon, step)[0, 0, 0]) == pytest.approx(expected, rel=2e-3, abs=0.05)


def test_steps_tile_the_day() -> None:
    lat, lon = np.full((1, 3), 48.0), np.array([[-120.0, 0.0, 120.0]])
    hours = at("2021-05-05T00")[0] + np.arange(1, 25) * HOUR
    by_hour = toa_radiation(hours, lat, lon, HOUR).mean(0)
    whole = toa_radiation(hours[-1:], lat, lon, 24 * HOUR)[0]
    np.testing.assert_allclose(by_hour, whole, rtol=3e-3)


def test_the_globe_receives_a_quarter_of_the_solar_constant() -> None:
    grid = Grid(np.linspace(89, -89, 90), np.arange(0, 360, 4.0))
    time = at("2021-03-21T13")
    field = toa_radiation(time, grid.latitude_2d(), grid.longitude_2d(), ZERO)[0]
    _, _, distance = sun(time)
    assert np.average(field, weights=grid.cell_areas()) == pytest.approx(SOLAR_CONSTANT * distance[0] / 4, rel=2e-3)


def test_date_forcings() -> None:
    grid = Grid(np.array([1.0, 0.0]), np.array([0.0, 1.0, 2.0]))
    forcings = ComputedForcings(["hour", "day_of_year"], grid, HOUR)
    assert forcings.names == ["sin_hour", "cos_hour", "sin_day_of_year", "cos_day_of_year"]
    values = forcings.compute(at("2021-01-01T06", "2021-07-02T14:54:36"))
    assert values.shape == (4, 2, 2, 3)
    np.testing.assert_allclose(values[:2, 0, 0, 0], [1, 0], atol=1e-6)
    np.testing.assert_allclose(values[2:, 1, 1, 2], [0, -1], atol=1e-5)
    assert all(forcings.stats(at("2021-01-01"))[n]["std"] == 1.0 for n in forcings.names)


def test_radiation_statistics_are_those_of_the_fields() -> None:
    grid = Grid(np.linspace(60, 40, 5), np.linspace(0, 20, 6))
    forcings = ComputedForcings(["toa_radiation"], grid, HOUR)
    times = at("2021-01-01T00")[0] + np.arange(100) * HOUR
    fields = forcings.compute(times).astype(np.float64)
    found = forcings.stats(times)["toa_radiation"]
    assert (found["mean"], found["std"]) == pytest.approx((fields.mean(), fields.std()), rel=1e-6)
    assert forcings.variables[0].units == "W m-2"


def test_unknown_groups_are_refused() -> None:
    with pytest.raises(SettingsError, match="forcings: unknown 'hours'; did you mean 'hour'"):
        ComputedForcings(["hours"], Grid(np.zeros(2), np.arange(2.0)), HOUR)
