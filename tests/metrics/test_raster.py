"""Points brought to rows and columns for scores that need neighbours."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from py4cast.dataset_info import DatasetInfo
from py4cast.errors import SettingsError
from py4cast.formats.reduced import healpix, octahedral
from py4cast.grid import Grid
from py4cast.metrics import Aggregator, Case, Layout, ScoreSettings, make_metrics
from py4cast.metrics.raster import Raster
from py4cast.metrics.verification import Verification
from py4cast.testing import make_info
from tests.contracts.test_swap import region


def waves(grid: Grid, number: int = 1) -> torch.Tensor:
    """sin(n λ) cos φ and its like, `(lat, lon, 2)`."""
    lat, lon = np.deg2rad(grid.latitude_2d()), np.deg2rad(grid.longitude_2d())
    return torch.from_numpy(np.stack([np.sin(number * lon) * np.cos(lat), np.cos(number * lon) * np.cos(lat)], -1))


def layout_of(grid: Grid, **settings: object) -> Layout:
    return Layout.of(make_info(grid), ScoreSettings(**settings))  # type: ignore[arg-type]


@pytest.mark.parametrize("points", [octahedral(24), healpix(24), healpix(16, "nested")], ids=["O", "ring", "nested"])
def test_smooth_fields_keep_their_values(points: Grid) -> None:
    raster = Raster(points, 5.0)
    assert raster.grid.shape == (36, 72) and bool(raster.covered.all())
    made = raster(waves(points))
    assert float((made - waves(raster.grid)).abs().max()) < 0.02
    # members and lead times in front of the cells, each as if it stood alone
    many = torch.stack([waves(points), 2 * waves(points), waves(points, 3)])
    for one, field in zip(raster(many), many, strict=True):
        torch.testing.assert_close(one, raster(field))
    assert raster.weights(torch.ones(points.shape).double()).sum() == pytest.approx(36 * 72)


def test_what_is_not_scored_and_what_lies_beyond_weighs_nothing() -> None:
    points = region()
    raster = Raster(points, 1.0)
    weights = torch.ones(points.shape, dtype=torch.float64)
    everywhere = raster.weights(weights)
    assert bool((everywhere > 0).equal(raster.covered))
    weights[0, points.latitude[0] > 56] = 0
    seen = raster.weights(weights)
    north = torch.from_numpy(raster.grid.latitude_2d() > 56.5)
    assert float(seen[north].sum()) == 0 and float(seen.sum()) > 0.4 * float(everywhere.sum())


def test_scores_of_neighbours_are_those_of_the_rows_and_columns() -> None:
    points, thresholds = octahedral(16), {"a": (0.3,)}
    layout = layout_of(points, raster=6.0, thresholds=thresholds, scales=(1, 3))
    names = [m.name for m in make_metrics(layout)]
    assert {"fss", "gradient_error", "spectrum", "rmse"} <= set(names)
    info: DatasetInfo = make_info(points)
    truth, forecast = (torch.from_numpy(np.random.default_rng(i).standard_normal((*points.shape, len(info.predicted)))) for i in (0, 1))  # fmt: skip
    made = Aggregator(make_metrics(layout, ["fss", "gradient_error", "rmse"]), layout)
    made.add([made.compute(Case(layout, forecast, truth))])
    # the same by hand
    raster = Raster(points, 6.0)
    plain = replace(layout_of(raster.grid, thresholds=thresholds, scales=(1, 3)))
    wanted = Aggregator(make_metrics(plain, ["fss", "gradient_error"]), plain)
    wanted.add([wanted.compute(Case(plain, raster(forecast), raster(truth)))])
    for name in ("fss", "gradient_error"):
        torch.testing.assert_close(made.values()[name], wanted.values()[name], rtol=1e-6, atol=1e-9)
    error = (forecast - truth).square() * layout.weights.unsqueeze(-1)
    torch.testing.assert_close(made.values()["rmse"][0], (error.sum((0, 1)) / layout.weights.sum()).sqrt())


def test_spectra_of_rows_round_the_globe_stay_harmonics() -> None:
    layout = layout_of(octahedral(16), raster=6.0)
    (metric,) = make_metrics(layout, ["spectrum"])
    assert metric.layout.grid is None and len(metric.dimensions[0].values) == 15
    (other,) = make_metrics(layout_of(healpix(8), raster=10.0), ["spectrum"])
    assert other.layout.grid is not None and other.layout.grid.shape == (18, 36)


def test_missing_cells_count_nowhere() -> None:
    points = octahedral(16)
    layout = layout_of(points, raster=6.0, metrics=("gradient_error", "rmse"))
    features = len(layout.features)
    truth = torch.zeros(1, *points.shape, features, dtype=torch.float64)
    truth[0, 0, 100:160] = torch.nan
    forecast = torch.ones(1, *points.shape, features, dtype=torch.float64)
    forecast[0, 0, 120] = 1e6  # where the truth is missing
    verification = Verification(layout, ("model", "other"), is_compared=False)
    verification.add(np.datetime64("2020-01-01T00", "s"), {"model": forecast, "other": forecast}, truth)
    scores = verification.scores()
    np.testing.assert_allclose(scores.arrays["gradient_error"].values[:, :, :features], 0, atol=1e-8)  # fmt: skip
    np.testing.assert_allclose(scores.arrays["rmse"].values[:, :, : features], 1)  # fmt: skip


def test_points_without_a_raster_are_told_of_it() -> None:
    with pytest.raises(SettingsError, match=r"metric 'gradient_error' needs a grid.*--set scores.raster=DEGREES"):
        make_metrics(layout_of(octahedral(16)), ["gradient_error"])
    with pytest.raises(SettingsError, match=r"scores.raster 30: makes 0 x 1 cells"):
        layout_of(region(), raster=30.0)
    with pytest.raises(SettingsError, match="raster 0: expected more than 0"):
        ScoreSettings(raster=0.0)
    # rectangles need none
    assert layout_of(Grid(np.linspace(60, 50, 9), np.linspace(0, 9, 9)), raster=1.0).raster is None
