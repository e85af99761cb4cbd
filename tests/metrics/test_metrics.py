import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from py4cast.errors import SettingsError
from py4cast.metrics import Aggregator, Layout, ScoreSettings, make_metrics, registry
from py4cast.testing import make_info
from tests.metrics.layouts import HOUR, SHAPE, START, fields, layout

EVERY = tuple(n for n in registry.builtin_names if n != "lambda_t")


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 1000), st.lists(st.integers(0, 6), max_size=3), st.sampled_from([0.0, 0.3, 0.95]))
def test_any_batching_and_merging_gives_the_whole(seed: int, cuts: list[int], missing: float) -> None:
    """Of every metric, with members, with any share of the truth missing."""
    own = layout(num_members=3)
    prediction, truth, normal = fields(seed, 6, members=3, missing=missing)
    whole = Aggregator(make_metrics(own, EVERY), own)
    whole.update(prediction, truth, normal)
    bounds = [0, *sorted(cuts), 6]
    merged = Aggregator(make_metrics(own, EVERY), own)
    for first, last in itertools.pairwise(bounds):
        other = Aggregator(make_metrics(own, EVERY), own)
        part = slice(first, last)
        other.update(prediction[part], truth[part], normal[part])
        merged.merge(other)
    assert merged.num_forecasts == 6
    found = merged.values()
    for name, value in whole.values().items():
        np.testing.assert_allclose(found[name], value, rtol=1e-9, atol=1e-12, err_msg=name)


def test_errors_against_numpy_with_missing_data() -> None:
    own = layout()
    prediction, truth, _ = fields(0, 5, missing=0.4)
    found = Aggregator(make_metrics(own, ["rmse", "mae", "bias", "wind_rmse", "mu"]), own)
    found.update(prediction, truth)
    held = np.isfinite(truth.numpy())
    weights = np.broadcast_to(own.weights.numpy()[..., None], held.shape) * held
    error = np.where(held, (prediction - truth).numpy(), 0.0)
    total, y = weights.sum((0, 2, 3)), np.where(held, truth.numpy(), 0.0)
    square = (weights * error**2).sum((0, 2, 3)) / total
    expected = {
        "rmse": np.sqrt(square), "mae": (weights * np.abs(error)).sum((0, 2, 3)) / total,
        "bias": (weights * error).sum((0, 2, 3)) / total, "wind_rmse": np.sqrt(square[:, :1] + square[:, 1:2]),
        "mu": 1 - np.sqrt(square / ((weights * y**2).sum((0, 2, 3)) / total)),
    }  # fmt: skip
    for name, value in expected.items():
        np.testing.assert_allclose(found.values()[name], value, rtol=1e-10, err_msg=name)


@pytest.mark.parametrize("name", [n for n in EVERY if n not in ("lambda_x", "spectrum", "spectral_ratio")])
def test_missing_cells_count_like_cells_without_weight(name: str) -> None:
    own = layout(num_members=3)
    prediction, truth, normal = fields(1, 4, members=3)
    weights = own.weights.clone()
    weights[:, :4] = 0
    masked = layout(num_members=3, weights=weights)
    holed = truth.clone()
    holed[:, :, :, :4] = torch.nan
    by_weight, by_hole = (Aggregator(make_metrics(x, [name]), x) for x in (masked, own))
    by_weight.update(prediction, truth, normal)
    by_hole.update(prediction, holed, normal)
    np.testing.assert_allclose(by_hole.values()[name], by_weight.values()[name], rtol=1e-9)


def test_rmse_is_the_root_of_the_mean_and_no_mean_of_roots() -> None:
    own = Layout(make_info((1, 1), 0).variables[:1], torch.ones(1, 1).double(), None, HOUR)
    found = Aggregator(make_metrics(own, ["rmse"]), own)
    found.update(torch.tensor([3.0, 4.0]).reshape(2, 1, 1, 1, 1), torch.zeros(2, 1, 1, 1, 1))
    assert float(found.values()["rmse"]) == pytest.approx(np.sqrt(12.5))


def test_noise_has_no_anomaly_correlation() -> None:
    """Of fields whose climatology differs from cell to cell, which a correlation without it takes for skill."""
    rng = np.random.default_rng(0)
    normal = torch.from_numpy(np.broadcast_to(20 * rng.standard_normal((*SHAPE, 3)), (40, 1, *SHAPE, 3)).copy())
    truth, noise = (normal + torch.from_numpy(rng.standard_normal(normal.shape)) for _ in range(2))
    own = layout()
    found = Aggregator(make_metrics(own, ["acc", "activity"]), own)
    found.update(noise, truth, normal)
    assert found.values()["acc"].abs().max() < 0.03
    np.testing.assert_allclose(found.values()["activity"], 1.0, atol=0.05)
    perfect = Aggregator(make_metrics(own, ["acc", "activity"]), own)
    perfect.update(normal + 2 * (truth - normal), truth, normal)
    np.testing.assert_allclose(perfect.values()["acc"], 1.0, rtol=1e-9)
    np.testing.assert_allclose(perfect.values()["activity"], 2.0, rtol=1e-9)
    still = Aggregator(make_metrics(own, ["acc", "activity"]), own)
    still.update(normal, truth, normal)
    assert still.values()["acc"].isnan().all() and (still.values()["activity"] == 0).all()


def test_the_gradient_error_of_a_slope() -> None:
    """ŷ − y rises by 1 unit per row: |∇e| is one over the distance of the rows [km]."""
    own = layout()
    truth = torch.zeros(1, 1, *SHAPE, 3)
    slope = torch.arange(float(SHAPE[0]))[None, None, :, None, None].expand_as(truth)
    found = Aggregator(make_metrics(own, ["gradient_error"]), own)
    found.update(slope, truth)
    np.testing.assert_allclose(found.values()["gradient_error"], 1 / 111.198, rtol=1e-4)
    assert make_metrics(own, ["gradient_error"])[0].units("u") == "m s-1 km-1"


def test_sigma_of_an_error_that_changes_in_time() -> None:
    """RMSE/RMS alternates between 0.1 and 0.3: σ = 0.1, μ = 1 − √mean of the squares."""
    own = layout()
    truth = torch.ones(10, 1, *SHAPE, 3)
    error = torch.tensor([0.1, 0.3] * 5).reshape(10, 1, 1, 1, 1)
    found = Aggregator(make_metrics(own, ["sigma", "mu"]), own)
    found.update(truth + error, truth)
    np.testing.assert_allclose(found.values()["sigma"], 0.1, rtol=1e-5)
    np.testing.assert_allclose(found.values()["mu"], 1 - math.sqrt(0.05), rtol=1e-5)


def test_lambda_t_of_a_truth_without_its_fast_waves() -> None:
    """Whatever the order in which the forecasts come; starts at uneven distances have none."""
    rng = np.random.default_rng(0)
    truth = rng.standard_normal((96, *SHAPE))
    keep = np.abs(np.fft.fftfreq(96, 6.0)) <= 1 / 36
    smooth = np.fft.ifft(np.fft.fft(truth, axis=0) * keep[:, None, None], axis=0).real
    own = layout(metrics=("lambda_t",))
    pair = [torch.from_numpy(x)[:, None, ..., None].expand(-1, 1, -1, -1, 3) for x in (smooth, truth)]
    times = START + np.arange(96) * 6 * HOUR
    order = rng.permutation(96)
    found = Aggregator(make_metrics(own), own)
    for part in np.array_split(order, 5):
        other = Aggregator(make_metrics(own), own)
        other.update(*(x[part] for x in pair), init_times=times[part])
        found.merge(other)
    np.testing.assert_allclose(found.values()["lambda_t"], 36.0, rtol=0.08)
    uneven = Aggregator(make_metrics(own), own)
    uneven.update(*pair, init_times=np.delete(START + np.arange(97) * 6 * HOUR, 50))
    assert uneven.values()["lambda_t"].isnan().all()


def test_lambda_x_finds_where_a_smooth_forecast_stops() -> None:
    """The first ten bands are right, the others absent: λ_x lies between band 10 and band 11."""
    rng = np.random.default_rng(0)
    own = layout(shape=(64, 64))
    metric = make_metrics(own, ["lambda_x"])[0]
    from scipy.fft import dctn, idctn

    truth = rng.standard_normal((20, 1, 64, 64, 3))
    coefficients = dctn(truth, axes=(2, 3), norm="ortho")
    band = metric.statistics[0].bands._band.numpy().reshape(64, 64)
    smooth = idctn(coefficients * ((band <= 10) & (band > 0))[..., None], axes=(2, 3), norm="ortho")
    found = Aggregator([metric], own)
    found.update(torch.from_numpy(smooth), torch.from_numpy(truth))
    wavelengths = metric.statistics[0].bands.wavelengths
    value = found.values()["lambda_x"]
    assert ((value < wavelengths[9]) & (value > wavelengths[10])).all()


def test_windows_go_round_the_globe() -> None:
    from dataclasses import replace

    from py4cast.grid import Grid

    grid = Grid(np.linspace(55, -55, 12), np.arange(0, 360, 22.5))
    own = replace(layout(scales=(5,)), grid=grid, weights=torch.ones(SHAPE).double())
    forecast, truth = torch.zeros(2, 1, 1, *SHAPE, 3).unbind(0)
    forecast[..., 0, 2], truth[..., 15, 2] = 9.0, 9.0
    found = Aggregator(make_metrics(own, ["fss"]), own)
    found.update(forecast, truth)
    assert float(found.values()["fss"][0, 0, 0, 0]) == pytest.approx(1 - 1 / 5)


def test_names_that_do_not_fit_are_refused() -> None:
    info = make_info()
    with pytest.raises(SettingsError, match=r"unknown metric 'rsme'.*rmse"):
        make_metrics(Layout.of(info), ["rsme"])
    with pytest.raises(SettingsError, match="metric 'acc' needs a climatology"):
        make_metrics(Layout.of(info), ["acc"])
    with pytest.raises(SettingsError, match="metric 'crps' needs several members"):
        make_metrics(layout(), ["crps"])
    with pytest.raises(SettingsError, match=r"thresholds: no feature 't3m'"):
        Layout.of(info, ScoreSettings(thresholds={"t3m": (1.0,)}))
    with pytest.raises(SettingsError, match="odd numbers"):
        ScoreSettings(scales=(4,))
    default = [m.name for m in make_metrics(Layout.of(info))]
    assert "rmse" in default and "acc" not in default and "lambda_t" not in default


@pytest.mark.parametrize("name", registry.names())
def test_every_metric_says_what_it_is(name: str) -> None:
    kind = registry.get(name)
    assert kind.name == name and kind.long_name and kind.__doc__
    own = layout(num_members=3)
    metric = kind(own)
    prediction, truth, normal = fields(0, 3, members=3)
    found = Aggregator([metric], own)
    found.update(prediction, truth, normal)
    shape = tuple(found.values()[name].shape)
    extra = tuple(len(d.values[0]) if np.ndim(d.values) == 2 else len(d.values) for d in metric.dimensions)
    assert shape == (2, len(metric.features), *extra)
    assert all(isinstance(metric.units(f), str) for f in metric.features)
