"""Checks of formats: readers and writers."""

from pathlib import Path
from typing import Any

import numpy as np

from py4cast.errors import DataError
from py4cast.formats import Fields, ReaderABC, WriterABC, open_reader
from py4cast.grid import Grid
from py4cast.variables import Variable

__all__ = ["check_reader", "check_writer", "make_forecast"]


def make_forecast(members: tuple[int, ...] = ()) -> Fields:
    """A forecast of two variables over three hours on a small grid, to be written."""
    grid = Grid(np.linspace(60.0, 50.0, 6), np.linspace(0.0, 16.0, 9))
    variables = [
        Variable(name="t2m", short_name="2t", units="K", level=2.0, type_of_level="heightAboveGround"),
        Variable(name="msl", short_name="msl", units="Pa", type_of_level="meanSea"),
    ]
    shape = (3, *((len(members),) if members else ()), *grid.shape, 2)
    values = np.random.default_rng(0).normal(size=shape).astype(np.float32) + np.array([280.0, 1e5], dtype=np.float32)
    leads = [np.timedelta64(3600 * h, "s") for h in (1, 2, 3)]
    return Fields(values, variables, grid, np.datetime64("2020-01-01T00", "s"), leads, {"title": "a check"}, members)


def check_writer(kind: type[WriterABC], folder: Path) -> None:
    """A file stands whole at the end, or not at all; what a reader of its ending finds in it is what was written."""
    name, forecast = kind.__name__, make_forecast()
    assert kind.suffixes and all(s.startswith(".") for s in kind.suffixes), f"{name}: suffixes {kind.suffixes}"
    path = folder / f"forecast{kind.suffixes[0]}"
    kind().write(path, forecast)
    assert path.exists(), f"{name}: wrote nothing"
    beside = sorted(p.name for p in folder.iterdir())
    half = folder / f"half{kind.suffixes[0]}"
    try:
        with kind().open(half, forecast.heading) as put:
            put(forecast.values[0])
    except ValueError:
        pass
    else:
        raise AssertionError(f"{name}: a file of one lead time of three is taken for a whole one")
    left = sorted(p.name for p in folder.iterdir())
    assert left == beside, f"{name}: leaves {sorted(set(left) - set(beside))} of a file that was not finished"


def check_reader(path: Path, **options: Any) -> ReaderABC:
    """Every field of a file has a place in time, a grid, and values that fit it; the file is found by its beginning.

    Args:
        path: a file of the format.
        options: of `open_reader`.

    Returns:
        The reader, closed.
    """
    with open_reader(path, **options) as reader:
        name, records = type(reader).__name__, reader.records()
        assert records, f"{name}: no field in {path}"
        for record in records:
            grid = reader.grid(record)
            values = reader.read(record)
            assert values.shape == grid.shape, f"{name}: {record.short_name} is {values.shape}, its grid {grid.shape}"
            assert values.dtype == np.float32, f"{name}: {record.short_name} is {values.dtype}, expected float32"
            again = reader.read(record)
            assert np.array_equal(values, again, equal_nan=True), f"{name}: two reads of {record.short_name} differ"
            if record.init_time is not None:
                assert record.valid_time == record.init_time + record.lead_time, f"{name}: times of {record.short_name}"
    if path.is_file():
        broken = path.with_name(f"broken_{path.name}")
        broken.write_bytes(path.read_bytes()[: max(1, path.stat().st_size // 3)])
        _check_damaged(name, broken, options)
        broken.unlink()
    return reader


def _check_damaged(name: str, path: Path, options: Any) -> None:
    """A file that is cut is refused by name, or gives fewer fields."""
    try:
        with open_reader(path, **options) as reader:
            for record in reader.records():
                reader.read(record)
    except DataError as error:
        assert str(path) in str(error) or path.name in str(error), f"{name}: {error} does not name the file"
