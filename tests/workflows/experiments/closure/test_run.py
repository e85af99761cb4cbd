"""closure: an experiment from its file to its table; what its numbers are; how it goes on and what it refuses."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from py4cast.datasets import get_datasets
from py4cast.datasets.base import as_window_dataset
from py4cast.errors import SettingsError
from py4cast.forecaster import Forecaster
from py4cast.observers.turbulence import draw_closures
from py4cast.workflows.experiments.closure.evaluation import Judge
from py4cast.workflows.experiments.closure.run import closure
from py4cast.workflows.experiments.closure.settings import ClosureExperiment, Evaluation
from py4cast.workflows.experiments.closure.summary import COLUMNS, cell, markdown, scalars, summary
from tests.conftest import ROOT

SECONDS = ROOT / "config" / "experiments" / "qg_closure_seconds.json"
TINY = ["fine=32", "coarse=16", "step=0.02", "spinup=8", "num_train=12", "num_valid=6"]
# a smaller flow than that of the experiment, of which less is trained
SHORT = [
    "formulas=[]",
    "evaluation.num_free_steps=20",
    "dataset.num_train=12",
    "dataset.num_valid=6",
    "dataset.spinup=1",
    "dataset.fine=32",
    "dataset.coarse=16",
    "evaluation.num_test=26",
    "evaluation.num_free_runs=1",
]
HOW = Evaluation(num_test=40, num_starts=3, num_steps=10, num_free_runs=2, num_free_steps=30, every=5)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    folder = tmp_path_factory.mktemp("closure")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PY4CAST_ROOTDIR", str(folder / "root"))
        return folder, closure(SECONDS, folder / "out", SHORT, 1)


def test_an_experiment_gives_table_picture_and_forecasters(done: tuple[Path, dict]) -> None:
    folder, found = done
    assert list(found) == ["none", "offline", "online"]
    table = (folder / "out" / "table.md").read_text()
    assert all(heading in table for heading, _ in COLUMNS.values()) and "| `online` |" in table
    assert (folder / "out" / "closure.png").stat().st_size > 20_000
    for name in ("offline", "online"):
        own = Forecaster.load(folder / "out" / "forecasters" / f"{name}-0.safetensors")
        assert own.strategy.settings.training == name and int(own.strategy.updates) > 0
    document = json.loads((folder / "out" / "closure.json").read_text())
    assert document["summary"]["none"]["corr"]["mean"] == 0.0
    assert document["summary"]["none"]["similarity"]["mean"] == 0.0
    assert len(document["closures"]["online"][0]["found"]["correlation"]) == 20


def test_what_is_done_is_not_done_again(done: tuple[Path, dict], monkeypatch: pytest.MonkeyPatch) -> None:
    folder, found = done
    monkeypatch.setenv("PY4CAST_ROOTDIR", str(folder / "root"))
    before = {p: p.stat().st_mtime_ns for p in (folder / "out" / "judged").iterdir()}
    again = closure(SECONDS, folder / "out", SHORT, 1)
    assert again == found and {p: p.stat().st_mtime_ns for p in before} == before
    with pytest.raises(SettingsError, match="holds another experiment"):
        closure(SECONDS, folder / "out", ["formulas=[]"], 1)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["seeds=[]"], "seeds must be given"),
        (["dataset.regime=forcd"], "regime"),
        (["evaluation.num_test=10"], "num_test is too short"),
        (["trainings.online.strategi={}"], "trainings.online: unknown strategi; expected strategy, train, optim"),
        (["trainings.online.train.epoch=3"], "epoch"),
        (["trainings.none={}"], "trainings.none: the name is a formula's"),
        (['formulas=["leeth"]'], "unknown closure 'leeth'; did you mean 'leith'"),
        (["physics.dragg=1"], "dragg: unknown setting; did you mean 'drag'"),
        (["physics.closure=leeth"], "unknown closure 'leeth'"),
        (['trainings.online.strategy.physics_settings={"drg": 1}'], "trainings.online.strategy.physics_settings.drg"),
        (["trainings.online.strategy.physics=two_layer"], "closures are of barotropic, found 'two_layer'"),
        (["trainings.online.train.num_pred_steps_train=2"], "horizons: 4 steps, the samples hold 2"),
        (["trainings.online.train.num_pred_steps_val_test=30"], "num_pred_steps_val_test 30: expected less than 24"),
        (["trainings.online.train.num_input_steps=3"], "closures are judged from one state; expected 1"),
        (["dataset.fine=33"], "33 points a side: expected an even number"),
        (["dataset.fine=8", "dataset.coarse=8"], "fine 8: a flow that is spun up needs at least 16 points"),
        (["dataset.step=1e-10"], "two instants are less than a second apart"),
        (["dataset.num_test=9"], "dataset.num_test: set evaluation.num_test instead"),
        (['dataset.diagnostics=["stream_function"]'], "closures are judged by subgrid_tendency"),
    ],
)
def test_mistakes_are_found_before_the_work(tmp_path: Path, overrides: list[str], message: str) -> None:
    with pytest.raises((SettingsError, ValueError), match=message):
        closure(SECONDS, tmp_path / "out", overrides, 1)
    assert not (tmp_path / "out" / "done").exists()


# What the numbers are --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Judge:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PY4CAST_ROOTDIR", str(tmp_path_factory.mktemp("qg")))
        return Judge(as_window_dataset(get_datasets("qg", 1, 1, 1, None, [*TINY, "num_test=40"])[2]), HOW)


class Knowing(torch.nn.Module):
    """A network that knows the rate of every state of the truth."""

    def __init__(self, judge: Judge, scale: float = 1.0) -> None:
        super().__init__()
        self.judge, self.scale = judge, scale

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        stats = self.judge.info.stats
        omega = x[..., 0] * stats["vorticity"]["std"] + stats["vorticity"]["mean"]
        index = torch.cdist(omega.flatten(1), self.judge.truth.flatten(1)).argmin(1)
        rates = self.judge.rates[index.clamp(max=len(self.judge.rates) - 1)].unsqueeze(-1) * self.scale
        return (rates - stats["subgrid_tendency"]["mean"]) / stats["subgrid_tendency"]["std"]


def judged(judge: Judge, network: torch.nn.Module | None = None) -> dict:
    forecaster = Forecaster.build(judge.info, "zero", "hybrid", 1).eval()
    if network is not None:
        forecaster.network.model.forward = network.forward
    return judge.judge(forecaster)


def test_exact_rates_are_perfect_a_priori_and_stay_with_the_truth_for_longer(judge: Judge) -> None:
    none, exact, half = judged(judge), judged(judge, Knowing(judge)), judged(judge, Knowing(judge, 0.5))
    assert none["corr"] == 0.0 and none["dissipation"] == pytest.approx(0.0, abs=1e-6)
    assert exact["corr"] == pytest.approx(1.0, abs=1e-4) and exact["dissipation"] == pytest.approx(1.0, rel=1e-3)
    assert half["corr"] == pytest.approx(1.0, abs=1e-4) and half["dissipation"] == pytest.approx(0.5, rel=1e-3)
    assert exact["correlation"][-1] > none["correlation"][-1]
    assert exact["departure"] >= none["departure"] and exact["stable"] == 1.0


def test_a_run_that_blows_up_is_told_with_its_time(judge: Judge) -> None:
    class Wild(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return 3e3 * x[..., :1]

    found = judged(judge, Wild())
    assert found["stable"] == 0.0 and all(0 < life < 2.4 for life in found["life"])
    numbers = scalars(found, judged(judge), judge.reference(_physics(judge)))
    assert math.isnan(numbers["energy"]) and numbers["stable"] == 0.0


def _physics(judge: Judge):
    return Forecaster.build(judge.info, "zero", "hybrid", 1).strategy.physics


def test_the_climate_of_the_truth_is_perfect(judge: Judge) -> None:
    truth = judge.reference(_physics(judge))
    found = {"climate": truth, "corr": 1.0, "departure": 1.0, "dissipation": 1.0, "stable": 1.0}
    bare = {"climate": {**truth, "quantiles": [2 * q for q in truth["quantiles"]]}}
    numbers = scalars(found, bare, truth)
    assert numbers["energy"] == numbers["enstrophy"] == numbers["short_waves"] == numbers["similarity"] == 1.0
    assert numbers["spectrum"] == 0.0
    doubled = {**truth, "energy_spectrum": [10 * e for e in truth["energy_spectrum"]]}
    assert scalars({**found, "climate": doubled}, bare, truth)["spectrum"] == pytest.approx(1.0)
    # the sum of the shells is the enstrophy, but for the waves in the corners
    assert sum(truth["enstrophy_spectrum"]) == pytest.approx(truth["enstrophy"], rel=0.05)
    assert np.isfinite(truth["quantiles"]).all() and np.all(np.diff(truth["quantiles"]) >= 0)


def test_summaries_are_over_seeds() -> None:
    seeds = [dict.fromkeys(COLUMNS, 1.0), dict.fromkeys(COLUMNS, 3.0), dict.fromkeys(COLUMNS, math.nan)]
    found = summary({"online": seeds})
    assert found["online"]["corr"] == {"mean": 2.0, "low": 1.0, "high": 3.0, "count": 2.0}
    assert cell(found["online"]["corr"]) == "2.00 (1.00–3.00)" and cell({"count": 0}) == "–"
    assert "Mean over 3 seeds" in markdown(found, 3)


def test_every_experiment_of_the_repository_can_be_read() -> None:
    for path in sorted((ROOT / "config" / "experiments").glob("qg_*.json")):
        asked = ClosureExperiment.from_json(path)
        assert asked.trainings and asked.closures[0] == "none", path


def test_pictures_are_drawn_of_runs_that_blew_up(tmp_path: Path, judge: Judge) -> None:
    truth = judge.reference(_physics(judge))
    gone = {"found": {"climate": {}, "correlation": [0.9, 0.1], "enstrophy_series": [[1e-12, None]]}, "truth": truth}
    draw_closures({"none": [gone]}, 5, tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 10_000
