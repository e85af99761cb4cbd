import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from py4cast.datasets import get_datasets
from py4cast.errors import DataError, SettingsError
from py4cast.forecaster import Forecaster
from py4cast.metrics import ScoreSettings
from py4cast.metrics.batches import BatchVerification
from py4cast.namedtensor import NamedTensor
from py4cast.testing import make_batch, make_info
from py4cast.workflows.calibrate.run import calibrate
from py4cast.workflows.config import build_config
from py4cast.workflows.train.run import train
from py4cast.workflows.verify.climatology import carried_climatology, climatology_of
from py4cast.workflows.verify.split import SplitCase, verify
from tests.weather_files import HOUR, START, describe, wave_fields, write_json, write_netcdf

FEW = ScoreSettings(metrics=("rmse", "bias"), num_samples=50)


@pytest.fixture
def made(tmp_path: Path) -> tuple[Path, Path]:
    """A Forecaster that was not trained, and the JSON of its data."""
    write_netcdf(tmp_path / "in" / "a.nc", {"t": wave_fields()})
    path = write_json(tmp_path / "d.json", describe(tmp_path / "in"))
    train, _, _ = get_datasets("gridded", 2, 1, 1, path)
    torch.manual_seed(0)
    forecaster = Forecaster.build(train.info, "halfunet", "diff_ar", 2, {"num_filters": 4})
    forecaster.save(tmp_path / "f.safetensors")
    return tmp_path / "f.safetensors", path


def reference(
    folder: Path, starts: np.ndarray, error: float, shape: tuple[slice, slice] = (slice(None), slice(None))
) -> str:
    """Forecasts of another model: the truth and an error."""
    fields, leads = wave_fields(), np.arange(1, 4) * HOUR
    places = ((starts[:, None] + leads[None, :] - START) / HOUR).astype(int)
    values = fields[np.minimum(places, len(fields) - 1)][..., shape[0], shape[1]] + np.float32(error)
    lat, lon = (45.0 + 0.5 * np.arange(12)[::-1])[shape[0]], (-4.0 + 0.5 * np.arange(16))[shape[1]]
    coords = {
        "init_time": starts.astype("datetime64[ns]"), "lead_time": leads.astype("timedelta64[ns]"),
        "lat": ("lat", lat, {"units": "degrees_north"}), "lon": ("lon", lon, {"units": "degrees_east"}),
    }  # fmt: skip
    data = {"t": (("init_time", "lead_time", "lat", "lon"), values, {"units": "K"})}
    xr.Dataset(data, coords).to_netcdf(folder / f"reference{error}.nc")
    return str(folder / f"reference{error}.nc")


def test_an_operational_model_is_a_reference(made: tuple[Path, Path], tmp_path: Path) -> None:
    starts = START + np.arange(38, 45) * HOUR
    files = reference(tmp_path, starts, 0.5)
    scores, case = verify(made[0], "gridded", made[1], num_steps=2, scores=FEW, references={"operations": [files]})
    assert list(scores.systems) == ["model", "operations", "persistence", "climatology"]
    assert set(scores.init_times) <= set(starts) and scores.num_forecasts == 7, "those that both have"
    np.testing.assert_allclose(scores.table("bias", "operations")[:, 0], 0.5, atol=1e-4)
    forecast, truth = case.fields(scores.init_times[0])
    again = SplitCase.again(scores.document)
    np.testing.assert_array_equal(again.fields(scores.init_times[0])[0], forecast)
    assert forecast.shape == truth.shape == (2, 12, 16, 1)


def test_references_that_do_not_fit(made: tuple[Path, Path], tmp_path: Path) -> None:
    starts = START + np.arange(38, 45) * HOUR
    small = reference(tmp_path, starts, 0.25, (slice(1, None, 2), slice(1, None, 2)))
    with pytest.raises(DataError, match="grids differ"):
        verify(made[0], "gridded", made[1], num_steps=2, scores=FEW, references={"x": [small]})
    scores, _ = verify(
        made[0], "gridded", made[1], num_steps=2, scores=FEW, references={"x": [small]}, regrid="nearest"
    )
    assert np.isfinite(scores.table("rmse", "x")).all()
    early = reference(tmp_path, START + np.arange(3) * HOUR, 1.0)
    with pytest.raises(DataError, match="no forecast of the split test is in all of x"):
        verify(made[0], "gridded", made[1], num_steps=2, scores=FEW, references={"x": [early]})
    with pytest.raises(SettingsError, match="--reference driver: the name is taken"):
        verify(made[0], "gridded", made[1], num_steps=2, scores=FEW, references={"driver": [early]})


def test_days_that_the_training_period_lacks_are_named(made: tuple[Path, Path]) -> None:
    with pytest.raises(DataError, match=r"holds no day from 01-02 to 12-31.*--climatology hour"):
        verify(made[0], "gridded", made[1], num_steps=2, scores=FEW, climatology="day_of_year")
    with pytest.raises(SettingsError, match=r"--climatology 'hours'.*hour"):
        verify(made[0], "gridded", made[1], num_steps=2, scores=FEW, climatology="hours")
    scores, _ = verify(made[0], "gridded", made[1], num_steps=2, scores=FEW, climatology="none")
    assert list(scores.systems) == ["model", "persistence"]


def test_the_driving_model_is_a_reference() -> None:
    info = make_info()
    batch = make_batch(info)
    truth = batch.outputs[info.prognostic]
    batch.fields["boundary"] = NamedTensor(truth.tensor + 0.25, truth.names, truth.feature_names)
    check = BatchVerification(info, settings=FEW, has_driver=True)
    check.update(batch, batch.outputs.tensor)
    found = check.scores()
    assert list(found.systems) == ["model", "driver", "persistence"]
    np.testing.assert_allclose(found.table("bias", "driver")[:, :2], 0.25, atol=1e-5)
    assert np.isnan(found.table("bias", "driver")[:, 2]).all(), "diagnostics are not driven"
    assert np.allclose(found.table("rmse", "model"), 0.0), "and hide nothing"


def trained_on(folder: Path, fields: np.ndarray, name: str) -> tuple[Path, Path]:
    """The folder of a run on a file of fields, and the JSON of its data."""
    write_netcdf(folder / name / "a.nc", {"t": fields})
    path = write_json(folder / f"{name}.json", describe(folder / name))
    settings = json.loads(path.read_text())
    document = {
        "dataset": {"name": "gridded", "settings": settings}, "model": {"name": "halfunet", "settings": {"num_filters": 4}},
        "train": {"epochs": 1, "no_log": True, "num_pred_steps_val_test": 2, "plots": []},
    }  # fmt: skip
    return train(build_config(document, ()), run_name=name) / "forecaster.safetensors", path


def test_the_climatology_is_that_of_the_forecasters_own_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PY4CAST_ROOTDIR", str(tmp_path / "root"))
    own, _ = trained_on(tmp_path, wave_fields(), "own")
    write_netcdf(tmp_path / "other" / "a.nc", {"t": wave_fields() + np.float32(5.0)})
    other = write_json(tmp_path / "other.json", describe(tmp_path / "other"))
    expected = climatology_of(get_datasets("gridded", 2, 1, 1, tmp_path / "own.json")[0])
    carried = carried_climatology(Forecaster.load(own))
    assert carried is not None and carried.description == expected.description and carried.period == expected.period
    times = START + np.arange(30, 40) * HOUR
    assert torch.equal(carried(times), expected(times))

    def bias(**how) -> float:
        scores, _ = verify(own, "gridded", other, num_steps=2, scores=FEW, **how)
        return float(scores.table("bias", "climatology")[0, 0])

    same, _ = verify(own, num_steps=2, scores=FEW)
    wanted = float(same.table("bias", "climatology")[0, 0]) - 5.0
    assert bias() == pytest.approx(wanted, abs=1e-3), "other's would be 5 K higher"
    assert bias(climatology="hour") == pytest.approx(wanted, abs=1e-3), "made again of the data that it was trained on"
    assert not [r for r in caplog.records if r.levelname == "WARNING"]
    shutil.rmtree(tmp_path / "own")
    shutil.rmtree(tmp_path / "root" / "cache", ignore_errors=True)
    assert bias() == pytest.approx(wanted, abs=1e-3), "it carries it"


def test_what_a_reference_knows_already_is_told(made: tuple[Path, Path], caplog: pytest.LogCaptureFixture) -> None:
    verify(made[0], "gridded", made[1], num_steps=2, scores=FEW)
    assert "overlaps" not in caplog.text
    verify(made[0], "gridded", made[1], "train", num_steps=2, scores=FEW)
    assert "overlaps the verified forecasts, which flatters it" in caplog.text


def test_a_training_that_is_not_known_is_told(
    made: tuple[Path, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_netcdf(tmp_path / "other" / "a.nc", {"t": wave_fields() + np.float32(5.0)})
    other = write_json(tmp_path / "other.json", describe(tmp_path / "other"))
    verify(made[0], "gridded", other, num_steps=2, scores=FEW)
    assert "the climatology is of the training period of the given data" in caplog.text


def test_an_ensemble_stands_beside_its_dressed_mean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PY4CAST_ROOTDIR", str(tmp_path))
    small = {"size": 16, "num_train": 12, "num_valid": 8, "num_test": 8}
    folders = {}
    for strategy in ("ensemble", "scaled_ar"):
        config = {
            "dataset": {"name": "dummy", "settings": small},
            "model": {"name": "cnn", "settings": {"num_filters": 4}},
            "strategy": {"name": strategy},
            "train": {"epochs": 1, "limit_train_batches": 2, "num_pred_steps_val_test": 2, "no_log": True},
        }
        folders[strategy] = train(build_config(config, []), run_name=strategy) / "forecaster.safetensors"
    trained = json.loads((folders["ensemble"].parent / "scores.json").read_text())
    assert "gaussian" in trained and trained["gaussian"]["t2m"]["fair_crps"][0] > 0
    errors = Forecaster.load(folders["scaled_ar"]).lineage["validation_rmse"]
    assert len(errors["t2m"]) == 2
    scores, _ = verify(folders["ensemble"], num_steps=2, num_members=3, gaussian=folders["scaled_ar"])
    alone, _ = verify(folders["scaled_ar"], num_steps=2)
    # the mean of three members about a forecast differs from it by a third of their variance
    dressed, bare = scores.table("rmse", "gaussian")[:, 3], alone.table("rmse", "model")[:, 3]
    np.testing.assert_allclose(dressed, np.sqrt(bare**2 + np.square(errors["t2m"]) / 3), rtol=0.1)
    with pytest.raises(SettingsError, match="a reference for ensembles; this Forecaster makes one forecast"):
        verify(folders["scaled_ar"], num_steps=2, gaussian=folders["ensemble"])
    with pytest.raises(
        DataError, match="it knows no validation errors of 3 steps; train it with --num_pred_steps_val_test 3"
    ):
        verify(folders["ensemble"], num_steps=3, num_members=3, gaussian=folders["scaled_ar"])
    plain, _ = verify(folders["ensemble"], num_steps=3, num_members=3)
    assert "gaussian" not in plain.systems


def test_data_that_nothing_is_trained_on_need_no_training_period(
    made: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = json.loads(made[1].read_text())
    wanted, _ = verify(made[0], "gridded", made[1], num_steps=2, scores=FEW)
    test = {"test": whole["periods"]["test"]}
    alone = write_json(tmp_path / "test.json", {**whole, "name": "later", "periods": test})
    splits = get_datasets("gridded", 2, 1, 1, alone)
    assert [len(s) for s in splits[:2]] == [0, 0] and len(splits[2]) > 0
    # the Forecaster was made without a run, so that nothing tells of its training data
    scores, _ = verify(made[0], "gridded", alone, num_steps=2, scores=FEW)
    np.testing.assert_allclose(scores.table("rmse", "model"), wanted.table("rmse", "model"), rtol=1e-6)
    assert "climatology" not in scores.systems or np.isfinite(scores.table("rmse", "climatology")).all()
    with pytest.raises(DataError, match="the validation split holds 0 forecasts"):
        calibrate(made[0], tmp_path / "c.safetensors", "gridded", alone)
    monkeypatch.chdir(tmp_path)
    config = build_config({"dataset": {"name": "gridded", "settings": json.loads(alone.read_text())}}, [])
    with pytest.raises(SettingsError, match=r"dataset\.periods\.train: missing; expected object; training needs it"):
        train(config)
