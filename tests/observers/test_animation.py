"""A case of several forecasts: panels under one bar, and animated pictures."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from py4cast.grid import Grid
from py4cast.observers.animation import draw_case, gif_of, write_gif
from py4cast.variables import Variable
from tests.observers.watching import cells_of

GRID = Grid(np.array([50.0, 49.0, 48.0]), np.array([0.0, 1.0, 2.0, 3.0]))
WARMTH = Variable(name="t", units="K", standard_name="air_temperature")
RAIN = Variable(name="tp", units="kg m-2", standard_name="precipitation_amount")


def maps(figure: Figure) -> list[Any]:
    """The axes of a figure, of which the last is the colour bar."""
    return list(figure.axes[:-1])


@pytest.mark.parametrize("count", [1, 3, 5])
def test_a_map_per_field_in_the_units_that_people_use(count: int) -> None:
    fields = {f"f{k}": np.full((3, 4), 280.0 + k) for k in range(count)}
    figure = draw_case(fields, WARMTH, GRID, "at noon", (270.0, 290.0))
    assert [axes.get_title() for axes in maps(figure)] == list(fields)
    for axes, field in zip(maps(figure), fields.values(), strict=True):
        mesh = cells_of(axes)
        assert np.allclose(mesh.get_array(), field - 273.15) and np.allclose(mesh.get_clim(), (-3.15, 16.85))
    assert figure.axes[-1].get_ylabel() == "air temperature [°C]"
    assert [text.get_text() for text in figure.texts] == ["at noon"]


def test_titles_and_bar_lie_within_the_picture() -> None:
    grid = Grid(np.linspace(90, -90, 19), np.linspace(0, 350, 36))
    figure = draw_case({n: np.full(grid.shape, 280.0) for n in ("truth", "one", "two")}, WARMTH, grid, "", (270, 290))
    FigureCanvasAgg(figure).draw()
    for axes in figure.axes:
        box, whole = axes.get_tightbbox(), figure.bbox
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= whole.x1 and box.y1 <= whole.y1


def test_what_is_missing_is_left_out_and_steps_have_their_own_limits() -> None:
    field = np.array([[0.0, 0.3, np.nan, 7.0]] * 3)
    (axes,) = maps(draw_case({"truth": field}, RAIN, GRID, "rain", (0.0, 1.0)))
    mesh = cells_of(axes)
    assert np.ma.getmaskarray(mesh.get_array())[:, 2].all()
    assert mesh.norm.boundaries[:4].tolist() == [0.0, 0.1, 0.5, 1.0]


def pictures() -> list[io.BytesIO]:
    streams = [io.BytesIO() for _ in range(3)]
    for colour, stream in zip(("red", "lime", "blue"), streams, strict=True):
        Image.new("RGB", (8, 6), colour).save(stream, "PNG")
    return streams


def test_a_gif_repeats_its_pictures_in_order(tmp_path: Path) -> None:
    path = gif_of(tmp_path / "a.gif", pictures(), 0.25)
    assert path == tmp_path / "a.gif" and list(tmp_path.iterdir()) == [path]
    with Image.open(path) as opened:
        film: Any = opened
        assert (film.format, film.n_frames, film.size, film.info["loop"]) == ("GIF", 3, (8, 6), 0)
        for frame, colour in enumerate([(255, 0, 0), (0, 255, 0), (0, 0, 255)]):
            film.seek(frame)
            assert film.info["duration"] == 250 and film.convert("RGB").getpixel((4, 3)) == colour


def test_figures_become_a_gif(tmp_path: Path) -> None:
    figures = [Figure(figsize=(0.4, 0.3), dpi=100, facecolor=colour) for colour in ("red", "blue")]
    with Image.open(write_gif(tmp_path / "b.gif", figures)) as opened:
        film: Any = opened
        assert film.n_frames == 2 and film.size == (40, 30) and film.info["duration"] == 600


def test_no_picture_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(IndexError):
        gif_of(tmp_path / "a.gif", [])
    assert not list(tmp_path.iterdir())
