import math
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from py4cast.atomic import (
    atomic_path,
    check_name,
    check_space,
    lock,
    sweep,
    without_nan,
    write_bytes,
    write_json,
    write_text,
)
from py4cast.errors import BusyError, SettingsError, SpaceError


def test_replaces_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "a" / "file"
    write_bytes(target, b"one")
    with pytest.raises(RuntimeError), atomic_path(target) as temporary:
        temporary.write_bytes(b"half of tw")
        raise RuntimeError
    assert target.read_bytes() == b"one" and [p.name for p in target.parent.iterdir()] == ["file"]


def test_nan_is_no_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        write_json(tmp_path / "x.json", {"a": float("nan")})
    assert not list(tmp_path.iterdir())


def test_a_full_disk_keeps_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"old")
    code = f"""
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
from py4cast.atomic import write_bytes
write_bytes({str(target)!r}, b"x" * 5000)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "SpaceError: disk full while writing" in done.stderr and str(target) in done.stderr
    assert target.read_bytes() == b"old" and [p.name for p in tmp_path.iterdir()] == ["file"]


def test_sweep_removes_what_dead_processes_left(tmp_path: Path) -> None:
    code = f"""
import os, signal
from py4cast.atomic import atomic_path
with atomic_path({str(tmp_path / "file")!r}) as t:
    t.write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", code], check=False)
    assert len(list(tmp_path.iterdir())) == 1
    with atomic_path(tmp_path / "mine") as own:
        own.write_bytes(b"")
        assert len(sweep(tmp_path)) == 1
        assert own.exists(), "what a living process writes stays"
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]


def test_a_lock_is_exclusive_and_says_who_holds_it(tmp_path: Path) -> None:
    code = f"""
import sys, time
from py4cast.atomic import lock
with lock({str(tmp_path / "lock")!r}):
    print("held", flush=True)
    time.sleep(30)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None and holder.stdout.readline()
        with pytest.raises(BusyError, match=rf"in use by pid {holder.pid} on "), lock(tmp_path / "lock"):
            pass
        holder.kill()
    began = time.monotonic()
    with lock(tmp_path / "lock", wait_s=5):
        assert time.monotonic() - began < 5


def test_space_is_checked_before(tmp_path: Path) -> None:
    check_space(tmp_path, 1)
    with pytest.raises(SpaceError, match="disk full: .* needs .* free"):
        check_space(tmp_path, 2**62)


@given(st.text(max_size=20) | st.sampled_from(["../x", "/etc/x", "a/b", "..", "a..b", "~", "a\0b", "", "a" * 200]))
def test_a_safe_name_stays_in_its_folder(name: str) -> None:
    try:
        checked = check_name(name, "name")
    except SettingsError:
        return
    inside = Path("/runs") / checked
    assert Path(os.path.normpath(inside)).parent == Path("/runs")


def test_what_is_not_finite_is_null_at_any_depth() -> None:
    found = without_nan({"a": [1.0, math.nan, {"b": -math.inf}], "c": "nan", "d": 3})
    assert found == {"a": [1.0, None, {"b": None}], "c": "nan", "d": 3}


def test_the_next_writer_removes_what_a_killed_one_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = f"""
import os, sys
from py4cast.atomic import atomic_path
contexts = [(name, atomic_path({str(tmp_path)!r} + "/" + name, name[1:])) for name in ("a.nc", "b.zarr")]
for name, context in contexts:
    temporary = context.__enter__()
    temporary.mkdir() if name == "b.zarr" else temporary.write_bytes(b"half")
    (temporary / "c").write_bytes(b"half") if name == "b.zarr" else None
os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", code], check=False)
    assert len(list(tmp_path.iterdir())) == 2
    (tmp_path / f".mine.{os.uname().nodename}.{os.getpid()}.01234567.part").touch()
    (tmp_path / ".theirs.otherhost.1.01234567.part").touch()
    write_bytes(tmp_path / "c", b"1")
    left = {p.name.split(".")[1] for p in tmp_path.iterdir() if p.name != "c"}
    assert left == {"mine", "theirs"}, "of a living process and of another host"


def test_sweep_takes_folders_too(tmp_path: Path) -> None:
    folder = (
        tmp_path
        / "deep"
        / f".b.zarr.{re.sub('[^A-Za-z0-9_-]', '-', socket.gethostname())}.999999999.01234567.part.zarr"
    )
    folder.mkdir(parents=True)
    (folder / "c").touch()
    assert sweep(tmp_path) == [folder] and not folder.exists()


def test_no_folder_that_is_no_store_is_replaced(tmp_path: Path) -> None:
    for name in ("out", "page.html", "x.zarr"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "precious.txt").write_text("kept")
        with pytest.raises(SettingsError, match=rf"{name}: a folder stands there"):
            write_text(folder, "new")
        assert (folder / "precious.txt").read_text() == "kept"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "page.html", "x.zarr"]


def test_a_store_takes_the_place_of_a_store_and_no_file_does(tmp_path: Path) -> None:
    store = tmp_path / "x.zarr"
    store.mkdir()
    (store / "zarr.json").write_text("{}")
    with pytest.raises(SettingsError, match="a Zarr store stands there; no file is written in its place"):
        write_text(store, "new")
    assert (store / "zarr.json").is_file()
    with atomic_path(store) as temporary:
        temporary.mkdir()
        (temporary / "new").touch()
    assert [p.name for p in store.iterdir()] == ["new"]
