"""Every writer and reader keeps its contract."""

from pathlib import Path

import numpy as np
import pytest

from py4cast.formats import BEGINNINGS, ENDINGS, ArrayDescription, readers, writer_for, writers
from py4cast.testing import check_reader, check_writer, make_forecast


@pytest.mark.parametrize("name", [n for n in writers.builtin_names if n != "table"])
def test_every_writer_of_fields_keeps_the_contract(name: str, tmp_path: Path) -> None:
    check_writer(writers.get(name), tmp_path)


def test_the_table_of_stations_refuses_fields(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="station"):
        check_writer(writers.get("table"), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("ending", ["grib2", "nc", "zarr"])
def test_every_reader_reads_what_is_written(ending: str, tmp_path: Path) -> None:
    path, forecast = tmp_path / f"f.{ending}", make_forecast((0, 1))
    writer_for(path).write(path, forecast)
    reader = check_reader(path)
    first = b"" if path.is_dir() else path.read_bytes()[:64]
    assert type(reader).fits(path, first)
    others = [n for n in readers.builtin_names if readers.get(n).fits(path, first)]
    assert len(others) == 1, others


def test_arrays_that_say_nothing_are_read_with_a_description(tmp_path: Path) -> None:
    forecast = make_forecast()
    np.save(tmp_path / "orography.npy", forecast.values[0, ..., 0])
    arrays = ArrayDescription(path="{name}.npy", grid=forecast.grid)
    check_reader(tmp_path / "orography.npy", arrays=arrays)
    first = (tmp_path / "orography.npy").read_bytes()[:64]
    assert [n for n in readers.builtin_names if readers.get(n).fits(tmp_path / "orography.npy", first)] == ["numpy"]


def test_the_tables_say_what_the_classes_say() -> None:
    assert {b for n in readers.builtin_names for b in readers.get(n).beginnings} == set(BEGINNINGS)
    assert all(beginning in readers.get(name).beginnings for beginning, name in BEGINNINGS.items())
    assert {e for n in writers.builtin_names for e in writers.get(n).suffixes} == set(ENDINGS)
