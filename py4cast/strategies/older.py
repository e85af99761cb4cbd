"""Older strategies: those whose `training_loss` takes states, forcing, truth, border and inputs one by one."""

import functools
import inspect
import warnings
from collections.abc import Callable
from typing import Any

from py4cast.given import Samples

__all__ = ["accept_seven", "also_of_seven"]

_SEVEN = ("states", "forcing", "truth", "border", "inputs")


def accept_seven(kind: Any) -> None:
    """Lets a class whose `training_loss` takes the five one by one be called with Samples, and one that takes Samples with
    the five; a DeprecationWarning says so of the former.
    """
    method = kind.__dict__.get("training_loss")
    if method is None:
        return
    names = list(inspect.signature(method).parameters)
    if "samples" in names:
        kind.training_loss = also_of_seven(method)
    else:
        kind.training_loss = _with_samples(method, [name for name in names if name in _SEVEN])


def _with_samples(method: Callable[..., Any], names: list[str]) -> Callable[..., Any]:
    @functools.wraps(method)
    def training_loss(self: Any, model: Any, loss: Any, samples: Samples) -> Any:
        warnings.warn(
            f"{type(self).__name__}.training_loss takes {', '.join(names)}; write training_loss(self, model, loss, samples)",
            DeprecationWarning,
            stacklevel=2,
        )
        seven = samples._asdict() | {"inputs": dict(samples.inputs) or None}
        return method(self, model, loss, **{name: seven[name] for name in names})

    return training_loss


def also_of_seven(method: Callable[..., Any]) -> Callable[..., Any]:
    """The base class's `training_loss`, which an older strategy calls with the five one by one."""

    @functools.wraps(method)
    def training_loss(self: Any, model: Any, loss: Any, samples: Any, *further: Any, **named: Any) -> Any:
        if not isinstance(samples, Samples):
            seven = dict(zip(_SEVEN, (samples, *further), strict=False)) | named
            samples = Samples(**{name: value for name, value in seven.items() if value is not None or name != "inputs"})
        return method(self, model, loss, samples)

    return training_loss
