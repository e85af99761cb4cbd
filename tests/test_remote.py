"""What lies behind an address is fetched once, whole, again where it changed, and in spite of a server that stumbles."""

import hashlib
import json
import os
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr

from py4cast import remote
from py4cast.cubes.files import open_fields
from py4cast.errors import DataError, SettingsError
from py4cast.formats import open_reader
from py4cast.planes.patterns import expand_patterns
from py4cast.remote import as_local, fetch, is_remote, show_fetching, url_of
from tests import forecast_files as made
from tests.command import py4cast
from tests.loopback import Faults, served
from tests.workflows.forecast.test_run import saved

pytest.importorskip("aiohttp")
DATA = bytes(range(256)) * 20_000  # five megabytes


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, str, Faults]]:
    monkeypatch.setattr(remote, "_FIRST_WAIT_S", 0.01)
    folder = tmp_path / "served"
    folder.mkdir()
    with served(folder) as (url, faults):
        yield folder, url, faults


@pytest.mark.parametrize(
    ("path", "is_it", "address"),
    [
        ("https://a.b/c.nc", True, "https://a.b/c.nc"), (Path("s3://bucket/x/y.zarr"), True, "s3://bucket/x/y.zarr"),
        ("data/x.nc", False, "data/x.nc"), ("/data/x.nc", False, "/data/x.nc"), ("C:/data", False, "C:/data"),
        ("zip://a.nc::https://a.b/c.zip", True, "zip://a.nc::https://a.b/c.zip"),
        (Path("zip://a.nc::https://a.b/c.zip"), True, "zip://a.nc::https://a.b/c.zip"),
        (Path("file:///data/x.nc"), True, "file:///data/x.nc"),
    ],
    ids=lambda x: str(x),
)  # fmt: skip
def test_an_address_stays_one_whatever_pathlib_made_of_it(path: object, is_it: bool, address: str) -> None:
    assert is_remote(path) == is_it
    if is_it:
        assert url_of(path) == address


def test_a_file_is_fetched_once_and_again_when_it_changed(server: tuple[Path, str, Faults]) -> None:
    folder, url, faults = server
    (folder / "a.bin").write_bytes(DATA)
    path = fetch(f"{url}/a.bin")
    assert path.read_bytes() == DATA and path.name == "a.bin"
    told = json.loads((path.parent / "source.json").read_text())
    assert told["sha256"] == hashlib.sha256(DATA).hexdigest() and told["url"] == f"{url}/a.bin"
    faults.asked.clear()
    assert fetch(f"{url}/a.bin") == path
    assert all(method == "HEAD" or wanted == "" for method, _, wanted in faults.asked) and len(faults.asked) <= 2
    (folder / "a.bin").write_bytes(DATA[::-1])
    assert fetch(f"{url}/a.bin").read_bytes() == DATA[::-1]
    assert sorted(p.name for p in path.parent.iterdir()) == [".lock", "a.bin", "source.json"]


@pytest.mark.parametrize("has_ranges", [True, False], ids=["ranges", "stream"])
def test_half_a_file_is_gone_on_with(server: tuple[Path, str, Faults], has_ranges: bool) -> None:
    folder, url, faults = server
    (folder / "a.bin").write_bytes(DATA)
    faults.has_ranges, faults.cut_after = has_ranges, [300_000, 400_000]
    assert fetch(f"{url}/a.bin").read_bytes() == DATA


def test_what_was_killed_goes_on_where_it_stopped(
    server: tuple[Path, str, Faults], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, url, faults = server
    (folder / "a.bin").write_bytes(DATA)

    class Stopped(BaseException):
        pass

    class Bar:
        steps = 0

        def __enter__(self) -> "Bar":
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def start(self, what: str, total: int) -> None:
            assert what == "fetching a.bin (5.12 MB)" and total == 5

        def step(self, count: int = 1) -> None:
            Bar.steps += 1
            if Bar.steps == 2:
                raise Stopped

    with pytest.raises(Stopped), show_fetching(Bar):
        fetch(f"{url}/a.bin")
    faults.asked.clear()
    assert fetch(f"{url}/a.bin").read_bytes() == DATA
    ranges = [wanted for method, _, wanted in faults.asked if method == "GET" and wanted]
    assert ranges and int(ranges[0].split("=")[1].split("-")[0]) == 2 << 20, "the first two megabytes were there"


def test_a_server_that_is_busy_is_asked_again(server: tuple[Path, str, Faults]) -> None:
    folder, url, faults = server
    (folder / "a.bin").write_bytes(b"abc")
    faults.statuses = [503, 503, 500]
    assert fetch(f"{url}/a.bin").read_bytes() == b"abc"
    faults.refuses = 503
    with pytest.raises(DataError, match=r"b\.bin: cannot be read, after 5 attempts"):
        fetch(f"{url}/b.bin")


@pytest.mark.parametrize("mark", ["ETag", "Last-Modified", "Content-MD5", ""])
def test_another_file_of_the_same_size_is_another_version(server: tuple[Path, str, Faults], mark: str) -> None:
    folder, url, faults = server
    faults.mark = mark
    (folder / "latest.bin").write_bytes(b"one")
    assert fetch(f"{url}/latest.bin").read_bytes() == b"one"
    faults.asked.clear()
    assert fetch(f"{url}/latest.bin").read_bytes() == b"one"
    assert ("GET" in {method for method, _, _ in faults.asked}) == (not mark), "what has a mark is read once"
    (folder / "latest.bin").write_bytes(b"two")
    os.utime(folder / "latest.bin", (2_000_000_000, 2_000_000_000))
    assert fetch(f"{url}/latest.bin").read_bytes() == b"two"


def test_an_empty_file_is_told(server: tuple[Path, str, Faults]) -> None:
    folder, url, _ = server
    (folder / "p.nc").touch()
    with pytest.raises(DataError, match=rf"{url}/p.nc: it is empty"):
        fetch(f"{url}/p.nc")


@pytest.mark.parametrize(
    ("status", "told"), [(403, "access is refused"), (401, "access is refused"), (404, "nothing is there")]
)
def test_what_is_refused_or_missing_is_told_at_once(server: tuple[Path, str, Faults], status: int, told: str) -> None:
    _, url, faults = server
    faults.refuses = status
    with pytest.raises(DataError, match=told):
        fetch(f"{url}/a.bin")
    assert len(faults.asked) < 5


def test_what_cannot_be_reached_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_FIRST_WAIT_S", 0.001)
    with pytest.raises(DataError, match=r"http://127.0.0.1:9/a.nc: cannot be read, after 5 attempts|nothing is there"):
        fetch("http://127.0.0.1:9/a.nc")
    with pytest.raises(SettingsError, match="this kind of address cannot be read here"):
        fetch("gopher://a.b/c")


def test_a_file_that_changes_while_it_is_read_is_refused(
    server: tuple[Path, str, Faults], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, url, _ = server
    (folder / "a.bin").write_bytes(DATA)
    download = remote._download

    def changed(*words: object) -> None:
        download(*words)  # type: ignore[arg-type]
        (folder / "a.bin").write_bytes(DATA + b"x")

    monkeypatch.setattr(remote, "_download", changed)
    with pytest.raises(DataError, match="it changes while it is read"):
        fetch(f"{url}/a.bin")
    monkeypatch.setattr(remote, "_download", download)
    assert fetch(f"{url}/a.bin").read_bytes() == DATA + b"x"


def test_addresses_of_files_and_within_archives(server: tuple[Path, str, Faults], tmp_path: Path) -> None:
    folder, url, _ = server
    (tmp_path / "x.bin").write_bytes(b"here")
    assert as_local(f"file://{tmp_path}/x.bin") == tmp_path / "x.bin"
    assert as_local(tmp_path / "x.bin") == tmp_path / "x.bin"
    with zipfile.ZipFile(folder / "all.zip", "w") as archive:
        archive.writestr("in/a.bin", b"inside")
    assert fetch(f"zip://in/a.bin::{url}/all.zip").read_bytes() == b"inside"


def test_fields_behind_an_address_are_read_like_files(server: tuple[Path, str, Faults]) -> None:
    folder, url, _ = server
    made.write(folder, "an.nc", made.analyses())
    with open_reader(f"{url}/an.nc") as reader:
        assert len(reader.records()) == 90
    cube = open_fields([f"{url}/an.nc"])
    plane = np.empty((1, 1, 12, 16), dtype=np.float32)
    cube.read(["t2m"], 4, 5, plane)
    np.testing.assert_allclose(plane[0, 0], made.truth_of("t2m")[4])
    assert [p.name for p in expand_patterns(Path(url), ["an.nc"])] == ["an.nc"], "a root is an address too"


def test_a_zarr_is_read_in_place(server: tuple[Path, str, Faults]) -> None:
    folder, url, faults = server
    made.write(folder, "an.zarr", made.analyses().chunk({"time": 1}))
    with pytest.raises(
        DataError, match=r"its arrays cannot be listed there; gather its metadata by zarr.consolidate_metadata"
    ):
        open_fields([f"{url}/an.zarr"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        zarr.consolidate_metadata(folder / "an.zarr")
    faults.asked.clear()
    cube = open_fields([f"{url}/an.zarr"])
    plane = np.empty((1, 1, 12, 16), dtype=np.float32)
    cube.read(["u10"], 7, 8, plane)
    np.testing.assert_allclose(plane[0, 0], made.truth_of("u10")[7])
    chunks = {path for _, path, _ in faults.asked if "/u10/c/" in path or "/u10/7" in path}
    assert len(chunks) == 1, "only what is asked for is read"


def test_a_forecast_from_addresses_alone(server: tuple[Path, str, Faults], tmp_path: Path) -> None:
    folder, url, _ = server
    made.write(folder, "an.nc", made.analyses())
    _, path = saved(folder)
    words = ["forecast", "--forecaster", f"{url}/forecaster.safetensors", "--input", f"{url}/an.nc", "--num_steps", "2"]
    done = py4cast(*words, "--output", "fc.nc", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    here = py4cast("forecast", "--forecaster", path, "--input", str(folder / "an.nc"), "--num_steps", "2", "--output", "here.nc", cwd=tmp_path)  # fmt: skip
    assert here.returncode == 0, here.stderr
    with xr.open_dataset(tmp_path / "fc.nc") as a, xr.open_dataset(tmp_path / "here.nc") as b:
        np.testing.assert_array_equal(a["t2m"].values, b["t2m"].values)
    lost = py4cast(*words[:-3], f"{url}/none.nc", "--num_steps", "2", "--output", "x.nc", cwd=tmp_path)
    assert lost.returncode == 3 and "none.nc: nothing is there" in lost.stderr


def test_an_archive_on_a_server_without_parts_is_fetched_whole(server: tuple[Path, str, Faults]) -> None:
    folder, url, faults = server
    faults.has_ranges = False
    with zipfile.ZipFile(folder / "all.zip", "w") as archive:
        archive.writestr("in/a.bin", DATA)
    assert fetch(f"zip://in/a.bin::{url}/all.zip").read_bytes() == DATA


def test_a_damaged_file_is_called_by_its_address(server: tuple[Path, str, Faults], tmp_path: Path) -> None:
    folder, url, _ = server
    (folder / "page.nc").write_text("<html>no data here</html>")
    done = py4cast("plot", f"{url}/page.nc", "--output", "x.png", cwd=tmp_path, PY4CAST_ROOTDIR=str(tmp_path / "r"))
    assert done.returncode == 3 and f"{url}/page.nc" in done.stderr and "remote" not in done.stderr, done.stderr
