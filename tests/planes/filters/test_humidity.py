from typing import Any

import numpy as np
import pytest

from py4cast.errors import SettingsError
from py4cast.planes.filters import registry
from py4cast.planes.filters.base import FilterABC
from py4cast.planes.filters.humidity import (
    EPSILON,
    dew_point_of,
    saturation_pressure,
    specific_of,
    vapour_pressure_of,
)
from py4cast.settings import decode

NAMES = {
    "temperature": "t", "dew_point": "d", "relative_humidity": "r", "specific_humidity": "q", "pressure": "p",
}  # fmt: skip


def made(name: str, level: float | None = None, with_pressure: bool = True) -> FilterABC:
    """The filter with a variable for each of its arguments."""
    kind = registry.get(name)
    given = {a: NAMES[a] for a in kind.arguments if with_pressure or a != "pressure"}
    return kind(decode(kind.settings_kls, given), level)


def apply(name: str, level: float | None = None, **planes: Any) -> np.ndarray:
    held = {k: np.asarray(v, dtype=np.float32) for k, v in planes.items()}
    return np.asarray(made(name, level, "pressure" in planes).apply(held))


@pytest.mark.parametrize(
    ("celsius", "expected"),
    [(0.0, 611.2), (20.0, 611.2 * np.exp(17.67 * 20 / 263.5)), (-35.0, 611.2 * np.exp(-17.67 * 35 / 208.5))],
)
def test_saturation_is_boltons_formula(celsius: float, expected: float) -> None:
    assert saturation_pressure(np.array(273.15 + celsius)) == pytest.approx(expected, rel=1e-12)
    assert dew_point_of(np.array(expected)) == pytest.approx(273.15 + celsius, rel=1e-12)


def test_dew_points_rise_with_the_vapour_and_stay_finite_without_any() -> None:
    vapour = np.array([0.0, 1e-3, 1.0, 611.2, 5000.0])
    points = dew_point_of(vapour)
    assert np.isfinite(points).all() and points[0] == points[1] and (np.diff(points)[1:] > 0).all()
    np.testing.assert_allclose(saturation_pressure(points[1:]), vapour[1:], rtol=1e-9)


def test_specific_humidity_and_vapour_pressure_are_inverses() -> None:
    q = np.linspace(0.0, 0.04, 9)
    vapour = vapour_pressure_of(q, np.array(9e4))
    np.testing.assert_allclose(vapour, q * 9e4 / (0.62198 + 0.37802 * q), rtol=1e-12)
    np.testing.assert_allclose(specific_of(vapour, np.array(9e4)), q, rtol=1e-12)
    assert vapour_pressure_of(np.array(-1e-5), np.array(9e4)) == 0.0, "a hair below zero is dry"
    assert vapour_pressure_of(np.array(1.0), np.array(9e4)) == pytest.approx(9e4), "all of the air is vapour"


def test_saturated_air_has_its_temperature_as_dew_point() -> None:
    t = np.array([[250.0, 273.15, 300.0]])
    np.testing.assert_allclose(apply("relative_humidity", temperature=t, dew_point=t), 100.0, rtol=1e-12)
    np.testing.assert_allclose(apply("dew_point", temperature=t, relative_humidity=100 + 0 * t), t, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "planes", "expected"),
    [
        ("relative_humidity", {"temperature": 283.15, "dew_point": 273.15}, 100 / np.exp(17.67 * 10 / 253.5)),
        (
            "relative_humidity_from_specific",
            {"temperature": 273.15, "specific_humidity": 0.001},
            100 * 0.001 * 85000 / (EPSILON + (1 - EPSILON) * 0.001) / 611.2,
        ),
        (
            "dew_point",
            {"temperature": 273.15, "relative_humidity": 50.0},
            273.15 + 243.5 * np.log(0.5) / (17.67 - np.log(0.5)),
        ),
        ("dew_point_from_specific", {"specific_humidity": EPSILON * 611.2 / (85000 - (1 - EPSILON) * 611.2)}, 273.15),
        ("specific_humidity", {"dew_point": 273.15}, EPSILON * 611.2 / (85000 - (1 - EPSILON) * 611.2)),
        (
            "specific_humidity_from_relative",
            {"temperature": 273.15, "relative_humidity": 50.0},
            EPSILON * 305.6 / (85000 - (1 - EPSILON) * 305.6),
        ),
    ],
)
def test_each_filter_has_its_closed_form_by_level_or_by_a_variable(
    name: str, planes: dict[str, float], expected: float
) -> None:
    held = {k: [[v, v]] for k, v in planes.items()}
    np.testing.assert_allclose(apply(name, 850.0, **held), expected, rtol=1e-5)
    if "pressure" in registry.get(name).arguments:
        by_plane = apply(name, 500.0, pressure=[[85000.0, 45000.0]], **held)
        assert by_plane[0, 0] == pytest.approx(expected, rel=1e-5), "a variable wins over the level"
        assert by_plane[0, 1] != pytest.approx(expected, rel=1e-2)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("relative_humidity_from_specific", "RelativeHumidityFromSpecific"),
        ("dew_point_from_specific", "DewPointFromSpecific"),
        ("specific_humidity", "SpecificHumidity"),
        ("specific_humidity_from_relative", "SpecificHumidityFromRelative"),
    ],
)
def test_without_pressure_and_level_a_filter_is_refused(name: str, kind: str) -> None:
    with pytest.raises(
        SettingsError, match=f"^{kind}: give the variable with the pressure; .* is on no pressure level"
    ):
        made(name, None, with_pressure=False)
    assert made(name, None).level is None and made(name, 850.0, with_pressure=False).level == 850.0


def test_units_are_those_of_the_formulas() -> None:
    units = {n: registry.get(n).result_units for n in registry.builtin_names if "humidity" in n or "dew" in n}
    assert units == {
        "relative_humidity": "%",
        "relative_humidity_from_specific": "%",
        "dew_point": "K",
        "dew_point_from_specific": "K",
        "specific_humidity": "kg kg-1",
        "specific_humidity_from_relative": "kg kg-1",
    }
    kind = registry.get("specific_humidity")
    assert {a: kind.units[a] for a in kind.arguments} == {"dew_point": "K", "pressure": "Pa"}


def test_missing_values_stay_missing() -> None:
    planes: dict[str, Any] = {"dew_point": [[np.nan, 280.0]], "pressure": [[9e4, np.nan]]}
    assert np.isnan(apply("specific_humidity", **planes)).all()
