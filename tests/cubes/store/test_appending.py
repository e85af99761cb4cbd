"""Growing a store, and building it with several workers."""

import hashlib
import json
import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import py4cast.cubes.store.layout as layout
from py4cast.cubes.store.store import MARKER, PreparedStore
from py4cast.datasets.gridded import Gridded
from py4cast.datasets.preparing import prepare as prepare_store
from py4cast.errors import DataError, SettingsError
from py4cast.progress import Preparation
from tests.command import begin, prepare_slowly, py4cast, start, wait_for
from tests.cubes.store.test_builder import files_of
from tests.cubes.store.test_store import Quiet, prepare
from tests.weather_files import HOUR, START, describe, wave_fields, write_json, write_netcdf

DATA = ("t/c", "u/c", "moments", "difference_moments", "block_moments", "finite_count", "time", "counts")


def write(folder: Path, first: int, last: int) -> None:
    t, u = wave_fields(96), wave_fields(96, seed=1)
    u[20, 3, 4] = np.nan
    write_netcdf(folder / f"{first:02}.nc", {"t": t[first:last], "u": u[first:last]}, start=START + first * HOUR)


def settings(folder: Path, store: Path, end: str, **changes: Any):
    periods = {
        "train": {"start": "2020-01-01", "end": "2020-01-01"},
        "valid": {"start": "2020-01-02T00", "end": "2020-01-02T11"},
        "test": {"start": "2020-01-02T12", "end": end},
    }
    variables = {"t": {"units": "K"}, "u": {"nan": "mask"}}
    return describe(folder, store=str(store), periods=periods, variables=variables, **changes)


def data_of(store: Path) -> dict[str, str]:
    """Digests of what a store holds; provenance differs by the way."""
    return {k: v for k, v in files_of(store).items() if k.startswith(DATA)}


def append(document: dict[str, Any], **how: Any) -> PreparedStore:
    return prepare(Gridded.settings_kls.from_dict(document), append=True, **how)


def test_a_new_month_is_appended_to_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "_MAX_BLOCK", 10)
    write(tmp_path / "in", 0, 48)
    store = append(settings(tmp_path / "in", tmp_path / "s", "2020-01-02T23"))
    assert store.axis.size == 48
    untouched = (store.path / "t" / "c" / "0" / "0" / "0").stat().st_mtime_ns
    write(tmp_path / "in", 48, 96)
    longer = settings(tmp_path / "in", tmp_path / "s", "2020-01-04T23")
    with pytest.raises(
        SettingsError, match=r"holds a store up to 2020-01-02T23:00:00; .* go to 2020-01-04T23:00:00\. Append"
    ):
        prepare(Gridded.settings_kls.from_dict(longer))
    out = np.empty((1, 2, 12, 16), dtype=np.float32)
    store.read(["t"], 44, 46, out)
    grown = append(longer)
    assert grown.axis.size == 96 and len(grown.manifest()["inputs"]) == 2
    assert (store.path / "t" / "c" / "0" / "0" / "0").stat().st_mtime_ns == untouched, "whole blocks stay"
    store.read(["t"], 46, 48, out)
    np.testing.assert_array_equal(out[0], wave_fields(96)[46:48], "who had it open reads on")
    whole = append(settings(tmp_path / "in", tmp_path / "whole", "2020-01-04T23"))
    assert data_of(grown.path) == data_of(whole.path)
    assert grown.meta["digest"] == whole.meta["digest"]
    with __import__("xarray").open_dataset(grown.path, engine="zarr") as data:
        np.testing.assert_array_equal(data["t"].values, wave_fields(96))
        assert str(data["time"].values[-1])[:13] == "2020-01-04T23"


def test_other_variables_or_changed_files_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "in", 0, 48)
    document = settings(tmp_path / "in", tmp_path / "s", "2020-01-02T23")
    append(document)
    write(tmp_path / "in", 48, 96)
    longer = settings(tmp_path / "in", tmp_path / "s", "2020-01-04T23")
    with pytest.raises(SettingsError, match=r"made from other settings \(variables"):
        append({**longer, "variables": {"t": {}}})
    with pytest.raises(
        SettingsError, match=r"holds 2020-01-01T00:00:00 to .*, which 2020-01-01T06:00:00 to .* does not begin with"
    ):
        late = json.loads(json.dumps(longer))
        late["periods"]["train"]["start"] = "2020-01-01T06"
        append(late)
    changed = wave_fields(96, seed=5)
    write_netcdf(tmp_path / "in" / "00.nc", {"t": changed[:48], "u": changed[:48]})
    with pytest.raises(DataError, match=r"00\.nc has changed since it was prepared"):
        append(longer)
    assert PreparedStore(tmp_path / "s").verify() == []


def test_new_files_come_to_a_list_of_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "_MAX_BLOCK", 10)
    for first in (0, 48):
        write(tmp_path / "in", first, first + 48)
    document = settings(tmp_path / "in", tmp_path / "s", "2020-01-02T23", files=["00.nc"])
    append(document)
    with pytest.raises(SettingsError, match=r"was made of 00\.nc too, which the settings no longer name"):
        write(tmp_path / "other", 0, 96)
        Path(tmp_path / "other" / "00.nc").rename(tmp_path / "in" / "all.nc")
        append(settings(tmp_path / "in", tmp_path / "s", "2020-01-04T23", files=["all.nc"]))
    longer = settings(tmp_path / "in", tmp_path / "s", "2020-01-04T23", files=["00.nc", "48.nc"])
    grown = append(longer)
    whole = append(settings(tmp_path / "in", tmp_path / "whole", "2020-01-04T23", files=["00.nc", "48.nc"]))
    assert grown.axis.size == 96 and data_of(grown.path) == data_of(whole.path)
    assert append(longer).meta == grown.meta, "it is done"
    by_variable = json.loads(json.dumps(longer))
    by_variable["variables"]["u"]["files"] = ["00.nc", "48.nc"]
    assert append(by_variable).axis.size == 96


def test_killed_while_appending_the_old_store_stays_readable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "_MAX_BLOCK", 5)
    write(tmp_path / "in", 0, 48)
    append(settings(tmp_path / "in", tmp_path / "s", "2020-01-02T23"))
    write(tmp_path / "in", 48, 96)
    longer = settings(tmp_path / "in", tmp_path / "s", "2020-01-04T23")
    path = write_json(tmp_path / "d.json", longer)
    rng, said = random.Random(1), tmp_path / "said"
    for _ in range(4):
        process = start(prepare_slowly, path, 0.05, True, out=said, err=tmp_path / "err")
        wait_for(process, said, "preparing", "done")
        time.sleep(rng.uniform(0.05, 0.6))
        process.kill()
        process.join()
        said.unlink()
        store = PreparedStore(tmp_path / "s")
        assert store.verify() == []
        out = np.empty((1, 48, 12, 16), dtype=np.float32)
        store.read(["t"], 0, 48, out)
        np.testing.assert_array_equal(out[0], wave_fields(96)[:48])
    grown = append(longer)
    whole = append(settings(tmp_path / "in", tmp_path / "whole", "2020-01-04T23"))
    assert data_of(grown.path) == data_of(whole.path)


def parallel(document: dict[str, Any], executor: Any, num_jobs: int) -> PreparedStore:
    how = Preparation(Quiet(), executor, num_jobs, check_files=True)
    return prepare_store(Gridded.settings_kls.from_dict(document), how)


@pytest.mark.slow
def test_processes_write_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from py4cast.workflows.prepare import _workers

    monkeypatch.setattr(layout, "_MAX_BLOCK", 7)
    for first in range(0, 96, 12):
        write(tmp_path / "in", first, first + 12)
    alone = append(settings(tmp_path / "in", tmp_path / "one", "2020-01-04T23"))
    with _workers(2, None) as (executor, num_jobs):
        many = parallel(settings(tmp_path / "in", tmp_path / "two", "2020-01-04T23"), executor, num_jobs)
    assert data_of(alone.path) == data_of(many.path) and alone.manifest()["blocks"] == many.manifest()["blocks"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_dask_cluster_writes_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    distributed = pytest.importorskip("distributed")
    from py4cast.workflows.prepare import prepare as verb

    for first in range(0, 96, 12):
        write(tmp_path / "in", first, first + 12)
    alone = append(settings(tmp_path / "in", tmp_path / "one", "2020-01-04T23"))
    path = write_json(tmp_path / "d.json", settings(tmp_path / "in", tmp_path / "two", "2020-01-04T23"))
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        many = verb("gridded", path, scheduler=cluster.scheduler_address)
    assert data_of(alone.path) == data_of(many.path)
    with pytest.raises(SettingsError, match=r"--scheduler tcp://127\.0\.0\.1:1: no cluster answers"):
        monkeypatch.setattr(distributed, "Client", _refuse)
        verb("gridded", path, scheduler="tcp://127.0.0.1:1")


def _refuse(*_: Any, **__: Any) -> None:
    raise OSError("timed out")


def _children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += [int(child), *_children(int(child))]
    return found


@pytest.mark.slow
def test_killed_with_its_workers_it_resumes_and_leaves_no_orphan(tmp_path: Path) -> None:
    fields = wave_fields(400, shape=(60, 80))
    write_netcdf(tmp_path / "in" / "a.nc", {"t": fields})
    spans = {
        "train": ("2020-01-01", "2020-01-10"),
        "valid": ("2020-01-11", "2020-01-13"),
        "test": ("2020-01-14", "2020-01-17"),
    }
    periods = {s: {"start": a, "end": b} for s, (a, b) in spans.items()}
    document = describe(tmp_path / "in", periods=periods, store=str(tmp_path / "s"))
    path = write_json(tmp_path / "d.json", document)
    command = ["prepare", "--dataset_conf", str(path), "--num_workers", "2"]
    process = begin(*command, out=tmp_path / "out", err=tmp_path / "err")
    deadline = time.monotonic() + 60
    while not list((tmp_path / "s").rglob("*.part")) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert process.pid is not None
    workers = _children(process.pid)
    process.kill()
    process.join()
    assert workers, "it was killed while workers wrote"
    deadline = time.monotonic() + 30
    while any(_is_running(pid) for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not [pid for pid in workers if _is_running(pid)], "workers end with the process that they work for"
    # what they left is swept once the system has forgotten them, which a dead process may wait for
    owners = {int(part.name.split(".")[-3]) for part in (tmp_path / "s").rglob("*.part")}
    while any(Path(f"/proc/{pid}").exists() for pid in owners) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert py4cast(*command).returncode == 0
    alone = prepare(Gridded.settings_kls.from_dict({**document, "store": str(tmp_path / "alone")}))
    assert PreparedStore(tmp_path / "s").meta["digest"] == alone.meta["digest"]
    assert not list((tmp_path / "s").rglob("*.part")) and (tmp_path / "s" / MARKER).exists()


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_two_processes_prepare_one_store_and_agree(tmp_path: Path) -> None:
    write(tmp_path / "in", 0, 48)
    path = write_json(tmp_path / "d.json", settings(tmp_path / "in", tmp_path / "s", "2020-01-02T23"))
    both = [start(prepare_slowly, path, 0.005, True, out=tmp_path / f"out{i}", err=tmp_path / f"err{i}") for i in "ab"]
    for name, process in zip("ab", both, strict=True):
        process.join(120)
        assert process.exitcode == 0, (tmp_path / f"err{name}").read_text()
        assert (tmp_path / f"out{name}").read_text().endswith("done\n")
    assert PreparedStore(tmp_path / "s").verify() == []


def test_the_cost_of_opening_does_not_grow_with_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file is listed, asked for its state or opened once the store is there."""
    for first in range(0, 96, 4):
        write(tmp_path / "in", first, first + 4)
    own = Gridded.settings_kls.from_dict(settings(tmp_path / "in", tmp_path / "s", "2020-01-04T23"))
    first = append(own.to_dict())
    for path in (tmp_path / "in").iterdir():
        path.unlink()
    assert prepare(own, check_files=False).path == first.path
    monkeypatch.setenv("PY4CAST_ROOTDIR", str(tmp_path / "another root"))
    assert prepare(own, check_files=False).path == first.path, "the store tells it, without the cache"


def test_hashes_name_the_inputs(tmp_path: Path) -> None:
    write(tmp_path / "in", 0, 48)
    store = append(settings(tmp_path / "in", tmp_path / "s", "2020-01-02T23"))
    entry = store.manifest()["inputs"][0]
    assert entry["sha256"] == hashlib.sha256((tmp_path / "in" / "00.nc").read_bytes()).hexdigest()


def test_a_period_beyond_the_files_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path / "in", 0, 48)
    append(settings(tmp_path / "in", tmp_path / "s", "2020-01-04T23"))
    assert "period test reaches to 2020-01-04T23; the files hold up to 2020-01-02T23:00:00" in caplog.text
    caplog.clear()
    write(tmp_path / "in", 48, 96)
    append(settings(tmp_path / "in", tmp_path / "s", "2020-01-04T23"))
    assert "reaches to" not in caplog.text
