"""A training step of the whole library against the same network called bare on tensors of the same shape.

Bare means: the network's own forward, a plain mean squared error, backward, and the same fused AdamW. The
library adds the loader's batch, standardising, assembling the input, the strategy, the weighted and masked
loss, the guard of the gradient and Lightning. Rounds alternate, and the ratio is taken within each.

    python benchmarks/training_step.py [--filters 32] [--size 64] [--batch 4] [--rounds 15] [--steps 20]
"""

import argparse
import logging
import statistics
import time
import warnings

import pytorch_lightning as pl
import torch

from py4cast.callbacks import Guard
from py4cast.datasets import get_datasets
from py4cast.datasets.loader import Loader, LoaderSettings
from py4cast.forecaster import Forecaster
from py4cast.lightning import AutoRegressiveLightning
from py4cast.losses import registry as losses
from py4cast.optim import OptimSettings


class Clock(pl.Callback):
    """Times the steps between the first and the last batch."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx) -> None:
        if batch_idx == 1:
            self.began = time.perf_counter()

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        if batch_idx + 1 == trainer.num_training_batches:
            self.times.append((time.perf_counter() - self.began) / batch_idx)


def whole(forecaster: Forecaster, data, batch: int, steps: int) -> float:
    """Seconds per step of Lightning with everything."""
    clock = Clock()
    module = AutoRegressiveLightning(forecaster, losses.get("mse")(forecaster.info), OptimSettings())
    trainer = pl.Trainer(
        max_epochs=1, limit_train_batches=steps + 1, logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, accelerator="cpu", callbacks=[clock, Guard()], use_distributed_sampler=False,
    )  # fmt: skip
    trainer.fit(module, Loader(data, LoaderSettings(batch_size=batch, shuffle=True)))
    return clock.times[0]


def bare(forecaster: Forecaster, batch: int, steps: int) -> float:
    """Seconds per step of the same network on tensors that are ready."""
    info = forecaster.info
    x = torch.randn(batch, *info.grid.shape, info.num_input_features(forecaster.num_input_steps))
    y = torch.randn(batch, *info.grid.shape, len(info.predicted))
    network = forecaster.network.train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4, fused=True)
    began = 0.0
    for step in range(steps + 1):
        if step == 1:
            began = time.perf_counter()
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(network(x), y).backward()
        optimizer.step()
    return (time.perf_counter() - began) / steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("filters", 32), ("size", 64), ("batch", 4), ("rounds", 15), ("steps", 20)):
        parser.add_argument(f"--{name}", type=int, default=default)
    a = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    data = get_datasets("dummy", 2, 1, 1, None, [f"size={a.size}"])[0]
    forecaster = Forecaster.build(data.info, "halfunet", "diff_ar", 2, {"num_filters": a.filters})
    pairs = [(whole(forecaster, data, a.batch, a.steps), bare(forecaster, a.batch, a.steps)) for _ in range(a.rounds)]
    ratios = sorted(w / b for w, b in pairs)
    print(
        f"halfunet{a.filters}, {a.size} x {a.size} cells, batch {a.batch}, {torch.get_num_threads()} threads, {a.rounds} rounds of {a.steps} steps"
    )
    print(
        f"whole library {1e3 * statistics.median(w for w, _ in pairs):.1f} ms, bare network {1e3 * statistics.median(b for _, b in pairs):.1f} ms"
    )
    print(f"ratio: median {statistics.median(ratios):.3f}, from {ratios[0]:.3f} to {ratios[-1]:.3f}")


if __name__ == "__main__":
    main()
