"""Masks by file: borders and areas of a service."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from py4cast.areas import AreaSettings, area_mask
from py4cast.batch import Statics
from py4cast.border import Border, border_mask
from py4cast.dataset_info import DatasetInfo
from py4cast.datasets.series_settings import GridSettings
from py4cast.errors import DataError, SettingsError
from py4cast.formats.reduced import octahedral
from py4cast.grid import Grid
from py4cast.mask_file import cells_of_runs, mask_of_file, runs_of
from py4cast.testing import make_info

BOX = Grid(np.linspace(60, 50, 11), np.linspace(0, 15, 16))


def write(path: Path, grid: Grid, values: np.ndarray, name: str = "mask") -> Path:
    dims = ("latitude", "longitude") if grid.is_rectangular else ("cell",)
    lat, lon = (grid.latitude, grid.longitude) if grid.is_rectangular else (grid.latitude[0], grid.longitude[0])
    places = {"latitude": (dims[0], lat, {"units": "degrees_north"}), "longitude": (dims[-1], lon, {"units": "degrees_east"})}  # fmt: skip
    xr.Dataset({name: (dims, values.reshape(*(s for s in grid.shape if s > 1)))}, places).to_netcdf(path)
    return path


@pytest.mark.parametrize("dtype", [np.int8, np.float32, np.float64])
def test_a_border_by_file_travels_with_the_forecaster(tmp_path: Path, dtype: type) -> None:
    grid = octahedral(8)
    mask = np.random.default_rng(0).random(grid.shape) < 0.3
    path = write(tmp_path / "border.nc", grid, mask.astype(dtype))
    border = GridSettings(border_file=path).border_on(grid)
    path.unlink()
    np.testing.assert_array_equal(border_mask(grid, border), mask)
    assert str(border) == f"a mask of {mask.sum()} cells" and bool(border)
    info = make_info(grid)
    info.statics = Statics.build(grid, info.statics.grid_static_features, border)
    again = DatasetInfo.unpack(*info.pack())
    assert again.statics.border == border
    np.testing.assert_array_equal(again.statics.border_mask[..., 0].numpy() > 0, mask)


def test_a_mask_on_another_grid_marks_the_nearest_cells(tmp_path: Path) -> None:
    fine = Grid(np.linspace(61, 49, 49), np.linspace(-1, 16, 69))
    north = (fine.latitude_2d() > 55.01).astype(np.float32)
    path = write(tmp_path / "north.nc", fine, north)
    np.testing.assert_array_equal(mask_of_file(path, BOX), BOX.latitude_2d() > 55.01)
    np.testing.assert_array_equal(area_mask(BOX, "north", AreaSettings(file=path)), BOX.latitude_2d() > 55.01)


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("last", [False, True])
def test_runs_are_the_mask_again(first: bool, last: bool) -> None:
    mask = np.random.default_rng(1).random((5, 7)) < 0.5
    mask[0, 0], mask[-1, -1] = first, last
    runs = runs_of(mask)
    assert sum(runs) == 35 and sum(runs[1::2]) == mask.sum()
    np.testing.assert_array_equal(cells_of_runs(runs, (5, 7)), mask)
    with pytest.raises(DataError, match="a mask of 35 cells; the grid has 36"):
        cells_of_runs(runs, (6, 6))


def test_files_that_are_no_mask(tmp_path: Path) -> None:
    ones = np.ones(BOX.shape, dtype=np.float32)
    with pytest.raises(DataError, match="values from 0 to 7; expected a mask"):
        mask_of_file(write(tmp_path / "a.nc", BOX, np.where(BOX.latitude_2d() > 55, 7.0, 0.0)), BOX)
    with pytest.raises(DataError, match="88 values of the mask are missing"):
        mask_of_file(write(tmp_path / "b.nc", BOX, np.where(np.arange(16) < 8, np.nan, ones)), BOX)
    with pytest.raises(DataError, match=r"does not reach \d+ of the cells"):
        mask_of_file(write(tmp_path / "c.nc", BOX, ones), Grid(np.linspace(70, 50, 11), BOX.longitude))
    both = xr.open_dataset(tmp_path / "c.nc").load().assign(other=lambda d: d["mask"])
    both.to_netcdf(tmp_path / "d.nc")
    with pytest.raises(DataError, match=r"holds 2 fields \(mask, other\); expected one mask"):
        mask_of_file(tmp_path / "d.nc", BOX)
    with pytest.raises(DataError, match="no such file"):
        mask_of_file(tmp_path / "none.nc", BOX)


def test_one_border_only(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nc", BOX, (BOX.latitude_2d() > 55).astype(np.float32))
    settings = GridSettings(border_size=2, border_file=path)
    with pytest.raises(SettingsError, match="give one of border_size"):
        border_mask(BOX, settings.border_on(BOX))
    with pytest.raises(SettingsError, match="leaves no interior"):
        border_mask(BOX, Border(runs=(0, 176)))
