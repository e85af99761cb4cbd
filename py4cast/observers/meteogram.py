"""Meteograms: the course of some variables at a place, of an ensemble with its quantiles."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from py4cast.observers.display import KNOTS, Display
from py4cast.observers.style import FAINT, INK, LABEL, SERIES, TICK, TITLE, plain_numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Course", "draw_meteogram"]

_COLOUR = SERIES[0]
_MOST_BARBS = 40


class Course(NamedTuple):
    """A variable at a place at all times.

    Args:
        shown: how it is shown.
        values: `(time, member)`, in the units that are shown.
        is_amount: whether it is what fell since the time before, drawn as bars.
    """

    shown: Display
    values: NDArray[np.float64]
    is_amount: bool = False


def draw_meteogram(
    courses: Sequence[Course],
    times: NDArray[np.datetime64],
    title: str,
    wind: NDArray[np.float64] | None = None,
    south: bool = False,
) -> "Figure":
    """The figure of some variables, one below the other, under one axis of time.

    Args:
        courses: the variables.
        times: of their values, UTC.
        title: above all.
        wind: both components of the mean wind at the place, `(2, time)` [m s-1], drawn as barbs below.
        south: whether the place is in the southern hemisphere, where barbs stand on the other side.
    """
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.figure import Figure

    count = len(courses) + (wind is not None)
    heights = [1.0] * len(courses) + [0.35] * (wind is not None)
    figure = Figure(figsize=(8.0, 1.0 + 1.6 * sum(heights)), layout="constrained")
    has_members = any(course.values.shape[1] > 1 for course in courses)
    told = "\nline: median, bands: 25 to 75 % and 10 to 90 % of the members" if has_members else ""
    figure.suptitle(title + told, fontsize=TITLE)
    axes = figure.subplots(count, 1, squeeze=False, sharex=True, height_ratios=heights)[:, 0]
    days = times.astype("datetime64[s]").astype("datetime64[ms]").astype(object)
    for place, course in zip(axes, courses, strict=False):
        _draw_course(place, days, course)
    if wind is not None:
        _draw_barbs(axes[-1], days, wind, south)
    locator = AutoDateLocator()  # type: ignore[no-untyped-call]
    axes[-1].xaxis.set_major_locator(locator)
    axes[-1].xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    axes[-1].xaxis.get_offset_text().set_size(TICK)
    axes[-1].set_xlabel("UTC", fontsize=LABEL)
    return figure


def _draw_course(axes: "Axes", days: NDArray[np.object_], course: Course) -> None:
    values = course.values
    (middle,) = _quantiles(values, 0.5)
    if course.is_amount:
        width = (days[1] - days[0]) * 0.8 if days.size > 1 else 0.03
        axes.bar(days, middle, width=width, color=_COLOUR, alpha=0.8, align="edge" if days.size == 1 else "center")
        if values.shape[1] > 1:
            low, high = _quantiles(values, 0.1, 0.9)
            bounds = np.clip([middle - low, high - middle], 0, None)
            axes.errorbar(days, middle, bounds, fmt="none", ecolor=INK, elinewidth=0.7)
        axes.set_ylim(bottom=0)
    else:
        if values.shape[1] > 1:
            for low, high, alpha in ((0.1, 0.9, 0.2), (0.25, 0.75, 0.35)):
                bounds = _quantiles(values, low, high)
                axes.fill_between(days, *bounds, color=_COLOUR, alpha=alpha, linewidth=0)
                alone = _alone(bounds[0])
                axes.vlines(days[alone], *bounds[:, alone], color=_COLOUR, alpha=alpha, linewidth=6)
        axes.plot(days, middle, color=_COLOUR, linewidth=1.4, marker="." if days.size < 30 else "")
    axes.set_ylabel(course.shown.title.replace(" [", "\n["), fontsize=LABEL)
    axes.tick_params(labelsize=TICK)
    plain_numbers(axes.yaxis)
    axes.grid(color=FAINT, linewidth=0.5)
    axes.set_axisbelow(True)


def _alone(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which values stand by themselves, with none right before or after."""
    held = np.isfinite(values)
    beside = np.zeros_like(held)
    beside[1:] |= held[:-1]
    beside[:-1] |= held[1:]
    return held & ~beside


def _quantiles(values: NDArray[np.float64], *shares: float) -> NDArray[np.float64]:
    """Quantiles over the members of `(time, member)`, `(share, time)`; NaN at times that no member has."""
    held = np.isfinite(values).any(axis=1)
    quantiles = np.full((len(shares), len(values)), np.nan)
    if held.any():
        quantiles[:, held] = np.nanquantile(values[held], shares, axis=1)
    return quantiles


def _draw_barbs(axes: "Axes", days: NDArray[np.object_], wind: NDArray[np.float64], south: bool) -> None:
    every = max(1, -(-days.size // _MOST_BARBS))
    u, v = KNOTS * wind[:, ::every]
    axes.barbs(
        days[::every], np.zeros(u.size), u, v, length=5, linewidth=0.5, sizes={"emptybarb": 0.12}, flip_barb=south
    )
    axes.set_ylim(-1, 1)
    axes.set_yticks([])
    axes.set_ylabel("wind\n[kn]", fontsize=LABEL)
    axes.tick_params(labelsize=TICK)
