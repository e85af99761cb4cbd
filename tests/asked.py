"""Asked: what a computation asks its device before it can go on."""

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

_ASKED = {"_local_scalar_dense", "nonzero", "masked_select", "equal", "is_nonzero", "unique_consecutive", "_unique2"}


class Asked(TorchDispatchMode):
    """Counts what cannot be answered before a device has done all that is queued."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.__name__.split(".")[0]
        chosen = args[1] if name in ("index", "index_put_", "index_put") else ()
        if name in _ASKED or any(isinstance(x, torch.Tensor) and x.dtype == torch.bool for x in chosen):
            self.names.append(name)
        return func(*args, **(kwargs or {}))
