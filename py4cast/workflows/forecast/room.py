"""Room: whether the members of a forecast fit into memory, told before anything is computed."""

from collections.abc import Iterator
from contextlib import contextmanager

from py4cast.errors import SettingsError
from py4cast.process import available_memory_bytes as available_bytes
from py4cast.steppers import StepInfo

__all__ = ["available_bytes", "bytes_of_member", "check_room", "memory_as_errors"]

# arrays of a state that a step has at once beside its past: what is given, the prediction, what is written of it
_COPIES = 4
_EXHAUSTED = ("out of memory", "can't allocate memory", "Failed to allocate", "bad_alloc")


def bytes_of_member(info: StepInfo) -> int:
    """The least that a member of a forecast takes: its past states, forcing, noise and what is made of them."""
    rows, columns = info.grid.shape
    fields = len(info.prognostic) * info.num_input_steps + len(info.forcing) + _COPIES * len(info.predicted)
    noise = info.noise.size * (rows * columns if info.noise.kind == "cells" else 1)
    return 4 * (fields * rows * columns + noise)


def check_room(info: StepInfo, num_members: int) -> None:
    """Refuses more members than memory holds; SettingsError says how many fit."""
    available, each = available_bytes(), bytes_of_member(info)
    if available is None or num_members * each <= available:
        return
    raise SettingsError(
        f"{num_members} members need at least {num_members * each / 1e9:.1f} GB, {available / 1e9:.1f} GB are free: at most "
        f"{available // each} fit; make them in several forecasts by --seed, or by fewer --num_members"
    )


@contextmanager
def memory_as_errors(num_members: int) -> Iterator[None]:
    """What a network says that finds no memory becomes one line.

    Raises:
        SettingsError: names the number of members.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not any(word in str(error) for word in _EXHAUSTED):
            raise
        hint = (
            f"{num_members} members: out of memory; fewer fit, --num_members {max(1, num_members // 2)}"
            if num_members > 1
            else "out of memory"
        )
        raise SettingsError(f"{hint}, or --device cpu, or --precision bf16 where there is more") from None
