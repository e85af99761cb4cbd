"""Training, looking and verifying from Python."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

import py4cast
from py4cast.errors import DataError, SettingsError
from py4cast.forecaster import Forecaster
from py4cast.namedtensor import NamedTensor
from py4cast.workflows.verify.file_case import VerifyFiles
from py4cast.workflows.verify.files import verify_files
from tests import forecast_files as made
from tests import forecasters

DUMMY = {"name": "dummy", "settings": {"size": 16, "num_train": 27, "num_valid": 8, "num_test": 8, "border_size": 2}}


def test_a_forecaster_is_trained_in_one_call() -> None:
    model = {"name": "cnn", "settings": {"num_filters": 4}}
    trained = Forecaster.train(DUMMY, model, epochs=1, lr=0.003, no_log=True, num_pred_steps_val_test=2, run_name="r")
    config = trained.lineage["config"]
    assert config["train"]["epochs"] == 1 and config["optim"]["lr"] == 0.003 and trained.names["model"] == "cnn"
    run = Path(trained.lineage["run"])
    assert (run / "scores.json").exists() and not trained.training
    again = Forecaster.train(
        DUMMY, model, epochs=1, lr=0.003, no_log=True, num_pred_steps_val_test=2, run_name="r", resume=True
    )
    assert all(
        torch.equal(a, b) for a, b in zip(trained.state_dict().values(), again.state_dict().values(), strict=True)
    )


def test_what_is_no_setting_is_told() -> None:
    with pytest.raises(SettingsError, match=r"Forecaster.train: unknown setting 'epoch'; did you mean 'epochs'"):
        Forecaster.train("dummy", epoch=1)
    with pytest.raises(SettingsError, match="unknown dataset 'dumy'"):
        Forecaster.train("dumy")
    with pytest.raises(SettingsError, match="model: found"):
        Forecaster.train("dummy", {"nam": "cnn"})
    with pytest.raises(SettingsError, match="resume needs the run_name"):
        Forecaster.train("dummy", resume=True)


def test_of_an_object_train_sets_the_mode() -> None:
    own = forecasters.forecaster()
    assert own.train() is own and own.training and own.network.training
    assert not own.train(False).training and not own.eval().network.training


def test_scores_are_those_of_the_files(tmp_path: Path) -> None:
    forecasts, truth = made.forecasts(), made.analyses()
    scores = py4cast.verify(forecasts, truth, metrics=["rmse", "bias"], climatology="none")
    files = [made.write(tmp_path, name, data) for name, data in (("f.nc", forecasts), ("t.nc", truth))]
    same, case = verify_files(VerifyFiles(forecast=[files[0]], truth=[files[1]], climatology="none"), num_workers=1)
    case.close()
    np.testing.assert_allclose(scores["rmse"].values, same.arrays["rmse"].values, rtol=1e-6)
    assert scores["rmse"].dims == ("system", "lead_time", "variable") and not [
        n for n in scores if str(n).startswith("row_")
    ]
    bias = scores["bias"].sel(system="forecast", variable="t2m")
    np.testing.assert_allclose(bias.values, made.BIAS["t2m"], atol=1e-4)
    mixed = py4cast.verify(files[0], truth, metrics=["rmse"], climatology="none")
    np.testing.assert_allclose(mixed["rmse"].values, scores["rmse"].values)
    assert pickle.loads(pickle.dumps(scores)).identical(scores), "it is in memory"
    document = json.loads(scores.attrs["py4cast"])
    assert document["forecast"] == ["forecast"] and document["truth"] == ["truth"], "no file that is gone"


def test_several_files_are_verified_as_one(tmp_path: Path) -> None:
    forecasts = made.forecasts()
    parts = [made.write(tmp_path, f"f{k}.nc", forecasts.isel(init_time=slice(5 * k, 5 * k + 5))) for k in range(2)]
    truth = Path(made.write(tmp_path, "t.nc", made.analyses()))
    scores = py4cast.verify([Path(p) for p in parts], truth, metrics=["rmse"], climatology="none")
    whole = py4cast.verify(forecasts, truth, metrics=["rmse"], climatology="none", references={"same": parts})
    np.testing.assert_allclose(scores["rmse"].sel(system="forecast"), whole["rmse"].sel(system="forecast"), rtol=1e-6)
    np.testing.assert_allclose(whole["rmse"].sel(system="same"), whole["rmse"].sel(system="forecast"))
    with pytest.raises(DataError, match="forecast: found list"):
        py4cast.verify([forecasts], truth)  # type: ignore[list-item]


def test_a_forecast_of_python_is_verified_by_python() -> None:
    own = forecasters.forecaster()
    made_here = own.forecast(made.analyses(), num_steps=2, init_time=list(made.TIMES[3:8]))
    scores = py4cast.verify(made_here, made.analyses(), climatology="none", metrics=["rmse"])
    place = [int((t - made.START) / forecasters.STEP) + 1 for t in made.TIMES[3:8]]
    error = made_here["u10"].values[:, 0] - made.truth_of("u10")[place]
    weights = forecasters.GRID.area_weights()
    wanted = np.sqrt(((error**2).mean(0) * weights).sum() / weights.sum())
    assert float(scores["rmse"].sel(system="forecast", variable="u10")[0]) == pytest.approx(wanted, rel=1e-4)


def test_datasets_that_do_not_fit_are_told_in_words_of_python() -> None:
    later = made.analyses().assign_coords(time=made.TIMES.astype("datetime64[ns]") + np.timedelta64(9999, "D"))
    with pytest.raises(DataError, match="forecast and truth have no time in common"):
        py4cast.verify(made.forecasts(), later)
    with pytest.raises(DataError, match="truth: found int"):
        py4cast.verify(made.forecasts(), 3)  # type: ignore[arg-type]


def test_a_store_is_a_lazy_dataset(tmp_path: Path) -> None:
    path = made.write(tmp_path, "an.nc", made.analyses())
    data = py4cast.open_dataset(path).data
    xr.testing.assert_allclose(data["u10"].drop_attrs(), made.analyses()["u10"].drop_attrs())
    part = data["t2m"].isel(time=[7, 2, 3], latitude=slice(8, 2, -2), longitude=5)
    wanted = made.analyses()["t2m"].isel(time=[7, 2, 3], latitude=slice(8, 2, -2), longitude=5)
    np.testing.assert_allclose(part.values, wanted.values)
    assert float(data["t2m"].isel(time=3, latitude=0, longitude=0)) == pytest.approx(
        float(made.truth_of("t2m")[3, 0, 0])
    )
    assert data["t2m"].isel(time=[]).shape == (0, 12, 16)
    assert data["t2m"].attrs["units"] == "K"


def test_forecasts_have_starts_and_lead_times(tmp_path: Path) -> None:
    path = made.write(tmp_path, "fc.nc", made.forecasts())
    data = py4cast.open_dataset(path).data
    assert data["t2m"].dims == ("init_time", "lead_time", "latitude", "longitude")
    np.testing.assert_allclose(data["t2m"].values, made.forecast_of("t2m"), atol=1e-5)
    one = data["v10"].sel(init_time=made.STARTS[3]).isel(lead_time=1)
    np.testing.assert_allclose(one.values, made.forecast_of("v10")[3, 1], atol=1e-5)


def test_a_dataset_has_samples_too() -> None:
    opened = py4cast.open_dataset(DUMMY["settings"], "dummy", num_input_steps=2, num_pred_steps=3)
    assert opened.train is not None and opened.info is not None
    sample = opened.train[0]
    assert sample.outputs.dim_size("timestep") == 3 and sample.inputs.dim_size("timestep") == 2
    loader = torch.utils.data.DataLoader(opened.train, batch_size=2, collate_fn=py4cast.collate_fn)
    assert next(iter(loader)).inputs.tensor.shape[0] == 2
    name = opened.info.prognostic[0]
    first = opened.data[name].sel(time=sample.init_time)
    np.testing.assert_allclose(first.values, sample.inputs[name][-1].squeeze(-1).numpy())
    assert py4cast.open_dataset("dummy", overrides=("size=16",)).data.sizes["latitude"] == 16


def test_a_dataset_that_is_no_series_is_told() -> None:
    with pytest.raises(DataError):
        py4cast.open_dataset("nowhere.nc")
    with pytest.raises(SettingsError):
        py4cast.open_dataset({"nonsense": 1}, "dummy")


def test_nouns_show_themselves_in_a_notebook() -> None:
    own = forecasters.forecaster()
    shown = own._repr_html_()
    assert "halfunet" in shown and "<th" in shown and "t2m" in shown and "<script" not in shown
    assert own.info._repr_html_().count("<tr>") == 3 + 1 + len(own.info.variables)
    tensor = NamedTensor(torch.zeros(2, 3, 1), ["lat", "lon", "features"], ["<b>"])
    assert "lat 2, lon 3, features 1" in tensor._repr_html_() and "&lt;b&gt;" in tensor._repr_html_()
    from tests.workflows.page.test_data import scores

    assert "Scores: rmse" in scores()._repr_html_() and "+1 h" in scores()._repr_html_()


@pytest.mark.parametrize("form", ["start beside lead times", "start beside valid times", "file", "store"])
def test_a_forecast_of_one_start_is_verified(tmp_path: Path, form: str) -> None:
    one = made.forecasts().isel(init_time=2)
    data: Any = one
    if form != "start beside lead times":
        valid = (one["init_time"] + one["lead_time"]).to_numpy()
        data = one.drop_vars("lead_time").rename(lead_time="time").assign_coords(time=("time", valid, {"standard_name": "time"}))  # fmt: skip
        data["init_time"].attrs["standard_name"] = "forecast_reference_time"
    if form in ("file", "store"):
        data = made.write(tmp_path, "one.nc" if form == "file" else "one.zarr", data)
    scores = py4cast.verify(data, made.analyses(), metrics=["rmse"], climatology="none")
    np.testing.assert_allclose(scores["rmse"].sel(system="forecast", variable="t2m"), made.BIAS["t2m"], rtol=1e-4)


def test_what_the_truth_lacks_is_told_and_members_are_no_truth(caplog: pytest.LogCaptureFixture) -> None:
    truth = made.analyses()
    py4cast.verify(made.forecasts(), truth.drop_vars("u10"), metrics=["rmse"], climatology="none")
    assert "not scored, since the truth does not have them: u10" in caplog.text
    several = xr.concat([truth, truth + 5], "number").assign_coords(number=[0, 1])
    with pytest.raises(DataError, match="fields of the members 0, 1, where one of each is wanted"):
        py4cast.verify(made.forecasts(), several)
    celsius = truth.assign(t2m=(truth["t2m"] - 273.15).assign_attrs(units=""))
    with pytest.raises(DataError, match=r"truth: t2m of .* values from .* \[K\], expected within 150 to 350"):
        py4cast.verify(made.forecasts(), celsius, metrics=["rmse"], climatology="none")


def test_one_name_stands_for_itself_and_paths_stay_as_they_are(tmp_path: Path) -> None:
    scores = py4cast.verify(
        made.forecasts(), made.analyses(), metrics="rmse", variables="t2m", climatology="none"  # type: ignore[arg-type]
    )  # fmt: skip
    assert list(scores["variable"].values) == ["t2m"] and "rmse" in scores and "mae" not in scores
    with pytest.raises(DataError, match=rf"{tmp_path}/nowhere\.nc"):
        py4cast.verify(made.forecasts(), tmp_path / "nowhere.nc")
    with pytest.raises(SettingsError, match="variables x: not in both"):
        py4cast.verify(made.forecasts(), made.analyses(), variables=["x"])


@pytest.mark.parametrize("steps", [None, "2", 1.5, True])
def test_steps_that_are_no_whole_number_are_refused(steps: Any) -> None:
    with pytest.raises(SettingsError, match=r"num_steps .*: expected a whole number of at least 1"):
        forecasters.forecaster().forecast(made.analyses(), num_steps=steps)
