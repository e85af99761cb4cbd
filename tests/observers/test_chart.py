import io
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.contour import QuadContourSet

from py4cast.grid import Grid
from py4cast.observers.chart import (
    WINDS,
    Isolines,
    Wind,
    centres_of,
    draw_chart,
    line_levels,
    smoothed,
    value_of_centre,
)
from py4cast.observers.sheet import Row, draw_sheet
from py4cast.variables import Variable

GRID = Grid(np.linspace(60.0, 40.0, 41), np.linspace(-10.0, 20.0, 61))
MSL = Variable(name="msl", short_name="msl", units="Pa", standard_name="air_pressure_at_mean_sea_level")
T2M = Variable(name="t2m", short_name="2t", units="K", standard_name="air_temperature")
U10 = Variable(name="u10", short_name="10u", units="m s-1", standard_name="eastward_wind")


def bowl(row: int, column: int, depth: float) -> np.ndarray:
    rows, columns = np.mgrid[0:41, 0:61]
    return 101300.0 - depth * np.exp(-(((rows - row) / 6.0) ** 2) - ((columns - column) / 8.0) ** 2)


def test_lines_are_round_numbers_a_round_step_apart() -> None:
    levels = line_levels(np.array([983.2, 1031.7]))
    assert levels.tolist() == [985.0 + 5 * i for i in range(10)]
    assert line_levels(np.array([5.0, 5.0])).size == 0 and line_levels(np.array([np.nan])).size == 0
    assert np.diff(line_levels(np.array([0.0, 1.1]))).max() == pytest.approx(0.1)


def test_lows_and_highs_are_where_they_are() -> None:
    field = bowl(12, 20, 3000.0) + bowl(28, 45, -2500.0) - 101300.0
    assert set(centres_of(field, 6)) >= {(12, 20, "L"), (28, 45, "H")}
    assert len([c for c in centres_of(field, 6) if c[2] == "L" and c[:2] != (12, 20)]) <= 1


def test_lines_of_a_fine_grid_are_smooth_and_of_a_coarse_one_as_they_are() -> None:
    fine = Grid(np.linspace(50.2, 50.0, 41), np.linspace(0.0, 0.3, 61))
    noise = np.random.default_rng(0).normal(size=(41, 61))
    assert smoothed(noise, fine).std() < 0.2 and np.array_equal(smoothed(noise, GRID), noise)
    noise[5, 5] = np.nan
    assert np.isnan(smoothed(noise, fine)[5, 5]) and np.isfinite(smoothed(noise, fine)).sum() == noise.size - 1


def test_a_chart_has_field_lines_barbs_and_title() -> None:
    from matplotlib.figure import Figure
    from matplotlib.quiver import Barbs

    axes = Figure().subplots()
    temperature = np.full((41, 61), 283.15, dtype=np.float32)
    wind = Wind(U10, np.full((41, 61), 10.0, dtype=np.float32), np.zeros((41, 61), dtype=np.float32))
    mesh = draw_chart(
        axes, GRID, T2M, temperature, "now", None, Isolines(MSL, bowl(12, 20, 3000.0).astype(np.float32)), wind
    )
    assert float(mesh.get_array().mean()) == pytest.approx(10.0, abs=1e-3), "degrees Celsius"
    assert axes.get_title() == "now"
    barbs = next(c for c in axes.collections if isinstance(c, Barbs))
    assert float(np.max(barbs.u)) == pytest.approx(19.43844) and len(barbs.u) <= 25 * 25, "knots, thinned"
    assert "L" in {t.get_text() for t in axes.texts}


def test_wind_on_a_map_is_turned_to_its_axes() -> None:
    """Towards true north, on a map whose columns lean: a barb that is not straight up."""
    from matplotlib.figure import Figure
    from matplotlib.quiver import Barbs

    latitude = np.linspace(70.0, 60.0, 20)[:, None] + np.linspace(0.0, 3.0, 30)[None, :]
    longitude = np.linspace(10.0, 14.0, 20)[:, None] + np.linspace(0.0, 20.0, 30)[None, :]
    grid = Grid(latitude, longitude)
    axes = Figure().subplots()
    north = Wind(U10, np.zeros((20, 30), dtype=np.float32), np.full((20, 30), 10.0, dtype=np.float32))
    draw_chart(axes, grid, T2M, np.full((20, 30), 280.0, dtype=np.float32), "now", wind=north)
    barbs = next(c for c in axes.collections if isinstance(c, Barbs))
    assert np.abs(barbs.u).max() > 1.0
    np.testing.assert_allclose(np.hypot(barbs.u, barbs.v), 19.43844, rtol=0.1)


def texts(axes: Any) -> list[str]:
    return [t.get_text() for t in axes.texts]


@pytest.mark.parametrize(("span", "labels"), [(600.0, {"1012.5", "1013.0"}), (30_000.0, {"1000", "1020"})])
def test_lines_bear_their_own_numbers(span: float, labels: set[str]) -> None:
    field = (101300.0 + span * np.linspace(-0.5, 0.5, 41)[:, None] + np.zeros((41, 61))).astype(np.float32)
    figure = draw_sheet(GRID, [Row(T2M, [np.full((41, 61), 280.0, np.float32)])], ["now"], [Isolines(MSL, field)], None)
    written = set(texts(figure.axes[0]))
    assert labels & written, written
    numbers = [float(t) for t in written if t.replace(".", "").isdigit()]
    assert len(numbers) == len(set(numbers))


def test_all_times_have_lines_at_the_same_levels() -> None:
    flat, steep = (
        (101300.0 + size * np.linspace(-0.5, 0.5, 41)[:, None] + np.zeros((41, 61))).astype(np.float32)
        for size in (500.0, 6000.0)
    )
    row = Row(T2M, [np.full((41, 61), 280.0, np.float32)] * 2)
    figure = draw_sheet(GRID, [row], ["a", "b"], [Isolines(MSL, flat), Isolines(MSL, steep)], None)
    levels = [next(c for c in axes.collections if isinstance(c, QuadContourSet)).levels for axes in figure.axes[:2]]
    assert set(levels[0]) < set(levels[1]) and np.diff(levels[1]).min() == np.diff(levels[1]).max() >= 5


@pytest.mark.parametrize("value", [0.0, np.nan], ids=["calm", "missing"])
@pytest.mark.parametrize("style", list(WINDS))
def test_calm_and_missing_winds_are_drawn_as_such(style: str, value: float) -> None:
    wind = Wind(U10, *(np.full((41, 61), value, np.float32) for _ in range(2)), style)
    figure = draw_sheet(GRID, [Row(T2M, [np.full((41, 61), 280.0, np.float32)])], ["now"], None, [wind])
    figure.savefig(io.BytesIO(), format="png")


def test_a_field_of_nothing_says_so_and_what_lies_beyond_a_bar_too() -> None:
    empty, field = np.full((41, 61), np.nan, np.float32), np.full((41, 61), 280.0, np.float32)
    field[:, :5], field[0, 0] = np.linspace(275, 285, 5), 320.0
    figure = draw_sheet(GRID, [Row(T2M, [empty, field])], ["a", "b"], None, None)
    assert "no values" in texts(figure.axes[0]) and "no values" not in texts(figure.axes[1])
    assert figure.texts[0].get_text() == "grey: no value"
    bar = figure.axes[2]
    assert len(list(bar.patches)) == 1, "an arrow at the upper end, beyond which one cell lies"


def test_a_long_title_stands_in_lines_of_its_width() -> None:
    title = "2024-01-01 00:00 UTC +6 h, valid 2024-01-01 06:00 UTC, mean of 50 members"
    narrow = Grid(np.linspace(60.0, 40.0, 41), np.linspace(0.0, 8.0, 17))
    for grid in (GRID, narrow):
        row = Row(T2M, [np.full(grid.shape, 280.0, np.float32)] * 2)
        figure = draw_sheet(grid, [row], [title, title], None, None)
        FigureCanvasAgg(figure).draw()
        boxes = [axes.title.get_window_extent() for axes in figure.axes[:2]]
        assert boxes[0].x1 <= boxes[1].x0 and "\n" in figure.axes[0].get_title()
        assert figure.axes[0].get_title().replace("\n", " ") == title


def test_a_low_at_the_seam_of_a_globe_is_one_low() -> None:
    rows, columns = np.mgrid[0:37, 0:72]
    aside = np.minimum(columns, 72 - columns)
    field = 101300.0 - 3000.0 * np.exp(-(((rows - 12) / 4.0) ** 2) - (aside / 5.0) ** 2)
    assert [c for c in centres_of(field, 5, is_round=True) if c[2] == "L"] == [(12, 0, "L")]
    assert not [c for c in centres_of(field, 5) if c[2] == "L" and c[1] == 0], "a side is no seam"


def test_a_plateau_has_neither_lows_nor_highs() -> None:
    field = bowl(20, 30, 3000.0)
    assert centres_of(field, 4) == [(20, 30, "L")]


def test_a_centre_bears_the_value_of_the_field_and_not_of_its_smoothed_form() -> None:
    field = np.full((9, 9), 1000.0)
    field[4, 5], field[0, 0] = 980.0, 900.0
    assert value_of_centre(field, 4, 4, "L") == 980.0 and value_of_centre(field, 4, 4, "H") == 1000.0
    assert value_of_centre(field, 0, 0, "L") == 900.0
