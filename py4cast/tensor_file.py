"""Files of weights that other programs wrote: tensors by name are read, nothing in them is run."""

from pathlib import Path

import torch
from torch import Tensor

from py4cast.errors import DataError
from py4cast.saved import read_plain_tensors

__all__ = ["is_foreign", "read_weights"]

_BY_TORCH = (".ckpt", ".pt", ".pth", ".bin")


def is_foreign(path: Path) -> bool:
    """Whether a file is one that `torch.save` writes, by its name, and not a saved Forecaster."""
    return path.suffix in _BY_TORCH


def read_weights(path: Path) -> dict[str, Tensor]:
    """The weights of a network by name: of a checkpoint those under `state_dict`, on the processor.

    Args:
        path: of a file of `torch.save` (.ckpt, .pt, .pth, .bin), or of safetensors.

    Raises:
        DataError: there is none, it is damaged, holds objects of a program beside its tensors, or no tensors by name.
    """
    if not is_foreign(path):
        return read_plain_tensors(path)
    try:
        document = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except Exception as error:
        said = next((line for line in str(error).splitlines() if "Unsupported" in line or "global" in line), str(error))
        raise DataError(
            f"{path}: damaged, or more than tensors: {said.strip()[:120]}; where you trust it, save its weights alone in Python: "
            f"torch.save(torch.load(PATH, weights_only=False)['state_dict'], 'weights.pt')"
        ) from None
    if isinstance(document, dict) and "py4cast" in document:
        raise DataError(f"{path}: a checkpoint of py4cast; expected the forecaster.safetensors of its run")
    state = document.get("state_dict", document) if isinstance(document, dict) else {}
    weights = {k: v.detach() for k, v in state.items() if isinstance(k, str) and isinstance(v, Tensor)}
    if not weights:
        raise DataError(
            f"{path}: no weights by name; expected the state of a network, or a checkpoint with a state_dict"
        )
    return weights
