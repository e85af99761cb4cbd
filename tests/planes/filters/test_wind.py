from typing import Any

import numpy as np
import pytest

from py4cast.planes.filters import registry
from py4cast.planes.filters.base import FilterABC
from py4cast.settings import decode


def made(name: str) -> FilterABC:
    kind = registry.get(name)
    return kind(decode(kind.settings_kls, {a: a for a in kind.arguments}))


def apply(name: str, **planes: Any) -> np.ndarray:
    return np.asarray(made(name).apply({k: np.atleast_2d(np.float32(v)) for k, v in planes.items()}))


@pytest.mark.parametrize(
    ("u", "v", "direction"),
    [
        (0, -1, 0), (-1, -1, 45), (-1, 0, 90), (-1, 1, 135), (0, 1, 180), (1, 1, 225), (1, 0, 270), (1, -1, 315),
        (0, 0, 0), (-0.0, -0.0, 0), (-np.sqrt(3), -1, 60),
    ],
)  # fmt: skip
def test_directions_go_clockwise_from_north_and_say_where_the_wind_comes_from(
    u: float, v: float, direction: float
) -> None:
    angle = apply("wind_direction", u=u, v=v)[0, 0]
    assert angle == pytest.approx(direction, abs=1e-5) and 0 <= angle < 360
    speed = apply("wind_speed", u=u, v=v)
    assert speed[0, 0] == pytest.approx(np.sqrt(u**2 + v**2), rel=1e-6)
    assert apply("wind_u", speed=speed, direction=angle)[0, 0] == pytest.approx(u, abs=1e-6)
    assert apply("wind_v", speed=speed, direction=angle)[0, 0] == pytest.approx(v, abs=1e-6)


def test_a_full_turn_changes_nothing() -> None:
    angles = np.array([[-90.0, 10.0, 300.0]])
    for name in ("wind_u", "wind_v"):
        once = apply(name, speed=7.0, direction=angles)
        np.testing.assert_allclose(apply(name, speed=7.0, direction=angles + 360), once, atol=1e-5)


def test_what_is_missing_stays_missing() -> None:
    for name, planes in (
        ("wind_speed", {"u": [np.nan, 1], "v": [0, 1]}),
        ("wind_direction", {"u": [np.nan, 1], "v": [0, 1]}),
        ("wind_u", {"speed": [1, 1], "direction": [np.nan, 0]}),
        ("wind_v", {"speed": [np.nan, 1], "direction": [0, 0]}),
    ):
        assert np.isnan(apply(name, **planes)).tolist() == [[True, False]]


def test_units_are_those_of_the_formulas() -> None:
    assert [made(f"wind_{n}").result_units for n in ("u", "v", "speed", "direction")] == ["m s-1"] * 3 + ["degrees"]
    assert made("wind_u").units == made("wind_v").units == {"speed": "m s-1", "direction": "degrees"}
    assert made("wind_speed").units == made("wind_direction").units == {"u": "m s-1", "v": "m s-1"}
