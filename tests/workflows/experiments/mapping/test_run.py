"""mapping: optimal interpolation, the scores of maps, the leaderboard, the strategy, and the whole experiment."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from py4cast.datasets import get_datasets
from py4cast.datasets.base import as_window_dataset
from py4cast.datasets.tracks import Tracks, TracksSettings, passes
from py4cast.errors import SettingsError
from py4cast.forecaster import Forecaster
from py4cast.statistics import Stats
from py4cast.testing import check_dataset, make_batch, make_info
from py4cast.workflows.experiments.mapping.board import add_rows, map_scores, markdown
from py4cast.workflows.experiments.mapping.interpolation import OptimalInterpolation
from py4cast.workflows.experiments.mapping.run import mapping
from py4cast.workflows.experiments.mapping.settings import MappingExperiment
from tests.command import py4cast
from tests.conftest import ROOT

FLOW = {
    "fine": 32,
    "coarse": 16,
    "step": 0.02,
    "num_substeps": 8,
    "spinup": 6,
    "num_train": 30,
    "num_valid": 12,
    "num_test": 30,
}
SMALL = [
    f"flow={{{', '.join(f'{chr(34)}{k}{chr(34)}: {v}' for k, v in FLOW.items())}}}",
    "window=2",
    "num_satellites=3",
]


# Data ------------------------------------------------------------------------------------------------


def test_satellites_pass_over_all_cells_in_time() -> None:
    settings = TracksSettings(num_satellites=4)
    seen = np.stack([passes(settings, 32, i) for i in range(60)])
    share = seen.mean()
    # 4 lines at 70° over 32 cells, each some 40 cells long
    assert 0.08 < share < 0.2 and seen.any(0).all(), share
    assert all(s.any(1).all() for s in seen), "a pass crosses every row"
    assert not np.array_equal(seen[0], seen[1])


def test_what_is_observed_is_the_field_and_its_noise() -> None:
    splits = get_datasets("tracks", 1, 1, 1, None, [*SMALL, "noise=0.1"])
    check_dataset(splits[0])
    test = as_window_dataset(splits[2])
    info, window = test.info, 2
    assert info.prognostic == ["stream_function"] and info.forcing == [
        f"observed_{k}" for k in ("m2", "m1", "0", "p1", "p2")
    ]
    fields = torch.stack([test[i].outputs.tensor[0, ..., 0] for i in range(len(test))])  # type: ignore[union-attr]
    item = test[10]
    assert item.forcing is not None
    std = info.stats["stream_function"]["std"]
    for place in range(2 * window + 1):
        observed = item.forcing.tensor[0, ..., place]
        error = (observed - fields[10 + place - window])[torch.isfinite(observed)]
        assert len(error) > 20 and 0.05 * std < float(error.std()) < 0.15 * std
    # what is seen of an instant is the same whichever instant it is seen from
    later = test[11]
    assert later.forcing is not None
    torch.testing.assert_close(later.forcing.tensor[0, ..., 1], item.forcing.tensor[0, ..., 2], equal_nan=True)


@pytest.mark.parametrize(
    ("override", "message"),
    [("num_satellites=0", "num_satellites must be at least 1"), ("slope=90", "slope within 0 to 90"), ("window=20", "every split needs at least 43")],
)  # fmt: skip
def test_impossible_satellites_are_refused(override: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Tracks.read_settings(None, [*SMALL, override])


# Optimal interpolation -------------------------------------------------------------------------------


def test_the_interpolation_is_the_formula() -> None:
    generator = torch.Generator().manual_seed(0)
    size, count, length, duration, noise = 8, 3, 2.0, 1.5, 0.2
    observed = torch.randn(count, size, size, generator=generator).double() * 3 + 5
    observed[torch.rand(count, size, size, generator=generator) > 0.2] = torch.nan
    found = OptimalInterpolation(5.0, 3.0, noise, length, duration)(observed)

    def covariance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        total = np.exp(-(((a[:, None, 0] - b[None, :, 0]) / duration) ** 2))
        for axis in (1, 2):
            apart = a[:, None, axis] - b[None, :, axis]
            images = sum(np.exp(-(((apart + size * m) / length) ** 2)) for m in range(-3, 4))
            total = total * images / sum(np.exp(-((size * m / length) ** 2)) for m in range(-3, 4))
        return total

    place = np.argwhere(np.isfinite(observed.numpy())).astype(float)
    values = (observed.numpy()[np.isfinite(observed.numpy())] - 5) / 3
    grid = np.array([(1.0, y, x) for y in range(size) for x in range(size)])
    own = covariance(place, place) + noise**2 * np.eye(len(place))
    expected = 5 + 3 * (covariance(grid, place) @ np.linalg.solve(own, values)).reshape(size, size)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-8)


def test_what_is_seen_without_noise_is_kept_and_nothing_is_the_mean() -> None:
    observed = torch.full((1, 8, 8), torch.nan, dtype=torch.float64)
    interpolation = OptimalInterpolation(2.0, 1.0, 0.0, 1.0, 1.0)
    assert torch.equal(interpolation(observed), torch.full((8, 8), 2.0))
    observed[0, 3, 4] = 7.0
    found = interpolation(observed)
    assert float(found[3, 4]) == pytest.approx(7.0, abs=1e-4)
    assert float(found[3, 5]) == pytest.approx(2 + 5 * math.exp(-1), abs=1e-3)
    assert float(found[7, 0]) == pytest.approx(2.0, abs=1e-3), "far away nothing is known"


def test_the_scales_are_found_that_made_the_field() -> None:
    # a field drawn from the covariance itself
    size, length = 24, 4.0
    points = torch.arange(size, dtype=torch.float64)
    along = OptimalInterpolation._decay(points, size, length)
    root = torch.linalg.cholesky(along + 1e-8 * torch.eye(size))
    generator = torch.Generator().manual_seed(1)
    truth, observed = [], []
    for _ in range(6):
        field = root @ torch.randn(size, size, generator=generator).double() @ root.T
        seen = torch.rand(1, size, size, generator=generator) < 0.15
        truth.append(field)
        observed.append(torch.where(seen, field, torch.nan))
    tuned = OptimalInterpolation.tuned(observed, truth, 0.0, 1.0, 0.01)
    assert tuned.length == size / 6


def test_the_flow_is_prepared_on_demand() -> None:
    words = [f"--set=dataset.{place}" for place in SMALL]
    done = py4cast("prepare", "--dataset", "tracks", *words)
    assert done.returncode == 0, done.stderr
    folder = Path(done.stdout.strip())
    assert (folder / "py4cast.json").is_file() and folder.parent.name == "qg"
    assert len(list(folder.parent.glob("*/py4cast.json"))) == 3


# Scores and leaderboard ------------------------------------------------------------------------------


def test_scores_of_maps_are_the_formulas() -> None:
    generator = torch.Generator().manual_seed(0)
    truth = torch.randn(40, 16, 16, generator=generator)
    perfect = map_scores(truth, truth, 1.0, 100.0)
    assert (
        perfect["mu"] == 1.0 and perfect["sigma"] == 0.0 and perfect["lambda_x"] == 200.0 and perfect["lambda_t"] == 2.0
    )
    nothing = map_scores(torch.zeros_like(truth), truth, 1.0, 100.0)
    assert nothing["mu"] == pytest.approx(0.0) and math.isnan(nothing["lambda_x"])
    half = map_scores(0.5 * truth, truth, 1.0, 100.0)
    assert half["mu"] == pytest.approx(0.5) and half["sigma"] == pytest.approx(0.0, abs=1e-12)
    growing = truth * torch.linspace(0, 1, 40)[:, None, None]
    at_times = 1 - (1 - np.linspace(0, 1, 40))
    assert map_scores(growing, truth, 1.0, 100.0)["sigma"] == pytest.approx(at_times.std(), rel=1e-6)


def row(method: str, mu: float, **changes: object) -> dict:
    base = {
        "method": method, "mu": mu, "sigma": 0.1, "lambda_x": 500.0, "lambda_t": math.nan, "notes": "", "reference": "a | b",
        "num_maps": 9, "data": "abc", "version": "1", "date": "2026-01-01", "settings": "s",
    }  # fmt: skip
    return {**base, **changes}


def test_rows_are_never_overwritten(tmp_path: Path) -> None:
    add_rows(tmp_path, [row("oi", 0.8), row("net", 0.9)])
    known = add_rows(tmp_path, [row("oi", 0.1), row("net", 0.95, data="other")])
    assert [(r["method"], r["mu"]) for r in known] == [("oi", 0.8), ("net", 0.9), ("net", 0.95)]
    table = (tmp_path / "leaderboard.md").read_text()
    lines = table.splitlines()
    assert "| net | **0.950** |" in lines[2] and lines[4].startswith("| oi | 0.800 ") and "a / b" in table
    assert markdown(known) == table and "| – |" in lines[2]


# The strategy ----------------------------------------------------------------------------------------


def test_gaps_are_told_to_the_network_and_values_in_them_do_not_count() -> None:
    info = make_info(diagnostic=False)
    torch.manual_seed(0)
    forecaster = Forecaster.build(info, "cnn", "mapping", 1, {"num_filters": 4}).eval()
    assert forecaster.network.model.layers[0].in_channels == 2 * 2 + 2
    batch = make_batch(info, num_input_steps=1, num_pred_steps=1)
    assert batch.forcing is not None
    gappy = batch.forcing.tensor.clone()
    gappy[..., 0][torch.rand(gappy.shape[:-1]) < 0.5] = torch.nan
    seen = forecaster.strategy.fill_forcing(forecaster.forcings.standardise(gappy[:, 0]))
    torch.testing.assert_close(seen[..., 2], torch.isfinite(gappy[:, 0, ..., 0]).float())
    assert float(seen[..., 0][seen[..., 2] == 0].abs().max()) == 0.0
    own = type(batch)({**batch.fields, "forcing": batch.forcing.like(gappy)}, init_time=batch.init_time)
    found = forecaster.forecast(own, 1)
    assert bool(torch.isfinite(found.tensor).all())
    state = own.inputs.tensor
    torch.testing.assert_close(forecaster(state, gappy[:, 0]), found.tensor[:, 0])
    assert not torch.allclose(forecaster(state, batch.forcing.tensor[:, 0]), found.tensor[:, 0])


def test_a_first_guess_is_the_mean_of_what_is_known() -> None:
    _, _, test = get_datasets("tracks", 1, 1, 1, None, SMALL)
    forecaster = Forecaster.build(test.info, "zero", "mapping", 1, {}, {"has_first_guess": True}).eval()
    batch = test.read_batch([3])
    assert batch.forcing is not None
    found = forecaster.forecast(batch, 1).tensor[0, 0, ..., 0]
    expected = batch.forcing.tensor[0, 0].nanmean(-1)
    mean = test.info.stats["stream_function"]["mean"]
    torch.testing.assert_close(found, expected.nan_to_num(mean), atol=1.0, rtol=1e-4)
    # observations with statistics of their own: the same field, the same guess
    table = test.info.stats.to_dict()
    for name in test.info.forcing:
        table[name] = {**table[name], "mean": table[name]["mean"] + 3e6, "std": 2 * table[name]["std"]}
    other = Forecaster.build(
        replace(test.info, stats=Stats(table)), "zero", "mapping", 1, {}, {"has_first_guess": True}
    )
    torch.testing.assert_close(other.eval().forecast(batch, 1).tensor[0, 0, ..., 0], found, atol=10.0, rtol=1e-4)
    with pytest.raises(SettingsError, match="of one variable alone"):
        Forecaster.build(make_info(), "zero", "mapping", 1, {}, {"has_first_guess": True})


def test_the_experiment_fills_a_leaderboard(tmp_path: Path) -> None:
    overrides = [
        f'dataset={{{SMALL[0].replace("flow=", chr(34) + "flow" + chr(34) + ": ", 1)}, "window": 2}}',
        "methods.cnn.train.epochs=2",
    ]
    rows = mapping(ROOT / "config" / "experiments" / "mapping_seconds.json", tmp_path / "out", overrides)
    by_name = {r["method"]: r for r in rows}
    assert set(by_name) == {"climatology", "optimal interpolation", "cnn, seed 0"}
    assert by_name["optimal interpolation"]["mu"] > 0.7 > by_name["climatology"]["mu"] + 0.5
    assert by_name["climatology"]["lambda_x"] is None or math.isnan(by_name["climatology"]["lambda_x"])
    assert (tmp_path / "out" / "mapping.png").stat().st_size > 20_000
    (saved,) = (tmp_path / "out" / "forecasters").glob("cnn-0-*.safetensors")
    Forecaster.load(saved)
    again = mapping(ROOT / "config" / "experiments" / "mapping_seconds.json", tmp_path / "out", overrides)
    assert len(again) == 3, "nothing is added twice"
    changed = [*overrides[:1], "methods.cnn.train.epochs=1"]
    more = mapping(ROOT / "config" / "experiments" / "mapping_seconds.json", tmp_path / "out", changed)
    assert [r["method"] for r in more[3:]] == ["cnn, seed 0"], (
        "another network of the same name, and no second baseline"
    )
    assert more[3]["settings"] != by_name["cnn, seed 0"]["settings"] and more[3]["mu"] != by_name["cnn, seed 0"]["mu"]


def test_every_experiment_of_the_repository_can_be_read() -> None:
    for path in sorted((ROOT / "config" / "experiments").glob("mapping_*.json")):
        asked = MappingExperiment.from_json(path)
        assert asked.methods and Tracks.read_settings(None, [f"{k}={v if not isinstance(v, dict) else __import__('json').dumps(v)}" for k, v in asked.dataset.items()])  # fmt: skip
    with pytest.raises(SettingsError, match="methods.net: unknown modl"):
        MappingExperiment(methods={"net": {"modl": {}}})
