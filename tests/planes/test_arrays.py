from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from py4cast.errors import DataError, SettingsError
from py4cast.grid import Grid
from py4cast.planes.arrays import ArraySettings
from py4cast.projection import inverse
from tests.cubes.numbered import GRID
from tests.weather_files import HOUR, write_netcdf

LAMBERT = {
    "grid_mapping_name": "lambert_conformal_conic", "standard_parallel": 46.5, "longitude_of_central_meridian": 2.0,
    "latitude_of_projection_origin": 46.5, "earth_radius": 6371229.0,
}  # fmt: skip


def settings(**document: Any) -> ArraySettings:
    return ArraySettings.from_dict({"path": "{name}_%Y%m%d.npy", **document})


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"dims": ["lat", "level"]}, r"dims \['lat', 'level'\]: expected lat and lon, and lead_time or member"),
        ({"dims": ["lat"]}, r"dims \['lat'\]: expected lat and lon"),
        ({"path": "../{name}.npy"}, "'..' is refused in a path"),
        ({"grid_file": "a/../b.npy"}, "'..' is refused in a path"),
        ({"dims": ["lead_time", "lat", "lon"]}, "give lead_times and members where dims name them, and only there"),
        ({"lead_times": ["1h", "2h", "1h"]}, "give lead_times and members where dims name them"),
        ({"dims": ["member", "lat", "lon"]}, "give lead_times and members where dims name them"),
        ({"members": [0, 1]}, "give lead_times and members where dims name them"),
    ],
)
def test_arrays_that_are_not_described_are_refused(document: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        settings(**document)


def test_rows_and_columns_run_from_the_first_to_the_last() -> None:
    grid = settings(latitude=[52.0, 50.0], longitude=[0.0, 3.0], shape=[3, 4]).grid(Path())
    assert grid.same_as(GRID) and not grid.is_projected


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"shape": [3, 4]},
        {"shape": [3, 4], "latitude": [52.0, 50.0]},
        {"latitude": [52.0, 50.0], "longitude": [0.0, 3.0]},
        {"corners": [[50.0, 1.0], [45.0, 5.0]]},
    ],
)
def test_a_grid_that_is_not_told_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(
        SettingsError, match="arrays: give grid_file, or shape with latitude and longitude, or shape with"
    ):
        settings(**document).grid(Path())


def test_between_the_outer_corners_lie_the_centres_of_the_cells() -> None:
    ends_x, ends_y = np.array([-40_000.0, 40_000.0]), np.array([30_000.0, -30_000.0])
    lat, lon = (np.asarray(v) for v in inverse(LAMBERT, ends_x, ends_y))
    corners = [[lat[0], lon[0]], [lat[1], lon[1]]]
    grid = settings(corners=corners, projection=LAMBERT, shape=[3, 4]).grid(Path())
    assert grid.shape == (3, 4) and grid.x is not None and grid.y is not None
    np.testing.assert_allclose(grid.x, [-30_000, -10_000, 10_000, 30_000], atol=1e-3)
    np.testing.assert_allclose(grid.y, [20_000, 0, -20_000], atol=1e-3)
    assert grid.projection["grid_mapping_name"] == "lambert_conformal_conic"
    # the middle of the rows, at the origin of the projection, is at its latitude half-way between two columns
    assert grid.latitude[1, 1:3] == pytest.approx(46.5, abs=1e-4)
    assert grid.longitude[1, 1:3].sum() == pytest.approx(4.0, abs=1e-9)


def test_files_are_described_with_their_lead_times_members_and_units() -> None:
    described = settings(
        latitude=[52.0, 50.0], longitude=[0.0, 3.0], shape=[3, 4], dims=["member", "lead_time", "lon", "lat"],
        lead_times=["6h", "1d", "6h"], members=[1, 5], units={"t": "K"}, key="data", level_type="hybrid",
        names={"lat": "j"},
    ).description(Path())  # fmt: skip
    assert [int(lead / HOUR) for lead in described.lead_times] == [6, 12, 18, 24]
    assert described.dims == ("member", "lead_time", "lon", "lat") and described.members == (1, 5)
    assert (described.path, described.units, described.key) == ("{name}_%Y%m%d.npy", {"t": "K"}, "data")
    assert (described.names, described.level_type) == ({"lat": "j"}, "hybrid") and described.grid.same_as(GRID)
    plain = settings(latitude=[52.0, 50.0], longitude=[0.0, 3.0], shape=[3, 4]).description(Path())
    assert plain.lead_times == () and plain.members == ()


def coordinates(grid: Grid) -> np.ndarray:
    """Longitude and latitude of every cell, `(2, lat, lon)`."""
    return np.stack([grid.longitude_2d(), grid.latitude_2d()])


def test_a_numpy_file_tells_longitudes_and_latitudes(tmp_path: Path) -> None:
    np.save(tmp_path / "grid.npy", coordinates(GRID))
    regular = settings(grid_file="grid.npy").grid(tmp_path)
    assert regular.same_as(GRID) and not regular.is_projected
    lat, lon = inverse(LAMBERT, *np.meshgrid(np.arange(4) * 1e4, np.arange(3) * 2e4))
    np.save(tmp_path / "grid.npy", np.stack([lon, lat]))
    unknown = settings(grid_file="grid.npy").grid(tmp_path)
    assert unknown.projection == {"grid_mapping_name": "unknown"} and unknown.x is None
    projected = settings(grid_file="grid.npy", projection=LAMBERT).grid(tmp_path)
    assert projected.x is not None and projected.y is not None
    np.testing.assert_allclose(projected.x, np.arange(4) * 1e4, atol=1e-3)
    np.testing.assert_allclose(projected.y, np.arange(3) * 2e4, atol=1e-3)
    np.testing.assert_array_equal(projected.latitude, lat)


def test_a_netcdf_file_tells_its_grid_with_and_without_coordinates(tmp_path: Path) -> None:
    path = write_netcdf(tmp_path / "a.nc", {"t": np.zeros((1, 3, 4))}, south=50.0)
    with xr.open_dataset(path) as data:
        expected = Grid(data["lat"].values, data["lon"].values)
    assert settings(grid_file="a.nc").grid(tmp_path).same_as(expected)
    lon, lat = coordinates(GRID)
    xr.Dataset({"latitude": (("j", "i"), lat), "lon": (("j", "i"), lon)}).to_netcdf(tmp_path / "bare.nc")
    assert settings(grid_file="bare.nc", names={"lat": "j", "lon": "i"}).grid(tmp_path).same_as(GRID)


def test_a_file_that_tells_no_grid_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "flat.npy", np.zeros((3, 4)))
    with pytest.raises(DataError, match=r"flat\.npy: \(3, 4\), expected longitude and latitude \(2, lat, lon\)"):
        settings(grid_file="flat.npy").grid(tmp_path)
    (tmp_path / "text.npy").write_text("no numbers")
    with pytest.raises(DataError, match=r"text\.npy: cannot be read: "):
        settings(grid_file="text.npy").grid(tmp_path)
    with pytest.raises(DataError, match=r"gone\.npy: cannot be read: "):
        settings(grid_file="gone.npy").grid(tmp_path)
    xr.Dataset({"x": ("i", [1.0])}).to_netcdf(tmp_path / "bare.nc")
    with pytest.raises(DataError, match=r"bare\.nc: holds no latitude and longitude"):
        settings(grid_file="bare.nc", names={"lat": "j"}).grid(tmp_path)
    with pytest.raises(DataError, match=r"gone\.nc: holds no latitude and longitude: .*No such file"):
        settings(grid_file="gone.nc", names={"lat": "j"}).grid(tmp_path)
