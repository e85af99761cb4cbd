import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

from py4cast.errors import DataError, SettingsError
from py4cast.metrics import ScoreSettings
from py4cast.metrics.score_set import ScoreSet
from py4cast.workflows.verify import shares
from py4cast.workflows.verify.file_case import FileCase, VerifyFiles
from py4cast.workflows.verify.files import verify_files
from tests import forecast_files as made

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux alone")
FEW = ScoreSettings(metrics=("rmse", "bias", "mu", "wind_rmse"), num_samples=50)


@pytest.fixture(params=["NetCDF", "zarr", "GRIB"])
def asked(request: pytest.FixtureRequest, tmp_path: Path) -> VerifyFiles:
    if request.param == "GRIB":
        forecast = made.write_each(tmp_path / "f", ".grib2")
    else:
        forecast = made.write(tmp_path / "f", f"f.{'nc' if request.param == 'NetCDF' else 'zarr'}", made.forecasts())
    truth = made.write(tmp_path / "t", "analyses.nc", made.analyses())
    return VerifyFiles(forecast=[forecast], truth=[truth], scores=FEW)


def of(asked: VerifyFiles, num_workers: int | None) -> ScoreSet:
    scores, case = verify_files(asked, num_workers=num_workers)
    case.close()
    return scores


class FakeBar:
    """Counts what a bar is told."""

    total = done = 0

    def start(self, what: str, total: int) -> None:
        self.total = total

    def step(self, count: int = 1) -> None:
        self.done += count


def test_several_processes_give_the_scores_of_one(asked: VerifyFiles) -> None:
    alone, shared = of(asked, 1), of(asked, 3)
    assert shared.num_forecasts == alone.num_forecasts == 10
    assert (shared.init_times == alone.init_times).all()
    assert set(shared.arrays) == set(alone.arrays) and "rmse_map" in alone.arrays
    for name, array in alone.arrays.items():
        np.testing.assert_allclose(shared.arrays[name].values, array.values, rtol=1e-9, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("asked", ["NetCDF"], indirect=True)
def test_every_forecast_is_told_to_the_bar(asked: VerifyFiles) -> None:
    bar = FakeBar()
    _, case = verify_files(asked, bar=bar, num_workers=2)  # type: ignore[arg-type]
    case.close()
    assert bar.total == bar.done == 10


@pytest.mark.parametrize("asked", ["NetCDF"], indirect=True)
def test_what_one_process_raises_is_raised(asked: VerifyFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    last = made.STARTS[-1]
    read = shares._read

    def failing(case: FileCase, start: np.datetime64, *rest: object) -> object:
        if start == last:
            raise DataError("cannot be read: forecasts.nc")
        return read(case, start, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(shares, "_read", failing)
    with pytest.raises(DataError, match=r"cannot be read: forecasts\.nc"):
        verify_files(asked, num_workers=2)


@pytest.mark.parametrize("asked", ["NetCDF"], indirect=True)
def test_a_killed_process_is_told(asked: VerifyFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    here, read = os.getpid(), shares._read

    def killed(*args: object) -> object:
        if os.getpid() != here:
            os.kill(os.getpid(), signal.SIGKILL)
        return read(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(shares, "_read", killed)
    with pytest.raises(DataError, match="--num_workers 1"):
        verify_files(asked, num_workers=2)


@pytest.mark.parametrize("asked", ["NetCDF"], indirect=True)
def test_the_others_stop_once_one_has_failed(
    asked: VerifyFiles, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    here, read = os.getpid(), shares._read

    def logged(case: FileCase, start: np.datetime64, *rest: object) -> object:
        if os.getpid() == here:
            raise DataError("broken here")
        (tmp_path / str(start)).touch()
        return read(case, start, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(shares, "_read", logged)
    with pytest.raises(DataError, match="broken here"):
        verify_files(asked, num_workers=2)
    assert len(list(tmp_path.glob("2020-*"))) <= 1


@pytest.mark.parametrize("asked", ["NetCDF"], indirect=True)
def test_the_number_of_processes(asked: VerifyFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    from py4cast.workflows.verify import files as module

    with pytest.raises(SettingsError, match="--num_workers 0: expected at least 1"):
        verify_files(asked, num_workers=0)
    case = FileCase(asked)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)))
    assert module._num_workers(case) == 1  # ten forecasts are not worth two
    case.init_times = np.repeat(case.init_times, 10)
    assert module._num_workers(case) == 12
    monkeypatch.setattr(shares, "BLOCK_BYTES", 0)
    monkeypatch.setattr(module, "BLOCK_BYTES", 3 * shares.lead_bytes(case))
    assert module._num_workers(case) == 3
    case.close()
