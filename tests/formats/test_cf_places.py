"""Which latitudes and longitudes of a file are a variable's, and in which units; members that are no numbers."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from py4cast.errors import DataError
from py4cast.formats.netcdf import NetcdfReader

TIME = np.datetime64("2020-01-01T00", "ns") + np.arange(2) * np.timedelta64(6, "h")
EAST, NORTH = np.meshgrid(np.linspace(0, 6, 7), np.linspace(50, 45, 5))


def two_grids(tmp_path: Path, named: str | None, **units: Any) -> Path:
    """A field on T points and one on U points half a cell away, on the same dimensions."""
    attrs = {"units": "degrees_north"}, {"units": "degrees_east"}
    coords: dict[str, Any] = {"time": TIME}
    for name, shift in (("ULAT", 0.5), ("TLAT", 0.0)):
        coords[name] = (("nj", "ni"), NORTH + shift, attrs[0])
        coords[name.replace("LAT", "LONG")] = (("nj", "ni"), EAST + shift, attrs[1])
    data = xr.Dataset({"sst": (("time", "nj", "ni"), np.zeros((2, 5, 7)), {"units": "K"})}, coords)
    data["sst"].encoding["coordinates"] = named or "TLAT TLONG ULAT ULONG"
    path = tmp_path / "pop.nc"
    data.to_netcdf(path)
    return path


@pytest.mark.parametrize(("named", "shift"), [("TLAT TLONG", 0.0), ("ULONG ULAT", 0.5)])
def test_a_variable_lies_where_its_attribute_says(tmp_path: Path, named: str, shift: float) -> None:
    with NetcdfReader(two_grids(tmp_path, named)) as reader:
        grid = reader.grid(reader.records()[0])
        np.testing.assert_allclose(grid.latitude, NORTH + shift)
        np.testing.assert_allclose(grid.longitude, EAST + shift)


def test_two_places_of_which_none_is_named_are_refused(tmp_path: Path) -> None:
    with NetcdfReader(two_grids(tmp_path, None)) as reader, pytest.raises(DataError, match="sst may lie at .*LAT and .*LAT; expected its attribute 'coordinates'"):  # fmt: skip
        reader.records()


@pytest.mark.parametrize("is_2d", [False, True])
def test_radians_become_degrees(tmp_path: Path, is_2d: bool) -> None:
    lat, lon = np.deg2rad(NORTH), np.deg2rad(EAST)
    rad = {"units": "radians", "standard_name": "latitude"}, {"units": "radian", "standard_name": "longitude"}
    if is_2d:
        coords: dict[str, Any] = {"lat2": (("y", "x"), lat, rad[0]), "lon2": (("y", "x"), lon, rad[1])}
        dims = ("time", "y", "x")
    else:
        coords = {"lat": ("lat", lat[:, 0], rad[0]), "lon": ("lon", lon[0], rad[1])}
        dims = ("time", "lat", "lon")
    xr.Dataset({"t": (dims, np.zeros((2, 5, 7)), {"units": "K"})}, {"time": TIME, **coords}).to_netcdf(
        tmp_path / "r.nc"
    )
    with NetcdfReader(tmp_path / "r.nc") as reader:
        grid = reader.grid(reader.records()[0])
        np.testing.assert_allclose(grid.latitude_2d(), NORTH)
        np.testing.assert_allclose(grid.longitude_2d(), EAST)


def test_members_by_text(tmp_path: Path) -> None:
    coords = {"time": TIME, "member": ["r1i1p1f1", "r2i1p1f1"], "lat": NORTH[:, 0], "lon": EAST[0]}
    data = xr.Dataset({"t": (("time", "member", "lat", "lon"), np.zeros((2, 2, 5, 7)), {"units": "K"})}, coords)
    data["lat"].attrs["units"], data["lon"].attrs["units"] = "degrees_north", "degrees_east"
    data.to_netcdf(tmp_path / "two.nc")
    with NetcdfReader(tmp_path / "two.nc") as reader, pytest.raises(DataError, match="member 'r1i1p1f1' along 'member' is no number; expected whole numbers, or one"):  # fmt: skip
        reader.records()
    data.isel(member=[0]).to_netcdf(tmp_path / "one.nc")
    with NetcdfReader(tmp_path / "one.nc") as reader:
        assert {record.member for record in reader.records()} == {None}


@pytest.mark.parametrize("mark", [0.0, -1.0])
def test_marks_of_land_are_no_places(tmp_path: Path, mark: float) -> None:
    lat, lon = NORTH.copy(), EAST.copy()
    lat[1:3, 2:5] = lon[1:3, 2:5] = mark
    coords = {"time": TIME, "nav_lat": (("y", "x"), lat, {"units": "degrees_north", "standard_name": "latitude"}), "nav_lon": (("y", "x"), lon, {"units": "degrees_east", "standard_name": "longitude"})}  # fmt: skip
    xr.Dataset({"sst": (("time", "y", "x"), np.zeros((2, 5, 7)), {"units": "K"})}, coords).to_netcdf(tmp_path / "o.nc")
    with NetcdfReader(tmp_path / "o.nc") as reader, pytest.raises(DataError, match=f"o.nc: 6 of 35 cells of sst stand at {mark:g} N {mark:g} E, which marks cells without a place"):  # fmt: skip
        reader.grid(reader.records()[0])


def test_halos_and_folds_have_places_several_times(tmp_path: Path) -> None:
    lat, lon = np.tile(NORTH[:, :5], 1), EAST[:, :5]
    lat, lon = (np.concatenate([a, a[:, :2]], axis=1) for a in (lat, lon))
    coords = {"time": TIME, "nav_lat": (("y", "x"), lat, {"units": "degrees_north", "standard_name": "latitude"}), "nav_lon": (("y", "x"), lon, {"units": "degrees_east", "standard_name": "longitude"})}  # fmt: skip
    xr.Dataset({"sst": (("time", "y", "x"), np.zeros((2, 5, 7)), {"units": "K"})}, coords).to_netcdf(tmp_path / "h.nc")
    with NetcdfReader(tmp_path / "h.nc") as reader:
        assert reader.grid(reader.records()[0]).shape == (5, 7)
