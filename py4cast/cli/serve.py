"""serve: a folder of forecasts in a browser."""

import argparse
import logging
import signal
import sys
from pathlib import Path

from py4cast.cli.base import Verb, by_comma, units_of
from py4cast.cli.view import page_arguments

__all__ = ["VERB"]

logger = logging.getLogger(__name__)

_HELP = """\
examples:
  py4cast serve forecasts/                     then open the address that it tells
  py4cast serve forecasts/ --port 9000 --variables t2m,msl

A list of the forecasts of a folder, such as one that `py4cast cycle` fills, and the page of `py4cast view` for each, made
when it is asked for. Nothing is written, and only this machine can read it, unless --host says otherwise: there is neither
a password nor encryption, so that others should come through a server that has both."""


def _arguments(p: argparse.ArgumentParser) -> None:
    """The flags of serve."""
    p.add_argument("folder", metavar="FOLDER", help="with .nc, .grib2 or .zarr forecasts, at any depth")
    p.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="to listen on (default: 127.0.0.1, this machine alone)")  # fmt: skip
    p.add_argument("--port", type=int, default=8000, metavar="N", help="to listen on; 0 for any that is free (default: 8000)")  # fmt: skip
    page_arguments(p)


def _run(a: argparse.Namespace) -> None:
    """Serves until it is interrupted."""
    from py4cast.workflows.view.serve import Folder, PageSettings, make_server

    settings = PageSettings(by_comma(a.variables), a.isolines, a.wind, a.thin, a.max_mb, units_of(a.units))
    server = make_server(Folder(Path(a.folder), settings), a.host, a.port)
    host, port = server.server_address[:2]
    if a.host not in ("127.0.0.1", "localhost", "::1"):
        logger.warning("everybody who reaches %s can read the forecasts of %s", a.host, a.folder)
    sys.stdout.write(f"http://{host!s}:{port}/  (ends with Ctrl-C)\n")
    sys.stdout.flush()
    # a shell that starts it in the background has it ignore the one, a service sends the other
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()


VERB = Verb("show a folder of forecasts in a browser", _HELP, _arguments, _run)
