import logging
from dataclasses import replace

import numpy as np
import pytest

from py4cast.cubes.memory import MemoryCube
from py4cast.cubes.views.aligned import AlignedCube, match_variables
from py4cast.cubes.views.cells import CutoutCube, RegridCube
from py4cast.errors import DataError
from py4cast.grid import Grid
from py4cast.variables import Variable
from py4cast.vectors import frame
from tests.cubes.numbered import hours
from tests.test_vectors import rotated

LATLON = Grid(np.linspace(54.0, 46.0, 33), np.linspace(-6.0, 6.0, 49))
WORDS = ("boundary", "Forecaster")


def winds(names: tuple[str, ...]) -> list[Variable]:
    words = ("10u", "10v")
    return [Variable(name=w, short_name=w, units="m s-1", standard_name=n) for w, n in zip(words, names, strict=False)]


def flow(grid: Grid, axes: str, steps: int = 2) -> np.ndarray:
    """The components of one vector of space, projected on the sphere, `(component, time, lat, lon)`."""
    parts = [(axis * [3.0, -8.0, 5.0]).sum(-1) for axis in frame(grid, axes)]  # type: ignore[arg-type]
    return np.stack([np.stack([p * (1 + t) for t in range(steps)]) for p in parts]).astype(np.float32)


def cube(grid: Grid, names: tuple[str, ...], axes: str) -> MemoryCube:
    return MemoryCube(winds(names), hours(0, 2), grid, flow(grid, axes)[: len(names)])


def planes_of(view: AlignedCube, names: list[str]) -> np.ndarray:
    out = np.empty((len(names), 2, *view.shape), dtype=np.float32)
    view.read(names, 0, 2, out)
    return out


def aligned(source: MemoryCube, wanted: tuple[str, ...], target: Grid) -> AlignedCube:
    return AlignedCube(
        source, match_variables(source.variables, winds(wanted), words=WORDS), target, "linear", words=WORDS
    )


EARTH, GRID = ("eastward_wind", "northward_wind"), ("x_wind", "y_wind")


@pytest.mark.parametrize("target", ["same", "other"])
def test_a_driving_model_is_turned_to_the_axes_of_the_grid(target: str) -> None:
    own = rotated()
    inside = own.rows_columns(slice(8, 33), slice(12, 53))
    source = cube(own, EARTH, "earth") if target == "same" else cube(LATLON, EARTH, "earth")
    view = aligned(source, GRID, own if target == "same" else inside)
    expected = flow(own if target == "same" else inside, "grid")
    places = view.covered
    assert places.mean() > 0.5
    found = planes_of(view, ["10u", "10v"])
    np.testing.assert_allclose(found[..., places], expected[..., places], atol=1e-4 if target == "same" else 2e-2)
    np.testing.assert_array_equal(planes_of(view, ["10v"])[0], found[1], err_msg="alone it is the same")


def test_what_runs_along_a_grid_is_turned_east_and_north_at_points() -> None:
    own = rotated()
    points = Grid(np.array([[50.0, 51.3, 48.2]]), np.array([[0.1, -3.0, 4.0]]))
    view = aligned(cube(own, GRID, "grid"), EARTH, points)
    np.testing.assert_allclose(planes_of(view, ["10u", "10v"]), flow(points, "earth"), atol=2e-2)


def test_rows_that_run_the_other_way_are_turned_too(caplog: pytest.LogCaptureFixture) -> None:
    own = rotated()
    turned = own.rows_columns(slice(None, None, -1), slice(None))
    with caplog.at_level(logging.INFO, "py4cast"):
        view = aligned(cube(own, GRID, "grid"), EARTH, turned)
    np.testing.assert_allclose(planes_of(view, ["10u", "10v"]), flow(turned, "earth"), atol=1e-4)
    assert (
        "10u: in the boundary it runs along the axes of its grid, in the Forecaster east and north: turned"
        in caplog.text
    )


def test_the_same_axes_on_the_same_grid_are_left_alone() -> None:
    own = rotated()
    for names, axes in ((GRID, "grid"), (EARTH, "earth")):
        np.testing.assert_array_equal(
            planes_of(aligned(cube(own, names, axes), names, own), ["10u", "10v"]), flow(own, axes)
        )


def test_a_component_alone_cannot_be_turned() -> None:
    with pytest.raises(
        DataError, match="10u: in the boundary it runs along the axes .* the other component is needed to turn it"
    ):
        aligned(cube(rotated(), GRID[:1], "grid"), EARTH[:1], LATLON)


def test_instants_that_the_other_component_lacks_are_not_there() -> None:
    source = cube(rotated(), GRID, "grid")
    values = flow(rotated(), "grid")
    source.available = lambda names: np.array([True, "10v" not in names])  # type: ignore[method-assign]
    view = aligned(source, EARTH, LATLON)
    assert view.available(["10u"]).tolist() == [True, False] and values.shape[1] == 2


PART = LATLON.rows_columns(slice(14, 19), slice(20, 28))


def test_a_regridded_cube_has_its_winds_east_and_north() -> None:
    view = RegridCube(cube(rotated(), GRID, "grid"), PART, "linear")
    assert [v.standard_name for v in view.variables] == list(EARTH)
    out = np.empty((2, 2, *PART.shape), dtype=np.float32)
    view.read(["10u", "10v"], 0, 2, out)
    np.testing.assert_allclose(out, flow(PART, "earth"), atol=0.05)
    swapped = np.empty_like(out)
    view.read(["10v", "10u"], 0, 2, swapped)
    np.testing.assert_array_equal(swapped, out[::-1])
    straight = RegridCube(cube(rotated(), EARTH, "earth"), PART, "linear")
    straight.read(["10u", "10v"], 0, 2, out)
    np.testing.assert_allclose(out, flow(PART, "earth"), atol=0.05)
    assert straight.fingerprint != view.fingerprint
    with pytest.raises(
        DataError, match="10u: in the source it runs along the axes of its grid, in the target east and"
    ):
        RegridCube(cube(rotated(), GRID[:1], "grid"), PART, "linear")


@pytest.mark.parametrize("order", ["region first", "globe first"])
@pytest.mark.parametrize("onto", ["region", "globe"])
def test_a_cutout_has_all_its_winds_east_and_north(order: str, onto: str) -> None:
    inner = rotated()
    parts = [cube(inner, GRID, "grid"), cube(LATLON, EARTH, "earth")]
    target = inner.rows_columns(slice(14, 22), slice(20, 30)) if onto == "region" else PART
    view = CutoutCube(parts if order == "region first" else parts[::-1], target, "linear")
    assert [v.standard_name for v in view.variables] == list(EARTH)
    out = np.empty((2, 2, *target.shape), dtype=np.float32)
    view.read(["10u", "10v"], 0, 2, out)
    np.testing.assert_allclose(out, flow(target, "earth"), atol=0.05)


def test_winds_along_axes_that_all_have_stay() -> None:
    inner = rotated()
    view = CutoutCube([cube(inner, GRID, "grid"), cube(inner, GRID, "grid")], inner, "linear")
    assert [v.standard_name for v in view.variables] == list(GRID)
    out = np.empty((2, 2, *inner.shape), dtype=np.float32)
    view.read(["10u", "10v"], 0, 2, out)
    np.testing.assert_array_equal(out, flow(inner, "grid"))
    assert replace(winds(GRID)[0], standard_name="").axes == "earth", "by its name alone a wind is one towards the east"
