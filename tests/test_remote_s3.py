"""Files and stores in a bucket are read like those of a folder, in spite of a server that stumbles."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from py4cast import remote
from py4cast.cubes.files import open_fields
from py4cast.cubes.foreign import open_cube
from py4cast.errors import DataError
from py4cast.remote import fetch, find_remote
from tests import forecast_files as made
from tests.bucket import Faults, bucket
from tests.command import py4cast
from tests.cubes.numbered import planes_of

DATA = bytes(range(256)) * 12_000  # three megabytes


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, Faults]]:
    monkeypatch.setattr(remote, "_FIRST_WAIT_S", 0.01)
    with bucket(monkeypatch) as opened:
        yield opened


def test_files_and_stores_are_read_like_a_folder(s3: tuple[Any, Faults], tmp_path: Path) -> None:
    fs, _ = s3
    fs.put(made.write(tmp_path / "in", "an.nc", made.analyses()), "weather/a/an.nc")
    fs.put(made.write(tmp_path / "in", "an.zarr", made.analyses()), "weather/an.zarr", recursive=True)
    here = planes_of(open_fields([str(tmp_path / "in" / "an.nc")]), ["t2m"])
    for address in ("s3://weather/a/*.nc", "s3://weather/an.zarr"):
        cube = open_fields([address])
        assert (cube.names, cube.axis.size) == (["t2m", "u10", "v10"], 30)
        np.testing.assert_array_equal(planes_of(cube, ["t2m"]), here)


def test_what_came_to_a_bucket_since_is_seen(s3: tuple[Any, Faults]) -> None:
    fs, _ = s3
    fs.pipe("weather/a/1.bin", b"one")
    assert find_remote("s3://weather/a/*.bin") == ["s3://weather/a/1.bin"]
    path = fetch("s3://weather/a/1.bin")
    fs.pipe({"weather/a/1.bin": b"uno", "weather/a/2.bin": b"two"})
    assert find_remote("s3://weather/a/*.bin") == ["s3://weather/a/1.bin", "s3://weather/a/2.bin"]
    assert fetch("s3://weather/a/1.bin") == path and path.read_bytes() == b"uno"


def test_a_file_is_fetched_in_spite_of_faults_and_goes_on(s3: tuple[Any, Faults]) -> None:
    fs, faults = s3
    fs.pipe("weather/a.bin", DATA)
    faults.statuses = [503, 503]
    faults.cut_after = [500_000, 1000]
    assert fetch("s3://weather/a.bin").read_bytes() == DATA
    assert not faults.statuses and not faults.cut_after


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("s3://weather/none.nc", r"s3://weather/none\.nc: nothing is there$"),
        ("s3://elsewhere-none/a.nc", r"s3://elsewhere-none/a\.nc: nothing is there \(.*bucket does not exist\)"),
    ],
)
def test_what_is_not_there_is_told_at_once(s3: tuple[Any, Faults], address: str, told: str) -> None:
    _, faults = s3
    with pytest.raises(DataError, match=told):
        fetch(address)
    assert len(faults.asked) <= 5


@pytest.mark.parametrize("code", ["AccessDenied", "ExpiredToken", "InvalidAccessKeyId", "SignatureDoesNotMatch"])
def test_credentials_that_are_refused_are_told_at_once(
    s3: tuple[Any, Faults], code: str, caplog: pytest.LogCaptureFixture
) -> None:
    fs, faults = s3
    fs.pipe("weather/a.grib", b"GRIB")
    faults.refuses = code
    caplog.set_level("INFO", "py4cast")
    with pytest.raises(
        DataError, match=r"s3://weather/a\.grib: .*credentials (are needed, or are wrong|may have expired)"
    ):
        fetch("s3://weather/a.grib")
    with pytest.raises(DataError, match=r"s3://weather/\*\.grib: access is refused .*are needed, or are wrong"):
        find_remote("s3://weather/*.grib")
    assert "attempt" not in caplog.text
    with pytest.raises(
        DataError, match=r"^s3://weather/an\.zarr: .*credentials (are needed, or are wrong|may have expired)"
    ):
        open_cube(Path("s3://weather/an.zarr"))


def test_none_and_no_server_are_told(s3: tuple[Any, Faults], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    done = py4cast("plot", "s3://weather/an.zarr", "--output", "x.png", cwd=tmp_path)
    assert done.returncode == 3 and done.stderr.count("\n") == 1, done.stderr
    assert "s3://weather/an.zarr: access is refused (" in done.stderr
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    fresh = pytest.importorskip("s3fs").S3FileSystem
    fresh.clear_instance_cache()
    with pytest.raises(DataError, match=r"s3://weather/a\.nc: cannot be read, after 5 attempts: Could not connect"):
        fetch("s3://weather/a.nc")
    with pytest.raises(DataError, match=r"^s3://weather/an\.zarr: cannot be read, after 5 attempts"):
        open_cube(Path("s3://weather/an.zarr"))


def test_a_store_that_changed_is_another(s3: tuple[Any, Faults], tmp_path: Path) -> None:
    fs, _ = s3
    fs.put(made.write(tmp_path / "in", "an.zarr", made.analyses()), "weather/an.zarr", recursive=True)
    before = open_cube(Path("s3://weather/an.zarr")).fingerprint
    assert open_cube(Path("s3://weather/an.zarr")).fingerprint == before
    fs.rm("weather/an.zarr", recursive=True)
    fs.put(made.write(tmp_path / "in", "an2.zarr", made.analyses().isel(time=slice(0, 20))), "weather/an.zarr", recursive=True)  # fmt: skip
    assert open_cube(Path("s3://weather/an.zarr")).fingerprint != before


def test_a_dataset_is_proposed_prepared_and_forecast_from(s3: tuple[Any, Faults], tmp_path: Path) -> None:
    fs, _ = s3
    fs.put(made.write(tmp_path / "in", "an.nc", made.analyses()), "weather/a/an.nc")
    fs.put(made.write(tmp_path / "in", "an.zarr", made.analyses()), "weather/an.zarr", recursive=True)
    stores = []
    for address, root, name in (("s3://weather/a/*.nc", "s3://weather/a", "*.nc"), ("s3://weather/an.zarr", "s3://weather", "an.zarr")):  # fmt: skip
        output = f"{Path(address).suffix[1:]}.json"
        done = py4cast("new", "dataset", address, "--name", "an", "--output", output, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        document = json.loads((tmp_path / output).read_text())
        assert (document["root"], document["files"], sorted(document["variables"])) == (root, [name], ["t2m", "u10", "v10"])  # fmt: skip
        done = py4cast("prepare", "--dataset_conf", output, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        stores.append(planes_of(open_cube(Path(done.stdout.strip())), ["t2m"]))
    np.testing.assert_array_equal(*stores)
    done = py4cast("new", "dataset", "s3://weather/a/an.nc", str(tmp_path / "in" / "an.nc"), cwd=tmp_path)
    assert done.returncode == 2 and "give files that lie here, or addresses" in done.stderr


def test_an_icechunk_repository_in_a_bucket(s3: tuple[Any, Faults], tmp_path: Path) -> None:
    icechunk = pytest.importorskip("icechunk", reason="Icechunk is of the extra icechunk")
    storage = icechunk.s3_storage(
        bucket="weather", prefix="ice", endpoint_url=os.environ["AWS_ENDPOINT_URL"], allow_http=True, force_path_style=True,
        region="us-east-1", access_key_id="test", secret_access_key="test",
    )  # fmt: skip
    session = icechunk.Repository.create(storage).writable_session("main")
    with xr.open_zarr(made.write(tmp_path / "in", "an.zarr", made.analyses()), chunks=None, consolidated=False) as data:
        data.drop_encoding().to_zarr(session.store, consolidated=False, zarr_format=3, mode="w")
    session.commit("analyses")
    cube = open_cube(Path("s3://weather/ice"))
    assert cube.names == ["t2m", "u10", "v10"]
    here = planes_of(open_cube(tmp_path / "in" / "an.zarr"), ["t2m"])
    np.testing.assert_array_equal(planes_of(cube, ["t2m"]), here)
