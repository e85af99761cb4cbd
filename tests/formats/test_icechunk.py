"""Icechunk repositories, read on their branch main."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from py4cast.cubes.foreign import open_cube
from py4cast.errors import DataError
from py4cast.formats.icechunk import HEAD, is_icechunk
from tests.cubes.numbered import planes_of

TIMES = np.datetime64("2020-01-01T00", "ns") + np.arange(4) * np.timedelta64(1, "h")


def dataset(offset: float) -> xr.Dataset:
    values = offset + np.arange(4 * 5 * 6, dtype=np.float32).reshape(4, 5, 6)
    places = {"lat": ("lat", np.linspace(50, 40, 5), {"units": "degrees_north"}), "lon": ("lon", np.arange(6.0), {"units": "degrees_east"})}  # fmt: skip
    return xr.Dataset({"t": (("time", "lat", "lon"), values, {"units": "K"})}, {"time": TIMES, **places})


def commit(repository: Any, offset: float) -> None:
    session = repository.writable_session("main")
    dataset(offset).to_zarr(session.store, consolidated=False, zarr_format=3, mode="w")
    session.commit(f"{offset}")


def test_the_last_commit_is_read_and_changes_what_is_kept_of_it(tmp_path: Path) -> None:
    icechunk = pytest.importorskip("icechunk", reason="Icechunk is of the extra icechunk")
    repository = icechunk.Repository.create(icechunk.local_filesystem_storage(str(tmp_path / "repo")))
    commit(repository, 0.0)
    cube = open_cube(tmp_path / "repo")
    np.testing.assert_array_equal(planes_of(cube, ["t"])[0], dataset(0.0)["t"])
    before = cube.fingerprint
    commit(repository, 100.0)
    again = open_cube(tmp_path / "repo")
    np.testing.assert_array_equal(planes_of(again, ["t"])[0], dataset(100.0)["t"])
    assert again.fingerprint != before


def test_it_is_told_what_a_repository_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / HEAD).parent.mkdir(parents=True)
    (tmp_path / HEAD).write_text("{}")
    assert not is_icechunk(tmp_path)
    (tmp_path / "snapshots").mkdir()
    assert is_icechunk(tmp_path)
    monkeypatch.setitem(sys.modules, "icechunk", None)
    with pytest.raises(DataError, match=r"reading it needs icechunk: pip install 'py4cast\[icechunk\]'"):
        open_cube(tmp_path)
