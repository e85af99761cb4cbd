"""What a rank says and does while it waits for others that do not come."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from py4cast.meeting import Meeting

_WAITS = """
import datetime, logging, signal, time
from torch.distributed import TCPStore
from py4cast.meeting import Meeting
logging.basicConfig(level="WARNING")
meeting = Meeting(0.5)
for number in (2, 10, 15):
    signal.signal(number, {handler})
meeting.begin()
print("waiting", flush=True)
{wait}
meeting.end()
print("met", flush=True)
"""
# a call that no handler of Python's gets into
_IN_TORCH = 'TCPStore("127.0.0.1", 0, 2, True, datetime.timedelta(seconds=60), wait_for_workers=True)'


def _start(wait: str, handler: str, errors: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _WAITS.format(wait=wait, handler=handler)]
    with errors.open("w") as stream:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stream, text=True)
    assert process.stdout is not None and process.stdout.readline() == "waiting\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_a_rank_that_waits_in_vain_says_so_and_ends_when_asked(tmp_path: Path, number: signal.Signals) -> None:
    process = _start(_IN_TORCH, "lambda *words: None", tmp_path / "errors")
    with process:
        until = time.monotonic() + 30
        while "waiting for the other ranks since 0.5 s" not in (tmp_path / "errors").read_text():
            assert time.monotonic() < until
            time.sleep(0.1)
        process.send_signal(number)
        assert process.wait(30) == 143
    assert (
        f"stopped by {number.name} while it waited for the other ranks; start it again with --resume"
        in (tmp_path / "errors").read_text()
    )


def test_a_signal_that_python_answers_in_time_stays_with_python(tmp_path: Path) -> None:
    wait = "while not meeting._met.is_set(): time.sleep(0.05)\ntime.sleep(4)"
    with _start(wait, "lambda *words: meeting.end()", tmp_path / "errors") as process:
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=30)[0] == "met\n" and process.returncode == 0


def test_those_who_met_leave_no_pipe_and_the_wakeup_of_before() -> None:
    before = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(before)
    pipes = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        meeting = Meeting(60.0)
        meeting.begin()
        meeting.end()
        meeting.end()
    until = time.monotonic() + 10
    while len(list(Path("/proc/self/fd").iterdir())) > pipes:
        assert time.monotonic() < until
        time.sleep(0.05)
    assert signal.set_wakeup_fd(before) == before
