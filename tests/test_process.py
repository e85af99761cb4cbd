"""Settings of the process, each in a process of its own."""

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

CODE = """
import resource, sys
import numpy as np
from py4cast.process import keep_memory
kept = keep_memory() if sys.argv[1] == "keep" else False
for turn in range(6):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    arrays = [np.ones(2**19) for _ in range(20)]
    del arrays
print(kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(word: str, **environment: str) -> tuple[str, int]:
    """Of the last of six turns that take 80 MB and give them back."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("MALLOC_", "GLIBC_"))}
    done = subprocess.run([sys.executable, "-c", CODE, word], capture_output=True, text=True, check=True, cwd=ROOT, env={**clean, **environment})  # fmt: skip
    kept, count = done.stdout.split()
    return kept, int(count)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mallopt is glibc's")
def test_memory_stays_with_the_process() -> None:
    assert faults("leave")[1] > 5000
    kept, count = faults("keep")
    if kept == "False":
        pytest.skip("this system's C library has no mallopt")
    assert count < 100
    assert faults("keep", MALLOC_TRIM_THRESHOLD_="0")[0] == "False"
