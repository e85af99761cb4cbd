"""Whether networks learn as well in bf16-mixed as in float32, and what a step costs in both.

    PY4CAST_TEST_DATA=DIR python benchmarks/precision.py                       # every network, three seeds, some 40 minutes on two cores
    PY4CAST_TEST_DATA=DIR python benchmarks/precision.py halfunet --steps 100

DIR holds the real series that config/datasets/era5_uk.json names. A network is trained for some steps from each seed in
both, and scored on the test period: the ratio of the mean RMSE over its lead times, and how far the seeds of float32 lie apart.
A network keeps its skill where the first is within the second of 1, either way. Bfloat16 is emulated on most processors,
to the same digits as in hardware.
"""

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NETWORKS = ["cnn", "halfunet", "unet", "segformer", "unetrpp", "swinunetr", "graphlam", "hilam", "hilamparallel", "graphtransformer", "transformer"]  # fmt: skip


def trained(network: str, precision: str, seed: int, steps: int) -> tuple[float, float]:
    """The RMSE over the lead times of the test period, and samples per second."""
    with tempfile.TemporaryDirectory() as folder:
        words = [
            sys.executable, "-m", "py4cast.cli", "train", "--dataset_conf", str(ROOT / "config/datasets/era5_uk.json"), "--dataset", "gridded",
            "--model", network, "--strategy", "scaled_ar", "--precision", precision, "--seed", str(seed), "--max_steps", str(steps),
            "--epochs", "1000", "--run_name", "run", "--set", "train.val_interval=1000", "--set", "optim.num_warmup_steps=20",
        ]  # fmt: skip
        environment = {**os.environ, "PY4CAST_ROOTDIR": folder, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{network} {precision}: {done.stderr.strip().splitlines()[-1]}")
        (scores,) = Path(folder).rglob("scores.json")
        (table,) = Path(folder).rglob("metrics.csv")
        with table.open() as stream:
            speeds = [float(row["value"]) for row in csv.DictReader(stream) if row["name"] == "samples/s"]
        rmse = json.loads(scores.read_text())["model"]["t2m"]["rmse"]
    return statistics.mean(rmse), max(speeds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help="by default all")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2)
    a = parser.parse_args()
    print(
        "| network | RMSE in float32 [K] | its seeds | bf16-mixed over float32 | samples/s, over float32 | keeps its skill |"
    )
    print("|---|---|---|---|---|---|", flush=True)
    for network in a.networks or NETWORKS:
        with ThreadPoolExecutor(a.jobs) as pool:
            asked = [
                (network, precision, seed, a.steps) for seed in range(a.seeds) for precision in ("32", "bf16-mixed")
            ]
            results = list(pool.map(lambda words: trained(*words), asked))
        whole, half = results[::2], results[1::2]
        mean = statistics.mean(r for r, _ in whole)
        apart = (max(r for r, _ in whole) - min(r for r, _ in whole)) / mean
        ratio = statistics.mean(r for r, _ in half) / mean
        speed = statistics.median(h[1] / w[1] for h, w in zip(half, whole, strict=True))
        keeps = "yes" if abs(ratio - 1) <= apart else "no"
        print(f"| `{network}` | {mean:.3f} | ± {apart / 2:.1%} | {ratio:.3f} | {speed:.2f} | {keeps} |", flush=True)


if __name__ == "__main__":
    main()
