"""Border values of a driving model, and further inputs on another grid, from the disk to the forecast."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from torch import Tensor, nn

from py4cast.axis import TimeAxis
from py4cast.batch import ItemBatch
from py4cast.cubes.driver import Driver
from py4cast.cubes.memory import MemoryCube
from py4cast.dataset_info import InputInfo
from py4cast.datasets import DatasetABC, get_datasets
from py4cast.errors import DataError, SettingsError
from py4cast.forecaster import Forecaster
from py4cast.grid import Grid
from py4cast.losses import registry as losses
from py4cast.models import GridModel, registry
from py4cast.registry import Entry
from py4cast.settings import Settings
from py4cast.variables import Variable
from py4cast.workflows.config import build_config
from py4cast.workflows.export.run import Export, export
from py4cast.workflows.forecast.run import Forecast, forecast
from py4cast.workflows.train.run import train
from tests.weather_files import HOUR, START, describe, wave_fields, write_json, write_netcdf

SMALL = {"num_filters": 4}


def driving(path: Path, offset: float = 50.0) -> Path:
    """Coarse forecasts every 12 h, 3-hourly to 24 h: 280 + lat + hours since the first start + offset·run."""
    starts, leads = START + np.arange(4) * 12 * HOUR, np.arange(0, 25, 3) * HOUR
    lat, lon = np.linspace(52, 44, 9), np.linspace(-6, 6, 13)
    hours = ((starts[:, None] + leads[None]) - START) / HOUR
    values = (
        280
        + lat[None, None, :, None] / 10
        + 0.1 * hours[..., None, None]
        + 0 * lon
        + offset * np.arange(4)[:, None, None, None] / 50
    )
    coords = {
        "init_time": ("init_time", starts.astype("datetime64[ns]"), {"standard_name": "forecast_reference_time"}),
        "lead_time": ("lead_time", leads.astype("timedelta64[ns]")),
        "lat": ("lat", lat, {"units": "degrees_north"}), "lon": ("lon", lon, {"units": "degrees_east"}),
    }  # fmt: skip
    data = xr.Dataset({"t": (("init_time", "lead_time", "lat", "lon"), values.astype("f4"), {"units": "K"})}, coords)
    data["w"] = data["t"] - 280
    data.to_zarr(path, zarr_format=3, consolidated=False)
    return path


def make(tmp_path: Path, steps: int = 3, **changes: Any) -> tuple[DatasetABC, DatasetABC, DatasetABC]:
    if not (tmp_path / "in").exists():
        write_netcdf(tmp_path / "in" / "a.nc", {"t": wave_fields()})
    document = describe(tmp_path / "in", grid={"border_size": 2}, **changes)
    return get_datasets("gridded", 2, steps, steps, write_json(tmp_path / "d.json", document))


def test_the_freshest_forecast_linear_in_time() -> None:
    grid = Grid(np.linspace(50, 48, 3), np.linspace(0, 3, 4))
    axis = TimeAxis.forecasts(START + np.arange(2) * 6 * HOUR, np.arange(0, 13, 3) * HOUR)
    values = np.repeat(100.0 * (axis.runs) + 3 * (np.arange(10) % 5), 12).reshape(1, 10, 3, 4).astype(np.float32)
    driver = Driver(MemoryCube([Variable(name="t")], axis, grid, values), ["t"])
    out = np.empty((1, 4, 3, 4), dtype=np.float32)
    for start, run in ((5, 0), (6, 1), (7, 1)):
        init = START + start * HOUR
        driver.read(init, init + np.arange(1, 5) * HOUR, out)
        since = start + np.arange(1, 5) - 6 * run
        np.testing.assert_allclose(out[0, :, 0, 0], 100 * run + since, rtol=1e-6)
    covered = driver.covers(START + np.arange(-1, 20) * HOUR, 4, HOUR)
    assert covered.tolist() == [False] + [True] * 15 + [False] * 5, "from the first start to 12 h after the last one"
    with pytest.raises(
        DataError, match=r"forecast from 2020-01-01T20:00:00: boundary lacks t up to 2020-01-02T00:00:00; it holds"
    ):
        driver.require("boundary", START + 20 * HOUR, START + np.arange(21, 25) * HOUR)
    with pytest.raises(DataError, match="the driving data lack 'tt'; did you mean 't'"):
        Driver(driver.cube, ["tt"])


def test_border_values_come_from_the_driving_model_in_training_and_forecasting(tmp_path: Path) -> None:
    store = driving(tmp_path / "ifs.zarr")
    train, _, test = make(tmp_path, boundary={"store": str(store), "select": ["t"]})
    info = train.info
    batch = train.read_batch([0, 5])
    assert batch["boundary"].feature_names == ["t"] and batch["boundary"].shape == (2, 3, 12, 16, 1)
    when = batch.init_time[1] + 2 * HOUR
    expected = 280 + info.grid.latitude[:, None] / 10 + 0.1 * float((when - START) / HOUR) + 0 * info.grid.longitude
    np.testing.assert_allclose(batch["boundary"].tensor[1, 1, ..., 0], expected, atol=1e-3)
    forecaster = Forecaster.build(info, "halfunet", "scaled_ar", 2, SMALL)
    border = info.statics.border_mask.bool().squeeze(-1)
    steps = torch.stack([s.tensor for s in forecaster.rollout(batch)], 1)
    assert torch.allclose(steps[:, :, border], batch["boundary"].tensor[:, :, border], atol=1e-3)
    assert not torch.allclose(steps[:, :, border], batch.outputs.tensor[:, :, border], atol=0.1)
    loss = losses.get("mse")(info)
    with_driver = forecaster.training_loss(batch, loss)
    plain = ItemBatch({k: v for k, v in batch.fields.items() if k != "boundary"}, init_time=batch.init_time)
    assert torch.isfinite(with_driver).all() and not torch.allclose(
        with_driver[:, 1:], forecaster.training_loss(plain, loss)[:, 1:]
    )
    # in operations the truth of the border is not there: the driving model's file does
    forecaster.save(tmp_path / "f.safetensors")
    asked = Forecast(
        forecaster=str(tmp_path / "f.safetensors"), init_time="2020-01-02T23", num_steps=5, output=[str(tmp_path / "out.nc")],
        dataset="gridded", path=str(tmp_path / "d.json"),
    )  # fmt: skip
    (made,) = forecast(asked)
    with xr.open_dataset(made, decode_timedelta=True) as data:
        valid = float((np.datetime64("2020-01-03T04", "s") - START) / HOUR)
        ring = data["t"].values[4][border.numpy()]
        lat = np.broadcast_to(info.grid.latitude[:, None], info.grid.shape)[border.numpy()]
    # the freshest run is the third after the first, each a degree warmer
    np.testing.assert_allclose(ring, 283 + lat / 10 + 0.1 * valid, atol=2e-3)
    assert len(test) > 0


def test_samples_without_border_values_are_left_out(tmp_path: Path) -> None:
    store = driving(tmp_path / "ifs.zarr")
    whole, _, _ = make(tmp_path)
    source = {"store": str(store), "select": ["t"], "start": "2020-01-01T12"}
    late, _, _ = make(tmp_path, boundary=source)
    assert len(late) == sum(t >= START + 12 * HOUR for t in whole.init_times) < len(whole)
    with pytest.raises(DataError, match=r"period train: boundary covers no forecast of 3 steps"):
        make(tmp_path, boundary={**source, "start": "2020-01-02T12"})
    with pytest.raises(
        DataError, match=r"boundary: the driving data lack 't'; did you mean 'w'|boundary: the driving data lack 't'"
    ):
        make(tmp_path, boundary={"store": str(store), "select": ["w"]})
    with pytest.raises(DataError, match=r"boundary: .*no such file or store"):
        make(tmp_path, boundary={"store": str(tmp_path / "none.zarr")})
    with pytest.raises(SettingsError, match="the keys forcing are taken"):
        make(tmp_path, inputs={"forcing": {"store": str(store)}})


@dataclass(frozen=True, slots=True, kw_only=True)
class CoarseSettings(Settings):
    """None."""


class CoarseNet(GridModel):
    """Sees the coarse field interpolated to its own grid."""

    settings_kls = CoarseSettings
    further_inputs = ("coarse",)

    def __init__(
        self, num_input_features: int, num_output_features: int, settings: Any, inputs: dict[str, InputInfo]
    ) -> None:
        super().__init__()
        self.shape = inputs["coarse"].grid.shape
        self.linear = nn.Linear(num_input_features + len(inputs["coarse"].names), num_output_features)

    def forward(self, x: Tensor, coarse: Tensor) -> Tensor:
        assert coarse.shape[1:3] == self.shape
        fine = nn.functional.interpolate(coarse.permute(0, 3, 1, 2), x.shape[1:3], mode="bilinear")
        return self.linear(torch.cat([x, fine.permute(0, 2, 3, 1)], -1))


@pytest.fixture
def coarsenet(monkeypatch: pytest.MonkeyPatch) -> None:
    registry.names()
    monkeypatch.setitem(registry._entries, "coarsenet", Entry("coarsenet", "", "here", value=CoarseNet))


@pytest.mark.usefixtures("coarsenet")
def test_inputs_on_another_grid_reach_the_model_that_asks(tmp_path: Path) -> None:
    store = driving(tmp_path / "ifs.zarr")
    train, _, _ = make(
        tmp_path, inputs={"coarse": {"store": str(store), "box": {"south": 45, "north": 51, "west": -5, "east": 5}}}
    )
    info = train.info
    assert info.inputs["coarse"].names == ["t", "w"] and info.inputs["coarse"].grid.shape == (7, 11)
    batch = train.read_batch([0, 3, 7])
    assert batch["coarse"].shape == (3, 3, 7, 11, 2)
    forecaster = Forecaster.build(info, "coarsenet", "scaled_ar", 2)
    loss = forecaster.training_loss(batch, losses.get("mse")(info)).mean()
    loss.backward()
    gradient = forecaster.network.model.linear.weight.grad
    assert bool((gradient[:, -2:] != 0).any()), "it learns from the coarse field"
    path = tmp_path / "f.safetensors"
    forecaster.save(path)
    again = Forecaster.load(path)
    assert again.info.inputs["coarse"].grid.same_as(info.inputs["coarse"].grid)
    first, second = (f.eval().forecast(batch).tensor for f in (forecaster, again))
    assert torch.equal(first, second)
    step = again(batch.inputs.tensor, batch.forcing.tensor[:, 0], {"coarse": batch["coarse"].tensor[:, 0]})
    interior = ~info.statics.border_mask.bool().squeeze(-1)
    assert torch.allclose(step[:, interior], first[:, 0][:, interior], atol=1e-4)
    plain = ItemBatch({k: v for k, v in batch.fields.items() if k != "coarse"}, init_time=batch.init_time)
    with pytest.raises(DataError, match="no input 'coarse' given"):
        again.forecast(plain)
    with pytest.raises(
        SettingsError, match="model 'coarsenet' asks for the input 'coarse'; nothing is valid here; set dataset.inputs"
    ):
        Forecaster.build(make(tmp_path)[0].info, "coarsenet", "scaled_ar", 2)
    other = make(tmp_path, inputs={"coarse": {"store": str(store)}})[0].info
    with pytest.raises(DataError, match=r"input 'coarse' is \['t', 'w'\] on 9 x 13"):
        again.info.check_same(other)


class StationsNet(GridModel):
    """Adds the mean of what stations see."""

    settings_kls = CoarseSettings
    further_inputs = ("stations",)

    def __init__(
        self, num_input_features: int, num_output_features: int, settings: Any, inputs: dict[str, InputInfo]
    ) -> None:
        super().__init__()
        self.linear = nn.Linear(num_input_features + len(inputs["stations"].names), num_output_features)

    def forward(self, x: Tensor, stations: Tensor) -> Tensor:
        seen = stations.mean((1, 2), keepdim=True).expand(*x.shape[:3], -1)
        return self.linear(torch.cat([x, seen], -1))


def observations(path: Path, hours: range, stations: tuple[int, ...] = (0, 1, 2, 3)) -> Path:
    """Reports of the hour of each row, station by station; station 3 is silent at odd hours."""
    rows = [
        f"s{k},{45 + k},{-2 + k},{START + hour * HOUR},{hour + k / 10}"
        for hour in hours
        for k in stations
        if not (k == 3 and hour % 2)
    ]
    path.write_text("\n".join(["station,latitude,longitude,time,seen [K]", *rows]) + "\n")
    return path


def test_stations_are_an_input_that_is_known_at_the_start_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.names()
    monkeypatch.setitem(registry._entries, "stationsnet", Entry("stationsnet", "", "here", value=StationsNet))
    store = observations(tmp_path / "obs.csv", range(60))
    source = {"inputs": {"stations": {"store": str(store)}}}
    valid, *_ = make(tmp_path, **source)
    train, *_ = make(tmp_path, **source, inputs_at_start=["stations"])
    assert train.info.inputs["stations"].grid.shape == (1, 4)
    (sample,), first = train.read_batch([1])["stations"].tensor, float((train.init_times[1] - START) / HOUR)
    silent = [np.nan if first % 2 else first + 0.3]
    np.testing.assert_allclose(sample[:, 0, :, 0], [[first, first + 0.1, first + 0.2, *silent]] * 3, rtol=1e-6)
    moving = valid.read_batch([1])["stations"].tensor[0, :, 0, 0, 0]
    np.testing.assert_allclose(moving, first + np.arange(1, 4), rtol=1e-6)

    forecaster = Forecaster.build(train.info, "stationsnet", "scaled_ar", 2)
    loss = forecaster.training_loss(train.read_batch([0, 1]), losses.get("mse")(train.info)).mean()
    assert bool(loss.isfinite())
    forecaster.save(tmp_path / "f.safetensors")
    assert Forecaster.load(tmp_path / "f.safetensors").info.inputs["stations"].at_start

    # in operations: one report of each, one station that went and one that came, nothing of the future
    today = observations(tmp_path / "today.csv", range(18, 25), (3, 0, 1, 5))
    asked = Forecast(
        forecaster=str(tmp_path / "f.safetensors"), init_time="2020-01-02T00", num_steps=3, output=[str(tmp_path / "out.nc")],
        input=[str(tmp_path / "in" / "a.nc")], further={"stations": [str(today)]}, free_border=True,
    )  # fmt: skip
    (made,) = forecast(asked)
    with xr.open_dataset(made) as data:
        assert data["t"].shape[0] == 3 and bool(np.isfinite(data["t"]).all())
    late = replace(asked, init_time="2020-01-02T02", output=[str(tmp_path / "late.nc")])
    with pytest.raises(DataError, match=r"stations lacks seen up to 2020-01-02T02"):
        forecast(late)
    with pytest.raises(SettingsError, match="--further buoys: no such input; valid: stations"):
        forecast(replace(asked, further={"buoys": [str(today)]}))
    with pytest.raises(SettingsError, match="inputs_at_start: no input 'buoys'"):
        make(tmp_path, **source, inputs_at_start=["buoys"])


MESH: dict[str, dict[str, Any]] = {
    "graphlam": {"hidden_dims": 8, "processor_layers": 1},
    "graphtransformer": {"hidden_dims": 8, "processor_layers": 1, "num_heads": 2},
}


def silent_at(hours: range, path: Path) -> Path:
    """Reports of three stations, the last of which has none at all in these hours."""
    return observations(path, hours, (0, 1, 2))


@pytest.mark.parametrize(
    ("model", "strategy"),
    [("graphlam", "scaled_ar"), ("graphtransformer", "diff_ar"), ("graphlam", "graph_efm"), ("graphlam", "diffusion")],
)
def test_networks_on_a_mesh_hear_stations(tmp_path: Path, model: str, strategy: str) -> None:
    """With gaps, from the table to the forecast that operations make, by torch and by ONNX Runtime."""
    store = observations(tmp_path / "obs.csv", range(60))
    train, *_ = make(tmp_path, inputs={"stations": {"store": str(store)}}, inputs_at_start=["stations"])
    batch = train.read_batch([0, 1])
    assert bool(torch.isnan(batch["stations"].tensor).any()), "station 3 is silent at odd hours"
    document = {**MESH[model], "further_inputs": ["stations"]}
    settings = {"num_latent": 2} if strategy == "graph_efm" else {}
    torch.manual_seed(0)
    forecaster = Forecaster.build(train.info, model, strategy, 2, document, settings)
    optimizer = torch.optim.Adam(forecaster.parameters(), 1e-3)
    objective = losses.get(forecaster.strategy.default_loss)(train.info)
    for _ in range(2):
        optimizer.zero_grad()
        loss = forecaster.training_loss(batch, objective).mean()
        loss.backward()
        assert bool(loss.isfinite())
        optimizer.step()
    listener = forecaster.network.model.further["stations"]
    assert bool((listener.point_embedder[0].weight.grad != 0).any()), "it learns from the stations"
    forecaster.eval()
    forecaster.save(tmp_path / "f.safetensors")
    again = Forecaster.load(tmp_path / "f.safetensors")
    first, second = (f.eval().forecast(batch, num_steps=2).tensor for f in (forecaster, again))
    assert torch.equal(first, second) and again.network.further_inputs == ("stations",)
    batch["stations"].tensor.fill_(float("nan"))
    without = forecaster.forecast(batch, num_steps=2).tensor
    assert bool(torch.isfinite(without).all()) and not torch.equal(without, first)

    silent = silent_at(range(18, 25), tmp_path / "today.csv")
    asked = Forecast(
        forecaster=str(tmp_path / "f.safetensors"), init_time="2020-01-02T00", num_steps=2, output=[str(tmp_path / "out.nc")],
        input=[str(tmp_path / "in" / "a.nc")], further={"stations": [str(silent)]}, free_border=True,
    )  # fmt: skip
    forecast(asked)
    if strategy == "diffusion":
        return  # its 31 calls of the network take minutes to trace
    export(Export(forecaster=asked.forecaster, output=str(tmp_path / "step.onnx")))
    forecast(replace(asked, forecaster=str(tmp_path / "step.onnx"), output=[str(tmp_path / "onnx.nc")]))
    with xr.open_dataset(tmp_path / "out.nc") as one, xr.open_dataset(tmp_path / "onnx.nc") as other:
        np.testing.assert_allclose(other["t"], one["t"], atol=2e-3)


def test_an_input_that_no_network_takes_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = observations(tmp_path / "obs.csv", range(60))
    make(tmp_path)
    data = describe(tmp_path / "in", grid={"border_size": 2}, inputs={"stations": {"store": str(store)}}, inputs_at_start=["stations"])  # fmt: skip
    document = {"dataset": {"name": "gridded", "settings": data}, "model": {"name": "cnn", "settings": SMALL}}
    train(build_config(document, ["train.epochs=1", "train.no_log=true", "train.plots=[]", "train.num_pred_steps_val_test=1"]), run_name="x")  # fmt: skip
    assert "the input stations is read and the model cnn does not take it; networks on a mesh do by model.further_inputs" in caplog.text  # fmt: skip
