"""The scores against well-kept packages, on the same random fields, to 1e-6 and better."""

import numpy as np
import pytest
import scoringrules
import torch
import xarray as xr
from scores import categorical, continuous, probability, spatial

from py4cast.grid import Grid
from py4cast.metrics import Aggregator, Layout, ScoreSettings, make_metrics
from py4cast.metrics.layout import RainClimate
from py4cast.scores import ensemble
from py4cast.variables import Variable

DIMS = ("forecast", "lead_time", "lat", "lon", "variable")
LATITUDES, LONGITUDES = np.linspace(60.0, 40.0, 24), np.linspace(-5.0, 15.0, 32)
VARIABLES = [
    Variable(name="t2m", units="K", standard_name="air_temperature"),
    Variable(name="u10", units="m s-1", standard_name="eastward_wind"),
    Variable(name="v10", units="m s-1", standard_name="northward_wind"),
    Variable(name="tp", units="kg m-2", standard_name="precipitation_amount"),
]
NAMES = [v.name for v in VARIABLES]
FORECASTS, LEADS, MEMBERS = 7, 2, 5


def fields() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    shape = (FORECASTS, LEADS, 24, 32, 4)
    truth = rng.standard_normal(shape) * [5.0, 6.0, 6.0, 1.0] + [280.0, 2.0, -1.0, 0.0]
    members = truth[:, None] + rng.standard_normal((FORECASTS, MEMBERS, LEADS, 24, 32, 4)) * [2.0, 3.0, 3.0, 1.5]
    for array in (truth, members):
        array[..., 3] = np.maximum(array[..., 3], 0.0) * 4
    normal = np.zeros(shape) + [280.0, 2.0, -1.0, 1.0] + 0.3 * rng.standard_normal(shape)
    return {"truth": truth, "members": members, "normal": normal}


FIELDS = fields()
DRY, HEAVY = np.linspace(0.05, 0.95, 24 * 32).reshape(24, 32), np.full((24, 32), 3.0)


def aggregated(is_ensemble: bool, **settings: object) -> dict[str, np.ndarray]:
    grid = Grid(LATITUDES, LONGITUDES)
    rain = RainClimate({"tp": torch.from_numpy(DRY)}, {"tp": torch.from_numpy(HEAVY)})
    layout = Layout(
        VARIABLES, torch.from_numpy(grid.area_weights()), grid, np.timedelta64(6, "h"), MEMBERS if is_ensemble else 1,
        True, rain, ScoreSettings(**settings),
    )  # fmt: skip
    found = Aggregator(make_metrics(layout), layout)
    members = FIELDS["members"] if is_ensemble else FIELDS["members"].mean(1)
    found.update(*(torch.from_numpy(x) for x in (members, FIELDS["truth"], FIELDS["normal"])))
    return {name: value.numpy() for name, value in found.values().items()}


@pytest.fixture(scope="module")
def deterministic() -> dict[str, np.ndarray]:
    return aggregated(False, scales=(1, 3, 9), thresholds={"t2m": (280.0,), "tp": (0.1, 1.0, 5.0)})


@pytest.fixture(scope="module")
def probabilistic() -> dict[str, np.ndarray]:
    return aggregated(True)


def named(values: np.ndarray) -> xr.DataArray:
    coords = {"lat": LATITUDES, "variable": NAMES, "lead_time": range(LEADS)}
    return xr.DataArray(values, dims=DIMS, coords=coords)


TRUTH, MEAN, NORMAL = named(FIELDS["truth"]), named(FIELDS["members"].mean(1)), named(FIELDS["normal"])
WEIGHTS = xr.DataArray(Grid(LATITUDES, LONGITUDES).area_weights()[:, 0], dims="lat", coords={"lat": LATITUDES})
KEEP = {"preserve_dims": ["lead_time", "variable"]}


def test_errors(deterministic: dict[str, np.ndarray]) -> None:
    expected = {
        "rmse": continuous.rmse(MEAN, TRUTH, weights=WEIGHTS, **KEEP),
        "mae": continuous.mae(MEAN, TRUTH, weights=WEIGHTS, **KEEP),
        "bias": continuous.mean_error(MEAN, TRUTH, weights=WEIGHTS, **KEEP),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(deterministic[name], value, rtol=1e-9, err_msg=name)
    squares = continuous.mse(MEAN, TRUTH, weights=WEIGHTS, **KEEP).sel(variable=["u10", "v10"]).sum("variable")
    np.testing.assert_allclose(deterministic["wind_rmse"][:, 0], np.sqrt(squares), rtol=1e-9)


def test_anomalies(deterministic: dict[str, np.ndarray]) -> None:
    def mean(x: xr.DataArray) -> xr.DataArray:
        return x.weighted(WEIGHTS).mean(["forecast", "lat", "lon"])

    p, o = MEAN - NORMAL, TRUTH - NORMAL
    np.testing.assert_allclose(deterministic["acc"], mean(p * o) / np.sqrt(mean(p * p) * mean(o * o)), rtol=1e-9)
    deviations = [np.sqrt(mean((x - mean(x)) ** 2)) for x in (p, o)]
    np.testing.assert_allclose(deterministic["activity"], deviations[0] / deviations[1], rtol=1e-9)


@pytest.mark.parametrize("threshold", [0, 1, 2])
def test_events(deterministic: dict[str, np.ndarray], threshold: int) -> None:
    limit = (0.1, 1.0, 5.0)[threshold]
    events = [xr.where(x.sel(variable="tp") >= limit, 1.0, 0.0) * WEIGHTS for x in (MEAN, TRUTH)]
    shares = {
        "tp_count": (events[0] * events[1] / WEIGHTS), "fp_count": events[0] * (1 - events[1] / WEIGHTS),
        "fn_count": events[1] * (1 - events[0] / WEIGHTS), "tn_count": (WEIGHTS - events[0]) * (1 - events[1] / WEIGHTS),
    }  # fmt: skip
    counts = {k: v.sum(["forecast", "lat", "lon"]) for k, v in shares.items()}
    table = categorical.BasicContingencyManager({**counts, "total_count": sum(counts.values())})
    place = 1  # names are t2m, tp, wind10
    expected = {
        "pod": table.probability_of_detection(), "far": table.false_alarm_ratio(), "csi": table.threat_score(),
        "ets": table.equitable_threat_score(), "frequency_bias": table.frequency_bias(),
    }  # fmt: skip
    for name, value in expected.items():
        np.testing.assert_allclose(deterministic[name][:, place, threshold], value, rtol=1e-9, err_msg=name)


def test_wind_events_are_of_the_speed(deterministic: dict[str, np.ndarray]) -> None:
    speeds = [np.hypot(x.sel(variable="u10"), x.sel(variable="v10")) >= 10.0 for x in (MEAN, TRUTH)]
    both, either = (
        f(*speeds).weighted(WEIGHTS).sum(["forecast", "lat", "lon"]) for f in (np.logical_and, np.logical_or)
    )
    np.testing.assert_allclose(deterministic["csi"][:, 2, 1], both / either, rtol=1e-9)


def test_seeps(deterministic: dict[str, np.ndarray]) -> None:
    dims = ("lat", "lon")
    expected = categorical.seeps(
        MEAN.sel(variable="tp"), TRUTH.sel(variable="tp"), xr.DataArray(DRY, dims=dims, coords={"lat": LATITUDES}),
        xr.DataArray(HEAVY, dims=dims, coords={"lat": LATITUDES}), dry_light_threshold=0.25, preserve_dims="lead_time",
        weights=WEIGHTS,
    )  # fmt: skip
    np.testing.assert_allclose(deterministic["seeps"][:, 0], expected, rtol=1e-9)


@pytest.mark.parametrize("window", [3, 9])
def test_fractions_skill_score(window: int) -> None:
    """The package knows no weights, so the cells are given equal ones."""
    layout = Layout(
        VARIABLES, torch.ones(24, 32).double(), Grid(LATITUDES, LONGITUDES), np.timedelta64(6, "h"),
        settings=ScoreSettings(scales=(window,), thresholds={"tp": (0.1, 1.0, 5.0)}),
    )  # fmt: skip
    found = Aggregator(make_metrics(layout, ["fss"]), layout)
    found.update(torch.from_numpy(FIELDS["members"].mean(1)), torch.from_numpy(FIELDS["truth"]))
    for i, limit in enumerate((0.1, 1.0, 5.0)):
        expected = spatial.fss_2d(
            MEAN.sel(variable="tp"), TRUTH.sel(variable="tp"), event_threshold=limit, window_size=(window, window),
            spatial_dims=("lat", "lon"), preserve_dims=["lead_time"], threshold_operator=np.greater_equal,
        )  # fmt: skip
        np.testing.assert_allclose(found.values()["fss"][:, 0, i, 0], expected, rtol=1e-9)


def test_continuous_ranked_probability(probabilistic: dict[str, np.ndarray]) -> None:
    members = xr.DataArray(FIELDS["members"], dims=("forecast", "member", *DIMS[1:]), coords=TRUTH.coords)
    for name, method in (("crps", "ecdf"), ("fair_crps", "fair")):
        expected = probability.crps_for_ensemble(members, TRUTH, "member", method=method, weights=WEIGHTS, **KEEP)
        np.testing.assert_allclose(probabilistic[name], expected, rtol=1e-9, err_msg=name)
        by_rules = scoringrules.crps_ensemble(
            FIELDS["truth"], np.moveaxis(FIELDS["members"], 1, -1), estimator={"ecdf": "nrg", "fair": "fair"}[method]
        )
        again = named(by_rules).weighted(WEIGHTS).mean(["forecast", "lat", "lon"])
        np.testing.assert_allclose(probabilistic[name], again, rtol=1e-9, err_msg=name)


def test_spread(probabilistic: dict[str, np.ndarray]) -> None:
    variance = named(FIELDS["members"].var(1, ddof=1)).weighted(WEIGHTS).mean(["forecast", "lat", "lon"])
    np.testing.assert_allclose(probabilistic["spread"], np.sqrt(variance), rtol=1e-9)
    error = continuous.rmse(MEAN, TRUTH, weights=WEIGHTS, **KEEP)
    corrected = np.sqrt((MEMBERS + 1) / MEMBERS) * np.sqrt(variance) / error
    np.testing.assert_allclose(probabilistic["spread_skill"], corrected, rtol=1e-9)


def test_rank_histogram(probabilistic: dict[str, np.ndarray]) -> None:
    """Rain has ties, which the package too spreads evenly over the ranks that the truth could take."""
    members = xr.DataArray(FIELDS["members"], dims=("forecast", "member", *DIMS[1:]), coords=TRUTH.coords)
    expected = probability.rank_histogram(members, TRUTH, "member", weights=WEIGHTS, **KEEP)
    np.testing.assert_allclose(
        probabilistic["rank_histogram"], expected.transpose("lead_time", "variable", "rank"), rtol=1e-9
    )


@pytest.mark.parametrize("form", [0, 1])
def test_brier(probabilistic: dict[str, np.ndarray], form: int) -> None:
    members = xr.DataArray(FIELDS["members"], dims=("forecast", "member", *DIMS[1:]), coords=TRUTH.coords)
    expected = probability.brier_score_for_ensemble(
        members.sel(variable="tp"), TRUTH.sel(variable="tp"), "member", [0.1, 1.0, 5.0, 10.0],
        fair_correction=bool(form), weights=WEIGHTS, preserve_dims=["lead_time"],
    )  # fmt: skip
    np.testing.assert_allclose(probabilistic["brier"][:, 0, :, form], expected.transpose("lead_time", ...), rtol=1e-9)


def test_reliability_adds_up(probabilistic: dict[str, np.ndarray]) -> None:
    """Murphy (1973): Brier = Σ share·[(p̄ − ō)² + ō(1 − ō)] + the spread of p within the bins, here none with 6 values in 10 bins."""
    share, probability_, frequency = np.moveaxis(probabilistic["reliability"][:, 0], -1, 0)
    terms = share * ((probability_ - frequency) ** 2 + frequency * (1 - frequency))
    np.testing.assert_allclose(np.nansum(terms, -1), probabilistic["brier"][:, 0, :, 0], rtol=1e-9)
    np.testing.assert_allclose(share.sum(-1), 1.0, rtol=1e-12)


@pytest.mark.parametrize("is_fair", [False, True])
def test_energy_score(is_fair: bool) -> None:
    rng = np.random.default_rng(0)
    members, truth = rng.standard_normal((6, 40, 2)), rng.standard_normal((40, 2))
    found = ensemble.energy_score(
        torch.from_numpy(members), torch.from_numpy(truth), torch.ones(40, 2).double(), is_fair
    )
    for i in range(2):
        expected = scoringrules.es_ensemble(truth[:, i], members[:, :, i], estimator="fair" if is_fair else "nrg")
        assert float(found[i]) == pytest.approx(expected / np.sqrt(40), rel=1e-9)
