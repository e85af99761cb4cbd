"""The contract of datasets: samples in physical units, and a DatasetInfo that says what they are."""

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal, Self, cast, final, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from py4cast.batch import Item, ItemBatch, Statics, collate_fn
from py4cast.cubes.base import CubeABC
from py4cast.dataset_info import DatasetInfo
from py4cast.datasets.loader import BatchSource, Loader, LoaderSettings, Window
from py4cast.datasets.sampling import init_indices, require_samples, what_lacks
from py4cast.datasets.splits import CubePart, Splits
from py4cast.errors import DataError, SettingsError
from py4cast.namedtensor import NamedTensor
from py4cast.progress import Preparation
from py4cast.settings import apply_overrides, read_json, settings_of
from py4cast.statistics import Stats
from py4cast.timeline import Period, later, told

# the nouns of a sample are offered here too, where plugins of the older interface import them from
__all__ = [
    "SPLITS",
    "DatasetABC",
    "DatasetInfo",
    "Item",
    "ItemBatch",
    "NamedTensor",
    "Split",
    "Splits",
    "Statics",
    "Stats",
    "Window",
    "WindowDataset",
    "collate_fn",
]  # fmt: skip

Split = Literal["train", "valid", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
DIMS = ["batch", "timestep", "lat", "lon", "features"]


class DatasetABC(BatchSource, Dataset[Item], ABC):
    """Abstract dataset: `len`, samples by index, `info`, and a way to make the three splits from JSON.

    Samples are in physical units; `inputs` are the prognostic features, `outputs` the prognostic then the
    diagnostic ones, `forcing` what is known at each predicted step.

    Attributes:
        settings_kls: its settings.
    """

    settings_kls: ClassVar[type]

    @property
    @abstractmethod
    def info(self) -> DatasetInfo:
        """What a Forecaster needs to know of the data."""

    @abstractmethod
    def __len__(self) -> int:
        """Number of samples."""

    @abstractmethod
    def __getitem__(self, index: int) -> Item:
        """The sample `index`."""

    @classmethod
    def read_settings(cls, path: str | os.PathLike[str] | None, overrides: Iterable[str] = ()) -> Any:
        """The settings of a JSON file (None: the defaults), with dotted overrides; SettingsError names every mistake."""
        document = apply_overrides(read_json(path) if path else {}, overrides)
        return cls.decode_settings(document, str(path) if path else "")

    @classmethod
    def decode_settings(cls, document: Mapping[str, Any], source: str = "") -> Any:
        """The settings of plain JSON values; SettingsError names every mistake, and the file `source`."""
        return settings_of(cls, document, "dataset", source)

    @classmethod
    def from_settings(
        cls, settings: Any, path: str | os.PathLike[str] | None, *steps: int
    ) -> tuple["DatasetABC", "DatasetABC", "DatasetABC"]:
        """The splits of decoded settings, with the steps of `from_json`; by default of the JSON file that holds them."""
        num_input_steps, num_pred_steps_train, num_pred_steps_val_test = steps
        return cls.from_json(path, num_input_steps, num_pred_steps_train, num_pred_steps_val_test)

    @classmethod
    def make(cls, settings: Any, how: Preparation | None = None) -> CubeABC | None:
        """What the samples are read from, made where it is not there; None where nothing is made.

        Args:
            settings: of the dataset.
            how: told of the work, and what does it.
        """
        return None

    @final
    @classmethod
    def prepare(cls, settings: Any, how: Preparation | None = None) -> CubeABC | None:
        """The older name of `make`."""
        return cls.make(settings, how)

    @property
    def has_boundary(self) -> bool:
        """Whether samples bring border values of their own, of a driving model, under the key `boundary`."""
        return False

    def at(self, init_time: np.datetime64, num_steps: int, with_outputs: bool) -> ItemBatch:
        """The batch of one forecast from `init_time`, in the data or after their end; used in operations.

        Args:
            init_time: time of the last past state.
            num_steps: steps to predict, for which forcings are made.
            with_outputs: whether to read the truth too.

        Raises:
            DataError: the data lack a state, a forcing or a border value that is needed.
            SettingsError: a dataset that gives samples alone.
        """
        raise SettingsError(
            f"dataset {self.info.name!r}: {type(self).__name__} has no method at(init_time, num_steps, with_outputs)"
        )

    @classmethod
    @abstractmethod
    def from_json(
        cls,
        path: str | os.PathLike[str] | None,
        num_input_steps: int,
        num_pred_steps_train: int,
        num_pred_steps_val_test: int,
        overrides: Iterable[str] = (),
    ) -> tuple["DatasetABC", "DatasetABC", "DatasetABC"]:
        """The train, valid and test splits that a JSON file describes (None: the defaults)."""

    @classmethod
    def for_forecast(
        cls,
        path: str | os.PathLike[str] | None,
        info: DatasetInfo,
        init_time: np.datetime64,
        num_input_steps: int,
        num_steps: int,
        overrides: Iterable[str] = (),
    ) -> "DatasetABC":
        """A dataset whose `at(init_time, ...)` gives the batch of one forecast; by default the test split.

        Args:
            path: the JSON file, None for the defaults.
            info: of the Forecaster, which the data must fit.
            init_time: start of the forecast.
            num_input_steps: past states that are needed.
            num_steps: steps to predict.
            overrides: dotted settings.

        Raises:
            DataError: the data do not fit the Forecaster.
        """
        dataset = cls.from_json(path, num_input_steps, 1, 1, overrides)[2]
        info.check_same(dataset.info)
        return dataset

    @property
    def init_times(self) -> NDArray[np.datetime64]:
        """The `init_time` of every sample; by default from the samples themselves."""
        return np.array([self[i].init_time for i in range(len(self))], dtype="datetime64[s]")

    def read_batch(self, indices: Sequence[int], window: Window | None = None, pin_memory: bool = False) -> ItemBatch:
        batch = collate_fn([self[i] for i in indices])
        if window is not None:
            kept = self.info.inputs
            fields = {k: v if k in kept else v.isel(lat=window[0], lon=window[1]) for k, v in batch.fields.items()}
            batch = ItemBatch(fields, init_time=batch.init_time)
        return batch.pin_memory() if pin_memory else batch

    def torch_dataloader(self, settings: LoaderSettings | None = None) -> Loader:
        """A loader of the batches of this dataset."""
        return Loader(self, settings or LoaderSettings())


class WindowDataset(DatasetABC):
    """Abstract dataset of windows on one cube: a series of analyses, or many forecasts.

    A batch is filled plane by plane: in memory it is `(batch, features, timestep, lat, lon)`, which the names
    `(batch, timestep, lat, lon, features)` see through a permutation.
    """

    pins_memory: ClassVar[bool] = True

    def __init__(self, shared: Splits, inits: NDArray[np.int64], num_input_steps: int, num_pred_steps: int) -> None:
        self._shared, self._inits = shared, inits
        self._num_input_steps, self._num_pred_steps = num_input_steps, num_pred_steps

    @property
    def info(self) -> DatasetInfo:
        return self._shared.info

    @property
    def sample_blocks(self) -> NDArray[np.int64] | None:
        block = self.cube.disk_block
        return None if block is None else self._inits // block

    @property
    def has_boundary(self) -> bool:
        return "boundary" in self._shared.drivers

    @property
    def cube(self) -> CubeABC:
        """The cube in which the planes lie."""
        return self._shared.cube

    @property
    def init_times(self) -> NDArray[np.datetime64]:
        return np.asarray(self.cube.times[self._inits])

    @property
    def used(self) -> NDArray[np.int64]:
        """Indices in the series of the instants that its samples use, each once."""
        return np.unique(self._inits[:, None] + np.arange(1 - self._num_input_steps, self._num_pred_steps + 1))

    @property
    def instants(self) -> NDArray[np.datetime64]:
        """Valid times that its samples use, each once."""
        return np.unique(self.cube.times[self.used])

    def __len__(self) -> int:
        return int(self._inits.size)

    def __getitem__(self, index: int) -> Item:
        if not -len(self) <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        batch = self.read_batch([index])
        fields = {key: value.select(batch=0) for key, value in batch.fields.items()}
        return Item(fields, init_time=self.cube.times[self._inits[index]])

    def read_batch(self, indices: Sequence[int], window: Window | None = None, pin_memory: bool = False) -> ItemBatch:
        inits = self._inits[np.asarray(indices, dtype=np.int64)]
        return self.read_at(inits, self._num_pred_steps, pin_memory=pin_memory, window=window)

    def at(self, init_time: np.datetime64, num_steps: int, with_outputs: bool) -> ItemBatch:
        axis = self.cube.axis
        index = axis.find(init_time)
        if index is None:
            raise DataError(
                f"init_time {init_time}: not in the data, which hold {self._shared.span} every {told(self.info.step_duration)}"
            )
        first, begin = index - self._num_input_steps + 1, index // axis.length * axis.length
        needed = [(self.info.prognostic, max(first, begin), index + 1)]
        stored = [n for n in self.info.forcing if n not in self._shared.computed.names]
        after = slice(index + 1, index + 1 + num_steps)
        for names, needs in ((stored, bool(stored)), (self.info.predicted, with_outputs)):
            if needs:
                needed.append((names, after.start, after.stop))
        for names, start, stop in needed:
            there = self.cube.available(names)[start : min(stop, axis.run_end(index))]
            if first < begin or there.size < stop - start or not there.all():
                raise DataError(
                    f"forecast from {init_time}: {what_lacks(self.cube, names, start + np.flatnonzero(~there), index, first < begin)}; "
                    f"the data hold {self._shared.span}"
                )
        valid = later(init_time, np.arange(1, num_steps + 1), self.info.step_duration)
        for key, driver in self._shared.drivers.items():
            driver.require(key, init_time, valid)
        return self.read_at(np.array([index]), num_steps, with_outputs)

    def read_at(
        self, inits: NDArray[np.int64], num_steps: int, with_outputs: bool = True, pin_memory: bool = False,
        window: Window | None = None,
    ) -> ItemBatch:  # fmt: skip
        """The batch of windows whose last past state stands at `inits` in the cube; see `read_batch`."""
        info, past = self.info, self._num_input_steps
        part = CubePart(self.cube, window)

        def room(features: int, steps: int, cells: tuple[int, int] = part.shape) -> Tensor:
            return torch.empty((len(inits), features, steps, *cells), pin_memory=pin_memory)

        if with_outputs and not info.diagnostic:
            # past and future of the states are neighbours: one read, seen as two
            series = room(len(info.prognostic), past + num_steps)
            inputs, outputs = series[:, :, :past], series[:, :, past:]
        else:
            inputs = series = room(len(info.prognostic), past)
            outputs = room(len(info.predicted), num_steps if with_outputs else 0)
        forcing = room(len(info.forcing), num_steps)
        further = {k: room(len(d.names), num_steps, d.shape) for k, d in self._shared.drivers.items()}
        for row, init in enumerate(inits.tolist()):
            first = init - past + 1
            part.read(info.prognostic, first, first + series.shape[2], series[row].numpy())
            if with_outputs and info.diagnostic:
                part.read(info.predicted, init + 1, init + 1 + num_steps, outputs[row].numpy())
            self._read_forcings(part, init, num_steps, forcing[row].numpy())
            valid = later(self.cube.times[init], np.arange(1, num_steps + 1), info.step_duration)
            for key, driver in self._shared.drivers.items():
                driver.read(self.cube.times[init], valid, further[key][row].numpy())
        fields = {"inputs": _named(inputs, info.prognostic)}
        if info.forcing:
            fields["forcing"] = _named(forcing, info.forcing)
        if with_outputs:
            fields["outputs"] = _named(outputs, info.predicted)
        fields |= {key: _named(further[key], driver.names) for key, driver in self._shared.drivers.items()}
        if window is not None and "boundary" in fields:
            fields["boundary"] = fields["boundary"].isel(lat=window[0], lon=window[1])
        return ItemBatch(fields, init_time=self.cube.times[inits])

    def _read_forcings(self, part: "CubePart", init: int, num_steps: int, out: NDArray[np.float32]) -> None:
        """Forcings of the steps after an instant, those of the data and then those that are computed."""
        info, computed = self.info, self._shared.computed
        stored = [n for n in info.forcing if n not in computed.names]
        if stored:
            part.read(stored, init + 1, init + 1 + num_steps, out[: len(stored)])
        if computed.names and num_steps:
            valid = later(self.cube.times[init], np.arange(1, num_steps + 1), info.step_duration)
            part.fill(computed, valid, out[len(stored) :])

    @classmethod
    def of_period(
        cls, shared: Splits, split: str, period: Period | None, num_input_steps: int, num_pred_steps: int
    ) -> Self:
        """The samples of one period; none of one that is not given.

        Raises:
            DataError: there is none; says why.
        """
        if period is None:
            return cls(shared, np.zeros(0, dtype=np.int64), num_input_steps, num_pred_steps)
        info, cube, length = shared.info, shared.cube, num_input_steps + num_pred_steps
        states = cube.available(info.prognostic)
        others = cube.available([n for n in (*info.diagnostic, *info.forcing) if n in cube.names])
        inits = init_indices(cube.axis, states, others, period, num_input_steps, num_pred_steps)
        require_samples(inits, split, cube.axis, states & others, period, length)
        for key, driver in shared.drivers.items():
            covered = driver.covers(cube.times[inits], num_pred_steps, info.step_duration)
            if not covered.any():
                first, last = cube.times[inits][[0, -1]]
                held = driver.cube.times
                raise DataError(
                    f"period {split}: {key} covers no forecast of {num_pred_steps} steps from {first} to {last}; it holds {held.min()} to {held.max()}"
                )
            inits = inits[covered]
        return cls(shared, inits, num_input_steps, num_pred_steps)

    @classmethod
    def of_periods(
        cls,
        shared: Sequence[Splits],
        periods: Sequence[Period | None],
        num_input_steps: int,
        num_pred_steps_train: int,
        num_pred_steps_val_test: int,
    ) -> tuple[Self, Self, Self]:
        """The train, valid and test splits, each of its cube and its period; DataError for one without samples."""
        steps = (num_pred_steps_train, num_pred_steps_val_test, num_pred_steps_val_test)
        splits = [
            cls.of_period(of_split, split, period, num_input_steps, count)
            for of_split, split, period, count in zip(shared, SPLITS, periods, steps, strict=True)
        ]
        return splits[0], splits[1], splits[2]

    @classmethod
    @abstractmethod
    def splits(
        cls, settings: Any, num_input_steps: int, num_pred_steps_train: int, num_pred_steps_val_test: int
    ) -> tuple[Self, Self, Self]:
        """The train, valid and test splits of settings."""

    @classmethod
    def from_json(
        cls,
        path: str | os.PathLike[str] | None,
        num_input_steps: int,
        num_pred_steps_train: int,
        num_pred_steps_val_test: int,
        overrides: Iterable[str] = (),
    ) -> tuple[Self, Self, Self]:
        steps = (num_input_steps, num_pred_steps_train, num_pred_steps_val_test)
        return cls.splits(cls.read_settings(path, overrides), *steps)

    @classmethod
    def from_settings(cls, settings: Any, path: str | os.PathLike[str] | None, *steps: int) -> tuple[Self, Self, Self]:
        return cls.splits(settings, *steps)


def _named(planes: Tensor, names: Sequence[str]) -> NamedTensor:
    """`(batch, features, timestep, lat, lon)` under its names, without a copy."""
    return NamedTensor(planes.permute(0, 2, 3, 4, 1), DIMS, names)


def as_window_dataset(dataset: DatasetABC) -> WindowDataset:
    """The older name of a dataset that has `at`, which all have; those that give samples alone refuse it when asked."""
    return cast(WindowDataset, dataset)
