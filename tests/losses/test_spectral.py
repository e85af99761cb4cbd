import math
from dataclasses import replace

import pytest
import torch

from py4cast.errors import SettingsError
from py4cast.grid import Grid
from py4cast.losses.spectral import Spectral, SpectralSettings
from py4cast.settings import decode
from py4cast.testing import make_info
from tests.formats.test_grib_points import octahedral

PLANE = replace(make_info((16, 16), border_size=0, diagnostic=False), grid=Grid.plane(16, 1e5))
WEIGHT = sum(PLANE.state_weights[n] for n in PLANE.predicted)


def fields(seed: int = 0) -> torch.Tensor:
    return torch.randn(3, 2, 16, 16, 2, generator=torch.Generator().manual_seed(seed))


def test_a_perfect_forecast_has_none() -> None:
    assert float(Spectral(PLANE)(fields(), fields()).abs().max()) < 1e-4


def test_an_amplitude_that_is_wrong_everywhere_is_its_logarithm_squared() -> None:
    value = Spectral(PLANE)(2.0 * fields(), fields())
    torch.testing.assert_close(value, torch.full((3, 2), math.log(2.0) ** 2 * WEIGHT), rtol=1e-3, atol=1e-3)


def test_waves_of_the_other_sign_have_the_largest_error_of_phase() -> None:
    value = Spectral(PLANE, SpectralSettings(phase=0.5))(-fields(), fields())
    torch.testing.assert_close(value, torch.full((3, 2), 0.5 * 2.0 * WEIGHT), rtol=1e-3, atol=1e-3)


def test_a_shift_by_a_quarter_of_a_wave_is_seen_by_phase_alone() -> None:
    # waves of 4 cells moved by one, in the shell k = 4 alone; the others are the same on both sides
    along = torch.arange(16.0)
    wave = torch.cos(2 * math.pi * along / 4)[None, None, None, :, None].expand(1, 1, 16, 16, 2)
    rest = fields()[:1, :1]
    waves = torch.fft.rfft2(rest, dim=(2, 3))
    shell = Spectral(PLANE).shells.reshape(16, 9) == 3
    rest = torch.fft.irfft2(waves.masked_fill(shell[None, None, ..., None], 0.0), s=(16, 16), dim=(2, 3))
    amplitude, both = (
        float(Spectral(PLANE, SpectralSettings(phase=p))(rest + wave.roll(1, 3), rest + wave)) for p in (0.0, 1.0)
    )
    assert amplitude == pytest.approx(0.0, abs=1e-3) and both == pytest.approx(WEIGHT / 8, rel=0.02)


@pytest.mark.parametrize("shape", [(16, 16), (12, 17), (17, 12)])
def test_it_is_its_formula_over_the_whole_plane_and_alike_along_rows_and_columns(shape: tuple[int, int]) -> None:
    """Half of the plane stands for all of it: a wave counts as often as it is there."""
    info = replace(
        make_info(shape, border_size=0, diagnostic=False),
        grid=Grid.plane(16, 1e5) if shape == (16, 16) else make_info(shape).grid,
    )
    loss = Spectral(info)
    rng = torch.Generator().manual_seed(3)
    y, truth = (torch.randn(1, 1, *shape, 2, generator=rng) for _ in range(2))
    ours, theirs = (torch.fft.fft2(f * loss.window, dim=(2, 3))[0, 0] for f in (y, truth))
    shorter = min(shape)
    k = (torch.fft.fftfreq(shape[0])[:, None] ** 2 + torch.fft.fftfreq(shape[1])[None] ** 2).sqrt() * shorter
    expected = torch.zeros(2)
    for number in range(1, shorter // 2 + 1):
        here = k.round() == number
        a, b = (f[here].abs().square().sum(0).sqrt() for f in (ours, theirs))
        gamma = (ours[here] * theirs[here].conj()).real.sum(0) / (a * b)
        expected += ((a.log() - b.log()) ** 2 + 1 - gamma) / (shorter // 2)
    weights = torch.tensor([info.state_weights[n] for n in info.predicted])
    torch.testing.assert_close(loss(y, truth)[0, 0], (expected * weights).sum(), rtol=1e-4, atol=1e-5)
    if shape == (16, 16):
        torch.testing.assert_close(loss(y.transpose(2, 3), truth.transpose(2, 3)), loss(y, truth))


def test_smooth_forecasts_lose_more_than_by_the_squared_error() -> None:
    half = Spectral(PLANE, SpectralSettings(phase=0.0))
    smooth = (
        torch.nn.functional.avg_pool2d(fields().flatten(0, 1).movedim(-1, 1), 3, 1, 1)
        .movedim(1, -1)
        .reshape(3, 2, 16, 16, 2)
    )
    assert float(half(smooth, fields()).mean()) > 10 * float(half(fields(1), fields()).mean())


def test_gradients_are_finite_and_what_is_missing_changes_nothing() -> None:
    loss, y = Spectral(PLANE), fields(1)
    y[0, 0, 3, 4, 0] = torch.nan
    y[1] = torch.nan
    x = fields().requires_grad_()
    value = loss(x, y)
    value.sum().backward()
    assert bool(torch.isfinite(x.grad).all()) and value[1].tolist() == [0.0, 0.0]
    changed = fields()
    changed[0, 0, 3, 4, 0] += 1e3
    torch.testing.assert_close(loss(changed, y), value.detach())


def test_points_have_no_rows_of_waves_and_a_weight_is_not_negative() -> None:
    points = replace(PLANE, grid=octahedral(8))
    with pytest.raises(SettingsError, match="waves along rows and columns, which .* has not"):
        Spectral(points)
    with pytest.raises(SettingsError, match="phase -1"):
        decode(SpectralSettings, {"phase": -1})
