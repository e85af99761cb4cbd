"""Images of fields for pages: pixels, bars, paths."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from py4cast.grid import Grid
from py4cast.observers import images
from py4cast.observers.colours import ColourTable
from py4cast.observers.images import coast_path, colour_bar, field_png, is_north_up, proportions

GREY = ColourTable("grey", ("#000000", "#ffffff"))
STEPS = ColourTable("steps", ("#ff0000", "#00ff00", "#0000ff"), (0.0, 1.0, 5.0, 20.0))
GRID = Grid(np.array([50.0, 49.0]), np.array([0.0, 1.0, 2.0]))


def pixels(address: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.split(",", 1)[1]))).convert("RGBA"))


def test_shades_are_linear_between_the_limits_and_held_beyond() -> None:
    shown = pixels(field_png(np.array([[-9.0, 0.0, 5.0], [10.0, 99.0, np.nan]]), GRID, GREY, (0.0, 10.0)))
    assert shown.shape == (2, 3, 4)
    assert shown[0, :, 0].tolist() == [0, 0, pytest.approx(128, abs=1)] and shown[1, :2, 0].tolist() == [255, 255]
    assert shown[..., 3].tolist() == [[255, 255, 255], [255, 255, 0]], "what is missing is transparent"


def test_steps_have_the_colour_of_their_level_and_the_first_and_last_go_on() -> None:
    shown = pixels(field_png(np.array([[-1.0, 0.5, 1.0], [4.9, 5.0, 80.0]]), GRID, STEPS, (0.0, 20.0)))
    names = {(255, 0, 0): "red", (0, 255, 0): "green", (0, 0, 255): "blue"}
    assert [[names[tuple(p[:3])] for p in row] for row in shown.tolist()] == [
        ["red", "red", "green"],
        ["green", "blue", "blue"],
    ]


def test_a_bar_of_steps_names_the_lower_bound_of_each() -> None:
    bar = colour_bar(STEPS, (3.0, 4.0))
    assert bar["colours"] == ["#ff0000", "#00ff00", "#0000ff"]
    assert bar["labels"] == [(0.0, "0"), (pytest.approx(1 / 3), "1"), (pytest.approx(2 / 3), "5")]


def test_a_smooth_bar_runs_from_low_to_high() -> None:
    bar = colour_bar(GREY, (-2.0, 6.0), count=3)
    assert bar["colours"][0] == "#000000" and bar["colours"][2] == "#ffffff" and len(bar["colours"]) == 3
    assert bar["labels"] == [(0, "-2"), (0.25, "0"), (0.5, "2"), (0.75, "4"), (1, "6")]
    pressure = colour_bar(GREY, (970.7, 1042.7))["labels"]
    assert [label for _, label in pressure] == ["980", "1000", "1020", "1040"]
    assert [place for place, _ in pressure] == pytest.approx([(v - 970.7) / 72 for v in (980, 1000, 1020, 1040)])
    assert [label for _, label in colour_bar(GREY, (0.0, 0.5))["labels"]] == ["0.0", "0.1", "0.2", "0.3", "0.4", "0.5"]


def test_proportions_are_true_in_the_middle_and_those_of_the_cells_round_the_globe() -> None:
    assert proportions(Grid(np.linspace(-90, 90, 19), np.arange(0.0, 360.0, 10.0))) == pytest.approx(36 / 19)
    assert proportions(Grid(np.array([1.0, 0.0, -1.0]), np.array([0.0, 1.0]))) == pytest.approx(2 / 3, rel=1e-3)
    assert proportions(Grid(np.array([45.0]), np.array([0.0, 1.0]))) == 2.0, "one row has no distance"


def test_north_is_up_where_the_first_row_lies_there() -> None:
    assert is_north_up(GRID) and not is_north_up(Grid(np.array([49.0, 50.0]), GRID.longitude))
    turned = np.array([[50.0, 51.0], [49.0, 51.5]])
    assert is_north_up(Grid(turned, np.array([[0.0, 1.0], [0.0, 1.0]])))


@pytest.mark.parametrize("is_up", [True, False])
def test_a_coast_is_a_path_through_the_middles_of_cells(monkeypatch: pytest.MonkeyPatch, is_up: bool) -> None:
    lines = [np.array([[0.0, 0.0], [1.0, 0.25]]), np.array([[2.0, 1.0], [1.0, 1.0]])]
    monkeypatch.setattr(images, "coastlines", lambda grid: lines)
    grid = GRID if is_up else Grid(GRID.latitude[::-1], GRID.longitude)
    expected = "M0.5 0.5L1.5 0.8M2.5 1.5L1.5 1.5" if is_up else "M0.5 1.5L1.5 1.2M2.5 0.5L1.5 0.5"
    assert coast_path(grid) == expected


def test_points_that_lie_close_are_left_out_but_for_the_last() -> None:
    line = np.array([[0.0, 0.0], [0.1, 0.3], [0.36, 0.3], [0.5, 0.5], [0.7, 0.7], [0.8, 0.7]])
    assert images._thinned(line)[:, 0].tolist() == [0.0, 0.36, 0.7, 0.8]
