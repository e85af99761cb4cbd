"""Checks of datasets."""

import math

import torch

from py4cast.datasets import DatasetABC

__all__ = ["check_dataset"]


def check_dataset(dataset: DatasetABC) -> None:
    """Samples are physical, named as `info` says, finite where valid, and the same each time."""
    info = dataset.info
    assert len(dataset) > 0, f"{info.name}: no samples"
    item, again = dataset[0], dataset[0]
    assert item.inputs.names == ["timestep", "lat", "lon", "features"], f"{info.name}: inputs are {item.inputs.names}"
    assert item.inputs.feature_names == info.prognostic, f"{info.name}: inputs hold {item.inputs.feature_names}"
    assert (item.forcing.feature_names if item.forcing else []) == info.forcing, f"{info.name}: forcing"
    outputs = item.outputs
    assert outputs is not None and outputs.feature_names == info.predicted, f"{info.name}: outputs"
    for key, field in item.fields.items():
        same = torch.equal(field.tensor.nan_to_num(math.pi), again.fields[key].tensor.nan_to_num(math.pi))
        assert same, f"{info.name}: {key} of sample 0 changes between two reads"
        assert field.shape[1:3] == info.grid.shape, (
            f"{info.name}: {key} is {tuple(field.shape)}, the grid {info.grid.shape}"
        )
    batch = dataset.read_batch([0, len(dataset) - 1])
    assert batch.batch_size == 2 and batch.init_time is not None, f"{info.name}: batch"
    assert info.num_input_features(item.num_input_steps) > 0 and info.summary()
    _check_window(dataset)


def _check_window(dataset: DatasetABC) -> None:
    """A part of the domain is the same part of the whole."""
    rows, columns = (slice(n // 3, n // 3 + max(1, n // 2)) for n in dataset.info.grid.shape)
    whole, part = dataset.read_batch([0]), dataset.read_batch([0], (rows, columns))
    for key, field in whole.fields.items():
        kept = field if key in dataset.info.inputs else field.isel(lat=rows, lon=columns)
        same = torch.equal(part[key].tensor.nan_to_num(math.pi), kept.tensor.nan_to_num(math.pi))
        assert same, f"{dataset.info.name}: {key} of a window differs from that part of the whole"
