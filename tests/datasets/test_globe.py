"""The shipped configuration of a first global run: made without a download, trained with three processors, written as GRIB."""

import json
import subprocess
import sys
from pathlib import Path

import eccodes
import numpy as np
import pytest

from py4cast.datasets.globe import Waves
from py4cast.formats.reduced import octahedral
from py4cast.grid import EARTH_RADIUS, Grid
from py4cast.workflows.config import build_config
from py4cast.workflows.forecast.run import Forecast, forecast
from py4cast.workflows.train.run import train

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "config" / "datasets" / "globe_o32.json"


def test_the_waves_are_those_of_their_stream_function() -> None:
    """Wind is without divergence, and 24 hours later a wave of one number has moved as its phase speed says."""
    waves = Waves(3)
    step = 0.01
    around = [Grid(np.array([40.0 + a, 40.0, 40.0 - a]), np.array([10.0 - a, 10.0, 10.0 + a])) for a in (step,)]
    fields = waves.fields(around[0], 3600.0).astype(np.float64)
    u, v = fields[..., 1], fields[..., 2]
    phi, delta = np.deg2rad(40.0), np.deg2rad(step)
    cosines = np.cos(np.deg2rad(around[0].latitude))
    divergence = (u[1, 2] - u[1, 0]) / (2 * delta) + (v[0, 1] * cosines[0] - v[2, 1] * cosines[2]) / (2 * delta)
    assert abs(divergence) / (EARTH_RADIUS * np.cos(phi)) < 1e-8, "[s-1], of gradients of 1e-5"
    one = Waves(0, 1)
    turn = float(np.rad2deg(one.omega[0] / one.m[0] * 86400))
    here = Grid(np.array([30.0, -20.0]), np.array([0.0, 50.0]))
    there = Grid(here.latitude, here.longitude + turn)
    np.testing.assert_allclose(one.fields(there, 86400.0), one.fields(here, 0.0), rtol=1e-5, atol=1e-3)


@pytest.mark.slow
def test_a_first_global_run_with_three_processors(tmp_path: Path) -> None:
    words = [sys.executable, ROOT / "bin" / "globe.py", tmp_path / "globe_o32", "--num_times", "24"]
    told = subprocess.run(words, check=True, capture_output=True, text=True, timeout=300).stdout
    assert told.startswith("24 instants on 5248 points (O32)")
    settings = json.loads(CONFIG.read_text()) | {"root": str(tmp_path)}
    day = "2020-03-0"
    settings["periods"] = {
        "train": {"start": f"{day}1T00", "end": f"{day}3T18"}, "valid": {"start": f"{day}4T00", "end": f"{day}5T06"},
        "test": {"start": f"{day}5T12", "end": f"{day}6T18"},
    }  # fmt: skip
    for model in ("graphlam", "graphtransformer", "transformer"):
        document = {
            "dataset": {"name": "gridded", "settings": settings},
            "model": {"name": model, "settings": {"hidden_dims": 8, "processor_layers": 1}},
            "train": {"epochs": 1, "limit_train_batches": 2, "num_pred_steps_val_test": 1, "plots": [], "no_log": True},
        }  # fmt: skip
        folder = train(build_config(document, []), run_name=model)
    output = tmp_path / "f.grib2"
    forecast(
        Forecast(
            forecaster=str(folder / "forecaster.safetensors"), init_time=f"{day}6T06", num_steps=2, output=[str(output)]
        )
    )
    with output.open("rb") as stream:
        keys = []
        while (handle := eccodes.codes_grib_new_from_file(stream)) is not None:
            keys.append([eccodes.codes_get(handle, k) for k in ("gridType", "N", "isOctahedral", "numberOfValues")])
            latitudes = eccodes.codes_get_array(handle, "latitudes")
            eccodes.codes_release(handle)
    assert keys == [["reduced_gg", 32, 1, 5248]] * 8
    np.testing.assert_allclose(latitudes, octahedral(32).latitude[0], atol=1e-5)
