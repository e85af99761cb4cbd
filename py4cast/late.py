"""Late: what a training asks of its device, answered without making the host wait for the device's queue.

A processor has a value as soon as it is asked. An accelerator works through a queue that the host fills ahead; to ask for
a value that stands at its end empties it. Such a value is copied beside the work and looked at one step later.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

__all__ = ["AtOnce", "OneStepLate", "WatchABC", "answers_at_once", "watch_of"]


def answers_at_once(device: torch.device) -> bool:
    """Whether a value of the device can be asked for without waiting for what is queued before it."""
    return device.type != "cuda"


class _Copy:
    """Creates the copy of a value of a device on the host; made while the device works."""

    def __init__(self, value: Tensor) -> None:
        value = value.detach()
        self._host = torch.empty(value.shape, dtype=value.dtype, pin_memory=value.is_cuda)
        self._host.copy_(value, non_blocking=True)
        self._event: Any = None
        if value.is_cuda:
            self._event = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._event.record()

    def value(self) -> float:
        """The value; waits until the device has come to it."""
        if self._event is not None:
            self._event.synchronize()
        return float(self._host)


class WatchABC(ABC):
    """Abstract look at flags that the steps of a training raise.

    Attributes:
        is_late: whether a step is over before its flags are looked at, so that the device itself must leave it out.
    """

    is_late: ClassVar[bool]

    @abstractmethod
    def look(self, flag: Tensor, answer: Callable[[bool], None]) -> None:
        """Hands a flag of this step to `answer`, now or when the next step has been queued."""

    @abstractmethod
    def pass_step(self) -> None:
        """Answers what the step before this one has raised; this one's optimiser step is about to be queued."""

    @abstractmethod
    def settle(self) -> None:
        """Answers all that was not looked at yet: before a state is saved, and at the end of an epoch."""

    @abstractmethod
    def shown(self, value: Tensor) -> float:
        """A number to show, of this step or of the one before."""


class AtOnce(WatchABC):
    """Creates the watch for a device that can be asked at any time."""

    is_late: ClassVar[bool] = False

    def look(self, flag: Tensor, answer: Callable[[bool], None]) -> None:
        answer(bool(flag))

    def pass_step(self) -> None:
        """Nothing is left to answer."""

    def settle(self) -> None:
        """Nothing is left to answer."""

    def shown(self, value: Tensor) -> float:
        return float(value)


class _Question(NamedTuple):
    flag: _Copy
    answer: Callable[[bool], None]


class OneStepLate(WatchABC):
    """Creates the watch for a device with a queue: flags are looked at when the next step is queued behind them."""

    is_late: ClassVar[bool] = True

    def __init__(self) -> None:
        self._this_step: list[_Question] = []
        self._step_before: list[_Question] = []
        self._shown: _Copy | None = None

    def look(self, flag: Tensor, answer: Callable[[bool], None]) -> None:
        self._this_step.append(_Question(_Copy(flag), answer))

    def pass_step(self) -> None:
        due, self._step_before, self._this_step = self._step_before, self._this_step, []
        for question in due:
            question.answer(bool(question.flag.value()))

    def settle(self) -> None:
        self.pass_step()
        self.pass_step()

    def shown(self, value: Tensor) -> float:
        before, self._shown = self._shown, _Copy(value)
        return float("nan") if before is None else before.value()


def watch_of(device: torch.device) -> WatchABC:
    """The watch for a training on a device."""
    return AtOnce() if answers_at_once(device) else OneStepLate()
