from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pytest
import torch

from py4cast.axis import TimeAxis
from py4cast.batch import Item
from py4cast.cubes.driver import Driver
from py4cast.cubes.memory import MemoryCube
from py4cast.dataset_info import DatasetInfo
from py4cast.datasets.base import DatasetABC, WindowDataset, as_window_dataset
from py4cast.datasets.describe import describe
from py4cast.datasets.dummy import Dummy, DummySettings
from py4cast.datasets.loader import Loader
from py4cast.datasets.series_settings import SeriesSettings
from py4cast.errors import DataError, SettingsError
from py4cast.grid import Grid
from py4cast.settings import decode
from py4cast.timeline import Period
from py4cast.variables import Variable
from tests.weather_files import HOUR, START, write_json
from tests.weather_files import describe as document_of

GRID = Grid(np.arange(48.0, 44.0, -1.0), np.arange(5.0))
COARSE = Grid(np.array([49.0, 43.0]), np.array([0.0, 2.0, 4.0]))
T, RAIN, WIND = (
    Variable(name="t", units="K"),
    Variable(name="tp", role="diagnostic", units="kg m-2"),
    Variable(name="u", role="forcing", units="m s-1"),
)
SERIES = TimeAxis.series(START + np.arange(48) * HOUR)
WHOLE = Period(start="2020-01-01T00", end="2020-01-02T23")


class Held(WindowDataset):
    """Samples of a cube in memory."""

    @classmethod
    def splits(cls, settings: Any, *steps: int) -> tuple[Self, Self, Self]:
        shared = describe(settings, CUBE, CUBE.variables, {}, {})
        return cls.of_periods([shared] * 3, settings.periods.in_order, *steps)


def cube_of(*variables: Variable, axis: TimeAxis = SERIES, grid: Grid = GRID) -> MemoryCube:
    """Values 1000 × row of the variable + instant + a hundredth of the place."""
    rows, instants = 1000.0 * np.arange(len(variables)), np.arange(float(axis.size))
    places = 0.01 * np.arange(grid.shape[0] * grid.shape[1]).reshape(grid.shape)
    values = rows[:, None, None, None] + instants[:, None, None] + places
    return MemoryCube(variables, axis, grid, values.astype(np.float32))


CUBE = cube_of(T, RAIN, WIND)


def settings(**changes: Any) -> SeriesSettings:
    document = {k: v for k, v in document_of(Path()).items() if k in ("name", "step", "periods", "forcings")}
    return decode(SeriesSettings, {**document, **changes}, where="dataset")


def held(
    cube: MemoryCube = CUBE, past: int = 2, ahead: int = 3, period: Period = WHOLE, drivers: Any = None, **changes: Any
) -> Held:
    shared = describe(settings(**changes), cube, cube.variables, {}, drivers or {})
    return Held.of_period(shared, "train", period, past, ahead)


def plane(row: int, instant: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    out = np.empty((1, 1, *GRID.shape), dtype=np.float32)
    CUBE.read([CUBE.names[row]], instant, instant + 1, out)
    return np.asarray(out[0, 0], dtype=np.float32)


def test_a_sample_is_a_window_of_the_cube() -> None:
    data = held()
    assert len(data) == 48 - 4 and data.init_times[0] == START + HOUR
    item = data[10]
    assert item.outputs is not None and item.forcing is not None and item.init_time == START + 11 * HOUR
    for step, instant in enumerate((10, 11)):
        np.testing.assert_array_equal(item.inputs.tensor[step, ..., 0], plane(0, instant))
    for step, instant in enumerate((12, 13, 14)):
        np.testing.assert_array_equal(item.outputs["t"][step, ..., 0], plane(0, instant))
        np.testing.assert_array_equal(item.outputs["tp"][step, ..., 0], plane(1, instant))
        np.testing.assert_array_equal(item.forcing["u"][step, ..., 0], plane(2, instant))
    assert item.forcing.feature_names == data.info.forcing and item.forcing.feature_names[0] == "u"
    assert torch.equal(data[-1].inputs.tensor, data[len(data) - 1].inputs.tensor)
    for index in (len(data), -len(data) - 1):
        with pytest.raises(IndexError, match=f"sample {index} of 44"):
            data[index]


def test_without_diagnostics_past_and_future_are_one_series() -> None:
    batch = held(cube_of(T)).read_batch([0, 7])
    assert batch.outputs is not None
    inputs, outputs = batch.inputs.tensor, batch.outputs.tensor
    assert inputs.untyped_storage().data_ptr() == outputs.untyped_storage().data_ptr(), "read once"
    whole = torch.cat([inputs, outputs], 1)[..., 0]
    for row, first in enumerate((0, 7)):
        for step in range(5):
            np.testing.assert_array_equal(whole[row, step], plane(0, first + step))


def test_a_part_of_the_domain_is_cut_of_everything_but_the_inputs() -> None:
    radar = Driver(cube_of(Variable(name="z"), grid=COARSE), ["z"])
    boundary = Driver(cube_of(T), ["t"])
    data = held(drivers={"radar": radar, "boundary": boundary})
    window = (slice(1, 3), slice(0, 4))
    whole, part = data.read_batch([3]), data.read_batch([3], window)
    assert data.has_boundary and not held().has_boundary
    assert set(part.fields) == {"inputs", "outputs", "forcing", "radar", "boundary"}
    for key in ("inputs", "outputs", "forcing", "boundary"):
        assert torch.equal(part[key].tensor, whole[key].tensor[:, :, 1:3, 0:4]), key
    assert part["radar"].tensor.shape == (1, 3, 2, 3, 1) and torch.equal(part["radar"].tensor, whole["radar"].tensor)


def test_instants_that_samples_use_stand_once() -> None:
    data = held(period=Period(start="2020-01-01T00", end="2020-01-01T20", init_step="6h"))
    assert [int((t - START) / HOUR) for t in data.init_times] == [6, 12]
    assert data.used.tolist() == [5, 6, 7, 8, 9, 11, 12, 13, 14, 15]
    assert data.sample_blocks is None


def test_samples_start_where_their_border_values_do() -> None:
    late = TimeAxis.series(START + np.arange(20, 48) * HOUR)
    data = held(drivers={"boundary": Driver(cube_of(T, axis=late), ["t"])})
    assert [int((t - START) / HOUR) for t in data.init_times] == list(range(19, 45))
    message = (
        r"period train: boundary covers no forecast of 3 steps from 2020-01-01T01:00:00 to 2020-01-01T02:00:00; "
        r"it holds 2020-01-01T20:00:00 to 2020-01-02T23:00:00"
    )
    with pytest.raises(DataError, match=message):
        held(
            drivers={"boundary": Driver(cube_of(T, axis=late), ["t"])},
            period=Period(start="2020-01-01", end="2020-01-01T05"),
        )


def test_splits_have_periods_and_numbers_of_steps_of_their_own() -> None:
    train, valid, test = Held.from_settings(settings(), None, 2, 1, 4)
    assert [len(split) for split in (train, valid, test)] == [24 - 2, 12 - 5, 12 - 5]
    assert test[0].outputs is not None and test[0].outputs.tensor.shape[0] == 4


def test_a_forecast_needs_its_states_and_forcings_alone() -> None:
    data = held(cube_of(T, RAIN), forcings=["hour"])
    batch = data.at(START + 47 * HOUR, 6, with_outputs=False)
    assert batch.outputs is None and batch.forcing is not None and batch.forcing.tensor.shape[1] == 6
    np.testing.assert_array_equal(batch.inputs.tensor[0, 1, ..., 0], plane(0, 47))
    early = data.at(START + HOUR, 46, with_outputs=True)
    assert early.outputs is not None
    np.testing.assert_array_equal(early.outputs["t"][0, -1, ..., 0], plane(0, 47))


@pytest.mark.parametrize(
    ("hours", "steps", "with_outputs", "message"),
    [
        (60, 1, False, "init_time 2020-01-03T12:00:00: not in the data, which hold 2020-01-01T00:00:00 to .* every 3600"),
        (0, 1, False, "forecast from 2020-01-01T00:00:00: t missing before 2020-01-01T00:00:00; the data hold"),
        (12, 1, False, "t missing 2020-01-01T11:00:00; the data hold"),
        (21, 3, False, "u missing 2020-01-02T00:00:00"),
        (46, 2, False, "u missing after 2020-01-02T23:00:00"),
        (8, 3, True, "forecast from 2020-01-01T08:00:00: t missing 2020-01-01T11:00:00"),
    ],
)  # fmt: skip
def test_what_a_forecast_lacks_is_named(hours: int, steps: int, with_outputs: bool, message: str) -> None:
    holed = cube_of(T, RAIN, WIND)
    holed._values[0, 11], holed._values[2, 24] = np.nan, np.nan
    with pytest.raises(DataError, match=message):
        held(holed).at(START + hours * HOUR, steps, with_outputs)


def test_border_values_that_a_forecast_lacks_are_named() -> None:
    data = held(cube_of(T), drivers={"boundary": Driver(cube_of(T), ["t"])})
    with pytest.raises(
        DataError, match=r"forecast from 2020-01-02T22:00:00: boundary lacks t up to 2020-01-03T01:00:00"
    ):
        data.at(START + 46 * HOUR, 3, with_outputs=False)


def test_samples_stay_within_one_run_and_a_forecast_starts_from_the_freshest() -> None:
    runs = TimeAxis.forecasts(START + np.arange(8) * 6 * HOUR, np.arange(12) * HOUR)
    data = held(cube_of(T, axis=runs), ahead=2)
    assert len(data) == 8 * (12 - 3)
    first = data[9].inputs.tensor[0, 0, 0, 0]
    assert float(first) == 12, "the second run's first state"
    # 7 h is the second lead time of the second run, the eighth of the first
    batch = data.at(START + 7 * HOUR, 4, with_outputs=True)
    assert batch.outputs is not None
    series = torch.cat([batch.inputs.tensor, batch.outputs.tensor], 1)[0, :, 0, 0, 0]
    assert series.tolist() == [12, 13, 14, 15, 16, 17]
    with pytest.raises(DataError, match="t missing before 2020-01-01T06:00:00"):
        data.at(START + 6 * HOUR, 1, with_outputs=False)


class Samples(DatasetABC):
    """A dataset that gives samples alone."""

    settings_kls: ClassVar[type] = DummySettings

    def __init__(self, of: DatasetABC) -> None:
        self._of = of

    @property
    def info(self) -> DatasetInfo:
        return self._of.info

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> Item:
        return self._of[index]

    @classmethod
    def from_json(
        cls, path: str | PathLike[str] | None, num_input_steps: int, num_pred_steps_train: int,
        num_pred_steps_val_test: int, overrides: Iterable[str] = (),
    ) -> tuple[DatasetABC, DatasetABC, DatasetABC]:  # fmt: skip
        steps = (num_input_steps, num_pred_steps_train, num_pred_steps_val_test)
        first, second, third = (cls(split) for split in Dummy.from_json(path, *steps, overrides))
        return first, second, third


def test_samples_alone_make_a_dataset(small: tuple[DatasetABC, DatasetABC, DatasetABC]) -> None:
    data, whole = Samples(small[0]), small[0]
    np.testing.assert_array_equal(data.init_times, whole.init_times[:3])
    batch, expected = data.read_batch([2, 0]), whole.read_batch([2, 0])
    part = data.read_batch([2, 0], (slice(1, 4), slice(2, 9)))
    for key, field in expected.fields.items():
        assert torch.equal(batch[key].tensor, field.tensor)
        assert torch.equal(part[key].tensor, field.tensor[:, :, 1:4, 2:9])
    np.testing.assert_array_equal(batch.init_time, whole.init_times[[2, 0]])
    assert not data.has_boundary and Samples.make(None) is None and Samples.prepare(None) is None
    same: object = as_window_dataset(data)
    assert isinstance(data.torch_dataloader(), Loader) and same is data
    with pytest.raises(
        SettingsError, match=r"dataset 'dummy': Samples has no method at\(init_time, num_steps, with_out"
    ):
        data.at(START, 1, False)


def test_a_forecast_of_samples_is_made_of_the_test_split(
    small: tuple[DatasetABC, DatasetABC, DatasetABC], tmp_path: Path
) -> None:
    words = ["size=16", "num_train=27", "num_valid=10", "num_test=10", "border_size=2"]
    data = Samples.for_forecast(None, small[0].info, START, 2, 3, words)
    np.testing.assert_array_equal(data.init_times, small[2].init_times[:3])
    with pytest.raises(DataError, match="its grid is not the Forecaster's"):
        Samples.for_forecast(None, small[0].info, START, 2, 3, ["size=8", *words[1:4], "border_size=1"])
    path = write_json(tmp_path / "d.json", {"size": 9, "num_train": 4, "num_valid": 3, "num_test": 3, "border_size": 1})
    assert Samples.from_settings(None, path, 1, 1, 1)[0].info.grid.shape == (9, 9), "those of the file"
