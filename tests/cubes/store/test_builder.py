import hashlib
import json
import os
import random
import resource
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import py4cast.cubes.store.builder as builder
import py4cast.cubes.store.layout as layout
from py4cast.cubes.store.store import MARKER
from py4cast.datasets.gridded import Gridded
from py4cast.errors import BusyError, DataError, SettingsError, SpaceError
from tests.command import prepare_slowly, start, wait_for
from tests.cubes.store.test_store import prepare
from tests.weather_files import describe, wave_fields, write_json, write_netcdf


def files_of(folder: Path) -> dict[str, str]:
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.name not in ("lock", "journal.jsonl")
    }


def test_killed_at_any_moment_it_resumes_to_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_netcdf(tmp_path / "in" / "a.nc", {"t": wave_fields()})
    monkeypatch.setattr(layout, "_MAX_BLOCK", 5)
    whole = describe(tmp_path / "in", store=str(tmp_path / "whole"))
    prepare(Gridded.settings_kls.from_dict(whole))
    document = write_json(tmp_path / "d.json", {**whole, "store": str(tmp_path / "killed")})
    rng, out = random.Random(0), tmp_path / "out"
    kills = 0
    while kills < 6 and not (tmp_path / "killed" / MARKER).exists():
        process = start(prepare_slowly, document, 0.03, out=out, err=tmp_path / "err")
        wait_for(process, out, "preparing", "done")
        time.sleep(rng.uniform(0.0, 0.6))
        process.kill()
        process.join()
        kills += process.exitcode != 0
        out.unlink()
    assert kills >= 3
    prepare(Gridded.read_settings(document))
    assert files_of(tmp_path / "killed") == files_of(tmp_path / "whole")
    digests = [json.loads((tmp_path / d / MARKER).read_text())["digest"] for d in ("killed", "whole")]
    assert digests[0] == digests[1]


def test_a_second_prepare_does_nothing(tmp_path: Path) -> None:
    write_netcdf(tmp_path / "in" / "a.nc", {"t": wave_fields()})
    settings = Gridded.settings_kls.from_dict(describe(tmp_path / "in"))
    first = prepare(settings)
    before = os.stat(first.path / MARKER).st_mtime_ns
    assert prepare(settings).path == first.path
    assert os.stat(first.path / MARKER).st_mtime_ns == before


def test_a_finished_store_is_found_without_reading_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import py4cast.planes.catalog as catalog

    write_netcdf(tmp_path / "in" / "a.nc", {"t": wave_fields()})
    settings = Gridded.settings_kls.from_dict(describe(tmp_path / "in"))
    first = prepare(settings)
    opened: list[Path] = []
    monkeypatch.setattr(catalog, "open_reader", lambda path, arrays: opened.append(path))
    assert prepare(settings).path == first.path and not opened
    (first.path / MARKER).unlink()
    with pytest.raises(TypeError):
        prepare(settings)
    assert opened, "a store that is gone is built again"


def test_a_changed_file_gives_another_store(tmp_path: Path) -> None:
    write_netcdf(tmp_path / "in" / "a.nc", {"t": wave_fields()})
    settings = Gridded.settings_kls.from_dict(describe(tmp_path / "in"))
    first = prepare(settings)
    write_netcdf(tmp_path / "in" / "a.nc", {"t": wave_fields(seed=1)})
    second = prepare(settings)
    assert second.path != first.path and second.meta["digest"] != first.meta["digest"]


def _stop_before_the_end(document: dict[str, Any], patch: pytest.MonkeyPatch) -> None:
    def stop(self: builder.StoreBuilder) -> None:
        raise KeyboardInterrupt

    with patch.context() as within, pytest.raises(KeyboardInterrupt):
        within.setattr(builder.StoreBuilder, "_finish", stop)
        prepare(Gridded.settings_kls.from_dict(document))


def test_files_that_change_before_a_store_is_finished_are_read_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Blocks of both deliveries would stand in one store, under the name of the second one."""
    monkeypatch.setattr(layout, "_MAX_BLOCK", 5)
    document = describe(tmp_path / "in", store=str(tmp_path / "s"), store_type="float32")
    for offset in (0, -20):
        write_netcdf(tmp_path / "in" / "a.nc", {"t": wave_fields() + np.float32(offset)})
        _stop_before_the_end(document, monkeypatch)
    assert "its files have changed since it was begun; it is made anew" in caplog.text
    caplog.clear()
    store = prepare(Gridded.settings_kls.from_dict(document))
    assert not caplog.text
    out = np.empty((1, store.axis.size, *store.shape), dtype=np.float32)
    store.read(["t"], 0, store.axis.size, out)
    np.testing.assert_allclose(out[0], (wave_fields() - 20)[: store.axis.size], atol=1e-5)


def test_ranges_of_other_files_are_refused_before_a_packed_store_is_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = describe(tmp_path / "in", store=str(tmp_path / "s"), store_type="uint16")
    write_netcdf(tmp_path / "in" / "a.nc", {"t": wave_fields()})
    _stop_before_the_end(document, monkeypatch)
    write_netcdf(tmp_path / "in" / "a.nc", {"t": wave_fields() - np.float32(20)})
    with pytest.raises(SettingsError, match="an unfinished store made from other settings or files"):
        prepare(Gridded.settings_kls.from_dict(document))


def test_another_recipe_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    write_netcdf(tmp_path / "in" / "a.nc", {"t": wave_fields()})
    document = describe(tmp_path / "in", store=str(tmp_path / "s"))
    prepare(Gridded.settings_kls.from_dict(document))
    document["grid"] = {"subgrid": [0, 8, 0, 8]}
    with pytest.raises(SettingsError, match="made from other settings"):
        prepare(Gridded.settings_kls.from_dict(document))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("years of work")
    with pytest.raises(SettingsError, match="not empty and no store"):
        prepare(Gridded.settings_kls.from_dict({**document, "store": str(tmp_path / "full")}))
    assert (tmp_path / "full" / "thesis.tex").exists()


def test_two_prepares_do_not_meet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_netcdf(tmp_path / "in" / "a.nc", {"t": wave_fields()})
    document = write_json(tmp_path / "d.json", describe(tmp_path / "in", store=str(tmp_path / "s")))
    out = tmp_path / "out"
    other = start(prepare_slowly, document, 0.2, out=out, err=tmp_path / "err")
    wait_for(other, out, "preparing")
    real = builder.lock
    monkeypatch.setattr(builder, "lock", lambda path, wait_s, on_wait: real(path, 0.2, on_wait))
    with pytest.raises(BusyError, match=f"in use by pid {other.pid}"):
        prepare(Gridded.read_settings(document))
    other.kill()
    other.join()


def _limited(document: Path) -> None:
    """Prepares where no file may grow beyond 3 kB: what a full disk or a quota does, without root."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 10**9))
    try:
        prepare_slowly(document, 0.0)
    except SpaceError as error:  # one short line: a traceback's paths would not fit in 3 kB either
        sys.exit(f"SpaceError: {error}")


def test_a_full_disk_stops_in_one_line_and_resumes(tmp_path: Path) -> None:
    write_netcdf(tmp_path / "in" / "a.nc", {"t": wave_fields()})
    document = write_json(tmp_path / "d.json", describe(tmp_path / "in", store=str(tmp_path / "s")))
    process = start(_limited, document, out=tmp_path / "out", err=tmp_path / "err")
    process.join()
    assert "SpaceError: disk full while writing" in (tmp_path / "err").read_text()
    assert not (tmp_path / "s" / MARKER).exists()
    again = start(prepare_slowly, document, 0.0, out=tmp_path / "out", err=tmp_path / "err")
    again.join()
    assert again.exitcode == 0
    assert (tmp_path / "s" / MARKER).exists()


def test_nan_is_refused_by_name_or_masked(tmp_path: Path) -> None:
    fields = wave_fields()
    fields[7, 2, 3] = np.nan
    write_netcdf(tmp_path / "in" / "a.nc", {"t": fields})
    document = describe(tmp_path / "in")
    with pytest.raises(
        DataError, match=r"t of 2020-01-01T07:00:00 in .*a\.nc: 1 of 192 values are missing; set \"nan\": \"mask\""
    ):
        prepare(Gridded.settings_kls.from_dict(document))
    document["variables"]["t"]["nan"] = "mask"
    store = prepare(Gridded.settings_kls.from_dict(document))
    stats, _ = store.statistics(np.arange(48) < 24)
    assert stats["t"]["mean"] == pytest.approx(np.nanmean(fields[:24].astype(np.float64)), rel=1e-12)
    assert stats["t"]["count"] == 24 * 192 - 1
    assert store.available(["t"]).all() and store.valid_mask(["t"]).all()


@pytest.mark.parametrize(("shift", "low"), [(-273.15, "6.8"), (1000.0, "1272")])
def test_values_that_earth_does_not_allow_are_refused(tmp_path: Path, shift: float, low: str) -> None:
    write_netcdf(tmp_path / "in" / "a.nc", {"t": wave_fields() + np.float32(shift)})
    with pytest.raises(
        DataError,
        match=r"t of 2020-01-01T00:00:00 .*: values from .* \[K\], expected within 150 to 350; are the units right",
    ):
        prepare(Gridded.settings_kls.from_dict(describe(tmp_path / "in")))


def test_what_zarr_left_half_written_is_no_part_of_a_store(tmp_path: Path) -> None:
    write_netcdf(tmp_path / "in" / "a.nc", {"t": wave_fields()})
    whole, killed = (describe(tmp_path / "in", store=str(tmp_path / n)) for n in ("whole", "killed"))
    prepare(Gridded.settings_kls.from_dict(whole))
    prepare(Gridded.settings_kls.from_dict(killed))
    # as a kill leaves it while the small arrays are written
    (tmp_path / "killed" / MARKER).unlink()
    for place in ("zarr.0123456789abcdef.partial", "t/zarr.0123456789abcdef.partial"):
        (tmp_path / "killed" / place).write_bytes(b"half")
    prepare(Gridded.settings_kls.from_dict(killed))
    assert files_of(tmp_path / "killed") == files_of(tmp_path / "whole")
