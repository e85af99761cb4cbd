"""What a training step costs in floating-point operations, and how many of them the device can do."""

import time

import torch

from py4cast.batch import ItemBatch
from py4cast.forecaster import Forecaster
from py4cast.losses import LossABC

__all__ = ["peak_flops_per_s", "step_flops"]

_SIZE_CPU, _SIZE_GPU, _REPEATS = 1024, 8192, 5


def step_flops(forecaster: Forecaster, batch: ItemBatch, loss: LossABC) -> int:
    """Operations of a training step on a batch: three times those of its forward pass (products of matrices, convolutions).

    What is computed again to save memory does not count. The network is left as it was.

    Reference: A. Chowdhery et al. (2022), PaLM, arXiv 2204.02311, appendix B (model flops utilisation).
    """
    from torch.utils.flop_counter import FlopCounterMode

    modes = {module: module.training for module in forecaster.modules()}
    forecaster.eval()
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            forecaster.training_loss(batch, loss)
        return 3 * int(counter.get_total_flops())
    finally:
        for module, mode in modes.items():
            module.training = mode


def peak_flops_per_s(device: torch.device, dtype: torch.dtype = torch.float32) -> float:
    """Operations per second of a product of large square matrices on a device, the best of several."""
    size = _SIZE_CPU if device.type == "cpu" else _SIZE_GPU
    a = torch.ones(size, size, dtype=dtype, device=device)
    shortest = float("inf")
    for _ in range(_REPEATS):
        _wait(device)
        began = time.perf_counter()
        torch.mm(a, a)
        _wait(device)
        shortest = min(shortest, time.perf_counter() - began)
    return 2 * size**3 / shortest


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
