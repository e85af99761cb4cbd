import base64
import io

import numpy as np
import pytest
from PIL import Image

from py4cast.grid import Grid
from py4cast.observers.coast import coastlines
from py4cast.observers.colours import DIFFERENCE, ColourTable, table_of
from py4cast.observers.images import coast_path, colour_bar, field_png, is_north_up, proportions
from py4cast.variables import Variable

LAMBERT = {
    "grid_mapping_name": "lambert_conformal_conic", "standard_parallel": [63.0, 63.0],
    "longitude_of_central_meridian": 15.0, "latitude_of_projection_origin": 63.0, "earth_radius": 6371000.0,
}  # fmt: skip


def at(lines: list[np.ndarray], grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Longitude and latitude of all points."""
    places = np.concatenate(lines)
    return np.interp(places[:, 0], np.arange(grid.shape[1]), grid.longitude), np.interp(
        places[:, 1], *(np.arange(grid.shape[0]), grid.latitude)
    )


@pytest.mark.parametrize("north_first", [True, False])
@pytest.mark.parametrize("east", [0.0, 360.0])
def test_the_coast_lies_where_it_is(north_first: bool, east: float) -> None:
    """Land's End, whichever way the rows run and the longitudes are counted."""
    latitude = np.linspace(52, 49, 31)
    grid = Grid(latitude if north_first else latitude[::-1], np.linspace(-7, -3, 41) + east)
    lon, lat = at(coastlines(grid), grid)
    assert np.hypot(lon - east + 5.71, lat - 50.07).min() < 0.12
    assert (lat < 51.5).any() and np.hypot(lon - east + 6.5, lat - 49.3).min() > 0.5, "the sea has none"


def test_the_coast_of_the_globe_and_of_nowhere() -> None:
    globe = Grid(np.linspace(90, -90, 73), np.arange(0, 360, 2.5))
    assert len(coastlines(globe)) > 500 and all(np.abs(np.diff(x, axis=0)).max() < 40 for x in coastlines(globe))
    ocean = Grid(np.linspace(-40, -45, 10), np.linspace(-125, -120, 10))
    assert coastlines(ocean) == []
    lat, lon = np.meshgrid(np.linspace(60, 61, 8), np.linspace(5, 6, 9), indexing="ij")
    assert coastlines(Grid(lat, lon, projection={"grid_mapping_name": "unknown"})) == []


def test_the_coast_on_a_projection() -> None:
    from py4cast.projection import inverse

    x, y = np.arange(-700e3, 100e3, 20e3), np.arange(-700e3, 300e3, 20e3)
    lat, lon = inverse(LAMBERT, *np.meshgrid(x, y))
    grid = Grid(lat, lon, x, y, LAMBERT)
    places = np.concatenate(coastlines(grid))
    column, row = (np.rint(places[:, i]).astype(int) for i in (0, 1))
    near = np.hypot(grid.latitude[row, column] - 60.39, (grid.longitude[row, column] - 5.2) / 2)
    assert near.min() < 0.3, "Bergen lies on it"


@pytest.mark.parametrize(
    ("name", "units", "table"),
    [
        ("air_temperature", "K", "temperature"), ("precipitation_amount", "kg m-2", "rain"), ("wind_speed", "m s-1", "wind"),
        ("relative_humidity", "%", "humidity"), ("eastward_wind", "m s-1", "PuOr_r"), ("air_pressure_at_mean_sea_level", "Pa", "plain"),
        ("sea_surface_temperature", "K", "RdYlBu_r"),
    ],
)  # fmt: skip
def test_each_kind_has_its_colours(name: str, units: str, table: str) -> None:
    found = table_of(Variable(name="x", units=units, standard_name=name))
    assert found.name == table and found.colormap().N > 5


def test_rain_has_steps_in_its_own_units() -> None:
    metres = table_of(Variable(name="tp", units="m", standard_name="precipitation_amount"))
    assert metres.levels[1] == pytest.approx(1e-4)
    table = table_of(Variable(name="tp", units="kg m-2", standard_name="precipitation_amount"))
    grid = Grid(np.linspace(50, 49, 2), np.linspace(0, 1, 3))
    pixels = decoded(field_png(np.array([[0.0, 0.05, 0.3], [7.0, 200.0, np.nan]]), grid, table, table.span()))
    assert (pixels[0, 0] == pixels[0, 1]).all() and (pixels[0, 0, :3] == 255).all(), "dry is white"
    assert (pixels[0, 2] != pixels[0, 1]).any() and pixels[1, 2, 3] == 0, "missing is transparent"
    assert [label for _, label in colour_bar(table, (0, 1))["labels"]][:3] == ["0", "0.1", "0.5"]


def decoded(address: str) -> np.ndarray:
    assert address.startswith("data:image/png;base64,")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.split(",", 1)[1]))).convert("RGBA"))


def test_north_is_up() -> None:
    field = np.arange(6.0).reshape(3, 2)
    table = ColourTable("gray")
    south_first = Grid(np.array([1.0, 2.0, 3.0]), np.array([0.0, 1.0]))
    assert not is_north_up(south_first)
    pixels = decoded(field_png(field, south_first, table, (0.0, 5.0)))
    assert pixels[0, 1, 0] > 250 and pixels[2, 0, 0] < 5
    assert proportions(Grid(np.linspace(60.5, 59.5, 11), np.linspace(0, 1, 11))) == pytest.approx(0.5, rel=0.02)
    assert coast_path(Grid(np.linspace(52, 49, 31), np.linspace(-7, -3, 41))).startswith("M")


def test_limits_are_never_empty() -> None:
    difference = ColourTable(DIFFERENCE, is_symmetric=True)
    assert difference.span(np.array([-1.0, 3.0])) == pytest.approx((-2.96, 2.96), abs=0.05)
    assert difference.span(np.full(3, np.nan)) == (0.0, 1.0)
    low, high = ColourTable("viridis").span(np.full(5, 2.0))
    assert low < 2 < high
    assert ColourTable("YlOrRd", is_from_zero=True).span(np.array([3.0, 4.0]))[0] == 0.0
