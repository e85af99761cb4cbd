from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from py4cast.cubes.heights import LAPSE_RATE, height_shift, is_surface_temperature, orography_of
from py4cast.cubes.memory import MemoryCube
from py4cast.errors import DataError
from py4cast.grid import Grid
from py4cast.variables import Variable
from tests.cubes.numbered import GRID, hours, numbered, value
from tests.forecast_files import write


@pytest.mark.parametrize(
    ("variable", "expected"),
    [
        (Variable(name="2t"), True),
        (Variable(name="x", short_name="t2m", level=2.0, type_of_level="heightAboveGround"), True),
        (Variable(name="x", standard_name="air_temperature", type_of_level="surface"), True),
        (Variable(name="t", level=850.0, type_of_level="isobaricInhPa"), False),
        (Variable(name="2d"), False),
        (Variable(name="2t", standard_name="dew_point_temperature"), False),
        (Variable(name="x"), False),
    ],
)
def test_the_temperature_of_the_air_near_the_ground(variable: Variable, expected: bool) -> None:
    assert is_surface_temperature(variable) is expected


def with_fixed(monkeypatch: pytest.MonkeyPatch, name: str, field: np.ndarray) -> MemoryCube:
    cube = numbered(hours(0, 1))
    monkeypatch.setattr(cube, "static_fields", lambda: {"lsm": 0 * field, name: field})
    return cube


@pytest.mark.parametrize(("name", "factor"), [("orog", 1.0), ("HSURF", 1.0), ("Z", 9.80665), ("geopotential", 9.80665)])
def test_a_fixed_field_is_the_height_or_its_geopotential(
    monkeypatch: pytest.MonkeyPatch, name: str, factor: float
) -> None:
    held = orography_of(with_fixed(monkeypatch, name, (factor * value(0, 300)).astype(np.float32)))
    assert held is not None and held[1] is GRID
    np.testing.assert_allclose(held[0], value(0, 300), rtol=1e-6)


def test_without_height_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert orography_of(numbered(hours(0, 1))) is None
    assert orography_of(with_fixed(monkeypatch, "slope", value(0, 0))) is None


def file_of(folder: Path, name: str, field: np.ndarray, **attributes: str) -> str:
    data = {"mask": (("lat", "lon"), 0 * field), name: (("lat", "lon"), field, attributes)}
    coords = {
        "lat": ("lat", GRID.latitude, {"units": "degrees_north"}),
        "lon": ("lon", GRID.longitude, {"units": "degrees_east"}),
    }
    return write(folder, f"{name}.nc", xr.Dataset(data, coords))


@pytest.mark.parametrize(
    ("name", "attributes", "factor"),
    [
        ("orog", {"units": "m"}, 1.0),
        ("anything", {"standard_name": "surface_altitude", "units": "m"}, 1.0),
        ("z", {"units": "m**2 s**-2"}, 9.80665),
        ("z", {"units": "m"}, 1.0),
        ("x", {"standard_name": "surface_geopotential", "units": "m2/s2"}, 9.80665),
        ("orography", {"units": "m2 s-2"}, 9.80665),
    ],
)
def test_a_file_tells_by_its_units_which_it_holds(
    tmp_path: Path, name: str, attributes: dict[str, str], factor: float
) -> None:
    path = file_of(tmp_path, name, (factor * value(0, 300)).astype(np.float32), **attributes)
    held = orography_of(numbered(hours(0, 1)), path)
    assert held is not None and held[1].same_as(GRID)
    np.testing.assert_allclose(held[0], value(0, 300), rtol=1e-6)


def test_a_file_wins_over_the_models_own_and_must_hold_a_height(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cube = with_fixed(monkeypatch, "orog", value(0, 7))
    held = orography_of(cube, file_of(tmp_path, "orog", value(0, 3)))
    assert held is not None
    np.testing.assert_array_equal(held[0], value(0, 3))
    path = file_of(tmp_path, "slope", value(0, 3))
    with pytest.raises(DataError, match=r"slope\.nc: holds neither the height nor the geopotential of the surface"):
        orography_of(cube, path)


def test_a_station_below_the_models_surface_is_warmer() -> None:
    assert LAPSE_RATE == 0.0065
    points = Grid.points([51.5, 50.0, 52.0, 10.0], [0.5, 3.0, 0.0, 0.0], areas=np.ones(4))
    height = (100 * value(0, 0)).astype(np.float32)
    elevation = np.array([0.0, 50.0 + 300 / 32, np.nan, 5.0])
    # the model's surface at the points: 100·(0.5/4 + 0.5/32), 100·(2/4 + 3/32), 0, and none outside
    expected = [[0.0065 * 100 * (0.5 / 4 + 0.5 / 32), 0.0, 0.0, 0.0]]
    np.testing.assert_allclose(height_shift(height, GRID, points, elevation, "linear"), expected, atol=1e-7)
