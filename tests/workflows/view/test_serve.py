"""A folder of forecasts that is served, while it changes."""

import http.client
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from py4cast.errors import DataError, SettingsError
from py4cast.workflows.view.serve import Folder, PageSettings, make_server
from tests import forecast_files as made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made.write(tmp_path / "runs" / "a", "one.nc", made.forecasts().isel(init_time=slice(0, 1)))
    made.write(tmp_path / "runs", "many.nc", made.forecasts())
    (tmp_path / "runs" / ".writing.nc").write_bytes(b"half")
    (tmp_path / "runs" / "broken.grib2").write_bytes(b"junk")
    (tmp_path / "secret.nc").write_bytes(b"junk")
    (tmp_path / "runs" / "link.nc").symlink_to(tmp_path / "secret.nc")
    return tmp_path / "runs"


@pytest.fixture
def port(folder: Path) -> Iterator[int]:
    server = make_server(Folder(folder, PageSettings()), "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()
    thread.join(5)


def asked(port: int, place: str, method: str = "GET", host: str = "") -> tuple[int, str, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, place, headers={"Host": host} if host else {})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text, dict(answer.getheaders())


def test_the_list_holds_what_lies_there_now(port: int, folder: Path) -> None:
    status, text, headers = asked(port, "/")
    assert status == 200 and re.findall(r'href="/view/([^"]+)"', text) != []
    assert set(re.findall(r'href="/view/([^"]+)"', text)) == {"a/one.nc", "many.nc", "broken.grib2"}
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    made.write(folder, "<b>new.nc", made.forecasts().isel(init_time=slice(1, 2)))
    text = asked(port, "/")[1]
    assert "&lt;b&gt;new.nc" in text and "<b>new" not in text
    status, _, headers = asked(port, "/newest")
    assert status == 303 and headers["Location"] == "/view/%3Cb%3Enew.nc"
    assert asked(port, headers["Location"])[0] == 200


def test_a_page_is_made_when_it_is_asked_for(port: int, folder: Path) -> None:
    status, text, _ = asked(port, "/view/a/one.nc")
    assert status == 200 and 'id="layer0"' in text
    assert asked(port, "/view/a/one.nc", "HEAD")[1] == ""
    status, text, _ = asked(port, "/view/many.nc")
    assert status == 200 and len(re.findall(r'href="/view/many.nc\?init_time=', text)) == 10
    assert asked(port, "/view/many.nc?init_time=2020-01-02T00")[0] == 200
    (folder / "a" / "one.nc").unlink()
    status, text, _ = asked(port, "/view/a/one.nc")
    assert status == 404 and "not here any more" in text


def test_units_of_the_pages_are_those_that_are_asked_for(folder: Path) -> None:
    text = Folder(folder, PageSettings(units={"t2m": "degF"})).page("a/one.nc", None)
    assert "°F" in text and "°C" not in text


@pytest.mark.parametrize(
    "place",
    ["/view/broken.grib2", "/view/link.nc", "/view/../secret.nc", "/view/%2e%2e/secret.nc", "/view/.writing.nc",
     "/view//etc/passwd", "/view/", "/nothing", "/view/%00"],
)  # fmt: skip
def test_what_is_no_forecast_here_is_not_given(port: int, place: str) -> None:
    status, text, _ = asked(port, place)
    assert status == 404 and "Traceback" not in text


def test_another_host_name_is_refused_and_nothing_is_written(port: int, folder: Path) -> None:
    assert asked(port, "/", host="evil.example")[0] == 403
    assert asked(port, "/", host=f"localhost:{port}")[0] == 200
    before = sorted(p.name for p in folder.rglob("*"))
    assert asked(port, "/", "POST")[0] == 501 and asked(port, "/view/a/one.nc", "DELETE")[0] == 501
    assert sorted(p.name for p in folder.rglob("*")) == before


def test_what_cannot_be_served_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        Folder(tmp_path / "nothing", PageSettings())
    empty = Folder(tmp_path, PageSettings())
    assert "No forecast lies here yet" in empty.index()
    server = make_server(empty, "127.0.0.1", 0)
    with pytest.raises(SettingsError, match="choose another port"):
        make_server(empty, "127.0.0.1", server.server_address[1])
    server.server_close()


def test_names_of_any_bytes_and_hosts_of_any_form_are_answered(port: int, folder: Path) -> None:
    odd = os.fsencode(folder) + b"/pr\xe9vision.nc"
    shutil.copy(folder / "a" / "one.nc", odd)
    status, text, _ = asked(port, "/")
    assert status == 200 and "/view/pr%E9vision.nc" in text
    # the NetCDF library may not open it, which is told
    assert asked(port, "/view/pr%E9vision.nc")[0] in (200, 404)
    assert asked(port, "/", host="[")[0] == 403 and asked(port, "/view/[", host="[::1")[0] == 403


def test_scores_are_no_forecast_and_the_newest_is_one_that_can_be_shown(port: int, folder: Path) -> None:
    (folder / "scores").mkdir()
    shutil.copy(folder / "a" / "one.nc", folder / "scores" / "scores.nc")
    (folder / "scores" / "report.html").touch()
    for number, name in enumerate(("many.nc", "a/one.nc", "broken.grib2", "scores/scores.nc")):
        os.utime(folder / name, (2_000_000_000 + number,) * 2)
    assert "scores.nc" not in asked(port, "/")[1]
    assert asked(port, "/newest")[2]["Location"] == "/view/a/one.nc"


def test_a_store_that_changes_within_is_shown_anew(folder: Path) -> None:
    data = made.forecasts().isel(init_time=0)
    data.to_zarr(folder / "z.zarr", consolidated=False)
    served = Folder(folder, PageSettings())
    before = served.page("z.zarr", None)
    assert served.page("z.zarr", None) is before
    data["t2m"] = data["t2m"] + 20
    data.to_zarr(folder / "z.zarr", mode="r+", consolidated=False)
    assert served.page("z.zarr", None) != before


def test_a_port_that_there_is_not_is_told(folder: Path) -> None:
    with pytest.raises(SettingsError, match="--port 99999: expected 0 to 65535"):
        make_server(Folder(folder, PageSettings()), "127.0.0.1", 99999)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["interrupted", "terminated"])
def test_the_command_tells_its_address_and_ends_when_it_is_asked_to(folder: Path, number: int) -> None:
    words = [sys.executable, "-m", "py4cast.cli", "serve", str(folder), "--port", "0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = re.search(r"http://127\.0\.0\.1:(\d+)/", process.stdout.readline())
            assert address is not None and asked(int(address[1]), "/")[0] == 200
            process.send_signal(number)
            assert process.wait(20) == 0
        finally:
            process.kill()
