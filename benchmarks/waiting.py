"""Share of a training epoch spent waiting for data, and the cost of reading against a bare memory map.

    python benchmarks/waiting.py --dataset_conf config/datasets/era5_uk.json --root DIR [--filters 32] [--epochs 3]

The limit for reading is the same planes copied from a memory-mapped file of raw float32.
"""

import argparse
import logging
import statistics
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

from py4cast.datasets import get_datasets
from py4cast.lightning import AutoRegressiveLightning
from py4cast.workflows.config import build_config, named_from
from py4cast.workflows.train.run import train


def reading(data, rounds: int = 7) -> tuple[float, float]:
    """CPU microseconds per sample: from the store, and from a memory map of the same values."""
    names, count, cube = data.info.prognostic, len(data), data.cube
    whole = np.empty((len(names), cube.times.size, *cube.shape), dtype=np.float32)
    cube.read(names, 0, cube.times.size, whole)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "raw"
        whole.tofile(path)
        mapped = np.memmap(path, dtype=np.float32, mode="r", shape=whole.shape)
        out = np.empty((len(names), 3, *cube.shape), dtype=np.float32)
        store, bare = [], []
        for _ in range(rounds):
            began = time.process_time()
            for i in range(count):
                cube.read(names, i, i + 3, out)
            store.append((time.process_time() - began) / count)
            began = time.process_time()
            for i in range(count):
                out[...] = mapped[:, i : i + 3]
            bare.append((time.process_time() - began) / count)
    return 1e6 * statistics.median(store), 1e6 * statistics.median(bare)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset_conf", required=True)
    parser.add_argument("--root", required=True)
    parser.add_argument("--filters", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=3)
    a = parser.parse_args()
    warnings.filterwarnings("ignore")
    shares: list[float] = []
    ended = AutoRegressiveLightning.on_train_epoch_end

    def record(self) -> None:
        shares.append(self.waiting_share)
        ended(self)

    AutoRegressiveLightning.on_train_epoch_end = record
    document = {
        "dataset": named_from("gridded", a.dataset_conf),
        "train": {"epochs": a.epochs, "no_log": True, "plots": []},
    }
    config = build_config(document, [f"dataset.root={a.root}", f"model.num_filters={a.filters}"])
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    train(config, campaign="benchmarks", run_name=f"waiting-{time.time_ns()}")
    print(
        f"waiting for data, share of each epoch: {', '.join(f'{100 * s:.2f} %' for s in shares)}; median {100 * statistics.median(shares):.2f} %"
    )
    data = get_datasets("gridded", 2, 1, 1, a.dataset_conf, [f"root={a.root}"])[0]
    store, bare = reading(data)
    print(
        f"reading 3 instants of {len(data.info.prognostic)} variables: store {store:.1f} us CPU, memory map {bare:.1f} us, ratio {store / bare:.2f}"
    )


if __name__ == "__main__":
    main()
