"""PLUG POINT: datasets. A new one is one file here and one line below, or an entry point in `py4cast.datasets`."""

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from py4cast.registry import Registry

if TYPE_CHECKING:
    from py4cast.datasets.base import DatasetABC

__all__ = ["DatasetABC", "get_datasets", "registry"]

registry: "Registry[DatasetABC]" = Registry(
    "dataset",
    "py4cast.datasets.base:DatasetABC",
    {
        "dummy": "py4cast.datasets.dummy:Dummy",
        "gridded": "py4cast.datasets.gridded:Gridded",
        "virtual": "py4cast.datasets.virtual:Virtual",
        "titan": "py4cast.datasets.titan:Titan",
        "smeagol": "py4cast.datasets.smeagol:Smeagol",
        "poesy": "py4cast.datasets.poesy:Poesy",
        "qg": "py4cast.datasets.qg:Qg",
        "stochastic": "py4cast.datasets.stochastic.dataset:Stochastic",
        "tracks": "py4cast.datasets.tracks:Tracks",
        "rainfall": "py4cast.datasets.rainfall:Rainfall",
    },
)


def get_datasets(
    name: str,
    num_input_steps: int,
    num_pred_steps_train: int,
    num_pred_steps_val_test: int,
    path: str | os.PathLike[str] | None = None,
    overrides: Iterable[str] = (),
) -> "tuple[DatasetABC, DatasetABC, DatasetABC]":
    """The train, valid and test splits of the dataset `name`, described by the JSON file `path`."""
    kind = registry.get(name)
    return kind.from_json(path, num_input_steps, num_pred_steps_train, num_pred_steps_val_test, overrides)


def __getattr__(name: str) -> Any:
    """The contract, loaded when asked for: workers that prepare a store need neither it nor torch."""
    if name == "DatasetABC":
        from py4cast.datasets.base import DatasetABC

        return DatasetABC
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
