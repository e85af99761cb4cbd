"""What observers share: who sees members, and where a figure goes."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image

from py4cast.namedtensor import NamedTensor
from py4cast.observers.base import ErrorObserver, emit, show_forecast, write_figure
from tests.observers.watching import DIMS


class Seeing(ErrorObserver):
    """Keeps what it sees."""

    def __init__(self, takes_members: bool) -> None:
        self.takes_members = takes_members  # type: ignore[misc]
        self.seen: list[tuple[NamedTensor, NamedTensor]] = []

    def update(self, obj: Any, prediction: NamedTensor, target: NamedTensor) -> None:
        self.seen.append((prediction, target))

    def on_step_end(self, obj: Any) -> None:
        """Nothing to draw."""


class Board:
    """Takes images as TensorBoard does."""

    def __init__(self) -> None:
        self.images: dict[str, tuple[np.ndarray, int, str]] = {}

    def add_image(self, name: str, pixels: np.ndarray, step: int, dataformats: str) -> None:
        self.images[name] = (pixels, step, dataformats)

    def add_figure(self, *_: Any, **__: Any) -> None:
        raise AssertionError("drawn anew")


def red() -> Figure:
    """A red picture of 60 x 40 pixels."""
    return Figure(figsize=(0.6, 0.4), facecolor="red")


def test_those_that_take_one_forecast_see_the_mean_of_its_members() -> None:
    members = NamedTensor(torch.tensor([1.0, 2.0, 6.0]).view(1, 3, 1, 1, 1, 1), [DIMS[0], "member", *DIMS[1:]], ["a"])
    target = NamedTensor(torch.zeros(1, 1, 1, 1, 1), DIMS, ["a"])
    one, all_of_them = Seeing(False), Seeing(True)
    show_forecast([one, all_of_them], None, members, target)
    assert all_of_them.seen == [(members, target)]
    ((mean, truth),) = one.seen
    assert mean.names == DIMS and mean.tensor.item() == 3.0 and truth is target


def test_a_single_forecast_is_shown_as_it_is() -> None:
    field = NamedTensor(torch.zeros(1, 1, 1, 1, 1), DIMS, ["a"])
    observers = Seeing(False), Seeing(True)
    show_forecast(observers, None, field, field)
    assert all(observer.seen[0][0] is field for observer in observers)


def test_an_image_goes_to_the_board_and_to_the_folder(tmp_path: Path) -> None:
    board = Board()
    emit(SimpleNamespace(logger=SimpleNamespace(experiment=board), plots=tmp_path, current_epoch=4), "a_map", red())
    pixels, step, layout = board.images["a_map"]
    assert pixels.shape == (40, 60, 3) and step == 4 and layout == "HWC" and pixels.dtype == np.uint8
    assert np.array_equal(np.unique(pixels.reshape(-1, 3), axis=0), [[255, 0, 0]])
    assert [p.name for p in tmp_path.iterdir()] == ["a_map.png"]
    assert np.array_equal(np.asarray(Image.open(tmp_path / "a_map.png")), pixels)


def test_ranks_other_than_the_first_send_nothing(tmp_path: Path) -> None:
    board = Board()
    trainer = SimpleNamespace(is_global_zero=False)
    seen = SimpleNamespace(trainer=trainer, logger=SimpleNamespace(experiment=board), plots=tmp_path, current_epoch=0)
    emit(seen, "a_map", red())
    assert not board.images and not list(tmp_path.iterdir())
    trainer.is_global_zero = True
    emit(seen, "a_map", red())
    assert list(board.images) == ["a_map"]


def test_a_logger_that_takes_no_figures_is_passed_over(tmp_path: Path) -> None:
    emit(SimpleNamespace(logger=SimpleNamespace(experiment=object()), plots=tmp_path, current_epoch=0), "x", red())
    assert [p.name for p in tmp_path.iterdir()] == ["x.png"]


def test_a_figure_is_written_at_a_hundred_dots_per_inch(tmp_path: Path) -> None:
    figure = Figure(figsize=(0.6, 0.4), dpi=300)
    write_figure(tmp_path / "f.png", figure)
    with Image.open(tmp_path / "f.png") as image:
        assert image.size == (60, 40) and image.mode == "RGB"
    assert [p.name for p in tmp_path.iterdir()] == ["f.png"]
