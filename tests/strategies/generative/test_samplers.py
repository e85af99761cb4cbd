"""Samplers with the exact denoiser of a normal law, whose deviation is known in closed form."""

import itertools
import math

import pytest
import torch

from py4cast.strategies.generative.samplers import SAMPLERS, Ancestral, Heun, Multistep
from py4cast.strategies.generative.schedule import NoiseSchedule

SCHEDULE = NoiseSchedule()


def exact(mean: float, deviation: float):
    """D(y, σ) = (s²·y + σ²·μ)/(s² + σ²)."""
    return lambda y, sigma: (deviation**2 * y + sigma**2 * mean) / (deviation**2 + sigma**2)


def drawn(kind, num_steps: int, mean: float = 0.0, deviation: float = 1.0, count: int = 200_000) -> torch.Tensor:
    sampler = kind(SCHEDULE.levels(num_steps))
    generator = torch.Generator().manual_seed(0)
    noise = [torch.randn(count, generator=generator, dtype=torch.float64) for _ in range(sampler.num_fields)]
    return sampler.sample(exact(mean, deviation), noise)


def test_levels_fall_from_the_largest_to_nothing() -> None:
    levels = SCHEDULE.levels(16)
    assert len(levels) == 17 and levels[0] == pytest.approx(20.0) and levels[-2:] == [pytest.approx(0.02), 0.0]
    assert all(a > b for a, b in itertools.pairwise(levels))
    assert NoiseSchedule(rho=1.0, smallest=1.0, largest=3.0).levels(3) == pytest.approx([3.0, 2.0, 1.0, 0.0])


@pytest.mark.parametrize(("num_steps", "ratio"), [(8, 1.121), (16, 1.023), (32, 1.004)])
def test_heun_has_the_deviation_of_its_recursion(num_steps: int, ratio: float) -> None:
    """The measured figures of too few steps: 12 % at 8, 2 % at 16."""
    one = torch.ones(1, dtype=torch.float64)
    sampler = Heun(SCHEDULE.levels(num_steps))
    # a linear map of the noise: what it makes of 1 is the deviation
    assert float(sampler.sample(exact(0.0, 1.0), [one])) == pytest.approx(ratio, abs=0.001)


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_fine_schedule_draws_the_law(name: str) -> None:
    sample = drawn(SAMPLERS[name], 200, mean=0.7, deviation=0.5)
    # the finite largest noise leaves 1/(1 + σ_max²/s²) of the mean
    assert float(sample.mean()) == pytest.approx(0.7, abs=0.02) and float(sample.std()) == pytest.approx(0.5, rel=0.03)


def test_calls_and_fields_are_counted() -> None:
    levels, calls = SCHEDULE.levels(6), []
    for kind in (Heun, Ancestral, Multistep):
        sampler = kind(levels)
        count = 0

        def denoise(y, sigma):
            nonlocal count
            count += 1
            return y / (1 + sigma**2)

        sampler.sample(denoise, [torch.zeros(2)] * sampler.num_fields)
        assert count == sampler.num_calls
        calls.append((sampler.num_calls, sampler.num_fields))
    assert calls == [(11, 1), (6, 6), (6, 1)]


def test_few_steps_of_the_multistep_are_better_than_of_first_order() -> None:
    one = torch.ones(1, dtype=torch.float64)
    multistep = abs(float(Multistep(SCHEDULE.levels(16)).sample(exact(0.0, 1.0), [one])) - 1)
    y, levels = one * 20.0, SCHEDULE.levels(16)
    for here, there in itertools.pairwise(levels):
        y = y + (there - here) * (y - exact(0.0, 1.0)(y, here)) / here
    assert multistep < 0.5 * abs(float(y) - 1)


def test_every_level_counts_alike() -> None:
    sigma = torch.tensor([0.1, 1.0, 10.0])
    # λ·c_out² = 1
    torch.testing.assert_close(NoiseSchedule.weight(sigma) * sigma.square() / (1 + sigma.square()), torch.ones(3))
    assert NoiseSchedule.label(math.e**4) == pytest.approx(1.0)
