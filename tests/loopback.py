"""A plain HTTP server on loopback that serves a folder, and fails as it is told to."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote


class Faults:
    """Creates the faults of a server, and what was asked of it.

    Attributes:
        statuses: answers of the next requests, before it serves.
        cut_after: bytes after which the next answers break off, one each.
        asked: method, path and range of every request.
        has_ranges: whether parts of a file can be had.
        refuses: a status with which everything is answered.
        mark: the header that tells one version of a file from another; empty for none.
    """

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.cut_after: list[int] = []
        self.asked: list[tuple[str, str, str]] = []
        self.has_ranges, self.refuses, self.mark = True, 0, "ETag"


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, Faults]]:
    """The address of a folder, and the faults of its server."""
    faults = Faults()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer(has_body=False)

        def do_GET(self) -> None:
            self._answer(has_body=True)

        def _answer(self, has_body: bool) -> None:
            wanted = self.headers.get("Range", "")
            faults.asked.append((self.command, self.path, wanted))
            status = faults.refuses or (faults.statuses.pop(0) if faults.statuses else 0)
            path = folder / unquote(self.path).lstrip("/")
            if not status and not path.is_file():
                status = 404
            if status:
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            data, match = path.read_bytes(), re.fullmatch(r"bytes=(\d+)-(\d*)", wanted)
            whole = len(data)
            if match and faults.has_ranges:
                first, last = int(match[1]), min(int(match[2] or whole - 1), whole - 1)
                data = data[first : last + 1]
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {first}-{last}/{whole}")
            else:
                self.send_response(200)
            if faults.has_ranges:
                self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Length", str(len(data)))
            if faults.mark:
                self.send_header(faults.mark, f'"{path.stat().st_mtime_ns}"')
            self.end_headers()
            if has_body:
                if faults.cut_after and len(data) > faults.cut_after[0]:
                    self.wfile.write(data[: faults.cut_after.pop(0)])
                    self.close_connection = True
                    return
                self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", faults
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
