import math
from typing import Any

import pytest
import torch
from torch import Tensor

from py4cast.errors import SettingsError
from py4cast.grid import Grid
from py4cast.physics.baroclinic import Baroclinic, BaroclinicSettings
from py4cast.settings import decode
from tests.physics.flows import points

SIZE, LENGTH, UNIT = 16, 2 * math.pi * 1e6, 1e6
GRID = Grid.plane(SIZE, LENGTH)
X, Y = (p.float() for p in points(SIZE))
STILL = {"shear": 0.0, "beta": 0.0, "drag": 0.0}
# ψ = (cos 2x, 0) with k_d² = 8 and δ = 1, so that F₁ = F₂ = 4: q = (−(4 + 4) ψ₁, 4 ψ₁)
STREAM = torch.cos(2 * X)


def physics_of(**settings: Any) -> Baroclinic:
    chosen = {**STILL, "deformation": math.sqrt(8.0), "time_unit": UNIT, **settings}
    return Baroclinic(BaroclinicSettings(**chosen), GRID)


def state(upper: Tensor, lower: Tensor) -> Tensor:
    """Potential vorticities in units of 1/UNIT as a state [s-1]."""
    return torch.stack([upper, lower], -1).unsqueeze(0) / UNIT


FLOW = state(-8 * STREAM, 4 * STREAM)


def test_stream_functions_of_both_layers() -> None:
    stream = physics_of().derive(FLOW, ("stream_function_lower", "stream_function_upper"))
    torch.testing.assert_close(stream[0, ..., 1] / 1e6, STREAM, atol=1e-5, rtol=0)
    torch.testing.assert_close(stream[0, ..., 0] / 1e6, 0 * STREAM, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("settings", "upper", "lower"),
    [
        ({}, 0 * X, 0 * X),
        ({"beta": 3.0}, 3 * 2 * torch.sin(2 * X), 0 * X),
        ({"viscosity": 0.01}, 0.01 * 4 * 8 * STREAM, -0.01 * 4 * 4 * STREAM),
        ({"shear": 0.5}, (0.5 * -8 + 4 * 0.5) * 2 * torch.sin(2 * X), 0 * X),
        ({"drag": 0.2}, 0 * X, 0 * X),
    ],
)
def test_each_term_of_a_wave_in_the_upper_layer(settings: dict[str, Any], upper: Tensor, lower: Tensor) -> None:
    """−β∂ₓψ, ν∇²q and −ΔU ∂ₓq₁ − F₁ΔU ∂ₓψ₁; drag acts below alone."""
    tendency = physics_of(**settings).tendency(FLOW)[0] * UNIT**2
    torch.testing.assert_close(tendency, torch.stack([upper, lower], -1), atol=1e-4, rtol=0)


def test_drag_acts_on_the_lower_layer() -> None:
    """ψ₂ = cos 2x alone: q = (4 ψ₂, −8 ψ₂) and −μ∇²ψ₂ = 4μ ψ₂."""
    tendency = physics_of(drag=0.2).tendency(state(4 * STREAM, -8 * STREAM))[0] * UNIT**2
    torch.testing.assert_close(tendency, torch.stack([0 * X, 0.2 * 4 * STREAM], -1), atol=1e-4, rtol=0)


def test_no_forcing_acts() -> None:
    physics = physics_of(beta=1.0)
    assert physics.forcing == {}
    torch.testing.assert_close(physics.tendency(FLOW, torch.ones_like(FLOW)), physics.tendency(FLOW))


def test_a_term_that_is_left_out_and_one_that_is_learned() -> None:
    physics = physics_of(beta=3.0, drag=0.2, learn=("drag",))
    physics.leave_out("beta")
    with torch.no_grad():
        assert physics.learned() == pytest.approx({"drag": 0.2}) and physics.coefficient("beta") == 0.0
        assert float((physics.tendency(FLOW) * UNIT**2).abs().max()) < 1e-4
    with pytest.raises(SettingsError, match="physics Baroclinic: no term 'closure'"):
        physics.leave_out("closure")


def test_fields_and_waves_are_inverse() -> None:
    physics = physics_of()
    torch.testing.assert_close(physics.to_fields(physics.to_modes(FLOW)) * UNIT, FLOW * UNIT, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "settings", [{"deformation": 0.0}, {"depth_ratio": 0.0}, {"time_unit": 0.0}, {"viscosity": -1.0}, {"drag": -1.0}]
)
def test_parameters_have_a_least(settings: dict[str, float]) -> None:
    message = "deformation, depth_ratio and time_unit must be above 0, viscosity and drag not negative"
    with pytest.raises(SettingsError, match=message):
        decode(BaroclinicSettings, settings)
