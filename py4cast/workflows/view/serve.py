"""serve: a folder of forecasts in a browser, read-only: a list, and a page of each that is made when it is asked for."""

import html
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

from py4cast.errors import DataError, Py4castError, SettingsError
from py4cast.version import __version__
from py4cast.workflows.view.run import MAX_MB, view_text

__all__ = ["Folder", "PageSettings", "make_server"]

_ENDINGS = (".nc", ".nc4", ".grib", ".grib2", ".grb", ".grb2", ".zarr")
_KEPT_PAGES = 4
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
            if not path.name.startswith(".") and path.resolve().is_relative_to(self.path):
                entries.append(Entry(inner.as_posix(), state.st_mtime, 0 if path.is_dir() else state.st_size, path))
        return sorted(entries, key=lambda entry: (-entry.written, entry.name))

    def page(self, name: str, init_time: str | None = None) -> str:
        """The page of a forecast as it is now.

        Args:
            name: one of `entries`.
            init_time: which of several starts it shows.

        Raises:
            DataError: no such forecast here, or one that cannot be read.
            SettingsError: several starts and none chosen, or a page that would be too large.
        """
        entry = next((e for e in self.entries() if e.name == name), None)
        if entry is None:
            raise DataError(f"{name}: not here any more, or never was")
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
            f'<tr><th scope="row"><a href="/view/{urllib.parse.quote(e.name)}">{html.escape(e.name)}</a></th>'
            f"<td>{datetime.fromtimestamp(e.written, UTC):%Y-%m-%d %H:%M:%S} UTC</td><td>{_size(e.size)}</td></tr>"
            for e in entries[:_LISTED]
        )
        more = f"<p>and {len(entries) - _LISTED} older ones</p>" if len(entries) > _LISTED else ""
        first = '<p><a href="/newest">Look at the newest</a></p>' if entries else "<p>No forecast lies here yet.</p>"
        body = (
            f'{first}<div class="scroll"><table><tr><th scope="col">forecast</th><th scope="col">written</th>'
            f'<th scope="col">size</th></tr>{rows}</table></div>{more}'
        )
        return _plain(f"Forecasts in {self.path.name}", body, refreshes=True)


def _size(size: int) -> str:
    return "a folder" if not size else f"{size / 1e6:.1f} MB"


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
        status, text, further = self._page()
        body = text.encode()
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

    def _page(self) -> tuple[HTTPStatus, str, dict[str, str]]:
        # a page elsewhere may let its own name lead here, and read what the browser gets
        host = urllib.parse.urlsplit(f"//{self.headers.get('Host', '')}").hostname or ""
        if self.hosts and host not in self.hosts:
            return (
                HTTPStatus.FORBIDDEN,
                _plain("Not this host", "<p>Open it by the address that py4cast serve told.</p>"),
                {},
            )
        address = urllib.parse.urlsplit(self.path)
        place, query = urllib.parse.unquote(address.path), urllib.parse.parse_qs(address.query)
        try:
            if place == "/":
                return HTTPStatus.OK, self.folder.index(), {}
            if place == "/newest":
                newest = self.folder.entries()
                target = f"/view/{urllib.parse.quote(newest[0].name)}" if newest else "/"
                return HTTPStatus.SEE_OTHER, "", {"Location": target}
            if place.startswith("/view/"):
                chosen = query["init_time"][0] if "init_time" in query else None
                return HTTPStatus.OK, self.folder.page(place.removeprefix("/view/"), chosen), {}
        except SettingsError as error:
            return HTTPStatus.UNPROCESSABLE_ENTITY, _told(error), {}
        except (Py4castError, OSError) as error:
            return HTTPStatus.NOT_FOUND, _told(error), {}
        return HTTPStatus.NOT_FOUND, _plain("Nothing here", '<p><a href="/">The list</a></p>'), {}

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: what is asked for is nobody's business."""


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
    except OSError as error:
        raise SettingsError(
            f"--host {host} --port {port}: {error.strerror or error}; choose another port, or 0 for any"
        ) from None
    server.daemon_threads = True
    return server
