"""The command line: `py4cast VERB ...`, the same functions as `bin/VERB.py`.

Nothing heavy is imported before a verb's arguments have been read, so that `--help` is quick.
"""

import argparse
import contextlib
import importlib
import io
import logging
import os
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import Any, cast

from py4cast.cli.base import Parser, Verb
from py4cast.errors import Py4castError, SettingsError, SharedError, nearest
from py4cast.process import keep_memory, process_rank, quiet_frames, sleep_while_waiting
from py4cast.text import visible

__all__ = ["main"]

_PATIENCE_S = 5.0
# exit status of work that was asked to stop
_STOPPED = 143
# one file of this package each
_VERBS = (
    "train",
    "estimate",
    "sweep",
    "new",
    "get",
    "prepare",
    "forecast",
    "cycle",
    "calibrate",
    "export",
    "verify",
    "compare",
    "register",
    "catalogue",
    "push",
    "pull",
    "inspect",
    "plot",
    "view",
    "serve",
    "closure",
    "mapping",
    "ensembles",
    "graph",
    "plugins",
)


def _verb(name: str) -> Verb:
    return cast(Verb, importlib.import_module(f"py4cast.cli.{name}").VERB)


def _parser(verb: str | None) -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    if verb is not None:
        title, epilog, add, *_ = _verb(verb)
        parser = Parser(
            prog=f"py4cast {verb}", description=title, epilog=epilog, formatter_class=raw, allow_abbrev=False
        )
        add(parser)
        said = parser.add_mutually_exclusive_group()
        said.add_argument("--verbose", action="store_true", help="say more of what is done")
        said.add_argument("--quiet", action="store_true", help="say warnings and errors alone, and draw no bar")
        return parser
    verbs = "\n".join(f"  {name:<9} {_verb(name).title}" for name in _VERBS)
    parser = Parser(
        prog="py4cast", formatter_class=raw, allow_abbrev=False, usage="py4cast VERB [flags]",
        description=f"Train neural networks to forecast the weather and the ocean, and operate them.\n\nverbs:\n{verbs}",
        epilog="py4cast VERB --help tells more. Start with: py4cast train --dev_mode",
    )  # fmt: skip
    parser.add_argument("verb", nargs="?", help=argparse.SUPPRESS)
    parser.add_argument("--version", action="store_true", help="show the version")
    return parser


class _Visible(logging.Formatter):
    """Creates what shows messages in one line each, whatever names they hold."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        return visible(super().formatMessage(record), keep="\n")


def _bar() -> Any:
    from py4cast.workflows.terminal import Bar

    return Bar()


def _show_messages() -> None:
    """Messages and warnings go to standard error, a line each."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Visible("%(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    warnings.showwarning = _as_message


def _as_message(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: Any = None,
    line: str | None = None,
) -> None:
    logging.getLogger("py4cast.warnings").warning("%s", " ".join(str(message).split()))


def _run(verb: str, words: Sequence[str]) -> int:
    arguments = _parser(verb).parse_args(words)
    keep_memory()
    _show_messages()
    level = logging.DEBUG if arguments.verbose else logging.WARNING if arguments.quiet else logging.INFO
    logging.getLogger("py4cast").setLevel(level)
    from py4cast.cli.addresses import settle_addresses
    from py4cast.remote import by_address, show_fetching

    try:
        with _told_when_stopped(verb), show_fetching(_bar):
            settle_addresses(arguments)
            _verb(verb).run(arguments)
    except Py4castError as error:
        if _speaks(error):
            sys.stderr.write(f"py4cast {verb}: error: {visible(' '.join(by_address(str(error)).split()))}\n")
        return error.status
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("py4cast"):
            raise
        name = error.name.partition(".")[0]
        sys.stderr.write(f"py4cast {verb}: error: it needs the package {name!r}, which is not installed here\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"py4cast {verb}: error: {visible(error)}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write(f"py4cast {verb}: interrupted\n")
        return 130
    except Exception as error:
        sys.stderr.write(f"py4cast {verb}: unexpected {type(error).__name__}: {error}\n")
        traceback.print_exc()
        return 1
    return 0


@contextlib.contextmanager
def _told_when_stopped(verb: str) -> Iterator[None]:
    """Within, SIGTERM and SIGUSR1 end the work at once, as ever, and say so; verbs that save first take them over."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    process, hint = os.getpid(), _verb(verb).when_stopped

    def end(number: int, frame: FrameType | None) -> None:
        if os.getpid() != process:
            # a fork is no command of its own
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        told = f"py4cast {verb}: stopped by {signal.Signals(number).name}{hint and '; '}{hint}\n"
        os.write(2, told.encode())
        os._exit(_STOPPED)

    held = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1)}
    # what the one who started it told it to ignore stays ignored
    before = {number: handler for number, handler in held.items() if handler is signal.SIG_DFL}
    for number in before:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _speaks(error: Py4castError) -> bool:
    """Whether this process tells of an error, which the first of several ranks does of what is true of all.

    Of wrong settings another one waits: the first has the same, and its launcher then ends the others.
    """
    if process_rank() == 0 or (error.status != _STOPPED and not isinstance(error, SettingsError)):
        return True
    if error.status == _STOPPED or isinstance(error, SharedError):
        return False
    # a rank that Lightning started goes with who started it
    parent, until = os.getppid(), time.monotonic() + _PATIENCE_S
    while time.monotonic() < until:
        if os.getppid() != parent:
            return False
        time.sleep(0.1)
    return True


def main(words: Sequence[str] | None = None) -> int:
    """Runs `py4cast VERB ...` and returns the exit status."""
    given = list(sys.argv[1:] if words is None else words)
    sleep_while_waiting()
    quiet_frames()
    for stream in (sys.stdout, sys.stderr):
        # an encoding that lacks a letter gets its escape
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    # plugins may lie in the folder that the command is given in; at the end, so that they hide nothing
    if "" not in sys.path:
        sys.path.append("")
    if given and given[0] in _VERBS:
        return _run(given[0], given[1:])
    parser = _parser(None)
    if given and not given[0].startswith("-"):
        parser.error(f"unknown verb {given[0]!r}{nearest(given[0], _VERBS)}")
    arguments = parser.parse_args(given)
    if arguments.version:
        from py4cast.version import __version__

        sys.stdout.write(f"{__version__}\n")
    else:
        parser.print_help()
    return 0
