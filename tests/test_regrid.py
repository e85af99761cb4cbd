import numpy as np
import pytest

from py4cast.errors import DataError, SettingsError
from py4cast.formats.reduced import gaussian_rows, healpix, octahedral, of_rows
from py4cast.grid import EARTH_RADIUS, Grid
from py4cast.regrid import Method, Regridder
from py4cast.stretched import stretched


def region() -> Grid:
    return Grid(np.linspace(58.0, 46.0, 7), np.linspace(-6.0, 10.0, 9))


@pytest.mark.parametrize("descending", [False, True])
def test_a_linear_field_is_exact(descending: bool) -> None:
    lat, lon = np.arange(-89.0, 90.0, 2.0), np.arange(0.0, 360.0, 3.0)
    lat = lat[::-1] if descending else lat
    source = Grid(lat, lon)
    field = np.broadcast_to(2.0 * lat[:, None] + 1.0, source.shape).astype(np.float32)
    np.testing.assert_allclose(Regridder(source, region())(field), 2 * region().latitude_2d() + 1, rtol=1e-6)


def test_it_crosses_the_first_meridian() -> None:
    source = Grid(np.linspace(60, 40, 21), np.arange(0.0, 360.0, 1.0))
    field = np.cos(np.deg2rad(source.longitude_2d())).astype(np.float32)
    found = Regridder(source, region())(field)
    np.testing.assert_allclose(found, np.cos(np.deg2rad(region().longitude_2d())), atol=1e-4)


def test_longitudes_of_another_turn_are_the_same() -> None:
    east, west = (
        Grid(np.linspace(60, 40, 21), np.linspace(345.0, 375.0, 31)),
        Grid(np.linspace(60, 40, 21), np.linspace(-15.0, 15.0, 31)),
    )
    field = np.random.default_rng(0).standard_normal(east.shape).astype(np.float32)
    np.testing.assert_allclose(Regridder(east, region())(field), Regridder(west, region())(field), atol=1e-6)


def test_what_lies_outside_is_missing() -> None:
    source = Grid(np.linspace(60, 40, 21), np.linspace(0.0, 10.0, 11))
    regridder = Regridder(source, region())
    found = regridder(np.ones(source.shape, dtype=np.float32))
    np.testing.assert_array_equal(np.isnan(found), region().longitude_2d() < -0.5)
    with pytest.raises(DataError, match="grids do not meet"):
        Regridder(Grid(np.linspace(-40, -60, 5), np.linspace(0.0, 10.0, 11)), region())
    with pytest.raises(SettingsError, match="did you mean 'linear'"):
        Regridder(source, region(), "lineal")  # type: ignore[arg-type]


def test_nearest_keeps_values_and_holes_stay_holes() -> None:
    source = Grid(np.linspace(60, 40, 41), np.linspace(-10.0, 12.0, 45))
    field = np.random.default_rng(0).integers(0, 9, source.shape).astype(np.float32)
    field[20, 20] = np.nan
    found = Regridder(source, region(), "nearest")(field)
    assert set(np.unique(found[np.isfinite(found)])) <= set(range(9))
    own = Regridder(source, source, "linear")(field)
    np.testing.assert_array_equal(own, field)


def test_the_mean_conserves_the_integral_and_a_constant() -> None:
    fine, coarse = (
        Grid(np.arange(-89.5, 90, 1.0), np.arange(0.5, 360.0, 1.0)),
        Grid(np.arange(-87.5, 90, 5.0), np.arange(2.5, 360.0, 5.0)),
    )
    field = np.random.default_rng(0).standard_normal(fine.shape).astype(np.float32)
    mean = Regridder(fine, coarse, "mean")(field)
    integrals = [float((f * g.cell_areas()).sum()) for f, g in ((field, fine), (mean, coarse))]
    assert integrals[1] == pytest.approx(integrals[0], rel=1e-4)
    np.testing.assert_allclose(Regridder(fine, coarse, "mean")(np.ones(fine.shape)), 1.0, rtol=1e-6)


def test_a_projection_is_met_at_its_own_cells() -> None:
    projection = {
        "grid_mapping_name": "lambert_conformal_conic", "standard_parallel": [46.7, 46.7],
        "longitude_of_central_meridian": 2.0, "latitude_of_projection_origin": 46.7, "earth_radius": 6371229.0,
    }  # fmt: skip
    from py4cast.projection import inverse

    x = y = np.linspace(-300e3, 300e3, 31)
    lat, lon = inverse(projection, *np.meshgrid(x, y))
    lambert = Grid(lat, lon, x, y, projection)
    field = (lambert.latitude_2d() + 0.5 * lambert.longitude_2d()).astype(np.float32)
    np.testing.assert_allclose(Regridder(lambert, lambert)(field), field, rtol=1e-5)
    inner = Grid(np.linspace(48, 45.5, 11), np.linspace(0, 4, 9))
    wanted = inner.latitude_2d() + 0.5 * inner.longitude_2d()
    np.testing.assert_allclose(Regridder(lambert, inner)(field), wanted, atol=5e-3)
    assert np.abs(Regridder(lambert, inner, "nearest")(field) - wanted).max() < 0.2
    # the middle of a cell is not the middle of what it is the mean of, by a fraction of a cell
    np.testing.assert_allclose(Regridder(lambert, inner, "mean")(field), wanted, atol=0.05)
    with pytest.raises(SettingsError, match="a doubly periodic plane is nowhere on the globe; use linear"):
        Regridder(Grid.plane(16, 1e6), inner, "mean")


def test_points_are_brought_to_other_grids_linearly() -> None:
    source = octahedral(32)
    target = Grid(np.linspace(85, -85, 35), np.arange(72) * 5.0)
    lat, lon = np.deg2rad(source.latitude), np.deg2rad(source.longitude)

    def smooth(lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
        return np.sin(lat) + 0.5 * np.cos(lat) * np.cos(lon - 1.0)

    linear, nearest = (Regridder(source, target, method) for method in ("linear", "nearest"))
    assert linear.covered.all() and nearest.covered.all()
    np.testing.assert_allclose(linear(np.full(source.shape, 7.0)), 7.0, rtol=1e-6)
    expected = smooth(np.deg2rad(target.latitude_2d()), np.deg2rad(target.longitude_2d()))
    error = np.abs(linear(smooth(lat, lon)) - expected).max()
    assert error < 2e-3 and error < 0.1 * np.abs(nearest(smooth(lat, lon)) - expected).max()
    # at the points themselves it is what is there
    same = Regridder(source, Grid.points(source.latitude[0][::7], source.longitude[0][::7], np.ones(750)), "linear")
    field = np.random.default_rng(0).normal(size=source.shape).astype(np.float32)
    np.testing.assert_allclose(same(field)[0], field[0, ::7], atol=1e-4)


def test_a_rectangle_is_brought_to_points_and_back() -> None:
    source, target = Grid(np.linspace(90, -90, 73), np.arange(144) * 2.5), octahedral(32)
    there = Regridder(source, target, "linear")
    assert there.covered.all()
    field = np.sin(np.deg2rad(source.latitude_2d())) + np.cos(np.deg2rad(source.latitude_2d())) * np.cos(
        np.deg2rad(source.longitude_2d())
    )
    lat, lon = np.deg2rad(target.latitude), np.deg2rad(target.longitude)
    np.testing.assert_allclose(there(field), np.sin(lat) + np.cos(lat) * np.cos(lon), atol=2e-3)
    back = Regridder(target, source, "linear")(there(field))
    np.testing.assert_allclose(back, field, atol=6e-3)


def test_a_region_of_points_covers_only_itself() -> None:
    rng = np.random.default_rng(0)
    source = Grid.points(rng.uniform(40, 50, 900), rng.uniform(0, 10, 900), np.ones(900))
    regridder = Regridder(source, Grid(np.array([60.0, 45.0]), np.array([-8.0, 5.0])), "linear")
    assert regridder.covered.tolist() == [[False, False], [False, True]]
    inner = Grid(np.array([47.0, 46.0, 45.0]), np.array([4.0, 5.0, 6.0]))
    field = (source.latitude - 0.3 * source.longitude).astype(np.float32)
    wanted = inner.latitude_2d() - 0.3 * inner.longitude_2d()
    np.testing.assert_allclose(Regridder(source, inner, "mean")(field), wanted, atol=0.15)


def rotated() -> Grid:
    """A rectangle about 15 W 40 N in a grid whose pole is elsewhere."""
    y, x = np.meshgrid(np.linspace(-0.3, 0.3, 19), np.linspace(-0.3, 0.3, 23), indexing="ij")
    middle, east, north = np.array([0.74, -0.2, 0.643]), np.array([0.26, 0.966, 0.0]), np.array([-0.62, 0.167, 0.766])
    r = middle + x[..., None] * east + y[..., None] * north
    r /= np.linalg.norm(r, axis=-1, keepdims=True)
    return Grid(np.rad2deg(np.arcsin(r[..., 2])), np.rad2deg(np.arctan2(r[..., 1], r[..., 0])))


GLOBES = {
    "O16": lambda: octahedral(16),
    "HEALPix": lambda: healpix(8),
    "3 degrees": lambda: Grid(np.linspace(88.5, -88.5, 60), np.arange(0, 360, 3.0)),
    "with poles": lambda: Grid(np.linspace(-90, 90, 37), np.arange(-180, 180, 5.0)),
    "Voronoi": lambda: Grid.points(octahedral(9).latitude[0], octahedral(9).longitude[0] + 7.0),
}


@pytest.mark.parametrize("source", GLOBES)
@pytest.mark.parametrize("target", ["O16", "3 degrees", "Voronoi"])
def test_means_keep_constants_and_integrals(source: str, target: str) -> None:
    a, b = GLOBES[source](), GLOBES[target]()
    regridder = Regridder(a, b, "mean")
    assert regridder.covered.all()
    np.testing.assert_allclose(regridder(np.full(a.shape, 7.0)), 7.0, rtol=1e-6)
    field = 10 + np.random.default_rng(0).standard_normal(a.shape)
    integrals = [float((f * g.cell_areas()).sum()) for f, g in ((field, a), (regridder(field), b))]
    # float32 fields; the cells of a regular grid with poles are not exactly those of its weights
    assert integrals[1] / integrals[0] == pytest.approx(1, abs=2e-6)


def test_a_mean_within_a_map_is_of_what_it_covers() -> None:
    source = octahedral(64)
    field = (source.xyz()[..., 2] * 3 + source.xyz()[..., 0]).astype(np.float32)
    target = rotated()
    wanted = target.xyz()[..., 2] * 3 + target.xyz()[..., 0]
    np.testing.assert_allclose(Regridder(source, target, "mean")(field), wanted, atol=0.06)


def test_a_field_linear_in_latitude_is_exact_between_reduced_rows() -> None:
    source = octahedral(16)
    target = Grid(np.linspace(80, -80, 33), np.arange(-180, 180, 7.0))
    values = Regridder(source, target)((2 * source.latitude + 1).astype(np.float32))
    np.testing.assert_allclose(values, 2 * target.latitude_2d() + 1, rtol=1e-5)


def test_the_pole_is_the_mean_of_the_last_row() -> None:
    source = octahedral(16)
    field = np.random.default_rng(0).standard_normal(source.shape).astype(np.float32)
    poles = Regridder(source, Grid(np.array([90.0, 89.0, -90.0]), np.array([10.0, 200.0])))(field)
    np.testing.assert_allclose(poles[0], field[0, :20].mean(), rtol=1e-5)
    np.testing.assert_allclose(poles[2], field[0, -20:].mean(), rtol=1e-5)


@pytest.mark.parametrize("is_south_first", [False, True])
@pytest.mark.parametrize("target_kind", ["axes", "points", "map"])
def test_of_rows_and_columns_too_the_pole_is_the_mean_of_the_last_row(is_south_first: bool, target_kind: str) -> None:
    lat = np.arange(87.5, -90, -5.0)[:: -1 if is_south_first else 1]
    source = Grid(lat, np.arange(0, 360, 5.0))
    field = np.random.default_rng(0).standard_normal(source.shape).astype(np.float32)
    rows, columns = np.array([90.0, 88.75, 87.5, 30.0, -90.0]), np.arange(-180, 180, 5.0)
    target = Grid(rows, columns)
    if target_kind == "points":
        rng = np.random.default_rng(1)
        target = Grid.points(np.repeat([90.0, 88.75, 30.0], [1, 9, 9]), rng.uniform(0, 360, 19), np.ones(19))
    if target_kind == "map":
        target = Grid(*np.broadcast_arrays(rows[:, None], columns[None]), projection={"grid_mapping_name": "unknown"})
    regridder = Regridder(source, target)
    values = regridder(field)
    np.testing.assert_allclose((regridder.matrix @ field.ravel()).reshape(target.shape), values, rtol=1e-4, atol=1e-6)
    north, south = field[lat == 87.5].mean(), field[lat == -87.5].mean()
    lat_of, lon_of = target.latitude_2d(), target.longitude_2d()
    np.testing.assert_allclose(values[lat_of == 90], north, rtol=1e-5)
    np.testing.assert_allclose(values[lat_of == -90], south, rtol=1e-5)
    if target_kind != "points":
        np.testing.assert_allclose(values[2], np.roll(field[lat == 87.5][0], 36), rtol=1e-5, err_msg="a row is itself")
        np.testing.assert_allclose(values[1], (values[2] + north) / 2, rtol=1e-4, err_msg="half-way to the pole")
    assert regridder.covered.all() and np.isfinite(lon_of).all()


def test_reduced_rows_reach_half_a_row_beyond_the_last_one_and_not_where_one_is_empty() -> None:
    counts, latitude = np.array([16, 16, 32, 32, 32, 16, 16]), np.array([60.0, 50, 40, 30, 10, 0, -10])
    bands = np.full(7, 1e12)
    source = of_rows(latitude, counts, bands, "of waves")
    target = Grid(np.array([80.0, 66, 64, 55, 26, 20, 14, -14, -16]), np.array([0.0, 7.0]))
    covered = Regridder(source, target).covered
    assert covered[:, 0].tolist() == [False, False, True, True, True, False, True, True, False]
    assert (covered[:, 0] == covered[:, 1]).all()
    field = np.repeat(latitude, counts)[None].astype(np.float32)
    values = Regridder(source, target)(field)
    np.testing.assert_allclose(values[[2, 3, 4, 6, 7], 0], [60, 55, 26, 14, -10], rtol=1e-5)


@pytest.mark.parametrize("radius", [15, 20, 25, 30])
@pytest.mark.parametrize("method", ["linear", "nearest"])
def test_cells_deep_inside_a_hole_are_not_covered(radius: float, method: Method) -> None:
    """As land is, in a grid of the ocean's cells."""
    k = np.arange(6000) + 0.5
    latitude = np.rad2deg(np.arcsin(1 - 2 * k / 6000))
    longitude = np.rad2deg(np.pi * (1 + 5**0.5) * k) % 360
    cells = Grid.points(latitude, longitude, np.ones(6000)).xyz()[0]
    is_wet = cells @ cells[2000] < np.cos(np.deg2rad(radius))
    target = Grid(np.linspace(89, -89, 90), np.arange(0, 360, 2.0))
    covered = Regridder(Grid.points(latitude[is_wet], longitude[is_wet], np.ones(is_wet.sum())), target, method).covered
    cosine = target.xyz() @ cells[2000]
    assert not covered[cosine > np.cos(np.deg2rad(radius - 6))].any()
    assert covered[cosine < np.cos(np.deg2rad(radius + 3))].all()


def test_the_date_line_and_the_first_meridian_are_no_sides() -> None:
    source = octahedral(24)
    wave = np.cos(np.deg2rad(2 * source.longitude)).astype(np.float32)
    row = np.array([0.5, -0.5])
    for lon in (np.array([-180.0, -179.0, 179.0]), np.array([-1.0, 0.0, 1.0, 359.5])):
        for method in ("linear", "mean"):
            target = Grid(row, lon) if method == "linear" else Grid(row, np.array([lon[0], lon[0] + 1.0]))
            expected = np.cos(np.deg2rad(2 * target.longitude_2d()))
            np.testing.assert_allclose(Regridder(source, target, method)(wave), expected, atol=0.02)


@pytest.mark.parametrize(
    "stations",
    [Grid.points([50, 51, 52], [0, 1, 0.5]), Grid.points([0.0] * 6, [-5.0, -3, -1, 1, 3, 5])],
    ids=["three", "one circle"],
)
def test_points_without_cells_or_triangles_go_to_the_nearest_alone(stations: Grid) -> None:
    plain = Grid(np.linspace(60, -10, 71), np.linspace(-10, 10, 21))
    for source, target, method in ((stations, plain, "mean"), (plain, stations, "mean"), (stations, plain, "linear")):
        with pytest.raises(DataError, match=rf"regrid {method}: .*points on one circle.*use nearest"):
            Regridder(source, target, method)
    nearest = Regridder(stations, plain, "nearest")
    index = np.unravel_index(np.flatnonzero(nearest.covered)[0], plain.shape)
    values = np.arange(float(stations.shape[1]), dtype=np.float32)[None]
    assert nearest(values)[index] in values


@pytest.mark.parametrize("spacing", [0.05, 0.25])
def test_linear_takes_the_triangle_that_holds_a_place_also_beside_far_smaller_ones(spacing: float) -> None:
    region = Grid(np.arange(52, 49.9, -spacing), np.arange(0, 3.01, spacing))
    globe = Grid(np.arange(88.75, -89, -2.5), np.arange(0, 360, 2.5))
    source, _ = stretched([region, globe], 10.0)
    target = Grid(np.arange(90, -91, -2.0), np.arange(0, 360, 2.0))

    def field(grid: Grid) -> np.ndarray:
        return np.asarray((grid.xyz() @ [0.3, -0.5, 0.8] + 2).reshape(grid.shape), np.float32)

    error = np.abs(Regridder(source, target, "linear")(field(source)) - field(target))
    # of a chord of 2.5 degrees the sagitta, 1 - cos(1.77 degrees)
    assert error.max() < 6e-4


@pytest.mark.parametrize("method", ["nearest", "linear", "mean"])
def test_a_gaussian_grid_reaches_the_poles(method: str) -> None:
    gaussian = Grid(gaussian_rows(94)[0], np.arange(192) * 1.875)
    target = Grid(np.linspace(90, -90, 73), np.arange(0, 360, 2.5))
    assert gaussian.cell_areas().sum() == pytest.approx(4 * np.pi * EARTH_RADIUS**2, rel=1e-12)
    regridder = Regridder(gaussian, target, method)
    assert regridder.covered.all()
    np.testing.assert_allclose(regridder(np.ones(gaussian.shape, np.float32)), 1.0, rtol=1e-6)
    source = octahedral(16)
    squares = (source.xyz()[..., 2] ** 2).astype(np.float32)
    total = (Regridder(source, gaussian, "mean")(squares) * gaussian.cell_areas()).sum()
    assert total == pytest.approx((squares * source.cell_areas()).sum(), rel=1e-5)
    # a grid that stops where its cells do not reach a pole does not
    band = Grid(np.arange(60, -61, -5.0), np.arange(0, 360, 5.0))
    assert band.row_edges()[[0, -1]].tolist() == [62.5, -62.5]
    assert not Regridder(band, target, "nearest").covered[[0, -1]].any()


@pytest.mark.parametrize(
    ("number", "box"), [(60, (50, 60, -10, 4)), (3000, (30, 70, -25, 45)), (200, (45, 47, 6, 10)), (3000, (0, 90, -180, 180))],
    ids=["stations", "Europe", "Alps", "hemisphere"],
)  # fmt: skip
def test_points_of_a_region_are_linear_between_neighbours(number: int, box: tuple[float, float, float, float]) -> None:
    """Not over the faces that close the hull of a region from below, whose corners lie at its ends."""
    rng = np.random.default_rng(0)
    south, north, west, east = box
    points = Grid.points(rng.uniform(south, north, number), rng.uniform(west, east, number))
    back = Regridder(points, points, "linear")
    field = rng.normal(size=(1, number)).astype(np.float32)
    np.testing.assert_allclose(back(field), field, atol=1e-5)
    inside = 0.2 * (north - south)
    places = Grid.points(rng.uniform(south + inside, north - inside, 500), rng.uniform(0.7 * west + 0.3 * east, 0.3 * west + 0.7 * east, 500))  # fmt: skip
    # linear in space, so linear on the flat triangles up to the height of the sphere above the widest of them
    up = points.xyz()[0] @ np.array([0.3, -0.5, 0.8])
    made = Regridder(points, places, "linear")(up[None].astype(np.float32))[0]
    spacing = points.spacing()[0] / EARTH_RADIUS
    errors = np.abs(made - places.xyz()[0] @ np.array([0.3, -0.5, 0.8]))
    assert np.isfinite(errors).mean() > 0.9 and np.nanmax(errors) < 20 * spacing**2


DENSE = Grid(np.arange(60, 39.9, -0.5), np.arange(-10, 20.1, 0.5))
ROUND = {
    "rows at the poles": Grid(np.arange(90, -91, -5.0), np.arange(0, 360, 5.0)),
    "rows beside the poles": Grid(np.arange(87.5, -90, -5.0), np.arange(0, 360, 5.0)),
}


def direction(grid: Grid) -> np.ndarray:
    """A field that is linear in space."""
    return np.asarray(grid.xyz() @ np.array([0.3, -0.5, 0.8]), dtype=np.float32)


@pytest.mark.parametrize("globe", ROUND.values(), ids=list(ROUND))
@pytest.mark.parametrize(("method", "error"), [("nearest", 0.06), ("linear", 0.002), ("mean", 0.06)])
def test_a_stretched_grid_covers_the_globe(globe: Grid, method: Method, error: float) -> None:
    """Also where its points are far apart, and where a row of the globe is one place."""
    grid = stretched([DENSE, globe], 200)[0]
    target = Grid(np.arange(89, -90, -2.0), np.arange(0, 360, 2.0))
    regridder = Regridder(grid, target, method)
    assert regridder.covered.all()
    assert np.abs(regridder(direction(grid)) - direction(target)).max() < error
    back = Regridder(target, grid, method)
    assert back.covered.all() and np.abs(back(direction(target)) - direction(grid)).max() < 0.06
    if method == "mean":
        for there, field in ((regridder, direction(grid)), (back, direction(target))):
            sums = [
                (np.float64(f) * g.cell_areas()).sum() for f, g in ((there(field), there.target), (field, there.source))
            ]
            assert sums[0] - sums[1] == pytest.approx(0, abs=4e-6 * np.pi * EARTH_RADIUS**2)


@pytest.mark.parametrize("method", ["nearest", "linear"])
def test_points_of_a_region_hear_no_others_beyond_its_sides(method: Method) -> None:
    """Long flat triangles along a side have corners at its ends."""
    rng = np.random.default_rng(0)
    source = Grid.points(rng.uniform(40, 55, 2000), rng.uniform(-10, 15, 2000))
    regridder = Regridder(source, Grid(np.linspace(56, 38, 40), np.linspace(-12, 18, 50)), method)
    errors = np.abs(regridder(direction(source)) - direction(regridder.target))
    assert np.nanmax(errors) < 0.015 and 0.6 < regridder.covered.mean() < 0.75


def test_rows_and_columns_of_no_map_are_linear_as_well() -> None:
    """An ocean model's curvilinear grid, whose places alone are known."""
    plain = Grid(np.linspace(56, 38, 40), np.linspace(-12, 18, 50))
    turned = 0.2 * np.sin(np.arange(40))[:, None] + np.zeros(50)
    source = Grid(plain.latitude_2d(), plain.longitude_2d() + turned, projection={"grid_mapping_name": "unknown"})
    target = Grid(np.linspace(55, 39, 33), np.linspace(-11, 17, 41))
    nearest, linear = (Regridder(source, target, m) for m in ("nearest", "linear"))
    assert nearest.covered.all() and linear.covered.all()
    errors = [np.abs(r(direction(source)) - direction(target)).max() for r in (nearest, linear)]
    assert errors[0] > 0.003 and errors[1] < 1e-4
    wide = Grid(np.linspace(66, 28, 39), np.linspace(-22, 28, 51))
    for method in ("nearest", "linear"):
        covered = Regridder(source, wide, method).covered  # type: ignore[arg-type]
        assert abs(covered.mean() - Regridder(plain, wide, "nearest").covered.mean()) < 0.03
