from pathlib import Path

import numpy as np
import pytest
import torch

from py4cast.constraint import Constraint
from py4cast.datasets.dummy import Dummy, DummySettings
from py4cast.errors import DataError, SettingsError
from py4cast.forecaster import Forecaster
from py4cast.steppers import open_stepper
from py4cast.strategies import registry as strategies
from py4cast.workflows.config import build_config
from py4cast.workflows.export import run as exporting
from py4cast.workflows.train import run as training
from py4cast.workflows.train.constrained import constrained

SMALL = DummySettings(size=16, num_train=24, num_valid=8, num_test=8, border_size=0)
TRAIN = Dummy.splits(SMALL, 1, 1, 2)[0]
INFO = TRAIN.info
RAIN = np.concatenate([TRAIN[i].outputs["tp"].numpy().ravel() for i in range(len(TRAIN))])
ASKED = {
    "tp": Constraint(transform="log", scale=0.1, bounds=(0.0, None)),
    "u10": Constraint(bounds=(-40.0, 40.0)),
    "t2m": Constraint(conserve=True),
}


def test_statistics_are_those_of_what_is_learned(tmp_path: Path) -> None:
    cache = tmp_path / "learned_statistics.json"
    info = constrained(INFO, ASKED, TRAIN, cache)
    learned = np.log1p(RAIN.astype(np.float64) / 0.1)
    assert info.learned_stats["tp"]["mean"] == pytest.approx(learned.mean(), rel=1e-6)
    assert info.learned_stats["tp"]["std"] == pytest.approx(learned.std(), rel=1e-6)
    fields = learned.reshape(len(TRAIN), -1)
    change = np.diff(fields, axis=0) / learned.std()
    assert info.learned_diff_stats["tp"]["std"] == pytest.approx(change.std(), rel=1e-6)
    again = constrained(INFO, ASKED, TRAIN, cache)
    assert again.learned_stats.to_dict() == info.learned_stats.to_dict()
    cache.write_text("{")
    assert constrained(INFO, ASKED, TRAIN, cache).learned_stats.to_dict() == info.learned_stats.to_dict()


def test_an_angle_becomes_two_features() -> None:
    from dataclasses import replace

    turned = replace(INFO, variables=[replace(v, units="degree") if v.name == "u10" else v for v in INFO.variables])
    info = constrained(turned, {"u10": Constraint(transform="angle")}, TRAIN)
    forecaster = Forecaster.build(info, "cnn", "scaled_ar", 1, {"num_filters": 4}).eval()
    assert forecaster.entry.learned.prognostic == ["z500", "u10_sin", "u10_cos", "v10", "t2m"]
    batch = TRAIN.read_batch([0, 1])
    forecast = forecaster.forecast(batch)
    assert forecast.feature_names == INFO.predicted
    assert float(forecast["u10"].min()) >= 0 and float(forecast["u10"].max()) < 360


@pytest.mark.parametrize(
    ("name", "constraint", "message"),
    [
        (
            "tp",
            Constraint(bounds=(0.05, None)),
            r"variables.tp: bounds \[0.05, None\] are asked for, and \d+ values .* first at 2020-",
        ),
        (
            "v10",
            Constraint(transform="sqrt"),
            r"variables.v10: sqrt needs x ≥ 0, and \d+ values of the training period do not keep to it, first at 2020",
        ),
        ("z500", Constraint(at_most="t2m"), r"variables.z500: at most t2m is asked for, and \d+ values"),
    ],
    ids=["bounds", "domain", "part"],
)
def test_data_that_a_constraint_leaves_out_are_refused(name: str, constraint: Constraint, message: str) -> None:
    with pytest.raises(DataError, match=message):
        constrained(INFO, {name: constraint}, TRAIN)


def test_the_count_is_exact() -> None:
    number = int((RAIN < 0.05).sum())
    with pytest.raises(DataError, match=f"and {number} values"):
        constrained(INFO, {"tp": Constraint(bounds=(0.05, None))}, TRAIN)


@pytest.mark.parametrize(
    ("name", "constraint", "message"),
    [
        ("tpp", Constraint(), "variables.tpp: no such variable.*tp"),
        ("hour_sin", Constraint(bounds=(0.0, 1.0)), "variables.*"),
        ("tp", Constraint(at_most="t3m"), "at_most: no predicted variable 't3m'.*t2m"),
        ("tp", Constraint(at_most="tp"), "no part of itself"),
        ("tp", Constraint(conserve=True), "it is diagnostic"),
    ],
    ids=["unknown", "forcing", "total", "itself", "diagnostic"],
)
def test_what_cannot_be_asked_is_refused(name: str, constraint: Constraint, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        constrained(INFO, {name: constraint}, TRAIN)


def test_a_mean_is_not_kept_where_a_border_is_imposed() -> None:
    info = Dummy.splits(DummySettings(size=16, num_train=8, num_valid=4, num_test=4), 1, 1, 1)[0].info
    with pytest.raises(SettingsError, match="truth is imposed in the border"):
        constrained(info, {"t2m": Constraint(conserve=True)}, TRAIN)


def test_physics_reads_no_transforms() -> None:
    info = constrained(INFO, {"tp": Constraint(transform="sqrt")}, TRAIN)
    assert not strategies.get("hybrid").takes_transforms
    with pytest.raises(SettingsError, match="variables.tp: strategy 'mapping' reads physical values"):
        Forecaster.build(info, "cnn", "mapping", 1)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("constrained")
    config = {
        "dataset": {"name": "dummy", "settings": SMALL.to_dict()},
        "model": {"name": "cnn", "settings": {"num_filters": 4}},
        "strategy": {"name": "ensemble", "settings": {"num_noise": 2}},
        "train": {
            "epochs": 1,
            "limit_train_batches": 4,
            "num_pred_steps_val_test": 2,
            "no_log": True,
            "num_input_steps": 1,
        },
        "variables": {name: constraint.to_dict() for name, constraint in ASKED.items()},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PY4CAST_ROOTDIR", str(root))
        folder = training.train(build_config(config, []))
    assert (folder / "learned_statistics.json").is_file()
    return folder / "forecaster.safetensors"


def test_members_keep_to_what_is_asked(trained: Path) -> None:
    forecaster = Forecaster.load(trained)
    batch = Dummy.splits(SMALL, 1, 1, 2)[2].read_batch([0, 1])
    forecast = forecaster.forecast(batch, num_members=4)
    assert float(forecast["tp"].min()) >= 0
    assert float(forecast["u10"].abs().max()) <= 40
    weights = INFO.statics.area_weights.double() / INFO.statics.area_weights.double().sum()
    means = (forecast["t2m"].squeeze(-1).double() * weights).sum((-2, -1))
    last = (batch.inputs["t2m"][:, -1].squeeze(-1).double() * weights).sum((-2, -1))
    torch.testing.assert_close(means, last[:, None, None].expand_as(means), rtol=1e-5, atol=0)


def test_an_exported_step_keeps_to_it_too(trained: Path, tmp_path: Path) -> None:
    exporting.export(exporting.Export(forecaster=str(trained), output=str(tmp_path / "step.onnx"), num_steps=2))
    info = open_stepper(tmp_path / "step.onnx").info
    assert [v.constraint for v in info.variables if v.name == "tp"] == [ASKED["tp"]]
