"""Training on two ranks against one, and saving a state against a bare `torch.save` of it.

    python benchmarks/training.py [--rounds 3]

The same samples per step: one rank with one thread and batch 4, against two gloo ranks with one thread each and batch 2. What a step costs against
other libraries is in models.py, against a bare loop in training_step.py, memory in rollout_memory.py and domain_memory.py.
"""

import argparse
import csv
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CASES = {"halfunet": ["--set", "model.num_filters=32", "--set", "model.norm=group"], "graphlam": []}
DATA = ["--set", "dataset.size=128", "--set", "dataset.num_train=42", "--set", "dataset.num_valid=8", "--set", "dataset.num_test=8"]  # fmt: skip


def samples_per_s(model: str, ranks: int, batch: int) -> float:
    """Of the second of two epochs, by the run's own table."""
    with tempfile.TemporaryDirectory() as folder:
        words = [str(ROOT / "bin" / "train.py"), *DATA, "--model", model, *CASES[model], "--batch_size", str(batch)]
        words += ["--epochs", "2", "--no_log", "--num_pred_steps_val_test", "1", "--run_name", "run"]
        launcher = ["-m", "torch.distributed.run", "--nproc_per_node", str(ranks)] if ranks > 1 else []
        environment = {**os.environ, "PY4CAST_ROOTDIR": folder, "OMP_NUM_THREADS": "1"}
        subprocess.run([sys.executable, *launcher, *words], env=environment, check=True, capture_output=True)
        (table,) = Path(folder).rglob("metrics.csv")
        with table.open() as stream:
            values = {(row["epoch"], row["name"]): float(row["value"]) for row in csv.DictReader(stream)}
    return values["1", "samples/s"]


def saving(rounds: int) -> float:
    """Median of the ratios of py4cast's checkpoint to torch.save of the same tensors, flushed to the disk too."""
    import torch

    from py4cast.checkpoint_io import AtomicCheckpointIO

    state = {"state_dict": {str(i): torch.randn(1 << 20) for i in range(64)}}
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds + 1):
            begun = time.perf_counter()
            AtomicCheckpointIO().save_checkpoint(dict(state), Path(folder) / "a.ckpt")
            middle = time.perf_counter()
            with (Path(folder) / "b.ckpt").open("wb") as stream:
                torch.save(state, stream)
                stream.flush()
                os.fsync(stream.fileno())
            ratios.append((middle - begun) / (time.perf_counter() - middle))
    return statistics.median(ratios[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    print(f"a state of 268 MB: {saving(max(5, rounds)):.2f} of torch.save (limit 1.3)")
    for model in CASES:
        ratios = [samples_per_s(model, 2, 2) / samples_per_s(model, 1, 4) for _ in range(rounds)]
        print(
            f"{model}: two ranks {statistics.median(ratios):.2f} of one (wanted 1.6), {min(ratios):.2f} to {max(ratios):.2f}"
        )


if __name__ == "__main__":
    main()
