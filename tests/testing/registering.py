"""Classes registered for the time of a check."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from py4cast.registry import Registry


@contextmanager
def registered(registry: Registry[Any], kind: type[Any]) -> Iterator[str]:
    """The name under which a class is known within."""
    registry.register("tried", kind)
    try:
        yield "tried"
    finally:
        registry.unregister("tried")
