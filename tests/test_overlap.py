"""Overlaps of cells: whole cells are shared out, and boxes have the areas of their formula."""

import numpy as np
import pytest

from py4cast.formats.reduced import healpix, octahedral
from py4cast.grid import EARTH_RADIUS, Grid
from py4cast.overlap import overlap_areas

R2 = EARTH_RADIUS**2


def globe(step: float, first: float = 0.0) -> Grid:
    rows = round(180 / step)
    return Grid(90 - step * (np.arange(rows) + 0.5), first + np.arange(0, 360, step))


def test_boxes_within_a_box() -> None:
    """A cell of 20 degrees holds four of 10 whose columns stand half a cell further: two whole ones, four halves."""
    areas = overlap_areas(globe(10.0), globe(20.0))
    cell = areas[[9 + 5]].toarray().reshape(18, 36)
    bands = np.sin(np.deg2rad([70, 60, 50]))
    wanted = np.outer(-np.diff(bands), np.deg2rad([5, 10, 5]))
    columns = np.flatnonzero(cell.any(0))
    assert np.flatnonzero(cell.any(1)).tolist() == [2, 3] or columns.size == 3
    row = areas[[18 * 1 + 5]].toarray().reshape(18, 36)
    np.testing.assert_allclose(row[2:4, 9:12], wanted, rtol=1e-12)
    assert row.sum() == pytest.approx(wanted.sum())


@pytest.mark.parametrize("is_descending", [False, True], ids=["eastward", "westward"])
def test_columns_may_run_either_way(is_descending: bool) -> None:
    source = globe(10.0)
    turned = Grid(source.latitude, source.longitude[::-1]) if is_descending else source
    straight, other = (overlap_areas(s, octahedral(8)).toarray() for s in (source, turned))
    columns = other.reshape(len(other), *source.shape)
    np.testing.assert_allclose(straight, columns[..., :: -1 if is_descending else 1].reshape(straight.shape))


@pytest.mark.parametrize("first", [0.0, -180.0, 365.0])
def test_cells_are_shared_out(first: float) -> None:
    source, target = octahedral(12), globe(5.0, first)
    for a, b in ((source, target), (target, source)):
        areas = overlap_areas(a, b)
        np.testing.assert_allclose(areas.sum(1), b.cell_areas().ravel() / R2, rtol=1e-10)
        np.testing.assert_allclose(areas.sum(0), a.cell_areas().ravel() / R2, rtol=1e-10)


def test_polygons_are_shared_out() -> None:
    points = Grid.points(healpix(6).latitude[0], healpix(6).longitude[0])
    others = Grid.points(octahedral(8).latitude[0], octahedral(8).longitude[0])
    areas = overlap_areas(points, others)
    np.testing.assert_allclose(areas.sum(1), others.cell_areas()[0] / R2, rtol=1e-9)
    np.testing.assert_allclose(areas.sum(0), points.cell_areas()[0] / R2, rtol=1e-9)
    itself = overlap_areas(points, points)
    assert itself.nnz == points.shape[1], "a cell meets itself alone"


def test_a_polygon_and_a_box_are_nearly_one() -> None:
    lat, lon = np.meshgrid(np.arange(40.0, 50.5), np.arange(-5.0, 5.5), indexing="ij")
    points, rectangle = Grid.points(lat.ravel(), lon.ravel()), Grid(lat[:, 0], lon[0])
    areas = overlap_areas(points, rectangle)
    wanted = rectangle.cell_areas().ravel() / R2
    np.testing.assert_allclose(areas.diagonal(), wanted, rtol=2e-2)
    np.testing.assert_allclose(points.cell_areas().ravel() / R2, wanted, rtol=2e-2)
