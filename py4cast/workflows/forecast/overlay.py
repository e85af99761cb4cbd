"""Overlay: maps of a forecast, a PNG per variable and lead time, and an animation of every variable."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from py4cast.atomic import check_name
from py4cast.errors import SettingsError
from py4cast.formats import Heading
from py4cast.observers.animation import draw_case, gif_of
from py4cast.observers.base import write_figure
from py4cast.workflows.chosen import beside_each_other, mean_of

__all__ = ["Overlay"]

_SPREAD = 3.0  # standard deviations about the mean that the colours span


class Overlay:
    """Creates the pictures of a forecast; of an ensemble its mean.

    Args:
        folder: to write to.
        heading: of the forecast.
        stats: statistics of the training period by variable: colours span the mean and three deviations to both sides.

    Raises:
        SettingsError: a variable whose name is no file's.
    """

    def __init__(self, folder: Path, heading: Heading, stats: Mapping[str, Mapping[str, float]]) -> None:
        self.folder, self.heading, self._stats = folder, heading, stats
        for variable in heading.variables:
            check_name(variable.name, "variable")
        if self.folder.is_file():
            raise SettingsError(f"--overlay {folder}: is a file")
        self._images: dict[str, list[Path]] = {v.name: [] for v in heading.variables}
        self.written: list[Path] = []

    def put(self, values: NDArray[np.float32]) -> None:
        """Draws the next lead time, `heading.shape`."""
        step = len(self._images[self.heading.variables[0].name])
        lead = self.heading.lead_times[step]
        hours = lead / np.timedelta64(3600, "s")
        when = f"+{hours:g} h, {np.datetime_as_string(self.heading.init_time + lead, 'm')}Z"
        for index, variable in enumerate(self.heading.variables):
            of_variable = self._stats[variable.name]
            reach = _SPREAD * (of_variable["std"] or 1.0)
            span = of_variable["mean"] - reach, of_variable["mean"] + reach
            field = values[..., index]
            if self.heading.members:
                field = mean_of(variable, beside_each_other(variable, field))
            figure = draw_case({when: field}, variable, self.heading.grid, "", span)
            path = self.folder / check_name(f"{variable.name}_{hours:03g}.png", "the map")
            write_figure(path, figure)
            self.written.append(path)
            self._images[variable.name].append(path)

    def finish(self) -> None:
        """Writes the animations of the maps that were drawn."""
        for name, images in self._images.items():
            self.written.append(gif_of(self.folder / check_name(f"{name}.gif", "the animation"), images))
