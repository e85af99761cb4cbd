"""Addresses among the flags: what is read there is fetched, and nothing is written there."""

import argparse
import os
from typing import Any

from py4cast.errors import SettingsError
from py4cast.remote import as_local, is_remote, url_of

__all__ = ["settle_addresses"]

# flags of files that a verb reads as they lie on the disk; fields and stores it opens where they are
_READ = (
    "calibration", "config", "dataset_conf", "experiment", "forecaster", "init_from", "load_model_ckpt", "model_conf", "orography",
    "stations", "strategy_conf",
)  # fmt: skip
_WRITTEN = ("folder", "output", "overlay", "plot", "profile", "series", "state", "verify")


def settle_addresses(arguments: argparse.Namespace) -> None:
    """Puts fetched files in the place of their addresses.

    Raises:
        SettingsError: an address where something is to be written.
        DataError: nothing is there, it is refused, or it cannot be reached.
    """
    for name in _WRITTEN:
        for place in _texts(getattr(arguments, name, None)):
            _refuse(f"--{name}", place)
    _refuse("PY4CAST_ROOTDIR", os.environ.get("PY4CAST_ROOTDIR", ""))
    for name in _READ:
        value = getattr(arguments, name, None)
        if isinstance(value, list):
            setattr(arguments, name, [_here(item) for item in value])
        elif value is not None:
            setattr(arguments, name, _here(value))


def _refuse(what: str, place: str) -> None:
    if is_remote(place):
        raise SettingsError(
            f"{what} {url_of(place)}: nothing is written at an address; give a place here, and bring it there afterwards "
            "(py4cast push does so with a Forecaster or a step)"
        )


def _texts(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [item for item in values if isinstance(item, str)]


def _here(value: Any) -> Any:
    return str(as_local(value)) if isinstance(value, str) and is_remote(value) else value
