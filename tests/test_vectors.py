import numpy as np
import pytest

from py4cast.grid import Grid
from py4cast.projection import inverse
from py4cast.regrid import Regridder
from py4cast.variables import Variable
from py4cast.vectors import VectorTurn, frame, mate_of

LATLON = Grid(np.linspace(60.0, 50.0, 11), np.linspace(-5.0, 5.0, 21))


def rotated() -> Grid:
    """Latitudes and longitudes about a pole at 40° N, 180° E: its equator crosses the meridian 0 at 50° N."""
    mapping = {
        "grid_mapping_name": "rotated_latitude_longitude",
        "grid_north_pole_latitude": 40.0,
        "grid_north_pole_longitude": 180.0,
    }
    x, y = np.linspace(-8, 8, 65), np.linspace(-5, 5, 41)
    lat, lon = inverse(mapping, *np.meshgrid(x, y))
    return Grid(lat, lon, x, y, mapping)


def test_east_and_north_are_unit_vectors_at_right_angles() -> None:
    for grid in (LATLON, rotated()):
        for axes in ("earth", "grid"):
            first, second = frame(grid, axes)
            for a, b, expected in ((first, first, 1.0), (second, second, 1.0), (first, second, 0.0)):
                np.testing.assert_allclose((a * b).sum(-1), expected, atol=1e-12)
    east, north = frame(Grid(np.array([0.0]), np.array([0.0, 90.0])), "earth")
    np.testing.assert_allclose(east, [[[0, 1, 0], [-1, 0, 0]]], atol=1e-15)
    np.testing.assert_allclose(north, [[[0, 0, 1], [0, 0, 1]]], atol=1e-15)


def test_a_grid_of_latitudes_has_the_axes_of_the_earth() -> None:
    for a, b in zip(frame(LATLON, "grid"), frame(LATLON, "earth"), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_angle_of_a_rotated_grid_is_the_closed_form() -> None:
    """sin α = −cos φ_pole · sin λ / cos φ', the spherical sine rule between the two poles and the cell."""
    grid = rotated()
    (first, _), (east, north) = frame(grid, "grid"), frame(grid, "earth")
    rlat = np.deg2rad(np.linspace(-5, 5, 41))[:, None]
    expected = -np.cos(np.deg2rad(40.0)) * np.sin(np.deg2rad(grid.longitude)) / np.cos(rlat)
    np.testing.assert_allclose((first * north).sum(-1), expected, atol=2e-5)
    assert (first * east).sum(-1).min() > 0.9


def test_turned_and_turned_back_they_are_as_they_were() -> None:
    grid, rng = rotated(), np.random.default_rng(0)
    u, v = rng.standard_normal((2, *grid.shape)).astype(np.float32)
    there = VectorTurn(grid, "grid", grid, "earth")(u, v)
    back = VectorTurn(grid, "earth", grid, "grid")(*there)
    np.testing.assert_allclose(back, (u, v), atol=2e-6)
    np.testing.assert_allclose(np.hypot(*there), np.hypot(u, v), rtol=1e-5)
    assert np.abs(there[0] - u).max() > 0.05, "they do turn"


def test_lambert_turns_by_the_cone(tmp_path: object) -> None:
    """On a Lambert cone x is turned from east by −n·(λ − λ₀), n = sin φ₀ for one standard parallel."""
    x, y = np.arange(41) * 50_000.0 - 1e6, np.arange(31) * 50_000.0 - 7.5e5
    mapping = {"grid_mapping_name": "lambert_conformal_conic", "standard_parallel": 60.0, "longitude_of_central_meridian": 10.0,
               "latitude_of_projection_origin": 60.0, "earth_radius": 6371229.0}  # fmt: skip
    lat, lon = inverse(mapping, *np.meshgrid(x, y))
    grid = Grid(lat, lon, x, y, mapping)
    (first, _), (east, north) = frame(grid, "grid"), frame(grid, "earth")
    angle = np.arctan2((first * north).sum(-1), (first * east).sum(-1))
    expected = -np.sin(np.deg2rad(60.0)) * np.deg2rad(lon - 10.0)
    np.testing.assert_allclose(angle, expected, atol=2e-4)


def test_a_wind_across_the_pole_keeps_its_direction() -> None:
    """A uniform flow over the pole, V = (1, 0, 0): its components swing from cell to cell, and it comes out uniform."""
    source = Grid(np.arange(90.0, 79.0, -2.0), np.arange(0.0, 360.0, 10.0))
    target = Grid(np.array([89.0, 87.0]), np.arange(5.0, 360.0, 30.0))
    flow = np.array([1.0, 0.0, 0.0])
    u, v = ((axis * flow).sum(-1).astype(np.float32) for axis in frame(source, "earth"))
    regridder = Regridder(source, target, "linear")
    expected = np.array([(axis * flow).sum(-1) for axis in frame(target, "earth")])
    turned = np.array(VectorTurn(source, "earth", target, "earth", regridder)(u, v))
    np.testing.assert_allclose(turned, expected, atol=5e-3)
    one_by_one = np.array([regridder(u), regridder(v)])
    assert np.abs(one_by_one - expected).max() > 10 * np.abs(turned - expected).max()


def test_components_find_each_other() -> None:
    def wind(name: str, standard_name: str, level: float | None = None) -> Variable:
        return Variable(
            name=name, standard_name=standard_name, level=level, type_of_level="isobaricInhPa" if level else None
        )

    others = [
        wind("a", "y_wind", 850),
        wind("b", "y_wind", 500),
        wind("c", "northward_wind", 850),
        wind("d", "sea_water_y_velocity"),
    ]
    assert mate_of(wind("u", "x_wind", 850), others) == (others[0], True)
    assert mate_of(wind("u", "eastward_wind", 850), others) == (others[2], True)
    assert mate_of(wind("u", "sea_water_x_velocity"), others) == (others[3], True)
    assert mate_of(others[0], [wind("u", "x_wind", 850)]) == (wind("u", "x_wind", 850), False)
    assert mate_of(wind("u", "x_wind", 700), others) is None and mate_of(wind("t", "air_temperature"), others) is None
    assert mate_of(Variable(name="u10", short_name="10u"), [Variable(name="v10", short_name="10v")]) is not None


@pytest.mark.parametrize("axes", ["earth", "grid"])
def test_what_is_missing_stays_missing(axes: str) -> None:
    grid = rotated()
    u, v = np.ones((2, *grid.shape), np.float32)
    u[3, 4] = np.nan
    first, second = VectorTurn(grid, "grid", grid, axes)(u, v)  # type: ignore[arg-type]
    assert np.isnan(first[3, 4]) and np.isnan(second[3, 4]) and np.isfinite(first).sum() == first.size - 1
