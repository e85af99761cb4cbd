"""Meter: what a training's steps cost and how large their gradients are, for its logs."""

import resource
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from py4cast.process import give_memory_back

__all__ = ["Meter", "forget_peak_memory", "peak_memory_bytes"]


def peak_memory_bytes() -> int:
    """The most memory that this process has held: of its GPU where it trains on one, else of the machine."""
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return int(torch.cuda.max_memory_allocated())
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration, ValueError, IndexError):
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def forget_peak_memory() -> bool:
    """Counts the peak anew from what is held now; whether that can be done here."""
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.reset_peak_memory_stats()
        return True
    give_memory_back()
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


class Meter:
    """Creates a meter at the beginning of a training.

    Attributes:
        num_skipped: steps that were left out.
        num_rolled_back: times that the weights went back.
        flops_per_s: of the steps, 0 where they are not counted.
        peak_flops_per_s: of a product of matrices on the same device, 0 where it was not measured.
    """

    def __init__(self) -> None:
        self.num_skipped = self.num_rolled_back = 0
        self.flops_per_s = self.peak_flops_per_s = 0.0
        self._norms, self._count = torch.zeros(()), 0

    def begin(self, *, is_new: bool = True) -> None:
        """Begins an epoch: its gradients are counted from here on, or where it was stopped."""
        if is_new:
            self._norms, self._count = torch.zeros(()), 0

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps of the epoch and the training so far."""
        counts = {"skipped": self.num_skipped, "rolled_back": self.num_rolled_back}
        return {"norms": float(self._norms), "count": self._count, **counts}

    def load(self, state: Mapping[str, Any]) -> None:
        """Takes over a state; of an older release, which kept none, nothing."""
        self._norms, self._count = torch.tensor(float(state.get("norms", 0.0))), int(state.get("count", 0))
        self.num_skipped, self.num_rolled_back = int(state.get("skipped", 0)), int(state.get("rolled_back", 0))

    def see_gradient(self, norm: Tensor) -> None:
        """Adds the norm of a step's gradient."""
        self._norms, self._count = self._norms.to(norm.device) + norm, self._count + 1

    def values(self, learning_rate: float) -> dict[str, float]:
        """What is logged of an epoch: the mean norm of its gradients before clipping, the rate, the most memory [MB], ..."""
        values = {"learning_rate": learning_rate, "peak_memory_MB": peak_memory_bytes() / 1e6}
        if self._count:
            values["gradient_norm"] = float(self._norms) / self._count
        if self.num_skipped:
            values["steps_skipped"] = self.num_skipped
        if self.num_rolled_back:
            values["rollbacks"] = self.num_rolled_back
        if self.flops_per_s:
            values["tflops"] = self.flops_per_s / 1e12
        if self.peak_flops_per_s:
            values["flop_utilisation_percent"] = 100 * self.flops_per_s / self.peak_flops_per_s
        return values
