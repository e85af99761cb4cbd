"""Grids of points in GRIB: where the points are, how large their cells, and the same again when written."""

from pathlib import Path
from typing import Any

import eccodes
import numpy as np
import pytest

from py4cast.errors import DataError
from py4cast.formats import Heading, open_reader, writer_for
from py4cast.formats.reduced import gaussian_rows, healpix, octahedral
from py4cast.grid import EARTH_RADIUS, Grid
from py4cast.stretched import stretched
from py4cast.variables import Variable

SPHERE = 4 * np.pi * EARTH_RADIUS**2
T2M = Variable(name="t2m", short_name="2t", units="K", level=2, type_of_level="heightAboveGround")


def from_sample(path: Path, sample: str, **keys: Any) -> np.ndarray:
    """A GRIB file of a sample of ecCodes, and its values."""
    handle = eccodes.codes_grib_new_from_samples(sample)
    for key, value in keys.items():
        eccodes.codes_set_array(handle, key, value) if isinstance(value, list) else eccodes.codes_set(
            handle, key, value
        )
    values = 280 + np.arange(eccodes.codes_get(handle, "numberOfDataPoints"), dtype=float) / 1000
    eccodes.codes_set(handle, "bitsPerValue", 24)
    eccodes.codes_set_values(handle, values)
    path.write_bytes(eccodes.codes_get_message(handle))
    eccodes.codes_release(handle)
    return values


def write(path: Path, grid: Grid, values: np.ndarray) -> None:
    heading = Heading([T2M], grid, np.datetime64("2020-01-01T00"), [np.timedelta64(6, "h")])
    with writer_for(path).open(path, heading) as put:
        put(values.reshape(*grid.shape, 1).astype(np.float32))


@pytest.mark.parametrize("n", [32, 48])
@pytest.mark.parametrize("edition", [1, 2])
def test_a_reduced_gaussian_grid_of_a_service(tmp_path: Path, n: int, edition: int) -> None:
    values = from_sample(tmp_path / "a.grib", f"reduced_gg_pl_{n}_grib{edition}")
    with open_reader(tmp_path / "a.grib") as reader:
        (record,) = reader.records()
        grid = reader.grid(record)
        np.testing.assert_allclose(reader.read(record)[0], values, atol=1e-4)
    assert not grid.is_rectangular and grid.shape == (1, values.size) and grid.name == f"N{n}"
    assert grid.rows is not None and len(grid.rows) == 2 * n and sum(grid.rows) == values.size
    assert grid.cell_areas().sum() == pytest.approx(SPHERE, rel=1e-9)
    weights = grid.area_weights()
    # quadrature is exact for polynomials in sin φ: 1, sin φ, sin² φ
    sine = np.sin(np.deg2rad(grid.latitude))
    for power, mean in ((1, 0.0), (2, 1 / 3), (4, 1 / 5)):
        assert float((weights * sine**power).mean()) == pytest.approx(mean, abs=1e-9)


@pytest.mark.parametrize(("n", "count"), [(32, 5248), (48, 10944), (96, 40320)])
def test_an_octahedral_grid_is_written_and_read_again(tmp_path: Path, n: int, count: int) -> None:
    grid = octahedral(n)
    assert grid.shape == (1, count) and grid.name == f"O{n}" and grid.rows is not None and grid.rows[:3] == (20, 24, 28)
    assert grid.cell_areas().sum() == pytest.approx(SPHERE, rel=1e-9)
    values = 280 + 10 * np.sin(np.deg2rad(grid.latitude)) + np.cos(np.deg2rad(grid.longitude))
    write(tmp_path / "a.grib2", grid, values)
    with (tmp_path / "a.grib2").open("rb") as stream:
        handle = eccodes.codes_grib_new_from_file(stream)
        told = [
            eccodes.codes_get(handle, k) for k in ("gridType", "N", "isOctahedral", "numberOfDataPoints", "shortName")
        ]
        assert told == ["reduced_gg", n, 1, count, "2t"]
        lat, lon = (eccodes.codes_get_array(handle, k) for k in ("latitudes", "longitudes"))
        np.testing.assert_allclose(lat, grid.latitude[0], atol=1e-5)
        np.testing.assert_allclose(lon, grid.longitude[0], atol=1e-5)
        eccodes.codes_release(handle)
    with open_reader(tmp_path / "a.grib2") as reader:
        (record,) = reader.records()
        assert reader.grid(record).same_as(grid) and reader.grid(record).rows == grid.rows
        np.testing.assert_allclose(reader.read(record), values, atol=1e-5)


@pytest.mark.parametrize("suffix", ["nc", "zarr"])
def test_points_have_one_dimension_of_cells_in_netcdf_and_zarr(tmp_path: Path, suffix: str) -> None:
    grid = octahedral(32)
    values = 280 + 10 * np.sin(np.deg2rad(grid.latitude))
    write(tmp_path / f"a.{suffix}", grid, values)
    with open_reader(tmp_path / f"a.{suffix}") as reader:
        (record,) = reader.records()
        again = reader.grid(record)
        assert again.same_as(grid)
        np.testing.assert_allclose(again.cell_areas(), grid.cell_areas())
        np.testing.assert_array_equal(reader.read(record), values.astype(np.float32))


def test_half_of_a_reduced_grid_is_refused(tmp_path: Path) -> None:
    rows = gaussian_rows(64)[0]
    counts = [20 + 4 * i for i in range(32)]
    from_sample(
        tmp_path / "a.grib2",
        "reduced_gg_pl_32_grib2",
        Nj=32,
        pl=counts,
        latitudeOfLastGridPointInDegrees=float(rows[31]),
    )
    with (
        open_reader(tmp_path / "a.grib2") as reader,
        pytest.raises(DataError, match=r"a\.grib2: .*expected a whole globe"),
    ):
        reader.grid(reader.records()[0])


def test_points_without_a_template_have_their_coordinates_in_a_file_beside(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    grid = Grid.points(rng.uniform(40, 50, 30), rng.uniform(0, 10, 30), rng.uniform(1e9, 2e9, 30), name="thirty")
    values = rng.normal(280, 5, (1, 30))
    write(tmp_path / "a.grib2", grid, values)
    write(tmp_path / "b.grib2", grid, values)
    (beside,) = tmp_path.glob("grid_*.nc")
    with (tmp_path / "a.grib2").open("rb") as stream:
        handle = eccodes.codes_grib_new_from_file(stream)
        assert eccodes.codes_get(handle, "gridType") == "unstructured_grid"
        assert eccodes.codes_get(handle, "uuidOfHGrid") in beside.name
        np.testing.assert_allclose(eccodes.codes_get_values(handle), values[0], atol=1e-5)
        eccodes.codes_release(handle)
    with open_reader(tmp_path / "a.grib2") as reader:
        (record,) = reader.records()
        again = reader.grid(record)
        assert again.same_as(grid) and again.name == "thirty"
        np.testing.assert_allclose(again.cell_areas(), grid.cell_areas())
    # and once more from what was read
    (tmp_path / "again").mkdir()
    write(tmp_path / "again" / "c.grib2", again, values)
    with open_reader(tmp_path / "again" / "c.grib2") as reader:
        assert reader.grid(reader.records()[0]).same_as(grid)


def test_an_order_that_is_not_that_of_the_rows_is_another_grid() -> None:
    grid = octahedral(32)
    turned = Grid.points(grid.latitude[0][::-1], grid.longitude[0][::-1], grid.areas[0][::-1])
    assert not turned.same_as(grid)


def test_grids_in_one_file_are_told_apart(tmp_path: Path) -> None:
    """An octahedral and a classic grid of one N, and two grids of one size that a mark alone tells apart."""
    paths = []
    for name, sample, keys in (
        ("n", "reduced_gg_pl_32_grib2", {}), ("u", "GRIB2", {"gridDefinitionTemplateNumber": 101, "uuidOfHGrid": "a" * 32}),
        ("v", "GRIB2", {"gridDefinitionTemplateNumber": 101, "uuidOfHGrid": "b" * 32}),
    ):  # fmt: skip
        handle = eccodes.codes_grib_new_from_samples(sample)
        for key, value in keys.items():
            eccodes.codes_set(handle, key, value)
        if keys:
            eccodes.codes_set_values(handle, np.arange(12.0))
        paths.append(tmp_path / f"{name}.grib2")
        paths[-1].write_bytes(eccodes.codes_get_message(handle))
        eccodes.codes_release(handle)
    write(tmp_path / "o.grib2", octahedral(32), np.zeros(5248))
    (tmp_path / "all.grib2").write_bytes(b"".join(p.read_bytes() for p in [*paths, tmp_path / "o.grib2"]))
    with open_reader(tmp_path / "all.grib2") as reader:
        assert len({r.grid_key for r in reader.records()}) == 4


def test_healpix_has_cells_of_one_size(tmp_path: Path) -> None:
    handle = eccodes.codes_grib_new_from_samples("GRIB2")
    keys = {"gridDefinitionTemplateNumber": 150, "Nside": 4, "longitudeOfFirstGridPointInDegrees": 45.0, "orderingConvention": "ring", "shortName": "2t"}  # fmt: skip
    for key, value in keys.items():
        eccodes.codes_set(handle, key, value)
    eccodes.codes_set_values(handle, 280 + np.arange(192.0))
    (tmp_path / "a.grib2").write_bytes(eccodes.codes_get_message(handle))
    eccodes.codes_release(handle)
    with open_reader(tmp_path / "a.grib2") as reader:
        (record,) = reader.records()
        grid = reader.grid(record)
        np.testing.assert_allclose(reader.read(record)[0], 280 + np.arange(192.0), atol=0.01)
    assert grid.shape == (1, 192) and grid.name == "HEALPix 4 ring"
    np.testing.assert_allclose(grid.cell_areas(), SPHERE / 192)
    # the first ring has four points at sin φ = 1 − 1/(3·4²)
    assert np.sin(np.deg2rad(grid.latitude[0, :4])) == pytest.approx(1 - 1 / 48, abs=1e-6)


def even_rows(path: Path, counts: list[int], first: float, last: float, edition: int = 2) -> Grid:
    """The grid that is read of rows at even latitudes."""
    handle = eccodes.codes_grib_new_from_samples(f"reduced_ll_sfc_grib{edition}")
    keys = {"Nj": len(counts), "latitudeOfFirstGridPointInDegrees": first, "latitudeOfLastGridPointInDegrees": last, "longitudeOfFirstGridPointInDegrees": 0.0,
            "longitudeOfLastGridPointInDegrees": 360 - 360 / max(counts), "jDirectionIncrementInDegrees": (first - last) / (len(counts) - 1)}  # fmt: skip
    for key, value in keys.items():
        eccodes.codes_set(handle, key, value)
    eccodes.codes_set_array(handle, "pl", counts)
    eccodes.codes_set_values(handle, np.arange(float(sum(counts))))
    path.write_bytes(eccodes.codes_get_message(handle))
    eccodes.codes_release(handle)
    with open_reader(path) as reader:
        (record,) = reader.records()
        np.testing.assert_allclose(reader.read(record)[0], np.arange(sum(counts)), atol=0.01)
        return reader.grid(record)


def test_rows_of_equal_distance_are_a_sphere(tmp_path: Path) -> None:
    grid = even_rows(tmp_path / "a.grib2", counts := [4, 8, 12, 12, 8, 4], 75.0, -75.0)
    assert grid.rows == tuple(counts) and np.unique(grid.latitude).tolist() == [-75.0, -45.0, -15.0, 15.0, 45.0, 75.0]
    assert grid.cell_areas().sum() == pytest.approx(SPHERE)


@pytest.mark.parametrize("edition", [1, 2])
@pytest.mark.parametrize("empty", [[0], [0, 1, 6], [3]])
def test_empty_rows_leave_the_others_as_they_are(tmp_path: Path, edition: int, empty: list[int]) -> None:
    """Wave models have no points next to the poles, and say so by rows of none."""
    full = [4, 8, 16, 16, 16, 8, 4]
    counts = [0 if i in empty else n for i, n in enumerate(full)]
    whole = even_rows(tmp_path / "a.grib", full, 90.0, -90.0, edition)
    part = even_rows(tmp_path / "b.grib", counts, 90.0, -90.0, edition)
    assert part.rows == tuple(n for n in counts if n)
    is_left = np.repeat([i not in empty for i in range(7)], full)
    np.testing.assert_allclose(part.latitude[0], whole.latitude[0, is_left])
    np.testing.assert_allclose(
        part.cell_areas()[0], whole.cell_areas()[0, is_left], err_msg="no row takes another's place"
    )


def test_rows_that_end_before_the_poles_do_not_reach_them(tmp_path: Path) -> None:
    grid = even_rows(tmp_path / "a.grib2", [8, 16, 16, 8], 60.0, -30.0)
    band = 2 * np.pi * EARTH_RADIUS**2 * (np.sin(np.deg2rad(75)) - np.sin(np.deg2rad(-45)))
    assert grid.cell_areas().sum() == pytest.approx(band)


def test_a_row_of_a_gaussian_globe_that_is_empty_is_told(tmp_path: Path) -> None:
    handle = eccodes.codes_grib_new_from_samples("reduced_gg_pl_32_grib2")
    counts = eccodes.codes_get_array(handle, "pl")
    counts[[0, -1]] = 0
    eccodes.codes_set_array(handle, "pl", counts)
    eccodes.codes_set_values(handle, np.arange(float(counts.sum())))
    (tmp_path / "g.grib2").write_bytes(eccodes.codes_get_message(handle))
    eccodes.codes_release(handle)
    with (
        open_reader(tmp_path / "g.grib2") as reader,
        pytest.raises(DataError, match="62 of the 64 rows of a reduced Gaussian grid"),
    ):
        reader.grid(reader.records()[0])


def test_rows_that_begin_elsewhere_are_no_grid_of_gribs(tmp_path: Path) -> None:
    grid = octahedral(8)
    turned = Grid.points(grid.latitude[0], grid.longitude[0] + 3.0, grid.areas[0], grid.rows)
    write(tmp_path / "a.grib2", turned, np.zeros(544))
    with open_reader(tmp_path / "a.grib2") as reader:
        again = reader.grid(reader.records()[0])
    assert again.same_as(turned) and not again.same_as(grid)


def test_healpix_is_written_again(tmp_path: Path) -> None:
    grid = healpix(4)
    values = np.arange(192, dtype=np.float32)
    heading = Heading([T2M], grid, np.datetime64("2020-01-01T00", "s"), [np.timedelta64(6, "h")])
    with writer_for("h.grib2").open(tmp_path / "h.grib2", heading) as put:
        put(values.reshape(1, 192, 1))
    with (tmp_path / "h.grib2").open("rb") as stream:
        handle = eccodes.codes_grib_new_from_file(stream)
        assert [eccodes.codes_get(handle, k) for k in ("gridType", "Nside", "numberOfValues")] == ["healpix", 4, 192]
        np.testing.assert_allclose(eccodes.codes_get_array(handle, "latitudes"), grid.latitude[0], atol=1e-5)
        np.testing.assert_allclose(eccodes.codes_get_array(handle, "longitudes"), grid.longitude[0], atol=1e-5)
        eccodes.codes_release(handle)
    with open_reader(tmp_path / "h.grib2") as reader:
        (record,) = reader.records()
        assert reader.grid(record).same_as(grid)
        np.testing.assert_allclose(reader.read(record)[0], values, atol=0.01)


def test_a_stretched_grid_is_written_with_its_coordinates(tmp_path: Path) -> None:
    grid, _ = stretched([Grid(np.linspace(60, 50, 6), np.linspace(0, 15, 7)), octahedral(8)], 100.0)
    values = 280 + np.arange(grid.shape[1]) / 100.0
    write(tmp_path / "h.grib2", grid, values)
    with open_reader(tmp_path / "h.grib2") as reader:
        (record,) = reader.records()
        assert reader.grid(record).same_as(grid)
        np.testing.assert_allclose(reader.read(record)[0], values, atol=0.01)


@pytest.mark.parametrize("side", [1, 2, 8, 16])
def test_nested_healpix_stands_where_eccodes_has_it(tmp_path: Path, side: int) -> None:
    count = 12 * side**2
    values = np.arange(count, dtype=np.float32)
    grid = healpix(side, "nested")
    assert np.unique(np.stack([grid.latitude[0], grid.longitude[0]]), axis=1).shape[1] == count
    write(tmp_path / "h.grib2", grid, values)
    with (tmp_path / "h.grib2").open("rb") as stream:
        handle = eccodes.codes_grib_new_from_file(stream)
        order = eccodes.codes_get_string(handle, "orderingConvention")
        assert order == ("ring" if side == 1 else "nested")  # of twelve cells both are the same
        np.testing.assert_allclose(eccodes.codes_get_array(handle, "latitudes"), grid.latitude[0], atol=1e-9)
        np.testing.assert_allclose(eccodes.codes_get_array(handle, "longitudes"), grid.longitude[0], atol=1e-9)
        eccodes.codes_release(handle)
    with open_reader(tmp_path / "h.grib2") as reader:
        (record,) = reader.records()
        assert reader.grid(record).same_as(grid) and reader.grid(record).name == f"HEALPix {side} {order}"
        np.testing.assert_allclose(reader.read(record)[0], values, atol=0.02)


def test_nested_needs_a_power_of_two() -> None:
    with pytest.raises(DataError, match="HEALPix 3 nested: expected a power of two"):
        healpix(3, "nested")
