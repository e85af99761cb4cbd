import pytest
import torch

from py4cast.physics.invariants import (
    energy,
    energy_flux,
    energy_spectrum,
    enstrophy,
    enstrophy_flux,
    enstrophy_spectrum,
)
from py4cast.physics.spectral import SpectralGrid
from tests.physics.flows import points

GRID = SpectralGrid(16, "pad", torch.float64)
X, Y = points(16)
# shells 2 and 5: ½⟨ω²⟩ = ½(½·1 + ½·9), ½⟨|∇ψ|²⟩ = ½(½·1/4 + ½·9/25)
MODES = GRID.modes(torch.cos(2 * X) + 3 * torch.cos(3 * X + 4 * Y))


def test_energy_and_enstrophy_of_two_waves() -> None:
    assert float(enstrophy(GRID, MODES)) == pytest.approx(2.5)
    assert float(energy(GRID, MODES)) == pytest.approx(0.0625 + 0.09)
    assert enstrophy(GRID, torch.stack([MODES, 2 * MODES])).tolist() == pytest.approx([2.5, 10.0])


def test_spectra_have_each_wave_in_its_shell() -> None:
    spectrum = torch.zeros(8, dtype=torch.float64)
    spectrum[2], spectrum[5] = 0.0625, 0.09
    torch.testing.assert_close(energy_spectrum(GRID, MODES), spectrum)
    spectrum[2], spectrum[5] = 0.25, 2.25
    torch.testing.assert_close(enstrophy_spectrum(GRID, MODES), spectrum)


def test_waves_in_the_corners_are_in_no_shell() -> None:
    """|k| = √(6² + 6²) is beyond the longest along an axis, 7."""
    corner = GRID.modes(torch.cos(6 * X + 6 * Y))
    assert float(enstrophy_spectrum(GRID, corner).sum()) == pytest.approx(0.0, abs=1e-20)
    assert float(enstrophy(GRID, corner)) == pytest.approx(0.25)


def test_fluxes_are_what_longer_waves_lose() -> None:
    """A rate of −2ω takes twice double the invariants: ∂ₜE = −⟨ψ ∂ₜω⟩ = −4E, from shell 2 on and from shell 5."""
    lost_energy, lost_enstrophy = energy_flux(GRID, MODES, -2 * MODES), enstrophy_flux(GRID, MODES, -2 * MODES)
    torch.testing.assert_close(lost_energy, 4 * torch.tensor([0, 0, 0.0625, 0.0625, 0.0625, 0.1525, 0.1525, 0.1525]).double(), atol=1e-8, rtol=1e-6)  # fmt: skip
    torch.testing.assert_close(lost_enstrophy, 4 * torch.tensor([0, 0, 0.25, 0.25, 0.25, 2.5, 2.5, 2.5]).double())
