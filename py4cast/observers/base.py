"""The contract of observers: they see predictions and targets, and draw or log at the end of an epoch."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from py4cast.atomic import atomic_path, check_name
from py4cast.observers.style import DPI

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.figure import Figure

    from py4cast.namedtensor import NamedTensor

__all__ = ["ErrorObserver", "emit", "finish_epoch", "show_forecast", "write_figure"]


class ErrorObserver(ABC):
    """Abstract observer of validation or test.

    Everything is gridded and in physical units: `prediction` and `target` are `(batch, timestep, lat, lon,
    features)`. Of an ensemble an observer sees the mean, or all members in a dimension `member` behind `batch` where
    `takes_members` says so. `obj` is the Lightning module: `obj.loss(prediction, target, reduce_spatial_dim=False)`,
    `obj.grid_shape`, `obj.model.info.output_dim`, `obj.info`, `obj.logger`, `obj.current_epoch`, `obj.plots`.
    """

    takes_members: ClassVar[bool] = False
    prefix: str = "test"  # first part of the figures' names; "valid" in validation

    @abstractmethod
    def update(self, obj: Any, prediction: "NamedTensor", target: "NamedTensor") -> None:
        """Sees the forecasts and the truth of one batch."""

    @abstractmethod
    def on_step_end(self, obj: Any) -> None:
        """Draws or logs, at the end of the epoch."""

    def pack(self) -> Any:
        """What the first rank needs to draw what this one saw too; by default nothing: a few samples are drawn of it alone."""
        return None

    def take_over(self, obj: Any, packs: "Sequence[Any]") -> None:
        """Takes over what all ranks packed, in their order, this one among them; by default nothing."""


def show_forecast(
    observers: "Sequence[ErrorObserver]", module: Any, prediction: "NamedTensor", target: "NamedTensor"
) -> None:
    """Shows a forecast and its truth to observers; the mean of its members to those that take one forecast."""
    mean = prediction
    if "member" in prediction.names:
        mean = prediction.new_like(prediction.tensor.mean(1), target)
    for observer in observers:
        observer.update(module, prediction if observer.takes_members else mean, target)


def finish_epoch(
    observers: "Sequence[ErrorObserver]", module: Any, gather: "Callable[[Any], Sequence[Any]] | None" = None
) -> None:
    """Lets observers draw, at the end of an epoch, what all ranks saw; `gather` gives the object of every rank."""
    for observer in observers:
        if gather is not None:
            observer.take_over(module, gather(observer.pack()))
        observer.on_step_end(module)


def emit(obj: Any, name: str, figure: "Figure") -> None:
    """Sends a figure to TensorBoard, where there is one, and to `<plots>/<name>.png`, where a run has a folder."""
    if not getattr(getattr(obj, "trainer", None), "is_global_zero", True):
        return
    pixels = _pixels(figure)
    experiment: Any = getattr(getattr(obj, "logger", None), "experiment", None)
    if hasattr(experiment, "add_image"):
        # drawn once for both places; add_figure would draw it anew
        experiment.add_image(name, pixels[..., :3], obj.current_epoch, dataformats="HWC")
    elif hasattr(experiment, "add_figure"):
        experiment.add_figure(name, figure, obj.current_epoch, close=False)
    folder: Path | None = getattr(obj, "plots", None)
    if folder is not None:
        _write(folder / check_name(f"{name}.png", "the chart"), pixels)


def write_figure(path: Path, figure: "Figure") -> None:
    """Writes a figure as PNG, whole or not at all."""
    _write(path, _pixels(figure))


def _pixels(figure: "Figure") -> NDArray[np.uint8]:
    """The drawn figure, `(row, column, RGBA)`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure.set_dpi(DPI)
    # names and units of files are text, whatever dollars stand in them; numbers along logarithmic axes are formulas
    labels = [text for axes in figure.axes for text in (axes.title, axes.xaxis.label, axes.yaxis.label)]
    for text in (*labels, *figure.texts):
        text.set_parse_math(False)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    return np.asarray(canvas.buffer_rgba()).copy()  # type: ignore[no-untyped-call]


def _write(path: Path, pixels: NDArray[np.uint8]) -> None:
    from PIL import Image

    with atomic_path(path, suffix=".png") as temporary:
        Image.fromarray(pixels).convert("RGB").save(temporary, "PNG")
