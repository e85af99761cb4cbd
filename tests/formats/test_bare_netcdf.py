from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from py4cast.errors import DataError
from py4cast.formats import ArrayDescription, open_reader
from py4cast.formats.bare_netcdf import BareNetcdfReader
from py4cast.grid import Grid

GRID = Grid(np.array([50.0, 49.0]), np.array([1.0, 2.0, 3.0]))
NAMES = {"lat": "ni", "lon": "nj", "lead_time": "echeance", "level": "niveau"}
HOUR = np.timedelta64(3600, "s")


def written(path: Path, variables: dict[str, Any], coords: dict[str, Any] | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    xr.Dataset(variables, coords).to_netcdf(path, engine="netcdf4")
    return path


def described(path: str = "mb{member}/%Y%m%d%H.nc", **changes: Any) -> ArrayDescription:
    return ArrayDescription(path, GRID, names=NAMES, **changes)


def test_lead_times_and_levels_of_every_variable_are_records(tmp_path: Path) -> None:
    whole = np.arange(2 * 2 * 2 * 3, dtype=np.float32).reshape(2, 2, 2, 3)
    variables = {
        "t": (("nj", "niveau", "ni", "echeance"), whole.transpose(3, 1, 2, 0), {"units": "K"}),
        "tp": (("ni", "nj"), np.ones((2, 3))),
        "count": ("echeance", [1, 2]),
    }
    path = written(tmp_path / "mb007" / "2024022918.nc", variables, {"echeance": [1.5, 3.0], "niveau": [90, 80]})
    arrays = described(units={"tp": "mm", "t": "degC"}, level_type="hybrid")
    with open_reader(path, arrays) as reader:
        assert isinstance(reader, BareNetcdfReader)
        records = reader.records()
        assert {r.init_time for r in records} == {np.datetime64("2024-02-29T18", "s")}
        assert {r.member for r in records} == {7} and all(reader.grid(r) is GRID for r in records)
        steps = [(i, j) for i in range(2) for j in range(2)]
        for (i, j), record in zip(steps, records[:4], strict=True):
            assert (record.short_name, record.units, record.type_of_level) == ("t", "K", "hybrid")
            assert (record.lead_time, record.level) == ([5400, 10800][i] * np.timedelta64(1, "s"), [90.0, 80.0][j])
            field = reader.read(record)
            np.testing.assert_array_equal(field, whole[i, j])
            assert field.dtype == np.float32 and field.flags.c_contiguous
        rain = records[4]
        assert (rain.short_name, rain.units, rain.level, rain.type_of_level) == ("tp", "mm", None, None)
        assert rain.lead_time == 0 * HOUR and len(records) == 5


def test_dimensions_without_values_are_counted_from_zero(tmp_path: Path) -> None:
    path = written(tmp_path / "x.nc", {"t": (("echeance", "ni", "nj"), np.zeros((3, 2, 3)))})
    with open_reader(path, described("{member}.nc")) as reader:
        records = reader.records()
    assert [r.lead_time / HOUR for r in records] == [0, 1, 2]
    assert {(r.init_time, r.member, r.level) for r in records} == {(None, None, None)}, "its path tells nothing"


def test_a_member_and_a_start_may_be_told_apart(tmp_path: Path) -> None:
    path = written(tmp_path / "3.nc", {"t": (("ni", "nj"), np.zeros((2, 3)))})
    with open_reader(path, described("{member}.nc")) as reader:
        (record,) = reader.records()
    assert (record.member, record.init_time) == (3, None)


def test_missing_values_are_nan(tmp_path: Path) -> None:
    values = xr.Variable(("ni", "nj"), np.array([[1.0, np.nan, 3.0]] * 2), encoding={"_FillValue": -9.0})
    with open_reader(written(tmp_path / "x.nc", {"t": values}), described()) as reader:
        np.testing.assert_array_equal(reader.read(reader.records()[0]), [[1, np.nan, 3]] * 2)


def test_what_is_not_as_described_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "x.nc", {"t": (("ni", "nj"), np.zeros((3, 2)))})
    with open_reader(path, described()) as reader:
        (record,) = reader.records()
        with pytest.raises(DataError, match=r"x\.nc: t is \(3, 2\), the grid \(2, 3\)"):
            reader.read(record)
        with pytest.raises(DataError, match=r"x\.nc: u of None cannot be read: "):
            reader.read(replace(record, locator=("u", -1, -1)))
    other = written(tmp_path / "y.nc", {"t": (("lat", "lon"), np.zeros((2, 3)))})
    with (
        open_reader(other, described()) as reader,
        pytest.raises(DataError, match=r"y\.nc: holds no variable with the dimensions 'ni' and 'nj'"),
    ):
        reader.records()
    further = written(tmp_path / "z.nc", {"t": (("band", "ni", "nj"), np.zeros((1, 2, 3)))})
    with (
        open_reader(further, described()) as reader,
        pytest.raises(DataError, match=r"z\.nc: t of None cannot be read"),
    ):
        reader.read(reader.records()[0])


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = written(tmp_path / "x.nc", {"t": (("ni", "nj"), np.zeros((2, 3)))})
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match=r"x\.nc: damaged, or not a NetCDF file: "):
        open_reader(path, described())
