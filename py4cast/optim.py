"""The optimiser of training: AdamW, linear warm-up, then cosine to the lowest rate, per optimiser step."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch

from py4cast.errors import SettingsError
from py4cast.settings import Settings, setting

__all__ = ["OptimSettings", "cosine_with_warmup", "make_optimizer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimSettings(Settings):
    """Settings of AdamW, and of its schedule."""

    lr: float = setting(1e-3, "highest learning rate")
    min_lr: float = setting(1e-6, "learning rate at the end")
    num_warmup_steps: int = setting(50, "optimiser steps of linear warm-up")
    weight_decay: float = setting(0.01, "weight decay of AdamW")
    betas: tuple[float, float] = setting((0.9, 0.95), "decay of the moments of AdamW")

    def __post_init__(self) -> None:
        if not 0 <= self.min_lr <= self.lr or self.num_warmup_steps < 0:
            raise ValueError("expected 0 <= min_lr <= lr and num_warmup_steps >= 0")


def cosine_with_warmup(step: int, total: int, warmup: int, floor: float) -> float:
    """The factor of the learning rate: step/warmup, then floor + (1 − floor)·½·(1 + cos π·progress)."""
    if step < warmup:
        return (step + 1) / warmup
    progress = min(1.0, (step - warmup) / max(1, total - warmup))
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress))


def make_optimizer(settings: OptimSettings, parameters: Iterable[torch.nn.Parameter], total_steps: int) -> Any:
    """The optimiser and its schedule over `total_steps` steps, as Lightning takes them."""
    s, learned = settings, [p for p in parameters if p.requires_grad]
    if not learned:
        raise SettingsError("there is nothing to learn: neither the model nor the strategy has weights")
    optimizer = torch.optim.AdamW(learned, lr=s.lr, betas=s.betas, weight_decay=s.weight_decay, fused=True)
    total = max(1, total_steps)
    floor, warmup = (s.min_lr / s.lr if s.lr else 1.0), min(s.num_warmup_steps, total // 2)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: cosine_with_warmup(step, total, warmup, floor))
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
