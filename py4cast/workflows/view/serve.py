"""serve: a folder of forecasts in a browser, read-only: a list, and a page of each that is made when it is asked for."""

import contextlib
import html
import os
import threading
import urllib.parse
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

from py4cast.cubes.files import open_fields
from py4cast.errors import DataError, Py4castError, SettingsError
from py4cast.version import __version__
from py4cast.workflows.view.run import MAX_MB, view_text

__all__ = ["Folder", "PageSettings", "make_server"]

_ENDINGS = (".nc", ".nc4", ".grib", ".grib2", ".grb", ".grb2", ".zarr")
_KEPT_PAGES = 4
_TRIED = 20  # of the newest, for one that can be shown
_LISTED = 500
_STYLE = Path(__file__).parent.parent / "page" / "report.css"


class PageSettings(NamedTuple):
    """What the pages of forecasts show.

    Args:
        variables: by name; by default the first five.
        isolines: as of a page.
        wind: as of a page.
        thinning: every so many rows and columns.
        most_mb: how large a page may be [MB].
        units: to show variables in, by name.
    """

    variables: Sequence[str] = ()
    isolines: str = "auto"
    wind: str = "auto"
    thinning: int = 1
    most_mb: float = MAX_MB
    units: Mapping[str, str] = MappingProxyType({})


class Entry(NamedTuple):
    """A forecast of the folder.

    Args:
        name: relative to the folder.
        written: when it was last changed.
        size: bytes; of a Zarr 0.
        path: where it lies.
    """

    name: str
    written: float
    size: int
    path: Path


class Folder:
    """Creates the folder that is served: what lies in it now, and pages of it, the last few of which are kept.

    Args:
        path: of the folder.
        settings: of the pages.

    Raises:
        DataError: it is no folder.
    """

    def __init__(self, path: Path, settings: PageSettings) -> None:
        if not path.is_dir():
            raise DataError(f"{path}: no such folder; serve shows the forecasts of one, such as that of a cycle")
        self.path, self._settings = path.resolve(), settings
        self._pages: OrderedDict[tuple[str, float, int, str], str] = OrderedDict()
        self._lock = threading.Lock()  # one page is made at a time: each takes all of a core and much memory

    def entries(self) -> list[Entry]:
        """The forecasts, the newest first; what is being written under a temporary name is none yet."""
        entries: list[Entry] = []
        for path in self.path.rglob("*"):
            inner = path.relative_to(self.path)
            if path.suffix not in _ENDINGS or any(p.startswith(".") or p.endswith(".zarr") for p in inner.parts[:-1]):
                continue
            try:
                state = path.stat()
            except OSError:  # cleared away since it was listed
                continue
            # scores of forecasts, such as a cycle's, are none themselves
            is_scores = path.name == "scores.nc" and (path.parent / "report.html").is_file()
            if not path.name.startswith(".") and not is_scores and path.resolve().is_relative_to(self.path):
                written = _written(path) if path.is_dir() else state.st_mtime
                entries.append(Entry(inner.as_posix(), written, 0 if path.is_dir() else state.st_size, path))
        return sorted(entries, key=lambda entry: (-entry.written, entry.name))

    def newest(self) -> str | None:
        """The name of the newest forecast that can be shown; the first of all where none can, None where there is none."""
        entries = self.entries()
        for entry in entries[:_TRIED]:
            try:
                self.page(entry.name)
            except SettingsError:  # several starts, or too large: its page says what to do
                return entry.name
            except (Py4castError, OSError):
                continue
            return entry.name
        return entries[0].name if entries else None

    def _entry(self, name: str) -> Entry:
        entry = next((e for e in self.entries() if e.name == name), None)
        if entry is None:
            raise DataError(f"{name}: not here any more, or never was")
        return entry

    def starts(self, name: str) -> list[str]:
        """The starts of a forecast's file, the newest first; of one alone, or of analyses, none.

        Raises:
            DataError: no such forecast here, or one that cannot be read.
        """
        cube = open_fields([self._entry(name).path])
        try:
            times = [] if cube.axis.is_series else [str(t.astype("datetime64[m]")) for t in cube.axis.init_times]
        finally:
            cube.close()
        return times[::-1] if len(times) > 1 else []

    def page(self, name: str, init_time: str | None = None) -> str:
        """The page of a forecast as it is now.

        Args:
            name: one of `entries`.
            init_time: which of several starts it shows.

        Raises:
            DataError: no such forecast here, or one that cannot be read.
            SettingsError: several starts and none chosen, or a page that would be too large.
        """
        entry = self._entry(name)
        key = (entry.name, entry.written, entry.size, init_time or "")
        with self._lock:
            if key not in self._pages:
                s = self._settings
                self._pages[key] = view_text(
                    [entry.path],
                    s.variables,
                    init_time,
                    (),
                    (),
                    s.isolines,
                    s.wind,
                    s.thinning,
                    s.most_mb,
                    units=s.units,
                )
                while len(self._pages) > _KEPT_PAGES:
                    self._pages.popitem(last=False)
            self._pages.move_to_end(key)
            return self._pages[key]

    def index(self) -> str:
        """The list as a page."""
        entries = self.entries()
        rows = "".join(
            f'<tr><th scope="row"><a href="/view/{_quoted(e.name)}">{html.escape(_shown(e.name))}</a></th>'
            f"<td>{datetime.fromtimestamp(e.written, UTC):%Y-%m-%d %H:%M:%S} UTC</td><td>{_size(e.size, e.path.is_dir())}</td></tr>"
            for e in entries[:_LISTED]
        )
        more = f"<p>and {len(entries) - _LISTED} older ones</p>" if len(entries) > _LISTED else ""
        first = '<p><a href="/newest">Look at the newest</a></p>' if entries else "<p>No forecast lies here yet.</p>"
        body = (
            f'{first}<div class="scroll"><table><tr><th scope="col">forecast</th><th scope="col">written</th>'
            f'<th scope="col">size</th></tr>{rows}</table></div>{more}'
        )
        return _plain(f"Forecasts in {self.path.name}", body, refreshes=True)


def _written(folder: Path) -> float:
    """When anything in a folder was last replaced; files are, by names that their folders note."""
    with contextlib.suppress(OSError):
        return max(Path(place).stat().st_mtime for place, _, _ in os.walk(folder))
    return 0.0


def _quoted(name: str) -> str:
    """A name in an address, whatever bytes it is made of."""
    return urllib.parse.quote(name, errors="surrogateescape")


def _shown(name: str) -> str:
    return name.encode("utf-8", "replace").decode()


def _size(size: int, is_folder: bool) -> str:
    if is_folder:
        return "a folder"
    return f"{size / 1e6:.1f} MB" if size >= 50_000 else f"{size} bytes"


def _plain(title: str, body: str, refreshes: bool = False) -> str:
    """A page without a script."""
    again = '<meta http-equiv="refresh" content="60">' if refreshes else ""
    style = _STYLE.read_text(encoding="utf-8")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f'{again}<meta name="color-scheme" content="light dark"><title>{html.escape(title)}</title><style>{style}</style></head>'
        f"<body><header><h1>{html.escape(title)}</h1></header><main>{body}</main></body></html>"
    )


class _Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD; the folder is that of its server."""

    server_version, sys_version = f"py4cast/{__version__}", ""
    folder: ClassVar[Folder]
    hosts: ClassVar[frozenset[str]]

    def do_HEAD(self) -> None:
        """The headers of an answer."""
        self._answer(with_body=False)

    def do_GET(self) -> None:
        """The whole answer to a request."""
        self._answer(with_body=True)

    def _answer(self, with_body: bool) -> None:
        try:
            self._send(*self._page(), with_body)
        except ConnectionError:  # whoever asked is gone
            self.close_connection = True

    def _send(self, status: HTTPStatus, text: str, further: dict[str, str], with_body: bool) -> None:
        body = text.encode("utf-8", "replace")
        self.send_response(status)
        headers = {
            "Content-Type": "text/html; charset=utf-8", "Content-Length": str(len(body)), "Cache-Control": "no-cache",
            "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY",
            "Content-Security-Policy": "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'",
            **further,
        }  # fmt: skip
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def _host(self) -> str | None:
        """The host that was asked; None where it is none."""
        try:
            return urllib.parse.urlsplit(f"//{self.headers.get('Host', '')}").hostname or ""
        except ValueError:
            return None

    def _page(self) -> tuple[HTTPStatus, str, dict[str, str]]:
        # a page elsewhere may let its own name lead here, and read what the browser gets
        host = self._host()
        if host is None or (self.hosts and host not in self.hosts):
            return (
                HTTPStatus.FORBIDDEN,
                _plain("Not this host", "<p>Open it by the address that py4cast serve told.</p>"),
                {},
            )
        try:
            address = urllib.parse.urlsplit(self.path)
        except ValueError:
            return HTTPStatus.BAD_REQUEST, _plain("No address", '<p><a href="/">The list</a></p>'), {}
        place = urllib.parse.unquote(address.path, errors="surrogateescape")
        query = urllib.parse.parse_qs(address.query)
        name, chosen = place.removeprefix("/view/"), query.get("init_time", [None])[0]
        try:
            if place == "/":
                return HTTPStatus.OK, self.folder.index(), {}
            if place == "/newest":
                newest = self.folder.newest()
                target = f"/view/{_quoted(newest)}" if newest else "/"
                return HTTPStatus.SEE_OTHER, "", {"Location": target}
            if place.startswith("/view/"):
                return HTTPStatus.OK, self._view(name, chosen), {}
        except SettingsError as error:
            return HTTPStatus.UNPROCESSABLE_ENTITY, _told(error), {}
        except (Py4castError, OSError) as error:
            return HTTPStatus.NOT_FOUND, _told(error), {}
        return HTTPStatus.NOT_FOUND, _plain("Nothing here", '<p><a href="/">The list</a></p>'), {}

    def _view(self, name: str, init_time: str | None) -> str:
        """The page of a forecast, or of its starts where there are several and none is chosen."""
        try:
            return self.folder.page(name, init_time)
        except SettingsError:
            starts = [] if init_time else self.folder.starts(name)
            if not starts:
                raise
            return _choice(name, starts)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: what is asked for is nobody's business."""


def _choice(name: str, starts: Sequence[str]) -> str:
    """The starts of a file that holds several, each a link."""
    links = "".join(f'<li><a href="/view/{_quoted(name)}?init_time={start}">{start} UTC</a></li>' for start in starts)
    return _plain(f"Starts of {_shown(name)}", f'<ul>{links}</ul><p><a href="/">The list</a></p>')


def _told(error: BaseException) -> str:
    return _plain("This cannot be shown", f'<p>{html.escape(str(error))}</p><p><a href="/">The list</a></p>')


def make_server(folder: Folder, host: str, port: int) -> ThreadingHTTPServer:
    """The server of a folder, which `serve_forever` runs.

    Args:
        folder: that is served.
        host: address to listen on.
        port: of it; 0 for any that is free.

    Raises:
        SettingsError: the address cannot be listened on.
    """
    is_local = host in ("127.0.0.1", "localhost", "::1")
    names = frozenset({"127.0.0.1", "localhost", "::1"}) if is_local else frozenset()
    handler = type("Handler", (_Handler,), {"folder": folder, "hosts": names})
    try:
        server = ThreadingHTTPServer((host, port), handler)
    except OverflowError:
        raise SettingsError(f"--port {port}: expected 0 to 65535") from None
    except OSError as error:
        raise SettingsError(
            f"--host {host} --port {port}: {error.strerror or error}; choose another port, or 0 for any"
        ) from None
    server.daemon_threads = True
    return server
