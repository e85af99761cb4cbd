import numpy as np
import pytest

from py4cast.errors import DataError, SettingsError
from py4cast.grid import EARTH_RADIUS, Grid


def globe(rows: int = 73, columns: int = 144) -> Grid:
    return Grid(np.linspace(90, -90, rows), np.arange(columns) * 360 / columns)


def region() -> Grid:
    return Grid(np.linspace(58, 50, 33), np.linspace(-10, 2, 49))


def lambert() -> Grid:
    from py4cast.projection import inverse

    projection = {
        "grid_mapping_name": "lambert_conformal_conic", "standard_parallel": [63.0, 63.0],
        "longitude_of_central_meridian": 15.0, "latitude_of_projection_origin": 63.0, "earth_radius": EARTH_RADIUS,
    }  # fmt: skip
    x, y = np.arange(12) * 2500.0 - 4e5, np.arange(10) * 2500.0 - 3e5
    lat, lon = inverse(projection, *np.meshgrid(x, y))
    return Grid(lat, lon, x, y, projection)


def test_areas_of_the_globe_add_up() -> None:
    for grid in (globe(), globe(72, 96), Grid(np.linspace(-89.5, 89.5, 180), np.arange(360) + 0.5)):
        assert grid.cell_areas().sum() == pytest.approx(4 * np.pi * EARTH_RADIUS**2, rel=1e-12)
        assert grid.area_weights().mean() == pytest.approx(1.0)


def test_areas_on_a_conformal_projection_are_the_spacing_over_the_scale() -> None:
    # near the standard parallel the map scale is 1 to about 1e-3
    assert lambert().cell_areas() == pytest.approx(np.full((10, 12), 2500.0**2), rel=5e-3)
    assert np.all(lambert().area_weights() == 1)


def test_cells_of_no_map_weigh_as_they_are_large() -> None:
    """A curvilinear grid round the globe: its cells beside the pole are smaller."""
    plain = Grid(np.arange(-87.5, 90, 5.0), np.arange(2.5, 360, 5.0))
    for name in ("unknown", "rotated_latitude_longitude"):
        grid = Grid(plain.latitude_2d(), plain.longitude_2d(), projection={"grid_mapping_name": name})
        np.testing.assert_allclose(grid.area_weights()[1:-1], plain.area_weights()[1:-1], rtol=2e-3)


@pytest.mark.parametrize("longitude", [np.linspace(-10, 20, 31), np.array([0.0, 1.0, 3.0, 3.5]), np.array([5.0])])
@pytest.mark.parametrize("latitude", [np.linspace(-90, 90, 19), np.array([60.0, 58.0, 40.0]), np.array([10.0])])
def test_spacing_is_the_mean_distance_of_neighbours(latitude: np.ndarray, longitude: np.ndarray) -> None:
    grid = Grid(latitude, longitude)
    for axis, found in enumerate(grid.spacing()):
        chords = np.linalg.norm(np.diff(grid.xyz(), axis=axis), axis=-1)
        wanted = (2 * EARTH_RADIUS * np.arcsin(chords / 2)).mean() if chords.size else np.nan
        np.testing.assert_allclose(found, wanted, rtol=1e-9)


def test_spacing() -> None:
    dy, dx = region().spacing()
    assert dy == pytest.approx(np.deg2rad(0.25) * EARTH_RADIUS, rel=1e-6)
    assert dx == pytest.approx(np.deg2rad(0.25) * EARTH_RADIUS * np.cos(np.deg2rad(region().latitude)).mean(), rel=1e-3)


def test_periodicity() -> None:
    assert globe().is_periodic and not region().is_periodic and not lambert().is_periodic
    assert Grid(np.array([0.0, 1.0]), (np.arange(144) * 2.5 + 180) % 360).is_periodic, "the date line is no seam"


def test_border_ring() -> None:
    mask = region().border_mask(3)
    assert mask.sum() == 33 * 49 - 27 * 43 and mask[:3].all() and mask[:, -3:].all() and not mask[3:-3, 3:-3].any()
    assert not region().border_mask(0).any()
    with pytest.raises(SettingsError, match="border_size 17: the grid of 33 x 49 cells leaves no interior; at most 16"):
        region().border_mask(17)
    with pytest.raises(SettingsError, match="goes round the globe and has no border"):
        globe().border_mask(1)


def test_windows() -> None:
    rows, columns = region().box(52, 54, -6, -4)
    part = region().rows_columns(rows, columns)
    assert (part.latitude.min(), part.latitude.max(), part.longitude.min(), part.longitude.max()) == (52, 54, -6, -4)
    rows, columns = globe().box(-10, 10, 350, 355)
    assert globe().rows_columns(rows, columns).longitude.tolist() == [350.0, 352.5, 355.0]
    with pytest.raises(SettingsError, match="no cell between latitudes 10 and 20"):
        region().box(10, 20, 0, 1)
    with pytest.raises(SettingsError, match="straddle the first column"):
        globe().box(-10, 10, -10, 10)


@pytest.mark.parametrize("grid", [globe(), region(), lambert()], ids=["globe", "region", "lambert"])
def test_fingerprint_tells_grids_apart(grid: Grid) -> None:
    again = Grid(grid.latitude, grid.longitude, grid.x, grid.y, grid.projection)
    assert again.fingerprint() == grid.fingerprint() and again.same_as(grid)
    everything = slice(None)
    others = {
        "flipped": grid.rows_columns(slice(None, None, -1), everything),
        "mirrored": grid.rows_columns(everything, slice(None, None, -1)),
        "subset": grid.rows_columns(slice(1, None), everything),
        "shifted": Grid(np.clip(grid.latitude + 0.01, -90, 90), grid.longitude, grid.x, grid.y, grid.projection),
        "rolled": Grid(grid.latitude, np.roll(grid.longitude, 1, axis=-1), grid.x, grid.y, grid.projection),
    }
    for name, other in others.items():
        assert other.fingerprint() != grid.fingerprint(), name
        assert not other.same_as(grid), name


def test_a_turn_of_longitude_is_the_same_grid() -> None:
    east = Grid(region().latitude, region().longitude + 360)
    assert east.same_as(region()) and east.fingerprint() == region().fingerprint()
    nudged = Grid(region().latitude + 4e-5, region().longitude)
    assert nudged.same_as(region()), "within the tolerance of 1e-4 degrees"


@pytest.mark.parametrize("grid", [globe(), lambert()], ids=["globe", "lambert"])
def test_pack_round_trip(grid: Grid) -> None:
    meta, arrays = grid.pack()
    back = Grid.unpack(meta, arrays)
    assert (
        back.same_as(grid)
        and back.fingerprint() == meta["fingerprint"]
        and dict(back.projection) == dict(grid.projection)
    )


def test_impossible_grids_are_refused() -> None:
    with pytest.raises(DataError, match="beyond 90"):
        Grid(np.array([89.0, 91.0]), np.array([0.0, 1.0]))
    with pytest.raises(DataError, match="not finite"):
        Grid(np.array([0.0, np.nan]), np.array([0.0, 1.0]))
    with pytest.raises(DataError, match="must be both 1-D or both 2-D"):
        Grid(np.zeros((2, 2)), np.zeros(2))
    with pytest.raises(DataError, match="does not fit x and y"):
        Grid(np.zeros((2, 3)), np.zeros((2, 3)), np.zeros(2), np.zeros(2))


def test_describe_says_what_it_is() -> None:
    assert region().describe().startswith("33 x 49 latitude_longitude, latitudes 50.00 to 58.00")
    assert "lambert_conformal_conic" in lambert().describe()


def test_cells_without_area_are_refused() -> None:
    with pytest.raises(DataError, match="its cells have no area"):
        Grid([50, 40], [3, 3, 3]).area_weights()


def globe_points(rows: int = 24) -> tuple[np.ndarray, np.ndarray, tuple[int, ...]]:
    """Rows of fewer points towards the poles."""
    latitudes = 90 - (np.arange(rows) + 0.5) * 180 / rows
    counts = tuple(max(4, round(2 * rows * np.cos(np.deg2rad(phi)))) for phi in latitudes)
    lat = np.concatenate([np.full(n, phi) for n, phi in zip(counts, latitudes, strict=True)])
    lon = np.concatenate([np.arange(n) * 360 / n for n in counts])
    return lat, lon, counts


def test_points_are_one_row_of_cells() -> None:
    lat, lon, counts = globe_points()
    grid = Grid.points(lat, lon, rows=counts, name="small")
    assert grid.shape == (1, lat.size) and not grid.is_rectangular and grid.kind == "points"
    assert Grid([50, 40], [3, 4]).is_rectangular and Grid([50, 40], [3, 4]).kind == "rectangle"
    np.testing.assert_allclose(grid.cell_areas().sum(), 4 * np.pi * EARTH_RADIUS**2, rtol=1e-9)
    np.testing.assert_allclose(grid.area_weights().mean(), 1.0)
    assert not grid.border_mask(0).any() and "points (small), latitudes -86.25 to 86.25" in grid.describe()
    with pytest.raises(SettingsError, match="border_size 2: points have no sides"):
        grid.border_mask(2)


def test_points_are_packed_and_told_apart() -> None:
    lat, lon, counts = globe_points()
    grid = Grid.points(lat, lon, rows=counts)
    again = Grid.unpack(*grid.pack())
    assert again.same_as(grid) and again.rows == counts and again.fingerprint() == grid.fingerprint()
    np.testing.assert_array_equal(again.cell_areas(), grid.cell_areas())
    rectangle = Grid(lat[None], lon[None])
    assert not rectangle.same_as(grid) and rectangle.fingerprint() != grid.fingerprint()
    turned = Grid.points(lat[::-1], lon[::-1])
    assert turned.fingerprint() != grid.fingerprint(), "the order is part of it"
    part = grid.rows_columns(slice(None), slice(3, 9))
    assert part.shape == (1, 6) and part.rows is None
    np.testing.assert_array_equal(part.cell_areas(), grid.cell_areas()[:, 3:9])


def test_points_that_are_no_grid_are_refused() -> None:
    with pytest.raises(DataError, match=r"1 points stand twice, such as number 2 at 10\.0000 N 20\.0000 E"):
        Grid.points([10, 30, 10], [20, 5, 380], areas=[1, 1, 1])
    with pytest.raises(DataError, match="rows of 5 points in all, coordinates of 3"):
        Grid.points([10, 30, 20], [20, 5, 0], areas=[1, 1, 1], rows=(2, 3))
    with pytest.raises(DataError, match="3 points with areas of shape"):
        Grid.points([10, 30, 20], [20, 5, 0], areas=[1, 1])
    with pytest.raises(DataError, match="the area of a point is not positive"):
        Grid.points([10, 30, 20], [20, 5, 0], areas=[1, 0, 1])
    with pytest.raises(DataError, match="2 latitudes and 3 longitudes of points"):
        Grid.points([10, 30], [20, 5, 0])


def test_a_row_at_a_pole_shares_one_cell() -> None:
    lat, lon = np.meshgrid(np.linspace(90, -90, 19), np.arange(0, 360, 10.0), indexing="ij")
    grid = Grid.points(lat.ravel(), lon.ravel())
    assert grid.areas is not None and float(grid.areas.sum()) == pytest.approx(4 * np.pi * EARTH_RADIUS**2, rel=1e-6)
    pole = grid.areas[0, :36]
    np.testing.assert_allclose(pole, pole[0])
    # a cap to half a spacing from the pole, a little more than a polygon of 36 sides
    assert float(pole.sum()) == pytest.approx(2 * np.pi * EARTH_RADIUS**2 * (1 - np.cos(np.deg2rad(5.0))), rel=0.02)


@pytest.mark.parametrize(
    ("lat", "lon"), [([50.0], [4.0]), ([50.0, 51.0, 52.0], [4.0, 5.0, 7.0]), ([0.0] * 5, [0.0, 1.0, 2.0, 5.0, 9.0])], ids=["one", "three", "a track"]
)  # fmt: skip
def test_places_without_cells_weigh_alike(lat: list[float], lon: list[float]) -> None:
    grid = Grid.points(lat, lon)
    assert grid.areas is not None and np.unique(grid.areas).size == 1
    np.testing.assert_array_equal(grid.area_weights(), np.ones((1, len(lat))))


def test_the_mark_of_points_stays_with_all_of_them() -> None:
    made = Grid.points(np.arange(5.0), np.array([0.0, 3.0, 1.0, 5.0, 2.0]), np.ones(5))
    grid = Grid(made.latitude, made.longitude, projection={"uuidOfHGrid": "ab"}, areas=made.areas)
    assert grid.rows_columns(slice(None), slice(None)).projection == {"uuidOfHGrid": "ab"}
    assert grid.rows_columns(slice(None), slice(0, 3)).projection == {}
    assert grid.rows_columns(slice(None), np.arange(5)[::-1]).projection == {}, "another order is another grid"
