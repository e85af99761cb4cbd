import numpy as np
import pytest
import torch
from torch import Tensor

from py4cast.formats.reduced import octahedral
from py4cast.grid import EARTH_RADIUS, Grid
from py4cast.metrics.aggregator import Aggregator
from py4cast.metrics.base import MetricABC
from py4cast.metrics.case import Case
from py4cast.metrics.layout import Layout
from py4cast.metrics.neighbourhood import FSS
from py4cast.metrics.spectral import Bands, LambdaX, Power, SpectralRatio, Spectrum
from py4cast.testing import make_info
from py4cast.variables import Variable
from tests.metrics.layouts import HOUR

DEGREE = np.deg2rad(1.0) * EARTH_RADIUS / 1000
REGION = Grid(np.arange(8.0) - 3.5, np.arange(8.0))
GLOBE = Grid(np.array([60.0, 0.0, -60.0]), np.arange(0.0, 360.0, 30.0))


def layout_of(grid: Grid, units: str = "m") -> Layout:
    return Layout([Variable(name="ssh", units=units)], torch.ones(grid.shape).double(), grid, HOUR)


def wave(half_waves: int, amplitude: float = 1.0) -> Tensor:
    """A cosine along the columns of the region, `(1, 1, lat, lon, 1)`."""
    values = amplitude * np.cos(np.pi * half_waves * (np.arange(8) + 0.5) / 8)
    return torch.from_numpy(np.broadcast_to(values, (8, 8)).copy())[None, None, ..., None]


def values_of(kind: type[MetricABC], prediction: Tensor, truth: Tensor) -> Tensor:
    fields_of = layout_of(REGION)
    aggregator = Aggregator([kind(fields_of)], fields_of)
    aggregator.update(prediction, truth)
    return aggregator.values()[kind.name][0, 0]


def test_bands_of_a_region_start_at_twice_its_shorter_side() -> None:
    """A degree east is a hair shorter than one north, whose shortest wave is the last that counts."""
    dy, dx = (spacing / 1000 for spacing in REGION.spacing())
    assert dx < dy
    np.testing.assert_allclose(Bands(REGION).wavelengths, 2 * 8 * dx / np.arange(1, 8), rtol=1e-12)
    assert dx == pytest.approx(DEGREE, rel=2e-3)


def test_bands_of_the_globe_are_circles_in_proportion_to_their_length() -> None:
    """Rows at 60° count half: the mean length of a circle is that of cos²/cos."""
    bands = Bands(GLOBE)
    around = 2 * np.pi * EARTH_RADIUS / 1000 * (0.25 + 1 + 0.25) / (0.5 + 1 + 0.5)
    np.testing.assert_allclose(bands.wavelengths, around / np.arange(1, 7), rtol=1e-12)
    rows = torch.zeros(1, 3, 7)
    rows[0, 0], rows[0, 1] = 4.0, 8.0
    np.testing.assert_allclose(bands.power(rows), np.full((1, 6), (4 * 0.5 + 8 * 1) / 2), rtol=1e-6)


def test_the_last_power_is_that_of_the_difference() -> None:
    longitudes = np.deg2rad(GLOBE.longitude)
    first, second = (
        torch.from_numpy(np.broadcast_to(a * np.cos(2 * longitudes), (3, 12)).copy())[None] for a in (4.0, 1.0)
    )
    powers = [float(p[0, 1]) for p in Bands(GLOBE).of([first, second])]
    assert powers == pytest.approx([16 / 2, 1 / 2, 9 / 2])


def test_the_spectrum_of_a_wave_twice_too_high() -> None:
    """Four half waves in 8 × 8 cells: a coefficient of √(64/2) in the fourth band, beside others that are 0."""
    spectrum = values_of(Spectrum, wave(4, 2.0), wave(4))
    bands = torch.from_numpy(Bands(REGION).wavelengths)
    inside = int(Bands(REGION)._counts[3])
    assert spectrum.shape == (len(bands), 3)
    np.testing.assert_allclose(spectrum[3], np.array([4.0, 1.0, 1.0]) * 32 / inside, rtol=1e-5)
    assert float(spectrum[[0, 1, 2, 4, 5, 6]].max()) < 1e-9


def test_the_ratio_is_of_powers() -> None:
    rng = torch.Generator().manual_seed(0)
    noise = torch.randn(1, 1, 8, 8, 1, generator=rng)
    np.testing.assert_allclose(values_of(SpectralRatio, noise * 0.5 + 7.0, noise), 0.25, rtol=1e-4)
    assert values_of(SpectralRatio, noise, torch.zeros_like(noise)).isnan().all(), "a truth without any wave"


def test_a_perfect_forecast_resolves_the_shortest_wave_and_an_empty_one_none() -> None:
    noise = torch.randn(1, 1, 8, 8, 1)
    assert float(values_of(LambdaX, noise, noise)) == pytest.approx(2 * 8 * DEGREE / 7, rel=2e-3)
    assert values_of(LambdaX, torch.zeros_like(noise), noise).isnan()


def test_missing_cells_make_no_waves_and_an_empty_forecast_no_weight() -> None:
    fields_of = layout_of(REGION)
    truth = torch.full((8, 8, 1), 3.0)
    truth[2, 5] = torch.nan
    sums, weights = Power(fields_of).compute(Case(fields_of, truth.nan_to_num(99.0), truth))
    assert float(sums.max()) < 1e-10 and (weights == 1).all()
    empty, nothing = Power(fields_of).compute(Case(fields_of, truth, torch.full_like(truth, torch.nan)))
    assert (empty == 0).all() and (nothing == 0).all()


def test_units_and_what_is_lacking() -> None:
    fields_of = layout_of(REGION)
    assert Spectrum(fields_of).units("ssh") == "(m)2" and Spectrum(layout_of(REGION, "1")).units("ssh") == "1"
    assert SpectralRatio(fields_of).units("ssh") == "1" and LambdaX(fields_of).units("ssh") == "km"
    wavelength, part = Spectrum(fields_of).dimensions
    assert wavelength.units == "km" and list(wavelength.values) == Bands(REGION).wavelengths.tolist()
    assert part.values == ("forecast", "truth", "error") and LambdaX(fields_of).dimensions == ()
    assert Spectrum.lacking(fields_of) == "" and LambdaX(fields_of).kept == ()
    assert Spectrum.lacking(layout_of(Grid(np.arange(7.0), np.arange(9.0)))) == "at least 8 rows and columns"
    stations = Layout(fields_of.variables, torch.ones(1, 9), None, HOUR)
    assert LambdaX.lacking(stations) == "a grid"


def test_points_of_rows_round_the_globe_have_spectra() -> None:
    """A wave of total wavenumber 3, forecast half as high: a quarter of the power; points of no rows have none."""
    grid = octahedral(12)
    info = make_info(grid)
    layout = Layout.of(info)
    assert layout.grid is None and not Spectrum.lacking(layout) and FSS.lacking(layout)
    height = torch.from_numpy(grid.xyz()[..., 2].copy())
    wave = np.sqrt(7.0) * (5 * height**3 - 3 * height) / 2
    truth = wave.unsqueeze(-1).expand(*grid.shape, 3) + 10
    metric = Spectrum(layout)
    case = Case(layout, (truth - 10) / 2 + 4, truth)
    sums, weights = metric.statistics[0].compute(case)
    power = sums / weights
    assert metric._wavelengths.tolist() == pytest.approx([2 * np.pi * EARTH_RADIUS / 1000 / n for n in range(1, 12)])
    expected = torch.zeros_like(power)
    expected[:, 2] = torch.tensor([0.25, 1.0, 0.25], dtype=power.dtype)
    torch.testing.assert_close(power, expected, atol=1e-5, rtol=1e-4)
    unordered = Grid.points(grid.latitude[0], grid.longitude[0])
    assert Spectrum.lacking(Layout.of(make_info(unordered))) == "a grid"
