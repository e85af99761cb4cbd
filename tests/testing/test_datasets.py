"""The check of datasets: what it accepts, and what it refuses by name."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from py4cast.batch import Item
from py4cast.datasets import DatasetABC
from py4cast.testing.datasets import check_dataset

Splits = tuple[DatasetABC, DatasetABC, DatasetABC]


class Altered:
    """A dataset whose samples, batches or length are others."""

    def __init__(self, dataset: DatasetABC, change: Callable[[Item], None] = lambda item: None, size: int = 3) -> None:
        self.dataset, self.change, self.size = dataset, change, size
        self.info = dataset.info

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> Item:
        item = self.dataset[index]
        self.change(item)
        return item

    def read_batch(self, indices: Any, window: Any = None) -> Any:
        return self.dataset.read_batch(indices, window)


class Shifted(Altered):
    def read_batch(self, indices: Any, window: Any = None) -> Any:
        if window is not None:
            rows, columns = window
            window = slice(rows.start + 1, rows.stop + 1), columns
        return super().read_batch(indices, window)


class Timeless(Altered):
    def read_batch(self, indices: Any, window: Any = None) -> Any:
        batch = super().read_batch(indices, window)
        return type(batch)(batch.fields)


def renamed(key: str) -> Callable[[Item], None]:
    def change(item: Item) -> None:
        field = item.fields[key]
        names = [*field.feature_names[:-1], "another"]
        item.fields[key] = type(field)(field.tensor, field.names, names)

    return change


def noisy(item: Item) -> None:
    item.inputs.tensor += torch.rand(())


def cut(item: Item) -> None:
    field = item.fields["forcing"]
    item.fields["forcing"] = field.isel(lon=slice(0, 5))


def flat(item: Item) -> None:
    item.inputs.flatten_("ngrid", 1, 2)


def untruthful(item: Item) -> None:
    del item.fields["outputs"]


def test_a_good_dataset_is_accepted(small: Splits) -> None:
    check_dataset(Altered(small[0]))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (flat, r"inputs are \['timestep', 'ngrid', 'features'\]"),
        (renamed("inputs"), "inputs hold .*'another'"),
        (renamed("forcing"), "forcing"),
        (renamed("outputs"), "outputs"),
        (untruthful, "outputs"),
        (noisy, "inputs of sample 0 changes between two reads"),
        (cut, r"forcing is \(2, 16, 5, \d+\), the grid \(16, 16\)"),
    ],
)
def test_a_bad_sample_is_refused(change: Callable[[Item], None], message: str, small: Splits) -> None:
    name = small[0].info.name
    with pytest.raises(AssertionError, match=f"{name}: {message}"):
        check_dataset(Altered(small[0], change))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "size", "message"),
    [
        (Altered, 0, "no samples"),
        (Timeless, 3, "batch"),
        (Shifted, 3, ".* of a window differs from that part of the whole"),
    ],
)
def test_a_bad_dataset_is_refused(kind: type[Altered], size: int, message: str, small: Splits) -> None:
    with pytest.raises(AssertionError, match=f"{small[0].info.name}: {message}"):
        check_dataset(kind(small[0], size=size))  # type: ignore[arg-type]
