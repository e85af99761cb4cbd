"""Checks of physics and closures."""

from collections.abc import Mapping
from typing import Any

import torch

from py4cast.grid import Grid
from py4cast.physics import registry as physics
from py4cast.physics.closures import closures
from py4cast.physics.spectral import SpectralGrid
from py4cast.physics.vorticity import VorticityEquation
from py4cast.settings import settings_of
from py4cast.testing.samples import check_settings

__all__ = ["check_closure", "check_physics"]


def check_physics(name: str, settings: Mapping[str, Any] | None = None, size: int = 16, scale: float = 1e-5) -> None:
    """The tendency has the shape of the state, steps add up, terms can be left out, and gradients come back.

    Args:
        name: as registered.
        settings: of it.
        size: cells along a side of the doubly periodic square.
        scale: of the random state, in its units.
    """
    kind = physics.get(name)
    check_settings(kind)
    made = kind(settings_of(kind, dict(settings or {}), "physics"), Grid.plane(size, 1e6))
    state = scale * torch.randn(2, size, size, len(kind.prognostic), generator=torch.Generator().manual_seed(0))
    state = (state - state.mean((1, 2), keepdim=True)).requires_grad_()
    rate = made.tendency(state)
    assert rate.shape == state.shape, f"{name}: a tendency of shape {tuple(rate.shape)}"
    assert bool(torch.isfinite(rate).all()), f"{name}: a tendency that is not finite"
    assert made.largest_step(state.detach()) > 0, f"{name}: no step is stable"
    if made.conserves_mean:
        mean = (rate.mean((1, 2)).abs().max() / rate.abs().max()).detach()
        assert float(mean) < 1e-4, f"{name}: a tendency whose mean is not 0"
    step = 1e-3 * min(made.largest_step(state.detach()), 1e5)
    twice = made.advance(made.advance(state, step, 1), step, 1)
    torch.testing.assert_close(
        made.advance(state, step, 2), twice, msg=f"{name}: two single steps differ from a double one"
    )
    twice.square().sum().backward()  # type: ignore[no-untyped-call]
    assert state.grad is not None and bool(torch.isfinite(state.grad).all()), f"{name}: no gradient comes back"
    for field in kind.derived:
        assert made.derive(state.detach(), (field,)).shape == (*state.shape[:3], 1), f"{name}: derived {field}"


def check_closure(name: str, size: int = 32) -> None:
    """The closure gives the modes of a subgrid term, of a real field without mean, and none of a flow at rest."""
    equation = VorticityEquation(SpectralGrid(size))
    closure = closures.get(name)(equation)
    field = torch.randn(2, size, size, generator=torch.Generator().manual_seed(0))
    modes = equation.grid.modes(field - field.mean((1, 2), keepdim=True))
    term = closure(modes)
    assert term.shape == modes.shape, f"{name}: modes of shape {tuple(term.shape)}, expected {tuple(modes.shape)}"
    assert bool(torch.isfinite(term.abs()).all()), f"{name}: a term that is not finite"
    scale = float(term.abs().max().detach())
    assert float(term[..., 0, 0].abs().max().detach()) <= 1e-5 * scale, f"{name}: its term has a mean"
    rest = closure(torch.zeros_like(modes))
    assert bool((rest.abs() == 0).all()), f"{name}: a flow at rest has a subgrid term"
