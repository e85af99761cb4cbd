import math
from typing import Any

import pytest
import torch
from torch import Tensor

from py4cast.errors import SettingsError
from py4cast.grid import Grid
from py4cast.physics.barotropic import Barotropic, BarotropicSettings
from py4cast.settings import decode
from tests.physics.flows import points

SIZE, LENGTH, UNIT = 16, 2 * math.pi * 1e6, 1e6
GRID = Grid.plane(SIZE, LENGTH)
X, Y = (p.float() for p in points(SIZE))


def physics_of(**settings: Any) -> Barotropic:
    return Barotropic(BarotropicSettings(time_unit=UNIT, **settings), GRID)


def state(field: Tensor) -> Tensor:
    """A vorticity in units of 1/UNIT as a state [s-1]."""
    return field.reshape(1, SIZE, SIZE, 1) / UNIT


WAVE = torch.cos(3 * X + 2 * Y)


@pytest.mark.parametrize(
    ("settings", "rate"),
    [
        ({"viscosity": 0.01}, -0.01 * 13 * WAVE),
        ({"viscosity": 1e-4, "viscosity_order": 2}, -1e-4 * 169 * WAVE),
        ({"drag": 0.2}, -0.2 * WAVE),
        ({"beta": 5.0}, -5 * 3 / 13 * torch.sin(3 * X + 2 * Y)),
    ],
)
def test_each_term_of_one_wave(settings: dict[str, Any], rate: Tensor) -> None:
    """ψ = −ω/13, and one wave does not advect itself; a rate is in units of 1/UNIT²."""
    tendency = physics_of(**settings).tendency(state(WAVE))
    torch.testing.assert_close(tendency * UNIT**2, rate.reshape(tendency.shape), atol=2e-5, rtol=0)


def test_a_wave_decays_by_drag_and_viscosity_together() -> None:
    physics = physics_of(viscosity=0.01, drag=0.2)
    later = physics.advance(state(WAVE), 0.05 * UNIT, 20)
    torch.testing.assert_close(later * UNIT, state(WAVE) * UNIT * math.exp(-(0.13 + 0.2)), atol=1e-5, rtol=0)


def test_a_forcing_is_in_units_of_the_tendency() -> None:
    physics, forcing = physics_of(), state(torch.cos(4 * Y)) / UNIT
    torch.testing.assert_close(physics.tendency(state(0 * X), forcing) * UNIT**2, forcing * UNIT**2, atol=1e-6, rtol=0)
    physics.leave_out("vorticity_forcing")
    assert float(physics.tendency(state(0 * X), forcing).abs().max()) == 0.0


def test_derived_fields_of_one_wave() -> None:
    """ψ = −ω/13 in l²/T, (u, v) = (−∂ᵧψ, ∂ₓψ) in l/T, with l = 10⁶ m and T = 10⁶ s."""
    stream, u, v = (
        physics_of()
        .derive(state(WAVE), ("stream_function", "eastward_velocity", "northward_velocity"))
        .squeeze(0)
        .unbind(-1)
    )
    torch.testing.assert_close(stream / 1e6, -WAVE / 13, atol=1e-5, rtol=0)
    torch.testing.assert_close(u, -2 / 13 * torch.sin(3 * X + 2 * Y), atol=1e-5, rtol=0)
    torch.testing.assert_close(v, 3 / 13 * torch.sin(3 * X + 2 * Y), atol=1e-5, rtol=0)


@pytest.mark.parametrize("stepper", ["rk3", "rk4"])
def test_steps_may_be_of_either_scheme(stepper: str) -> None:
    later = physics_of(beta=2.0, stepper=stepper).advance(state(WAVE), 0.1 * UNIT, 10)
    turned = torch.cos(3 * X + 2 * Y + 2.0 * 3 / 13 * 1.0)
    torch.testing.assert_close(later * UNIT, turned.reshape(later.shape), atol=1e-5, rtol=0)


def test_a_learned_parameter_starts_at_its_setting_and_keeps_its_sign() -> None:
    physics = physics_of(drag=0.2, beta=1.0, learn=("drag",))
    assert [n for n, _ in physics.named_parameters()] == ["logs.drag"]
    with torch.no_grad():
        assert physics.learned() == pytest.approx({"drag": 0.2})
        physics.logs["drag"].fill_(-math.log(4.0))
        assert physics.learned() == pytest.approx({"drag": 0.05})
        tendency = physics.tendency(state(torch.cos(3 * Y)))
    torch.testing.assert_close(tendency * UNIT**2, -0.05 * state(torch.cos(3 * Y)) * UNIT, atol=1e-5, rtol=0)
    physics.leave_out("drag")
    assert physics.coefficient("drag") == 0.0


def test_a_closures_constant_is_passed_on() -> None:
    default, none, doubled = (physics_of(closure="leith", closure_constant=c) for c in (None, 0.0, 0.44))
    flow = state(torch.cos(X) * torch.cos(2 * Y) + torch.sin(3 * X))
    terms = [p.closure_tendency(flow) for p in (default, none, doubled)]
    assert terms[0] is not None and terms[1] is not None and terms[2] is not None
    assert float(terms[1].abs().max()) == 0.0
    torch.testing.assert_close(terms[2] * UNIT**2, 8 * terms[0] * UNIT**2, atol=1e-4, rtol=1e-4)
    assert physics_of().closure_tendency(flow) is None


@pytest.mark.parametrize(
    "settings", [{"viscosity": -1.0}, {"drag": -0.1}, {"viscosity_order": 0}, {"time_unit": 0.0}, {"time_unit": -1.0}]
)
def test_parameters_have_a_least(settings: dict[str, Any]) -> None:
    message = "viscosity and drag must not be negative, viscosity_order at least 1, time_unit above 0"
    with pytest.raises(SettingsError, match=message):
        decode(BarotropicSettings, settings)


def test_a_closure_that_there_is_not() -> None:
    with pytest.raises(SettingsError, match="unknown closure 'smagorinski'; did you mean 'smagorinsky'"):
        BarotropicSettings(closure="smagorinski")
