"""An S3 server on loopback (moto's), which fails as it is told to, and a bucket in it."""

import gc
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

BUCKET = "weather"


class Faults:
    """Creates the faults of the server, and what was asked of it.

    Attributes:
        statuses: answers of the next requests for objects, before it serves.
        cut_after: bytes after which the next answers with more of them break off, one each.
        refuses: code of S3 with which every request is answered, such as `AccessDenied`; empty for none.
        asked: method and path of every request.
    """

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.cut_after: list[int] = []
        self.refuses = ""
        self.asked: list[str] = []


def _failing(server: Callable[..., Iterable[bytes]], faults: Faults) -> Callable[..., Iterable[bytes]]:
    """The server, with faults before it."""

    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        faults.asked.append(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}")
        code = faults.refuses or ("SlowDown" if faults.statuses else "")
        if code:
            status = faults.statuses.pop(0) if faults.statuses else (400 if code == "ExpiredToken" else 403)
            start(f"{status} {code}", [("Content-Type", "application/xml")])
            document = f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()
            return [] if environ["REQUEST_METHOD"] == "HEAD" else [document]
        body = b"".join(server(environ, start))
        if faults.cut_after and len(body) > faults.cut_after[0]:
            return [body[: faults.cut_after.pop(0)]]  # with the length of the whole in its header
        return [body]

    return answer


@contextmanager
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, Faults]]:
    """What writes to an empty bucket, and the faults of its server; the environment leads there."""
    s3fs = pytest.importorskip("s3fs", reason="s3fs is of the extra remote")
    moto = pytest.importorskip("moto.server", reason="moto is the S3 server of the tests")
    from werkzeug.serving import make_server

    faults = Faults()
    app = moto.DomainDispatcherApplication(moto.create_backend_app)
    server = make_server("127.0.0.1", 0, _failing(app, faults), threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")  # so that attempts are ours
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    s3fs.S3FileSystem.clear_instance_cache()
    fs = s3fs.S3FileSystem()
    try:
        fs.mkdir(BUCKET)
        faults.asked.clear()
        yield fs, faults
        faults.statuses, faults.refuses = [], ""
        fs.rm(BUCKET, recursive=True)
    finally:
        s3fs.S3FileSystem.clear_instance_cache()
        with warnings.catch_warnings():
            # connections of stores that were left open, which zarr never closes
            warnings.simplefilter("ignore", ResourceWarning)
            del fs
            gc.collect()
        server.shutdown()
        server.server_close()
        thread.join()
