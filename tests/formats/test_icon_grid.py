"""ICON: fields with a mark of their grid, and the grid in a file of its own."""

from pathlib import Path

import eccodes
import netCDF4
import numpy as np
import pytest
import xarray as xr

from py4cast.errors import DataError
from py4cast.formats import Heading, open_reader, writer_for
from py4cast.grid import Grid
from py4cast.variables import Variable

MARK = "a27b8de618c411e4820ab5b098c6a5c0"
Z = 1 - (2 * np.arange(80) + 1) / 80
LATITUDE, LONGITUDE = np.arcsin(Z), (np.arange(80) * 2.399963) % (2 * np.pi) - np.pi
VALUES = 280 + np.arange(80.0)


def fields(path: Path) -> Path:
    handle = eccodes.codes_grib_new_from_samples("GRIB2")
    for key, value in {
        "gridDefinitionTemplateNumber": 101,
        "numberOfGridUsed": 26,
        "shortName": "2t",
        "uuidOfHGrid": MARK,
    }.items():
        eccodes.codes_set(handle, key, value)
    eccodes.codes_set_values(handle, VALUES)
    path.write_bytes(eccodes.codes_get_message(handle))
    eccodes.codes_release(handle)
    return path


def grid_file(path: Path, mark: str = "a27b8de6-18c4-11e4-820a-b5b098c6a5c0", count: int = 80) -> None:
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("cell", count)
        file.uuidOfHGrid = mark
        for name, values in (("clat", LATITUDE), ("clon", LONGITUDE), ("cell_area", np.full(80, 6.4e12))):
            file.createVariable(name, "f8", ("cell",))[:] = values[:count]


@pytest.mark.parametrize("place", ["beside", "above", "environment"])
def test_the_grid_is_found_by_its_mark(tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "fields"
    kept = {"beside": folder, "above": tmp_path, "environment": tmp_path / "grids"}[place]
    for each in (folder, kept):
        each.mkdir(exist_ok=True)
    monkeypatch.setenv("PY4CAST_GRIDS", str(tmp_path / "grids"))
    grid_file(kept / "a_grid_of_another.nc", "0" * 32)
    grid_file(kept / "icon_grid_0026_R03B07_G.nc")
    with open_reader(fields(folder / f"{place}.grib2")) as reader:
        (record,) = reader.records()
        grid = reader.grid(record)
        np.testing.assert_allclose(reader.read(record)[0], VALUES, atol=0.01)
    assert not grid.is_rectangular and grid.name == "ICON a27b8de6"
    np.testing.assert_allclose(grid.latitude[0], np.rad2deg(LATITUDE))
    np.testing.assert_allclose(grid.longitude[0], np.rad2deg(LONGITUDE))
    assert grid.cell_areas().sum() == pytest.approx(80 * 6.4e12)


@pytest.mark.parametrize("dim", ["ncells", "cells_of_mine"])
def test_icons_own_netcdf_has_but_the_mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dim: str) -> None:
    monkeypatch.setenv("PY4CAST_GRIDS", str(tmp_path / "grids"))
    (tmp_path / "grids").mkdir()
    attrs = {"units": "K", "CDI_grid_type": "unstructured"} if dim != "ncells" else {"units": "K"}
    time = np.datetime64("2020-01-01", "ns") + np.arange(3) * np.timedelta64(6, "h")
    data = xr.Dataset({"temp": (("time", dim), np.stack([VALUES] * 3), attrs)}, {"time": time}, {"uuidOfHGrid": MARK})
    data.to_netcdf(tmp_path / "icon.nc")
    with pytest.raises(DataError, match=rf"icon.nc: ICON's grid {MARK} of 80 cells, whose coordinates stand in a file"):
        open_reader(tmp_path / "icon.nc")
    grid_file(tmp_path / "grids" / "icon_grid_0026_R03B07_G.nc")
    with open_reader(tmp_path / "icon.nc") as reader:
        records = reader.records()
        grid = reader.grid(records[0])
    assert {r.short_name for r in records} == {"temp"}
    with open_reader(fields(tmp_path / "same.grib2")) as reader:
        (record,) = reader.records()
        of_grib = reader.grid(record)
    assert grid.same_as(of_grib) and grid.name == of_grib.name and dict(grid.projection) == dict(of_grib.projection)
    np.testing.assert_allclose(grid.cell_areas(), of_grib.cell_areas())


def test_without_its_grid_it_says_where_it_was_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from py4cast.formats import grib

    monkeypatch.setattr(grib, "_GRIDS", type(grib._GRIDS)())
    path = fields(tmp_path / "a.grib2")
    with (
        open_reader(path) as reader,
        pytest.raises(DataError, match=rf"a\.grib2: ICON's grid {MARK} of 80 cells, .*: put it beside"),
    ):
        reader.grid(reader.records()[0])
    grid_file(tmp_path / "grid_b.nc", count=40)
    with (
        open_reader(path) as reader,
        pytest.raises(DataError, match=r"other grids: grid_b\.nc \(a27b8de6.*, 40 cells\)"),
    ):
        reader.grid(reader.records()[0])
    (tmp_path / "grid_b.nc").write_bytes(b"no NetCDF")
    with open_reader(path) as reader, pytest.raises(DataError, match=r"grid_b\.nc: the grid cannot be read"):
        reader.grid(reader.records()[0])


def test_the_mark_is_written_again(tmp_path: Path) -> None:
    grid_file(tmp_path / "icon_grid.nc")
    with open_reader(fields(tmp_path / "a.grib2")) as reader:
        grid = reader.grid(reader.records()[0])
    again = Grid.unpack(*grid.pack())
    variable = Variable(name="t2m", short_name="2t", units="K", level=2, type_of_level="heightAboveGround")
    heading = Heading([variable], again, np.datetime64("2020-01-01T00", "s"), [np.timedelta64(6, "h")])
    with writer_for("b.grib2").open(tmp_path / "b.grib2", heading) as put:
        put(VALUES.astype(np.float32).reshape(1, 80, 1))
    with (tmp_path / "b.grib2").open("rb") as stream:
        handle = eccodes.codes_grib_new_from_file(stream)
        assert eccodes.codes_get(handle, "gridType") == "unstructured_grid"
        assert eccodes.codes_get(handle, "uuidOfHGrid").replace("-", "") == MARK
        eccodes.codes_release(handle)
    with open_reader(tmp_path / "b.grib2") as reader:
        (record,) = reader.records()
        assert reader.grid(record).same_as(grid)
        np.testing.assert_allclose(reader.read(record)[0], VALUES, atol=0.01)
    with writer_for("b.nc").open(tmp_path / "b.nc", heading) as put:
        put(VALUES.astype(np.float32).reshape(1, 80, 1))
    with open_reader(tmp_path / "b.nc") as reader:
        assert reader.grid(reader.records()[0]).same_as(grid)


def test_two_files_of_one_mark_must_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from py4cast.formats import grib

    monkeypatch.setattr(grib, "_GRIDS", type(grib._GRIDS)())
    grid_file(tmp_path / "icon_grid_a.nc")
    grid_file(tmp_path / "icon_grid_b.nc")
    with open_reader(fields(tmp_path / "a.grib2")) as reader:
        assert reader.grid(reader.records()[0]).shape == (1, 80)
    monkeypatch.setattr(grib, "_GRIDS", type(grib._GRIDS)())
    with netCDF4.Dataset(tmp_path / "icon_grid_b.nc", "a") as file:
        file["clat"][:] = LATITUDE[::-1]
    with (
        open_reader(tmp_path / "a.grib2") as reader,
        pytest.raises(
            DataError, match=r"icon_grid_a\.nc and .*icon_grid_b\.nc are both ICON's grid .* other coordinates"
        ),
    ):
        reader.grid(reader.records()[0])
