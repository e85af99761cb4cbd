import json
from pathlib import Path

import pytest

from py4cast.errors import SettingsError
from py4cast.workflows.experiments.ensembles import run as module
from py4cast.workflows.experiments.ensembles.run import ensembles
from py4cast.workflows.experiments.ensembles.settings import EnsembleExperiment
from tests.cli.parsing import run

SECONDS = Path("config/experiments/ensembles_seconds.json").resolve()


def test_the_smallest_experiment_writes_its_table_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PY4CAST_ROOTDIR", str(tmp_path / "runs"))
    run("ensembles", str(SECONDS), "--output", str(tmp_path / "out"))
    printed = capsys.readouterr().out
    assert "CRPS/ideal" in printed and printed.splitlines()[-1] == str(tmp_path / "out")
    document = json.loads((tmp_path / "out" / "ensembles.json").read_text())
    (row,) = document["rows"]
    assert (row["system"], row["method"], row["seed"]) == ("plane", "ensemble", 0) and len(row["crps_ratio"]) == 2
    assert "| plane | ensemble | 0 |" in (tmp_path / "out" / "ensembles.md").read_text()
    assert (tmp_path / "out" / "ensembles.png").stat().st_size > 1000
    # judged and trained once
    monkeypatch.setattr(module.Forecaster, "load", lambda path: pytest.fail("read again"))
    assert ensembles(SECONDS, tmp_path / "out")["rows"] == document["rows"]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("methods.ensemble.strategi={}", "methods.ensemble: unknown strategi"),
        ("methods.ensemble.strategy.name=ensembl", "did you mean 'ensemble'"),
        ("num_members=1", "at least 2"),
        ("lead_steps=[0]", "at least 1"),
        ("systems.plane.system=plain", "did you mean 'plane'"),
        ("seeds=[]", "must be given"),
        ('methods.ensemble.systems={"plain": {}}', "methods.ensemble.systems: no system plain; expected of plane"),
        ('methods.ensemble.systems={"plane": {"epochs": 1}}', "methods.ensemble.systems.plane: unknown epochs"),
    ],
)
def test_wrong_settings_are_told_before_anything_is_trained(override: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=message):
        ensembles(SECONDS, tmp_path, [override])
    assert not list(tmp_path.iterdir())


def test_a_method_may_be_another_on_a_system() -> None:
    experiment = EnsembleExperiment(
        systems={"plane": {}, "lorenz96": {}},
        methods={
            "m": {"model": {"name": "cnn"}, "train": {"epochs": 2}, "systems": {"lorenz96": {"train": {"epochs": 5}}}}
        },
    )
    assert experiment.method_on("m", "plane") == {"model": {"name": "cnn"}, "train": {"epochs": 2}}
    assert experiment.method_on("m", "lorenz96") == {"model": {"name": "cnn"}, "train": {"epochs": 5}}


def test_the_shipped_experiments_are_whole() -> None:
    for path in sorted(SECONDS.parent.glob("ensembles_*.json")):
        experiment = EnsembleExperiment.from_json(path)
        for system in experiment.systems:
            assert all(
                experiment.method_on(m, system).keys() >= {"model", "strategy", "train"} for m in experiment.methods
            )
