"""Physics as plug-ins: units, derived fields, sources, learned parameters, and what they refuse."""

import pytest
import torch

from py4cast.errors import SettingsError
from py4cast.grid import Grid
from py4cast.physics import PhysicsABC, registry
from py4cast.physics.spectral import SpectralGrid
from py4cast.physics.steppers import RungeKutta4
from py4cast.physics.vorticity import VorticityEquation
from tests.physics.flows import eddies

LENGTH, UNIT = 10_080_000.0, 1.2e6
GRID = Grid.plane(32, LENGTH)
PARAMETERS = {"viscosity": 1e-3, "drag": 0.02, "beta": 5.0}


def make(name: str = "barotropic", grid: Grid = GRID, **settings: object) -> PhysicsABC:
    kind = registry.get(name)
    return kind(kind.settings_kls(**settings), grid)  # type: ignore[call-arg]


def state_of(physics: PhysicsABC, seed: int = 0) -> torch.Tensor:
    layers = 2 if len(physics.prognostic) == 2 else 0
    waves = SpectralGrid(32)
    found = torch.stack([eddies(waves, seed=seed + i, layers=layers) for i in range(2)])
    return physics.to_fields(found)  # type: ignore[attr-defined,no-any-return]


def test_steps_in_si_units_are_the_solvers() -> None:
    physics = make(**PARAMETERS)
    state = state_of(physics)
    waves = SpectralGrid(32)
    expected = RungeKutta4(VorticityEquation(waves, **PARAMETERS), 0.01).run(waves.modes(state[..., 0] * UNIT), 5)
    found = physics.advance(state, 0.01 * UNIT, 5)
    torch.testing.assert_close(found[..., 0] * UNIT, waves.field(expected), atol=2e-5, rtol=1e-5)
    # the default scheme of the contract, on the tendency alone, is the same to its order
    plain = PhysicsABC.advance(physics, state, 0.001 * UNIT, 50)
    torch.testing.assert_close(plain * UNIT, found * UNIT, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("name", registry.builtin_names)
def test_a_source_and_a_forcing_add_to_the_tendency(name: str) -> None:
    physics = make(name)
    state = state_of(physics)
    source = torch.randn_like(state) * 1e-12
    source = source - source.mean((1, 2), keepdim=True)
    source = physics.to_fields(physics.to_modes(source))  # type: ignore[attr-defined]
    step = 500.0
    change = (physics.advance(state, step, 1, None, source) - physics.advance(state, step, 1)) / step
    assert (change - source).abs().max() < 0.05 * source.abs().max()
    if name == "barotropic":
        torch.testing.assert_close(
            physics.tendency(state, source) - physics.tendency(state), source, atol=1e-15, rtol=1e-3
        )


def test_derived_fields_are_the_flow() -> None:
    physics = make()
    state = state_of(physics)
    stream, u, v = physics.derive(state, ("stream_function", "eastward_velocity", "northward_velocity")).unbind(-1)
    spacing = LENGTH / 32
    k = 2 * torch.pi * torch.fft.fftfreq(32, spacing)
    k[16] = 0  # of the shortest wave there is no derivative
    for velocity, dim, sign in ((v, -1, 1), (u, -2, -1)):
        waves = torch.fft.fft(stream.double(), dim=dim)
        derived = torch.fft.ifft(1j * (k if dim == -1 else k[:, None]) * waves, dim=dim).real
        torch.testing.assert_close(velocity.double(), sign * derived, atol=1e-5, rtol=1e-4)
    assert 1 < float(u.abs().max()) < 100, "metres per second"


def test_learned_parameters_are_found_again() -> None:
    truth, guess = make(**PARAMETERS), make(viscosity=1e-3, drag=0.06, beta=3.0, learn=("drag", "beta"))
    optimizer = torch.optim.Adam(guess.parameters(), lr=0.05)
    state = state_of(truth)
    target = truth.advance(state, 0.02 * UNIT, 10)
    for _ in range(200):
        optimizer.zero_grad()
        loss = ((guess.advance(state, 0.02 * UNIT, 10) - target) * UNIT).square().mean()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    found = {n: float(guess.coefficient(n).detach()) for n in ("drag", "beta")}  # type: ignore[attr-defined]
    assert found["drag"] == pytest.approx(0.02, rel=0.1) and found["beta"] == pytest.approx(5.0, rel=0.01)


def test_a_term_that_is_left_out_is_gone() -> None:
    whole, part = make(drag=0.5, beta=3.0, closure="leith"), make(beta=3.0)
    for term in ("drag", "closure"):
        whole.leave_out(term)
    state = state_of(whole)
    torch.testing.assert_close(whole.advance(state, 1e4, 2), part.advance(state, 1e4, 2))
    assert whole.closure_tendency(state) is None
    with pytest.raises(SettingsError, match="no term 'viscosty'; did you mean 'viscosity'"):
        whole.leave_out("viscosty")


def test_a_closure_of_a_formula_is_part_of_the_tendency() -> None:
    bare, closed = make(), make(closure="leith")
    state = state_of(bare)
    closure = closed.closure_tendency(state)
    assert closure is not None and float(closure.abs().max()) > 0
    torch.testing.assert_close(closed.tendency(state) - bare.tendency(state), closure, atol=1e-15, rtol=1e-3)
    step = 1000.0
    change = (closed.advance(state, step, 1) - bare.advance(state, step, 1)) / step
    assert (change - closure).abs().max() < 0.05 * closure.abs().max()


def test_the_largest_step_is_in_seconds() -> None:
    physics = make()
    state = state_of(physics)
    waves = SpectralGrid(32)
    expected = RungeKutta4(VorticityEquation(waves), 1.0).largest_step(waves.modes(state[..., 0] * UNIT))
    assert physics.largest_step(state) == pytest.approx(expected * UNIT, rel=1e-5)


def test_the_physics_runs_in_its_own_precision_under_autocast() -> None:
    physics = make(**PARAMETERS)
    state = state_of(physics)
    with torch.autocast("cpu", torch.bfloat16):
        found = physics.advance(state, 1e4, 2)
    torch.testing.assert_close(found, physics.advance(state, 1e4, 2))


@pytest.mark.parametrize(
    ("settings", "grid", "message"),
    [
        ({}, Grid.plane(33, LENGTH), "33 points a side: expected an even number of at least 8; the nearest is 34"),
        ({}, Grid.plane(32, LENGTH).rows_columns(slice(0, 16), slice(0, 32)), "found 16 x 32 points"),
        ({}, Grid.plane(32, LENGTH).rows_columns(slice(0, 16), slice(0, 16)), "a doubly periodic square expected"),
        ({"learn": ("drg",)}, GRID, "no parameter 'drg'; did you mean 'drag'"),
        ({"learn": ("drag",)}, GRID, "to learn drag give it a first value above 0"),
        ({"closure": "leeth"}, GRID, "unknown closure 'leeth'; did you mean 'leith'"),
    ],
)
def test_what_does_not_fit_is_refused(settings: dict, grid: Grid, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        make(grid=grid, **settings)


def test_a_derived_field_that_there_is_not() -> None:
    physics = make()
    with pytest.raises(SettingsError, match="no derived field 'streamfunction'; did you mean 'stream_function'"):
        physics.derive(state_of(physics), ("streamfunction",))


@pytest.mark.gpu
@pytest.mark.parametrize("name", registry.builtin_names)
def test_an_accelerator_steps_as_the_cpu_does(name: str) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no accelerator")
    physics = make(name)
    state = state_of(physics).requires_grad_()
    found = []
    for device in ("cpu", "cuda"):
        end = physics.to(device).advance(state.to(device), 0.01 * UNIT, 10)
        (gradient,) = torch.autograd.grad((end * UNIT).square().mean(), state)
        found.append((end.detach().cpu() * UNIT, gradient.cpu()))
    torch.testing.assert_close(found[1][0], found[0][0], atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(found[1][1], found[0][1], atol=1e-3 * float(found[0][1].abs().max()), rtol=1e-3)


def test_what_an_inference_has_seen_can_be_trained() -> None:
    physics = make(**PARAMETERS)
    state = state_of(physics)
    with torch.inference_mode():
        physics.advance(state, 0.01 * UNIT, 2)
    own = state.clone().requires_grad_()
    (physics.advance(own, 0.01 * UNIT, 2) * UNIT).square().mean().backward()  # type: ignore[no-untyped-call]
    assert own.grad is not None and bool(torch.isfinite(own.grad).all())
