from typing import Any

import pytest

from py4cast.errors import SettingsError
from py4cast.settings import decode
from py4cast.strategies.hybrid.settings import HybridSettings


@pytest.mark.parametrize("name", ["num_inter_steps", "num_substeps"])
def test_numbers_of_steps_are_at_least_one(name: str) -> None:
    with pytest.raises(SettingsError, match="num_inter_steps and num_substeps must be at least 1"):
        decode(HybridSettings, {name: 0})


@pytest.mark.parametrize("horizons", [[[1, 2]], [[0, 1], [0, 2]], [[0, 1], [9, 2], [5, 3]], [[0, 1], [5, 0]]])
def test_horizons_start_at_0_and_rise(horizons: list[list[int]]) -> None:
    with pytest.raises(SettingsError, match=r"horizons: expected pairs \(batch, steps >= 1\) with rising batches"):
        decode(HybridSettings, {"horizons": horizons})


def test_steps_of_a_horizon_may_fall() -> None:
    assert decode(HybridSettings, {"horizons": [[0, 4], [10, 1]]}).horizons == ((0, 4), (10, 1))
    assert HybridSettings().horizons == ()


def test_the_weight_of_the_spectrum_is_not_negative() -> None:
    with pytest.raises(SettingsError, match="spectral_weight must not be negative"):
        decode(HybridSettings, {"spectral_weight": -0.1})
    assert HybridSettings(spectral_weight=0.0).spectral_weight == 0.0 and HybridSettings().spectral_weight is None


@pytest.mark.parametrize(("name", "value"), [("coupling", "tendencies"), ("training", "on-line")])
def test_ways_are_known_by_name(name: str, value: Any) -> None:
    with pytest.raises(SettingsError, match=name):
        decode(HybridSettings, {name: value})
