from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from py4cast.dataset_info import DatasetInfo
from py4cast.errors import NumericalError, SettingsError
from py4cast.statistics import Stats
from py4cast.strategies.hybrid.settings import HybridSettings
from py4cast.strategies.hybrid.step import HybridStep
from tests.strategies.hybrid.decays import CELLS, HOUR_S, INFO, ONE, factor, silent, standardised

pytestmark = pytest.mark.usefixtures("decays")


def step_of(physics: str = "decay", info: DatasetInfo = INFO, **settings: Any) -> HybridStep:
    return HybridStep(HybridSettings(physics=physics, **settings), info)


def window_of(a: float, b: float) -> Tensor:
    """One past state, standardised."""
    state = torch.tensor([standardised("a", a), standardised("b", b)])
    return state.expand(2, 1, *CELLS, 2).clone()


def test_what_the_network_gives_and_what_the_physics_does() -> None:
    plain, forced = step_of(), step_of("forced")
    assert plain.own == ["d"] and plain.made == () and plain.learned_features(INFO) == ["a", "b", "d"]
    assert plain.num_outputs(INFO) == 3 and plain.num_input_features(INFO, 1) == 2 + 2 + 2
    assert forced.own == [] and forced.made == ("d",) and forced.learned_features(INFO) == ["a", "b"]
    assert forced.num_outputs(INFO) == 2 and forced.num_input_features(INFO, 1) == 2 + 2 + 1
    assert step_of("forced", derived=("d",)).num_input_features(INFO, 1) == 2 + 2 + 1 + 1


def test_a_subgrid_term_is_that_of_one_state() -> None:
    single = step_of("single", ONE, subgrid="d")
    assert single.has_subgrid and single.own == [] and single.learned == ["a"]
    assert step_of("single", ONE, subgrid="d", training="offline").learned == ["d"]
    assert not step_of(subgrid="d").has_subgrid, "of two states it is the network's own"


def test_a_silent_network_leaves_the_physics() -> None:
    window = window_of(280.0, -4.0)
    for substeps, inter_steps in ((1, 1), (3, 1), (1, 2)):
        strategy = step_of(num_substeps=substeps, num_inter_steps=inter_steps)
        assert strategy.step_s == HOUR_S / inter_steps
        prediction = strategy.step(silent(3), window, torch.zeros(2, *CELLS, 2))
        left = factor(HOUR_S / substeps / inter_steps) ** (substeps * inter_steps)
        expected = torch.tensor([standardised("a", 280.0 * left), standardised("b", -4.0 * left), 0.0])
        torch.testing.assert_close(prediction, expected.expand_as(prediction), rtol=1e-5, atol=1e-5)


def test_the_networks_rate_is_in_units_of_a_steps_change() -> None:
    """σ·σ_Δ/Δt: 2·0.2/3600 K s-1 of a, 3·0.3/3600 m s-2 of b; its own diagnostic is as it gives it."""
    strategy = step_of(physics_settings={"rate": 0.0})
    output = torch.tensor([1.0, -2.0, 0.7]).expand(2, *CELLS, 3)
    rate, others = strategy.scaled(output)
    expected = torch.tensor([2 * 0.2, -2 * 3 * 0.3]) / HOUR_S
    torch.testing.assert_close(rate, expected.expand_as(rate))
    prediction = strategy.step(lambda x: output, window_of(0.0, 0.0), torch.zeros(2, *CELLS, 2))
    state = torch.tensor([standardised("a", 0.4), standardised("b", -1.8), 0.7])
    torch.testing.assert_close(prediction, state.expand_as(prediction), rtol=1e-5, atol=1e-6)
    assert others.shape == (2, *CELLS, 1) and (others == 0.7).all()


def test_a_rate_loses_its_mean_where_the_physics_keeps_it() -> None:
    output = torch.randn(2, *CELLS, 3)
    kept, free = step_of("kept").scaled(output)[0], step_of().scaled(output)[0]
    torch.testing.assert_close(kept, free - free.mean((1, 2), keepdim=True))


def test_a_forcing_of_the_physics_acts_and_is_not_seen() -> None:
    strategy = step_of("forced", physics_settings={"rate": 0.0})
    window, forcing = window_of(1.0, 2.0), torch.randn(2, *CELLS, 2)
    x = strategy.assemble(window, forcing)
    physical = forcing[..., :1] * INFO.stats["f"]["std"] + INFO.stats["f"]["mean"]
    torch.testing.assert_close(strategy.physical_forcing(x), physical)
    torch.testing.assert_close(strategy.seen(x), torch.cat([x[..., :-2], forcing[..., 1:]], -1))
    prediction = strategy.step(silent(2), window, forcing)
    a, b = 1.0 + HOUR_S * physical[..., 0], 2.0 + HOUR_S * physical[..., 0]
    parts = [standardised("a", a), standardised("b", b), standardised("d", a + b)]
    torch.testing.assert_close(prediction, torch.stack(parts, -1), rtol=1e-4, atol=1e-2)


def test_without_forcings_of_the_physics_the_network_sees_all() -> None:
    strategy = step_of()
    x = strategy.assemble(window_of(1.0, 2.0), torch.randn(2, *CELLS, 2))
    assert strategy.seen(x) is x and strategy.physical_forcing(x) is None


def test_a_replaced_forcing_is_seen() -> None:
    strategy = step_of("forced", coupling="replacement", term="f")
    assert strategy.forcing_index == [] and strategy.num_input_features(INFO, 1) == 6


def test_derived_fields_stand_last_in_their_standard_units() -> None:
    strategy = step_of("forced", derived=("d",))
    x = strategy.assemble(window_of(10.0, 5.0), torch.zeros(2, *CELLS, 2))
    torch.testing.assert_close(x[..., -1], torch.full((2, *CELLS), standardised("d", 15.0)))
    assert strategy.seen(x).shape[-1] == x.shape[-1] - 1 and strategy.physical_forcing(x) is not None


def test_the_subgrid_term_is_the_rate_with_what_a_closure_adds() -> None:
    strategy = step_of("single", ONE, subgrid="d")
    window = torch.zeros(1, 1, *CELLS, 1)
    prediction = strategy.step(lambda x: torch.full((1, *CELLS, 1), 2.0), window, torch.zeros(1, *CELLS, 2))
    rate = 2.0 * ONE.stats["d"]["std"] + ONE.stats["d"]["mean"]
    torch.testing.assert_close(prediction[..., 1], torch.full((1, *CELLS), standardised("d", rate + 1.0)))
    no_formula = step_of().total_rate(torch.zeros(1), torch.full((1,), 3.0))
    assert no_formula.tolist() == [3.0]


def test_features_of_the_network_alone_are_put_among_the_others() -> None:
    prediction, others = torch.zeros(2, *CELLS, 3), torch.full((2, *CELLS, 1), 9.0)
    assert step_of().with_own(prediction, others)[0, 0, 0].tolist() == [0.0, 0.0, 9.0]
    assert torch.equal(step_of("forced").with_own(prediction, others[..., :0]), prediction)


def test_settings_go_before_what_the_data_say() -> None:
    def rate(info: DatasetInfo, **settings: Any) -> float:
        held: Any = step_of(info=info, physics_settings=settings).physics.settings
        return float(held.rate)

    told = replace(INFO, lineage={"physics": {"decay": {"rate": 2e-4}}})
    assert (rate(INFO), rate(told), rate(told, rate=3e-4)) == (1e-4, 2e-4, 3e-4)


@pytest.mark.parametrize(("substeps", "step"), [(1, "3600"), (2, "1800")])
def test_a_step_too_long_tells_the_substeps_that_are_enough(substeps: int, step: str) -> None:
    strategy = step_of(num_substeps=substeps, physics_settings={"largest": 1000.0})
    message = (
        rf"step of {step} s violates the CFL condition of physics 'decay': .* is 1000 s; set strategy.num_substeps=4"
    )
    with pytest.raises(SettingsError, match=message):
        strategy.start(window_of(1.0, 1.0))
    step_of(num_substeps=4, physics_settings={"largest": 1000.0}).start(window_of(1.0, 1.0))


def test_a_state_that_is_not_finite_is_no_start() -> None:
    window = window_of(1.0, 1.0)
    window[0, 0, 0, 0, 0] = torch.inf
    with pytest.raises(NumericalError, match="the state to start from is not finite"):
        step_of().start(window)


def renamed_units(name: str, units: str) -> DatasetInfo:
    return replace(INFO, variables=[replace(v, units=units) if v.name == name else v for v in INFO.variables])


@pytest.mark.parametrize(
    ("physics", "info", "settings", "message"),
    [
        ("single", INFO, {}, "physics 'single' steps a; the data have the state a, b"),
        ("decay", renamed_units("b", "K"), {}, r"physics 'decay' takes b in \[m s-1\]; the data have it in \[K\]"),
        ("forced", renamed_units("f", "Pa"), {}, r"physics 'forced' takes f in \[1\]; the data have it in \[Pa\]"),
        ("forced", renamed_units("d", "K"), {}, r"physics 'forced' takes d in \[kg m-2\]; the data have it in \[K\]"),
        ("forced", INFO, {"derived": ("sped",)}, "no derived field 'sped'; did you mean 'speed'"),
        ("forced", INFO, {"derived": ("speed",)}, "'speed': the data have no statistics of it; make it a diagnostic"),
    ],
)
def test_data_of_another_state_are_refused(physics: str, info: DatasetInfo, settings: Any, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        step_of(physics, info, **settings)


def test_a_variable_without_units_is_a_number() -> None:
    assert step_of("forced", renamed_units("f", "")).forcing_index == [0]


def test_statistics_are_enough_for_a_derived_field() -> None:
    known = replace(INFO, stats=INFO.stats | Stats({"speed": INFO.stats["b"]}))
    assert step_of("forced", known, derived=("speed",)).derived.features == ["speed"]
