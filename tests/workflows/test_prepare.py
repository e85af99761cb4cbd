import sys
from pathlib import Path

import numpy as np
import pytest

from py4cast.errors import SettingsError
from py4cast.workflows.prepare import _workers, prepare
from tests.weather_files import describe, wave_fields, write_json, write_netcdf


def test_a_store_holds_what_the_files_hold(tmp_path: Path) -> None:
    fields = wave_fields()
    write_netcdf(tmp_path / "in" / "a.nc", {"t": fields})
    path = write_json(tmp_path / "d.json", describe(tmp_path / "elsewhere"))
    store = prepare("gridded", path, tmp_path / "store", [f"root={tmp_path / 'in'}"], num_workers=1)
    assert (tmp_path / "store").is_dir() and store.axis.size == 48 and store.meta["num_inputs"] == 1
    read = np.empty((1, 3, 12, 16), dtype=np.float32)
    store.read(["t"], 5, 8, read)
    np.testing.assert_array_equal(read[0], fields[5:8])
    store.close()


def test_what_cannot_be_prepared_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="dataset 'dummy' has nothing to prepare; it is made or read as it is"):
        prepare("dummy", None)
    path = write_json(tmp_path / "d.json", describe(tmp_path))
    with pytest.raises(SettingsError, match="--num_workers 0: expected at least 1"):
        prepare("gridded", path, num_workers=0)
    with pytest.raises(SettingsError, match="--output: dataset 'qg' is made into the cache, under a name of what"):
        prepare("qg", None, tmp_path / "store")


def test_one_worker_writes_in_this_process() -> None:
    with _workers(1, None) as (executor, jobs):
        assert executor is None and jobs == 1


def test_a_cluster_needs_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(SettingsError, match="--scheduler needs Dask"), _workers(4, "tcp://127.0.0.1:1"):
        pass
