"""Hindcasts of many starts in one job against one `py4cast forecast` per start, in the same run.

    python -m benchmarks.hindcasts --starts 24

A call of `forecast` per start is what a user without `--init_times` writes in a shell. It prints the ratio of times for as many starts; of
the calls only a few are made, and their median stands for all.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median


def run(words: list[str], folder: Path) -> float:
    """Seconds of one command."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "py4cast.cli", *words], cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - began


def main() -> None:
    """Trains a small Forecaster, and times both ways."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--starts", type=int, default=24, help="forecasts (default: 24)")
    p.add_argument("--calls", type=int, default=3, help="single forecasts that are timed (default: 3)")
    asked = p.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run(["train", "--epochs", "1", "--limit_train_batches", "5", "--no_log", "--run_name", "r"], folder)
        forecaster = str(next(folder.glob("py4cast_runs/logs/*/*/*/r")))
        common = ["forecast", "--forecaster", forecaster, "--num_steps", "5"]
        # --starts hours from the first day of the test period
        last = f"2020-03-{12 + (asked.starts - 1) // 24:02d}T{(asked.starts - 1) % 24:02d}"
        single, job = [], []
        for call in range(asked.calls):
            single.append(run([*common, "--init_time", f"2020-03-12T{call:02d}", "--output", "one.nc"], folder))
            job.append(run([*common, "--init_times", f"2020-03-12T00/{last}/1h", "--output", f"h{call}.zarr"], folder))
        ratios = [j / (s * asked.starts) for s, j in zip(single, job, strict=True)]
        print(
            f"{asked.starts} starts: one job {median(job):.1f} s, a call per start {median(single) * asked.starts:.1f} s"
        )
        print(f"ratio {median(ratios):.3f} (medians of {asked.calls} pairs)")


if __name__ == "__main__":
    main()
