"""A case of several forecasts: panels under one bar, and animated pictures."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from py4cast.grid import Grid
from py4cast.observers import animation
from py4cast.observers.animation import draw_case, gif_of, write_gif
from py4cast.variables import Variable

GRID = Grid(np.array([50.0, 49.0, 48.0]), np.array([0.0, 1.0, 2.0, 3.0]))
WARMTH = Variable(name="t", units="K", standard_name="air_temperature")
RAIN = Variable(name="tp", units="kg m-2", standard_name="precipitation_amount")


def shown(figure: Figure) -> list[Any]:
    return [axes for axes in figure.axes if axes.images]


@pytest.mark.parametrize(("count", "hidden"), [(1, 0), (4, 0), (5, 3)])
def test_a_panel_per_field_in_rows_of_four(count: int, hidden: int) -> None:
    fields = {f"f{k}": np.full((3, 4), float(k)) for k in range(count)}
    figure = draw_case(fields, WARMTH, GRID, "at noon", (270.0, 290.0))
    panels = shown(figure)
    assert [axes.get_title() for axes in panels] == list(fields)
    for axes, field in zip(panels, fields.values(), strict=True):
        assert np.array_equal(axes.images[0].get_array(), field) and axes.images[0].get_clim() == (270.0, 290.0)
        assert axes.get_xlim() == (-0.5, 3.5)
    assert sum(not axes.get_visible() for axes in figure.axes) == hidden
    assert figure.axes[-1].get_xlabel() == "at noon [K]"


def test_what_is_missing_is_left_out_and_steps_have_their_own_limits() -> None:
    field = np.array([[0.0, 0.3, np.nan, 7.0]] * 3)
    (axes,) = shown(draw_case({"truth": field}, RAIN, GRID, "rain", (0.0, 1.0)))
    image = axes.images[0]
    assert np.ma.getmaskarray(image.get_array())[:, 2].all()
    assert image.norm.boundaries[:4].tolist() == [0.0, 0.1, 0.5, 1.0]


@pytest.mark.parametrize("is_north_first", [True, False])
def test_north_is_up_and_the_coast_lies_on_the_cells(monkeypatch: pytest.MonkeyPatch, is_north_first: bool) -> None:
    line = np.array([[0.0, 0.0], [2.0, 1.0]])
    monkeypatch.setattr(animation, "coastlines", lambda grid: [line])
    grid = GRID if is_north_first else Grid(GRID.latitude[::-1], GRID.longitude)
    (axes,) = shown(draw_case({"truth": np.zeros((3, 4))}, WARMTH, grid, "", (0.0, 1.0)))
    low, high = axes.get_ylim()
    assert (low > high) == is_north_first
    assert np.array_equal(axes.lines[0].get_xydata(), line)


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
