"""The peer of benchmarks/data.py: reads an Anemoi dataset as anemoi-training does; run in the peer's import path.

    python anemoi_peer.py STORE.zarr        one line "case count seed" in, one line of JSON out

Cases: `all` three dates of all variables; `half` the first half of the variables; `half_quarter` those on the middle
quarter of the grid; `loader` batches of 4 such samples through torch's DataLoader with 2 workers. Seconds are CPU
time of all threads, for `loader` wall time without the start of the workers.
"""

import json
import sys
import time
import warnings
from typing import Any

warnings.filterwarnings("ignore")

import numpy as np
import torch
from anemoi.datasets import open_dataset
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

STEPS, BATCH, WORKERS = 3, 4, 2


class Samples(IterableDataset):  # type: ignore[type-arg]
    """Samples as anemoi-training's dataset gives them: dates, ensembles, points, variables."""

    def __init__(self, dataset: Any, indices: np.ndarray) -> None:
        self.dataset, self.indices = dataset, indices

    def __iter__(self) -> Any:
        worker = get_worker_info()
        for i in np.array_split(self.indices, worker.num_workers)[worker.id]:
            found = self.dataset[int(i) : int(i) + STEPS, :, :, slice(0, self.dataset.shape[-1])]
            yield torch.from_numpy(found.transpose(0, 2, 3, 1))


def views(path: str) -> dict[str, Any]:
    whole = open_dataset(path)
    if len(whole.field_shape) == 1:
        return {"all": whole}
    rows, columns = whole.field_shape
    half = whole.variables[: len(whole.variables) // 2]
    lat = whole.latitudes.reshape(rows, columns)[:, 0]
    lon = whole.longitudes.reshape(rows, columns)[0]
    la, lo = lat[rows // 4 : rows // 4 + rows // 2], lon[columns // 4 : columns // 4 + columns // 2]
    area = (la.max() + 1e-4, lo.min() - 1e-4, la.min() - 1e-4, lo.max() + 1e-4)
    return {
        "all": whole,
        "half": open_dataset(path, select=half),
        "half_quarter": open_dataset(path, select=half, area=area),
    }


def loader(dataset: Any, indices: np.ndarray) -> float:
    batches = iter(DataLoader(Samples(dataset, indices), batch_size=BATCH, num_workers=WORKERS, prefetch_factor=2))
    next(batches)
    began = time.perf_counter()
    count = sum(len(batch) for batch in batches)
    return (time.perf_counter() - began) / count


def main() -> None:
    opened = views(sys.argv[1])
    count = len(opened["all"])
    for i in range(count):
        opened["all"][i]
    print(json.dumps({"ready": count}), flush=True)
    for line in sys.stdin:
        case, number, seed = line.split()
        indices = np.random.default_rng(int(seed)).integers(0, count - STEPS, int(number))
        if case == "loader":
            seconds = loader(opened["all"], indices)
        else:
            dataset = opened[case]
            began = time.process_time()
            for i in indices.tolist():
                dataset[i : i + STEPS]
            seconds = (time.process_time() - began) / len(indices)
        print(json.dumps({"seconds": seconds}), flush=True)


if __name__ == "__main__":
    main()
