"""Stations and buoys as points: a table with gaps is trained on, and forecast again."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from py4cast.datasets import get_datasets
from py4cast.errors import DataError
from py4cast.forecaster import Forecaster
from py4cast.formats import open_reader
from py4cast.losses import registry as losses
from tests.weather_files import write_json

START = np.datetime64("2020-01-01T00", "s")
RNG = np.random.default_rng(0)
LATITUDE, LONGITUDE = RNG.uniform(44, 50, 60), RNG.uniform(-3, 7, 60)


def wave(step: int) -> np.ndarray:
    return 280 + 5 * np.cos(0.3 * step + 0.5 * LONGITUDE) - 0.6 * (LATITUDE - 47)


def table(path: Path, num_times: int = 40) -> Path:
    rows = []
    for step in range(num_times):
        for k, value in enumerate(wave(step)):
            if (step * 7 + k) % 29:
                when = str(START + step * np.timedelta64(1, "h"))
                rows.append((f"s{k}", LATITUDE[k], LONGITUDE[k], 100.0 + k, when, round(value, 3)))
    frame = pd.DataFrame(rows, columns=["station", "latitude", "longitude", "elevation", "time", "t2m [K]"])
    frame.to_csv(path, index=False) if path.suffix == ".csv" else frame.to_parquet(path)
    return path


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_table_is_fields_on_points(tmp_path: Path, ending: str) -> None:
    with open_reader(table(tmp_path / f"obs.{ending}", 3)) as reader:
        records = reader.records()
        assert [r.short_name for r in records] == ["t2m"] * 3 + ["elevation"] and records[0].units == "K"
        grid = reader.grid(records[0])
        assert not grid.is_rectangular and grid.shape == (1, 60)
        values = reader.read(records[1])[0]
        places = [int(np.flatnonzero(np.isclose(LATITUDE, lat))[0]) for lat in grid.latitude[0]]
        expected = np.where((7 + np.array(places)) % 29, wave(1)[places], np.nan)
        np.testing.assert_allclose(values, expected, atol=1e-3)
        np.testing.assert_array_equal(reader.read(records[3])[0], 100.0 + np.array(places))


def test_stations_are_trained_on_with_their_gaps(tmp_path: Path) -> None:
    table(tmp_path / "obs.csv")
    hours = [str(START + h * np.timedelta64(1, "h")) for h in (0, 27, 28, 33, 34, 39)]
    settings = {
        "root": str(tmp_path), "files": ["obs.csv"], "step": "1h",
        "variables": {"t2m": {"units": "K", "nan": "mask"}, "elevation": {"role": "static", "units": "m"}},
        "periods": {k: {"start": hours[2 * i], "end": hours[2 * i + 1]} for i, k in enumerate(("train", "valid", "test"))},
    }  # fmt: skip
    train, *_ = get_datasets("gridded", 2, 1, 1, write_json(tmp_path / "s.json", settings))
    assert train.info.grid.shape == (1, 60) and "elevation" in train.info.statics.grid_static_features.feature_names
    batch = train.read_batch([0, 1, 2])
    assert bool(batch.outputs.tensor.isnan().any()), "there are gaps"
    forecaster = Forecaster.build(
        train.info, "graphtransformer", "diff_ar", 2, {"hidden_dims": 8, "processor_layers": 1}
    )
    objective = forecaster.training_loss(batch, losses.get("mse")(train.info)).mean()
    objective.backward()
    assert bool(objective.isfinite()) and forecaster.forecast(batch, 1).tensor.shape == (3, 1, 1, 60, 1)
    assert bool(forecaster.forecast(batch, 1).tensor.isfinite().all()), "gaps of the input are filled"


def test_two_stations_at_one_place_are_told(tmp_path: Path) -> None:
    rows = "".join(f"s{k},50.0,{min(k, 3)}.0,2020-01-01T00,280\n" for k in range(5))
    (tmp_path / "obs.csv").write_text("station,latitude,longitude,time,t2m\n" + rows)
    with pytest.raises(DataError, match=r"obs\.csv: grid: 1 points stand twice"):
        open_reader(tmp_path / "obs.csv")
