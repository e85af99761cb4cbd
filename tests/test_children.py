"""Ranks that this process started: one that fails ends it with a line, and not at once."""

import subprocess
import sys
from pathlib import Path

import pytest

from py4cast.children import watched_children

CODE = """
import subprocess, sys, time
from pathlib import Path
from py4cast import children

children._SAVING_S = 300.0  # where the ranks have met
child = subprocess.Popen([sys.executable, "-c", {child!r}])
watch = children.ChildWatch([child], Path({last!r}), grace_s=0.3)
watch.start()
time.sleep({seconds})
"""


@pytest.mark.parametrize(
    ("child", "status", "told"),
    [
        ("raise SystemExit(5)", 1, "rank 1 ended with status 5; nothing was saved yet; start it again"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 1, "rank 1 was ended by SIGKILL"),
        ("raise SystemExit(143)", 143, "rank 1 ended with status 143"),
    ],
)
def test_a_rank_that_fails_ends_the_job_with_a_line(tmp_path: Path, child: str, status: int, told: str) -> None:
    code = CODE.format(child=child, last=str(tmp_path / "last.ckpt"), seconds=60)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50)
    assert done.returncode == status and told in done.stderr


def test_ranks_that_end_well_are_left_alone(tmp_path: Path) -> None:
    code = CODE.format(child="pass", last=str(tmp_path / "last.ckpt"), seconds=3)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50)
    assert done.returncode == 0 and not done.stderr


def test_lightning_watches_no_rank_within(tmp_path: Path) -> None:
    from pytorch_lightning.strategies.launchers import subprocess_script

    before = vars(subprocess_script)["_launch_process_observer"]
    with watched_children(tmp_path / "last.ckpt"):
        assert vars(subprocess_script)["_launch_process_observer"] is not before
    assert vars(subprocess_script)["_launch_process_observer"] is before
