import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from py4cast.errors import SettingsError
from py4cast.optim import OptimSettings, cosine_with_warmup, make_optimizer
from py4cast.settings import decode


def test_warm_up_is_linear_and_the_end_is_the_floor() -> None:
    rates = [cosine_with_warmup(step, 110, 10, 0.1) for step in range(111)]
    assert rates[:10] == pytest.approx([(i + 1) / 10 for i in range(10)]) and rates[10] == 1.0
    assert rates[60] == pytest.approx(0.1 + 0.9 * 0.5), "half-way down"
    assert rates[110] == pytest.approx(0.1) and cosine_with_warmup(500, 110, 10, 0.1) == pytest.approx(0.1)


@given(st.integers(1, 500), st.integers(0, 50), st.floats(0, 1))
def test_it_never_leaves_the_floor_and_one_after_the_warm_up(total: int, warmup: int, floor: float) -> None:
    rates = [cosine_with_warmup(step, total, warmup, floor) for step in range(warmup, total + 3)]
    assert all(floor - 1e-12 <= rate <= 1 + 1e-12 for rate in rates)
    assert all(later <= before + 1e-12 for before, later in itertools.pairwise(rates))


def test_a_short_run_warms_up_over_half_of_it() -> None:
    weight = torch.nn.Parameter(torch.zeros(2))
    made = make_optimizer(OptimSettings(lr=0.5, num_warmup_steps=50), [weight], 8)
    rates = []
    for _ in range(8):
        rates.append(made["optimizer"].param_groups[0]["lr"])
        weight.grad = torch.ones(2)
        made["optimizer"].step()
        made["lr_scheduler"]["scheduler"].step()
    assert rates[:4] == pytest.approx([0.125, 0.25, 0.375, 0.5]) and rates[4] == pytest.approx(0.5)
    assert rates[7] == pytest.approx(0.5 * (2e-6 + (1 - 2e-6) * 0.5 * (1 + math.cos(math.pi * 0.75))))


def test_what_cannot_be_learned_or_makes_no_sense_is_refused() -> None:
    with pytest.raises(SettingsError, match="there is nothing to learn"):
        make_optimizer(OptimSettings(), [], 10)
    with pytest.raises(SettingsError, match="expected 0 <= min_lr <= lr"):
        decode(OptimSettings, {"lr": 1e-4, "min_lr": 1e-3})
