import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from py4cast.errors import DataError
from py4cast.projection import forward, inverse

LAMBERT = {
    "grid_mapping_name": "lambert_conformal_conic", "standard_parallel": [33.0, 45.0],
    "longitude_of_central_meridian": -96.0, "latitude_of_projection_origin": 23.0,
}  # fmt: skip
POLAR = {"grid_mapping_name": "polar_stereographic", "latitude_of_projection_origin": 90.0,
         "straight_vertical_longitude_from_pole": 70.0, "standard_parallel": 60.0}  # fmt: skip
CLARKE = {"semi_major_axis": 6378206.4, "inverse_flattening": 294.9786982}
INTERNATIONAL = {"semi_major_axis": 6378388.0, "inverse_flattening": 297.0}


def test_lambert_sphere_against_snyder() -> None:
    # Snyder (1987), p. 295: R = 1, phi = 35 N, lambda = 75 W
    x, y = forward({**LAMBERT, "earth_radius": 1.0}, 35.0, -75.0)
    assert (float(x), float(y)) == pytest.approx((0.2966785, 0.2462112), abs=5e-8)


def test_lambert_ellipsoid_against_snyder() -> None:
    # Snyder (1987), p. 296
    x, y = forward({**LAMBERT, **CLARKE}, 35.0, -75.0)
    assert (float(x), float(y)) == pytest.approx((1894410.9, 1564649.5), abs=0.1)


def test_polar_stereographic_ellipsoid_against_snyder() -> None:
    # Snyder (1987), p. 314: south pole, standard parallel 71 S, 75 S 150 E
    south = {"grid_mapping_name": "polar_stereographic", "latitude_of_projection_origin": -90.0,
             "straight_vertical_longitude_from_pole": -100.0, "standard_parallel": -71.0, **INTERNATIONAL}  # fmt: skip
    x, y = forward(south, -75.0, 150.0)
    assert (float(x), float(y)) == pytest.approx((-1540033.6, -560526.4), abs=0.1)


@pytest.mark.parametrize("ellipsoid", [{"earth_radius": 6371000.0}, CLARKE], ids=["sphere", "ellipsoid"])
@pytest.mark.parametrize("projection", [LAMBERT, POLAR], ids=["lambert", "polar"])
@given(lat=st.floats(5, 85), lon=st.floats(-150, 150))
def test_inverse_undoes_forward(projection: dict, ellipsoid: dict, lat: float, lon: float) -> None:
    found = inverse({**projection, **ellipsoid}, *forward({**projection, **ellipsoid}, lat, lon))
    assert float(found[0]) == pytest.approx(lat, abs=1e-8)
    assert (float(found[1]) - lon + 180) % 360 - 180 == pytest.approx(0, abs=1e-8)


def test_false_origin_shifts() -> None:
    moved = {**POLAR, "false_easting": 1e6, "false_northing": -2e6}
    x, y = forward(POLAR, 70.0, 10.0)
    assert np.allclose(forward(moved, 70.0, 10.0), (x + 1e6, y - 2e6))
    assert np.allclose(inverse(moved, x + 1e6, y - 2e6), (70.0, 10.0))


def test_others_are_refused() -> None:
    with pytest.raises(DataError, match="projection 'mercator'"):
        forward({"grid_mapping_name": "mercator"}, 0.0, 0.0)


ROTATED = {
    "grid_mapping_name": "rotated_latitude_longitude",
    "grid_north_pole_latitude": 39.25,
    "grid_north_pole_longitude": -162.0,
}


def test_the_rotated_pole_of_euro_cordex() -> None:
    """The corner of EUR-11 that its files give: rlon −28.375°, rlat −23.375° is 10.06° W, 21.99° N (CORDEX archive design)."""
    lat, lon = inverse(ROTATED, [-28.375, 0.0], [-23.375, 0.0])
    np.testing.assert_allclose(lat, [21.98783, 50.75], atol=1e-5)
    np.testing.assert_allclose(lon, [-10.06388, 18.0], atol=1e-5)


@pytest.mark.parametrize("turn", [0.0, 25.0])
def test_rotated_east_is_east_at_the_centre_and_comes_back(turn: float) -> None:
    mapping = {**ROTATED, "north_pole_grid_longitude": turn}
    x, y = np.meshgrid(np.linspace(-20, 20, 9) + turn, np.linspace(-15, 15, 7))
    lat, lon = inverse(mapping, x, y)
    assert (np.diff(lon[3]) > 0).all() and (np.diff(lat[:, 4]) > 0).all(), "longitudes grow with x, latitudes with y"
    back = forward(mapping, lat, lon)
    np.testing.assert_allclose(back[0], x, atol=1e-9)
    np.testing.assert_allclose(back[1], y, atol=1e-9)
