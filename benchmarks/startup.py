"""CPU time of `import py4cast` and `py4cast --help`, against a bare interpreter in the same run.

python benchmarks/startup.py [rounds]
"""

import resource
import statistics
import subprocess
import sys


def cpu_seconds(code: list[str]) -> float:
    """User and system time of one process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *code], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    cases = {
        "bare interpreter": ["-c", "pass"],
        "import py4cast": ["-c", "import py4cast"],
        "py4cast --help": ["-m", "py4cast.cli", "--help"],
        "py4cast train --help": ["-m", "py4cast.cli", "train", "--help"],
    }
    times: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, code in cases.items():
            times[name].append(cpu_seconds(code))
    bare = statistics.median(times["bare interpreter"])
    for name, found in times.items():
        median = statistics.median(found)
        print(f"{name:<22} {median:6.3f} s CPU (median of {rounds}), {median - bare:+.3f} s over the bare interpreter")


if __name__ == "__main__":
    main()
