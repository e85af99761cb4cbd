"""What a machine cannot do: memory that a training needs and does not get, told with what would need less."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from py4cast.errors import SettingsError, SpaceError
from py4cast.job import Placement
from py4cast.workflows.config import TrainSettings

__all__ = ["check_shards", "is_out_of_memory", "out_of_memory", "restored_determinism", "set_device_defaults"]

# torch raises a plain RuntimeError where the machine's own memory is meant
_TOLD_BY_TORCH = ("can't allocate memory", "not enough memory", "out of memory", "Cannot allocate memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that there was not enough memory, of a GPU or of the machine."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _TOLD_BY_TORCH)


@contextmanager
def out_of_memory(t: TrainSettings) -> Iterator[None]:
    """Within, memory that is not to be had becomes one line that says what would need less.

    Args:
        t: how the run trains.

    Raises:
        SpaceError: there was not enough memory.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        said = " ".join(str(error).split())[:160]
        # the frames of the error hold the tensors that filled the memory
        error.__traceback__ = None
        gc.collect()
        raise SpaceError(
            f"out of memory in training ({said}): {_less(t)}; `py4cast estimate` with the same flags says what fits"
        ) from None


def _less(t: TrainSettings) -> str:
    """What would need less memory, the cheapest first."""
    ways = []
    if t.longest_rollout > 1 and not t.use_checkpoint:
        ways.append(f"--checkpoint_rollout (its {t.longest_rollout} steps are kept whole)")
    if t.batch_size > 1:
        fewer = max(1, t.batch_size // 2)
        times = t.accumulate_grad_batches * t.batch_size // fewer
        ways.append(f"--batch_size {fewer} --accumulate {times} instead of {t.batch_size} (the same gradient)")
    if t.precision in ("auto", "32"):
        ways.append("--precision bf16-mixed")
    if t.longest_rollout == 1 and not t.use_checkpoint:
        ways.append("--checkpoint_rollout")
    return "use " + ", or ".join(ways) if ways else "use a smaller network or grid"


@contextmanager
def restored_determinism() -> Iterator[None]:
    """Within, a run may ask torch for deterministic or for fast steps; afterwards it is as before."""
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    precision, chooses = torch.get_float32_matmul_precision(), torch.backends.cudnn.benchmark
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        torch.set_float32_matmul_precision(precision)
        torch.backends.cudnn.benchmark = chooses


def set_device_defaults(t: TrainSettings) -> None:
    """On a GPU: products of float32 in TF32 (10 bits of mantissa), and convolutions by what cuDNN finds to be fastest.

    A deterministic run gets neither: the choice depends on what else the card does.
    """
    if torch.cuda.is_available() and not t.deterministic:
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.benchmark = True


def check_shards(t: TrainSettings, placement: Placement) -> None:
    """Refuses what a network that is cut or lies in pieces does not have; SettingsError names it."""
    if placement.distributed == "domain" and t.compile:
        raise SettingsError("--distributed domain: --compile does not know what passes between ranks; leave it out")
    if placement.distributed != "fsdp":
        return
    for flag, is_set in (
        ("--ema", t.ema is not None),
        ("--checkpoint_rollout", t.use_checkpoint),
        ("--compile", t.compile),
        ("--on_nan rollback", t.on_nan == "rollback"),
        ("--precision 16-mixed", t.precision == "16-mixed"),
    ):
        if is_set:
            raise SettingsError(
                f"--distributed fsdp: {flag} needs the whole network on every rank; leave it out, or use ddp"
            )
