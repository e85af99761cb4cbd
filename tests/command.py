"""Processes of their own, forked from a server that has loaded the heavy packages: seconds less for each.

What py4cast prints, its exit status and what signals do to it are those of `python -m py4cast.cli`; how the interpreter
itself starts it is tested where a test says so.
"""

import multiprocessing
import multiprocessing.forkserver
import multiprocessing.process
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["begin", "prepare_slowly", "py4cast", "serve", "start", "wait_for"]

Process = multiprocessing.process.BaseProcess
ROOT = Path(__file__).resolve().parent.parent
_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(["tests.loaded"])


def serve() -> None:
    """Starts the server now, with what is loaded in it."""
    _SERVER.set_forkserver_preload(["tests.loaded"])
    multiprocessing.forkserver.ensure_running()


def _become(
    target: Callable[..., Any], arguments: Any, out: str, err: str, folder: str, environment: Mapping[str, str]
) -> None:
    """Is the target, in the process that was forked."""
    for number, name in ((1, out), (2, err)):
        file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, number)
        os.close(file)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    extra = [p for p in environment.get("PYTHONPATH", "").split(os.pathsep) if p]
    sys.path[:] = [folder, *extra, *(p for p in sys.path if p and Path(p) != ROOT)]
    import torch

    torch.set_num_threads(int(environment["OMP_NUM_THREADS"]))
    sys.exit(target(*arguments))


def start(
    target: Callable[..., Any], *arguments: Any, out: Path, err: Path, cwd: Path | None = None, **environment: str
) -> Process:
    """A function of a module under way, with what it prints in two files."""
    whole = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    process = _SERVER.Process(
        target=_become, args=(target, arguments, str(out), str(err), str(cwd or Path.cwd()), whole)
    )
    process.start()
    return process


def _command(*words: str) -> int:
    from py4cast.cli import main

    sys.argv[:] = ["py4cast", *words]
    return main()


def begin(*words: str, out: Path, err: Path, cwd: Path | None = None, **environment: str) -> Process:
    """py4cast under way."""
    return start(_command, *words, out=out, err=err, cwd=cwd, **environment)


def py4cast(*words: str, cwd: Path | None = None, **environment: str) -> "subprocess.CompletedProcess[str]":
    """py4cast when it is done, and what it printed."""
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder) / "out", Path(folder) / "err"
        process = begin(*words, out=out, err=err, cwd=cwd, **environment)
        process.join(300)
        if process.exitcode is None:
            process.kill()
            raise TimeoutError(f"py4cast {' '.join(words)}: not done in 300 s")
        return subprocess.CompletedProcess(words, process.exitcode, out.read_text(), err.read_text())


def wait_for(process: Process, out: Path, *lines: str) -> None:
    """Until one of these lines is printed, or the process ends."""
    while process.is_alive() and not (out.exists() and set(lines) & set(out.read_text().splitlines())):
        time.sleep(0.005)


def prepare_slowly(document: Path, seconds: float, append: bool = False) -> None:
    """Prepares a store of blocks of 5 instants, with a pause after each instant, and says what stage has begun."""
    from py4cast.cubes.store import layout
    from py4cast.datasets.gridded import Gridded
    from py4cast.datasets.preparing import prepare
    from py4cast.progress import Preparation

    class Slow:
        def start(self, what: str, total: int) -> None:
            sys.stdout.write(f"{what}\n")
            sys.stdout.flush()

        def step(self, count: int = 1) -> None:
            time.sleep(seconds)

    layout._MAX_BLOCK = 5
    prepare(Gridded.read_settings(document), Preparation(Slow(), append=append, check_files=True))
    sys.stdout.write("done\n")
