import math

import numpy as np
import pytest
import torch
from scipy.fft import dctn
from scipy.signal.windows import hann

from py4cast.grid import Grid
from py4cast.metrics.spectral import Bands
from py4cast.scores.spectral import cosine_transform, crossing_wavelength, resolved_scales, zonal_power


def plane(shape: tuple[int, int], spacing_km: float = 10.0) -> Grid:
    """A small grid at the equator, where degrees are of one length."""
    degree = spacing_km / (6371.229 * math.pi / 180)
    return Grid(np.arange(shape[0]) * degree, np.arange(shape[1]) * degree)


@pytest.mark.parametrize("shape", [(8, 8), (7, 12), (16, 9)])
def test_the_cosine_transform_keeps_the_power(shape: tuple[int, int]) -> None:
    x = torch.randn(3, *shape, dtype=torch.float64)
    found = cosine_transform(x)
    np.testing.assert_allclose(found, dctn(x.numpy(), axes=(1, 2), norm="ortho"), atol=1e-12)
    np.testing.assert_allclose(found.square().sum((1, 2)), x.square().sum((1, 2)), rtol=1e-12)


@pytest.mark.parametrize("count", [8, 9])
def test_zonal_power_sums_to_the_mean_square(count: int) -> None:
    """Kept too where the shortest wave has one coefficient alone."""
    for field in (torch.randn(5, count, dtype=torch.float64), (-1.0) ** torch.arange(count).double().expand(2, count)):
        np.testing.assert_allclose(zonal_power(field).sum(-1), field.square().mean(-1), rtol=1e-12)


@pytest.mark.parametrize("along", [0, 1])
@pytest.mark.parametrize("shape", [(48, 48), (32, 64), (60, 40)])
def test_a_wave_in_either_direction_is_found_at_its_wavelength(along: int, shape: tuple[int, int]) -> None:
    """Upstream's spectrum saw one direction only."""
    bands = Bands(plane(shape))
    half_waves = 8
    n = shape[along]
    wave = np.cos(np.pi * half_waves * (np.arange(n) + 0.5) / n)
    field = np.broadcast_to(wave[:, None] if along == 0 else wave[None, :], shape)
    power = bands.power(cosine_transform(torch.from_numpy(field.copy())[None]).square())[0]
    found = bands.wavelengths[int(power.argmax())]
    true = 2 * n * 10.0 / half_waves
    nearest = bands.wavelengths[np.argmin(np.abs(1 / bands.wavelengths - 1 / true))]
    assert found == pytest.approx(nearest)
    assert abs(1 / found - 1 / true) <= 0.51 * (1 / bands.wavelengths[1] - 1 / bands.wavelengths[0])


def test_white_noise_is_flat() -> None:
    bands = Bands(plane((64, 96)))
    noise = torch.randn(400, 64, 96, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    power = bands.power(cosine_transform(noise).square()).mean(0)
    np.testing.assert_allclose(power, 1.0, atol=0.12)
    assert bands.wavelengths[0] == pytest.approx(2 * 64 * 10.0, rel=1e-3)
    assert bands.wavelengths[-1] == pytest.approx(20.0, rel=1e-3)


def test_the_globe_has_zonal_waves() -> None:
    grid = Grid(np.linspace(87.5, -87.5, 36), np.arange(0, 360, 5.0))
    bands = Bands(grid)
    wave = torch.from_numpy(np.cos(5 * np.deg2rad(grid.longitude)))[None, None, :].expand(1, 36, 72)
    power = bands.power(zonal_power(wave))[0]
    assert int(power.argmax()) == 4
    assert float(power.sum()) == pytest.approx(0.5)
    assert bands.wavelengths[0] / bands.wavelengths[4] == pytest.approx(5.0)


def test_crossing() -> None:
    wavelength = torch.tensor([100.0, 50.0, 25.0, 20.0])
    score = torch.tensor(
        [[0.9, 0.75, 0.25, 0.0], [0.4, 0.9, 0.9, 0.9], [0.9, 0.8, 0.7, 0.6], [0.9, 0.6, math.nan, 0.9]]
    )
    found = crossing_wavelength(score, wavelength)
    # half-way between 1/50 and 1/25
    assert float(found[0]) == pytest.approx(1 / 0.03)
    assert math.isnan(float(found[1]))
    assert float(found[2]) == 20.0
    assert float(found[3]) == pytest.approx(50.0)


def test_resolved_scales_of_a_smoothed_truth() -> None:
    """White noise without its waves shorter than 1° and 5 days is resolved down to there."""
    rng = np.random.default_rng(1)
    truth = rng.standard_normal((120, 12, 160))
    f_t, f_x = np.fft.fftfreq(120, 1.0), np.fft.fftfreq(160, 0.1)
    keep = (np.abs(f_t)[:, None, None] <= 1 / 5) & (np.abs(f_x)[None, None, :] <= 1.0)
    smooth = np.fft.ifft2(np.fft.fft2(truth, axes=(0, 2)) * keep, axes=(0, 2)).real
    lambda_x, lambda_t = resolved_scales(torch.from_numpy(smooth), torch.from_numpy(truth), 1.0, 0.1)
    assert lambda_x == pytest.approx(1.0, rel=0.1) and lambda_t == pytest.approx(5.0, rel=0.1)
    scaled = resolved_scales(*(torch.from_numpy(1000 * x) for x in (smooth, truth)), 1.0, 0.1)
    assert scaled == pytest.approx((lambda_x, lambda_t))


def test_resolved_scales_at_the_ends() -> None:
    truth = torch.randn(16, 4, 20, dtype=torch.float64)
    assert resolved_scales(truth, truth, 1.0, 0.25) == (0.5, 2.0)
    assert all(math.isnan(x) for x in resolved_scales(torch.zeros_like(truth), truth, 1.0, 0.25))
    with pytest.raises(ValueError, match="at least 4 of each"):
        resolved_scales(truth[:3], truth[:3], 1.0, 0.25)


def test_the_window_is_periodic() -> None:
    np.testing.assert_allclose(
        torch.hann_window(12, periodic=True, dtype=torch.float64), hann(12, sym=False), atol=1e-12
    )
