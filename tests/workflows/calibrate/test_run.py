import json
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from py4cast.cli.main import main
from py4cast.datasets import get_datasets
from py4cast.errors import DataError, SettingsError
from py4cast.forecaster import Forecaster
from py4cast.steppers import open_stepper
from py4cast.workflows.calibrate.run import calibrate
from py4cast.workflows.export import Export, export
from tests.cli.parsing import run

SMALL = ["num_train=24", "num_valid=16", "num_test=8", "size=16"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("calibrate")
    words = [word for setting in SMALL for word in ("--set", f"dataset.{setting}")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PY4CAST_ROOTDIR", str(folder))
        run(
            "train", "--dataset", "stochastic", "--strategy", "ensemble", "--model", "cnn", "--set", "model.num_filters=4",
            "--num_members", "2", "--num_members_val", "2", "--epochs", "1", "--no_log", "--run_name", "r", "--num_pred_steps_val_test", "3",
            *words,
        )  # fmt: skip
    return next(folder.rglob("forecaster.safetensors"))


@pytest.fixture(scope="module")
def calibrated(trained: Path) -> Path:
    output = trained.with_name("calibrated.safetensors")
    calibrate(trained, output, num_members=4)
    return output


def test_weights_stay_and_forecasts_are_put_right(trained: Path, calibrated: Path) -> None:
    before, after = Forecaster.load(trained), Forecaster.load(calibrated)
    for (name, first), (_, second) in zip(
        before.network.state_dict().items(), after.network.state_dict().items(), strict=True
    ):
        torch.testing.assert_close(first, second, msg=name)
    assert after.calibration is not None and after.calibration.num_steps == 3 and before.calibration is None
    assert "calibrated over 3 steps on" in after.describe() and "calibrated" not in before.describe()


def test_verification_gains_and_a_flag_undoes_it(
    calibrated: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    scores = {}
    for name, flags in (("with", []), ("without", ["--no_calibration"])):
        words = ["--num_steps", "3", "--split", "valid", "--output", str(tmp_path / name), "--num_members", "4", *flags]
        run("verify", "--forecaster", str(calibrated), *words)
        scores[name] = json.loads((tmp_path / name / "scores.json").read_text())
    assert scores["with"]["num_members"] == 4
    better, plain = (scores[name]["model"]["state"] for name in ("with", "without"))
    assert all(a < b for a, b in zip(better["rmse"], plain["rmse"], strict=True))
    assert all(abs(a - 1) < abs(b - 1) for a, b in zip(better["spread_skill"], plain["spread_skill"], strict=True))


def test_an_exported_step_is_calibrated_too(calibrated: Path, tmp_path: Path) -> None:
    export(Export(forecaster=str(calibrated), output=str(tmp_path / "f.onnx"), num_steps=2))
    eager, exported = (open_stepper(path).info.calibration for path in (calibrated, tmp_path / "f.onnx"))
    assert eager is not None and exported is not None and eager.to_dict() == exported.to_dict()
    np.testing.assert_array_equal(eager.mean, exported.mean)


def test_a_forecast_file_holds_what_the_forecaster_gives(calibrated: Path, tmp_path: Path) -> None:
    data = get_datasets("stochastic", 2, 1, 3, overrides=SMALL)[2]
    batch = data.read_batch([0])
    model, start = Forecaster.load(calibrated), str(batch.init_time[0])
    for flags in ([], ["--no_calibration"]):
        run(
            "forecast", "--forecaster", str(calibrated), "--init_time", start, "--num_steps", "3", "--num_members", "3",
            "--seed", "7", "--output", str(tmp_path / "f.nc"), *flags,
        )  # fmt: skip
        expected = model.forecast(batch, 3, 3, 7).tensor[0, ..., 0].numpy()
        with xr.open_dataset(tmp_path / "f.nc") as file:
            found = file["state"].transpose("member", "time", ...).to_numpy()
        np.testing.assert_allclose(found, expected, atol=1e-4)
        model.calibration = None


def test_more_lead_times_than_were_fitted_are_refused(calibrated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "--forecaster", str(calibrated), "--num_steps", "4"]) == 2
    assert "the calibration was fitted on 3" in capsys.readouterr().err


def test_other_data_and_nothing_to_learn_from_are_refused(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError):
        calibrate(trained, tmp_path / "a.safetensors", dataset="dummy")
    with pytest.raises(DataError, match=r"holds [01] forecasts of 15 steps|no"):
        calibrate(trained, tmp_path / "a.safetensors", num_steps=15)
    with pytest.raises(SettingsError, match="num_steps 0"):
        calibrate(trained, tmp_path / "a.safetensors", num_steps=0)
    assert not list(tmp_path.iterdir())


def test_several_forecasters_make_members_together(trained: Path, calibrated: Path, tmp_path: Path) -> None:
    batch = get_datasets("stochastic", 2, 1, 3, overrides=SMALL)[2].read_batch([0])
    start, words = str(batch.init_time[0]), ["--num_steps", "2", "--num_members", "3", "--seed", "7"]
    fields = {}
    for name, files in (("both", [trained, calibrated]), ("first", [trained]), ("second", [calibrated])):
        path = tmp_path / f"{name}.nc"
        run("forecast", "--forecaster", *map(str, files), "--init_time", start, "--output", str(path), *words)
        with xr.open_dataset(path) as file:
            assert file.sizes["member"] == 3 * len(files) and file["member"].to_numpy().tolist() == list(
                range(3 * len(files))
            )
            fields[name] = file["state"].transpose("member", "time", ...).to_numpy()
    np.testing.assert_array_equal(fields["both"], np.concatenate([fields["first"], fields["second"]]))


def test_forecasters_of_other_grids_or_variables_are_no_members(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from py4cast.testing import make_info

    other = tmp_path / "other.safetensors"
    Forecaster.build(make_info((16, 16)), "cnn", "diff_ar", 1, {"num_filters": 4}).save(other)
    start = str(get_datasets("stochastic", 2, 1, 3, overrides=SMALL)[2].read_batch([0]).init_time[0])
    words = ["--init_time", start, "--num_steps", "2", "--output", str(tmp_path / "f.nc")]
    assert main(["forecast", "--forecaster", str(trained), str(other), *words]) == 2
    assert "of different grids; their forecasts are no members of one ensemble" in capsys.readouterr().err
    assert main(["forecast", "--forecaster", str(trained), str(trained), *words]) == 2
    assert "are the same; their members would stand twice" in capsys.readouterr().err


def test_another_ending_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"--output .*out\.nc: expected a name that ends in \.safetensors"):
        calibrate(tmp_path / "nowhere", tmp_path / "out.nc")
