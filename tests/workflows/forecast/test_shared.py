"""A forecast by two ranks that compute each step together is the one of a single process."""

from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from py4cast.errors import SettingsError
from py4cast.forecaster import Forecaster
from py4cast.workflows.forecast.request import Forecast
from py4cast.workflows.forecast.shared import forecast_shared
from tests.command import py4cast
from tests.conftest import ROOT
from tests.workflows.train.test_ranks import two_ranks

DATA = ("size=32", "num_train=42", "num_valid=11", "num_test=13")


def words_of(path: Path, output: Path) -> list[str]:
    words = ["--forecaster", str(path), "--dataset", "dummy", "--init_time", "2020-03-03T00", "--num_steps", "3"]
    for place in DATA:
        words += ["--set", f"dataset.{place}"]
    return [*words, "--output", str(output)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    from py4cast.datasets.dummy import Dummy

    torch.manual_seed(0)
    data, _, _ = Dummy.from_settings(
        Dummy.settings_kls(size=32, num_train=42, num_valid=11, num_test=13), None, 2, 1, 1
    )
    Forecaster.build(data.info, "halfunet", "diff_ar", 2, {"num_filters": 4}).save(tmp_path / "f.safetensors")
    return tmp_path / "f.safetensors"


@pytest.mark.slow
def test_two_ranks_write_the_forecast_of_one(file: Path, tmp_path: Path) -> None:
    alone = py4cast("forecast", *words_of(file, tmp_path / "one.nc"))
    assert alone.returncode == 0, alone.stderr
    words = [*words_of(file, tmp_path / "two.nc"), "--distributed", "domain"]
    done = two_ranks(tmp_path, ROOT / "bin" / "forecast.py", *words)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("two.nc") == 1, "the first rank writes and speaks"
    with xr.open_dataset(tmp_path / "one.nc") as one, xr.open_dataset(tmp_path / "two.nc") as two:
        for name in ("z500", "t2m", "tp"):
            np.testing.assert_allclose(two[name], one[name], rtol=0, atol=1e-4 * float(one[name].std()))


def test_what_no_ranks_can_share_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Forecast(forecaster=str(file), num_steps=1, init_time="2020-03-03T00", output=["x.nc"])
    with pytest.raises(SettingsError, match="--distributed domain: 1 rank"):
        forecast_shared(asked)
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    for wrong in ({"forecaster": "step.onnx"}, {"others": ["b.safetensors"]}):
        words = {"forecaster": str(file), "num_steps": 1, "init_time": "2020-03-03T00", "output": ["x.nc"], **wrong}
        with pytest.raises(SettingsError, match="expected one Forecaster"):
            forecast_shared(Forecast(**words))
