"""Random numbers of training: functions of seed, step and rank alone, so that a run that goes on draws the same."""

import torch

__all__ = ["seed_step"]


def seed_step(seed: int, step: int, rank: int = 0) -> None:
    """Seeds what a training step draws: its own numbers on every rank.

    Args:
        seed: of the run.
        step: batches done before.
        rank: of this process.
    """
    number = (seed * 1_000_003 + step + rank * 0x9E3779B97F4A7C15) % 2**63
    # torch.manual_seed would queue a stack trace per call for accelerators that are not in use
    torch.default_generator.manual_seed(number)
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.manual_seed(number)
