"""py4cast: train neural networks to forecast the weather and the ocean, and operate them.

Names are loaded when they are first used, so that `import py4cast` is quick.
"""

import importlib
from typing import TYPE_CHECKING, Any

from py4cast.former import find_former
from py4cast.version import __version__

if TYPE_CHECKING:
    from py4cast.batch import Item, ItemBatch, Statics, collate_fn
    from py4cast.dataset_info import DatasetInfo
    from py4cast.datasets import DatasetABC, get_datasets
    from py4cast.errors import DataError, NumericalError, Py4castError, SettingsError
    from py4cast.forecaster import Forecaster
    from py4cast.grid import Grid
    from py4cast.lightning import AutoRegressiveLightning
    from py4cast.losses import LossABC
    from py4cast.models import GridModel, ModelABC, NodeModel
    from py4cast.namedtensor import NamedTensor
    from py4cast.observers import ErrorObserver
    from py4cast.settings import Settings
    from py4cast.strategies import StrategyABC
    from py4cast.variables import Variable
    from py4cast.workflows.python.verifying import verify
    from py4cast.workflows.python.viewing import open_dataset

find_former()

_HOMES = {
    "batch": ("Item", "ItemBatch", "Statics", "collate_fn"),
    "dataset_info": ("DatasetInfo",),
    "datasets": ("DatasetABC", "get_datasets"),
    "errors": ("DataError", "NumericalError", "Py4castError", "SettingsError"),
    "forecaster": ("Forecaster",),
    "grid": ("Grid",),
    "lightning": ("AutoRegressiveLightning",),
    "losses": ("LossABC",),
    "models": ("GridModel", "ModelABC", "NodeModel"),
    "namedtensor": ("NamedTensor",),
    "observers": ("ErrorObserver",),
    "settings": ("Settings",),
    "strategies": ("StrategyABC",),
    "variables": ("Variable",),
    "workflows.python.verifying": ("verify",),
    "workflows.python.viewing": ("open_dataset",),
}
_MODULES = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "AutoRegressiveLightning", "DataError", "DatasetABC", "DatasetInfo", "ErrorObserver", "Forecaster", "Grid", "GridModel",
    "Item", "ItemBatch", "LossABC", "ModelABC", "NamedTensor", "NodeModel", "NumericalError", "Py4castError", "Settings",
    "SettingsError", "Statics", "StrategyABC", "Variable", "__version__", "collate_fn", "get_datasets", "open_dataset", "verify",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(importlib.import_module(f"py4cast.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'py4cast' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
