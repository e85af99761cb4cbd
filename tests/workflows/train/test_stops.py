"""Runs that are stopped from outside: signals, and a disk that is full."""

import os
import resource
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
import torch

from tests.command import begin, py4cast, start
from tests.test_callbacks import TINY

LONG = ["train", "--epochs", "2000", "--no_log", "--run_name", "stopped", "--num_pred_steps_val_test", "2"]
for _place in (*TINY, "train.save_every_n_steps=100000"):
    LONG += ["--set", _place]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_a_signal_saves_and_leaves_with_143(tmp_path: Path, number: signal.Signals) -> None:
    last = tmp_path / "logs" / "default" / "dummy" / "halfunet" / "stopped" / "checkpoints" / "last.ckpt"
    errors = tmp_path / "errors"
    process = begin(*LONG, out=tmp_path / "out", err=errors, PY4CAST_ROOTDIR=str(tmp_path))
    deadline = time.monotonic() + 60
    while not last.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.3)
    before = torch.load(last, weights_only=True)["py4cast"]["batches_done"]
    assert process.pid is not None
    os.kill(process.pid, number)
    began = time.monotonic()
    process.join(60)
    assert process.exitcode == 143, errors.read_text()
    assert time.monotonic() - began < 20 and f"stopped by {number.name}" in errors.read_text()
    assert "Traceback" not in errors.read_text()
    assert torch.load(last, weights_only=True)["py4cast"]["batches_done"] >= before


def limited(kilobytes: int, *words: str, **environment: str) -> subprocess.CompletedProcess:
    """py4cast in a process whose files may not grow beyond a size: what a full disk or a quota does, without root."""
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder) / "out", Path(folder) / "err"
        process = start(_limited, kilobytes, words, out=out, err=err, **environment)
        process.join(120)
        return subprocess.CompletedProcess(words, process.exitcode, out.read_text(), err.read_text())


def _limited(kilobytes: int, words: tuple[str, ...]) -> int:
    from py4cast.cli import main

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (kilobytes * 1000, kilobytes * 1000))
    return main(list(words))


def test_a_full_disk_is_one_line_and_loses_nothing(tmp_path: Path) -> None:
    environment = {"PY4CAST_ROOTDIR": str(tmp_path)}
    words = ["train", "--epochs", "1", "--no_log", "--run_name", "full", "--num_pred_steps_val_test", "2"]
    for place in TINY:
        words += ["--set", place]
    stopped = limited(10, *words, **environment)
    assert stopped.returncode == 1 and "error: disk full while writing" in stopped.stderr, stopped.stderr
    assert "last.ckpt" in stopped.stderr or "best.ckpt" in stopped.stderr
    assert "Traceback" not in stopped.stderr and not list(tmp_path.rglob("*.part*"))
    done = py4cast(*words, "--resume", **environment)
    assert done.returncode == 0, done.stderr
    folder = Path(done.stdout.splitlines()[-1])
    output = tmp_path / "forecast.nc"
    forecast = [
        "forecast",
        "--forecaster",
        str(folder / "forecaster.safetensors"),
        "--init_time",
        "2020-03-02T06",
        "--num_steps",
        "3",
    ]
    full = limited(3, *forecast, "--output", str(output), **environment)
    assert full.returncode == 1 and f"disk full while writing {output}" in full.stderr, full.stderr
    assert not output.exists() and not list(tmp_path.glob(".*"))
    assert py4cast(*forecast, "--output", str(output), **environment).returncode == 0


def test_a_forced_border_needs_truth_or_a_word(tmp_path: Path) -> None:
    environment = {"PY4CAST_ROOTDIR": str(tmp_path)}
    words = ["train", "--dev_mode", "--no_log", "--strategy", "scaled_ar", "--num_pred_steps_val_test", "2"]
    for place in TINY:
        words += ["--set", place]
    done = py4cast(*words, **environment)
    assert done.returncode == 0, done.stderr
    file = str(Path(done.stdout.splitlines()[-1]) / "forecaster.safetensors")
    # the dummy ends at 2020-03-02T18
    late = [
        "forecast",
        "--forecaster",
        file,
        "--init_time",
        "2020-03-02T17",
        "--num_steps",
        "4",
        "--output",
        str(tmp_path / "f.nc"),
    ]
    refused = py4cast(*late, **environment)
    assert (
        refused.returncode == 3
        and "the strategy imposes truth in the border: give it, or use --free_border" in refused.stderr
    )
    assert py4cast(*late, "--free_border", **environment).returncode == 0
    early = [*late[:4], "2020-03-02T06", *late[5:]]
    assert py4cast(*early, **environment).returncode == 0
