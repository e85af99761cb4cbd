import math

import numpy as np
import pytest

from py4cast.datasets.stochastic.systems import SYSTEMS, AdvectedPlane, Lorenz96


def test_the_noise_has_variance_one_and_its_correlation() -> None:
    plane = AdvectedPlane(24)
    noise = plane.noise((400,), np.random.default_rng(0))
    assert noise.var() == pytest.approx(1.0, rel=0.02)
    # exp(−r²/4ℓ²) at one and two cells
    for distance in (1, 2):
        correlation = (noise * np.roll(noise, distance, -1)).mean()
        assert correlation == pytest.approx(math.exp(-(distance**2) / 4), abs=0.03)


def test_the_next_state_has_the_law_that_is_told() -> None:
    plane, rng = AdvectedPlane(16), np.random.default_rng(0)
    state = plane.series(1, rng)[0]
    members = plane.ensemble(state, 4000, 1, rng)[:, 0]
    np.testing.assert_allclose(members.mean(0), plane.mean(state), atol=0.06)
    np.testing.assert_allclose(members.std(0), plane.deviation(state), rtol=0.08)
    assert float(plane.mean(state)[3, 5]) == pytest.approx(0.9 * state[3, 4]), "moves by one cell"


def test_the_fair_crps_of_its_own_members_is_the_closed_form() -> None:
    plane, rng = AdvectedPlane(16), np.random.default_rng(1)
    states = plane.series(200, rng)
    members = np.stack([plane.ensemble(x, 8, 1, rng)[:, 0] for x in states[:-1]], 1)
    accuracy = np.abs(members - states[1:]).mean(0)
    pairs = np.abs(members[:, None] - members[None]).sum((0, 1)) / (2 * 8 * 7)
    expected = plane.deviation(states[:-1]).mean() / math.sqrt(math.pi)
    assert (accuracy - pairs).mean() == pytest.approx(expected, rel=0.02)


def test_lorenz96_has_its_climate_and_stays_without_noise() -> None:
    ring = Lorenz96(40)
    series = ring.series(400, np.random.default_rng(0))
    # of the system with F = 8: mean 2.3, deviation 3.6
    assert series.mean() == pytest.approx(2.3, abs=0.25) and series.std() == pytest.approx(3.6, abs=0.3)
    ring.deviation = 0.0  # type: ignore[misc]
    rest = np.full((1, 40), 8.0)
    np.testing.assert_allclose(ring.step(rest, np.random.default_rng(0)), rest)


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_seed_gives_one_series(name: str) -> None:
    first, again = (SYSTEMS[name](16).series(5, np.random.default_rng(3)) for _ in range(2))  # type: ignore[call-arg]
    np.testing.assert_array_equal(first, again)
    assert SYSTEMS[name](16).grid.periodicity[1]  # type: ignore[call-arg]
