"""Doors: what a noun offers in Python and the workflows do; opened when somebody goes through, so that nothing below imports them."""

import importlib
from collections.abc import Callable
from typing import Any

__all__ = ["ClassDoor", "door"]


def door(place: str) -> Any:
    """The function `module:name` of the workflows."""
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(f"py4cast.workflows.{module}"), name)


class ClassDoor:
    """Creates an attribute that is a door of the class, and another function of its objects.

    Args:
        place: of the door.
        of_object: a method of the same name that objects have.
    """

    def __init__(self, place: str, of_object: Callable[..., Any]) -> None:
        self._place, self._of_object = place, of_object

    def __get__(self, instance: object, owner: type) -> Callable[..., Any]:
        function: Callable[..., Any] = (
            door(self._place) if instance is None else self._of_object.__get__(instance, owner)
        )
        return function
