"""What `--precision auto` means for a network on the device that is here."""

import logging

import torch

from py4cast.models import registry

__all__ = ["auto_precision"]

logger = logging.getLogger(__name__)


def auto_precision(model: str, accelerator: str = "auto") -> str:
    """`bf16-mixed` on a GPU that has it in hardware, for a network whose skill in it was shown to be that in float32; else `32`.

    Where there is a GPU and float32 stays, a line says why. Processors emulate bfloat16, most of them three times as slow as float32
    (`benchmarks/precision.py` measures both, doc/benchmarks.md has the table).

    Args:
        model: registered name of the network.
        accelerator: that was asked for.
    """
    if not torch.cuda.is_available() or accelerator == "cpu":
        return "32"
    if torch.cuda.get_device_capability() < (8, 0):
        logger.info("precision auto: %s has no bfloat16; float32 is used", torch.cuda.get_device_name())
        return "32"
    if not registry.get(model).keeps_skill_in_bf16:
        logger.info("precision auto: float32 is used, since %s was not shown to keep its skill in bfloat16", model)
        return "32"
    return "bf16-mixed"
