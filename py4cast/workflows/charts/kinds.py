"""The kinds of charts beside maps: each is a function from what is asked to a figure."""

import logging
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from py4cast.errors import DataError, SettingsError
from py4cast.metrics.layout import is_rain
from py4cast.observers.difference import DIFFERENCES, of_difference
from py4cast.observers.display import Display, display_of
from py4cast.observers.hovmoller import Band, draw_hovmoller
from py4cast.observers.meteogram import Course, draw_meteogram
from py4cast.observers.profile import Profile, dew_point, dew_point_of_relative, draw_profiles, draw_skewt
from py4cast.observers.raster import as_rectangle, rectangle_of
from py4cast.variables import Variable
from py4cast.vectors import frame
from py4cast.workflows.charts.asked import Asked, Place
from py4cast.workflows.chosen import difference_of, display_in, in_metres_per_second, mean_of, members_at, wind_of
from py4cast.workflows.view.moments import Moment

__all__ = ["KINDS", "Kind"]

logger = logging.getLogger(__name__)

_MOST_LINES, _MOST_COLUMNS = 6, 4


class Kind(NamedTuple):
    """A kind of chart, and what it is drawn of.

    Args:
        draw: makes the figure of matplotlib.
        needs_place: whether it is drawn at a place.
        most_variables: that are drawn where none is named.
        takes_other: whether it shows a difference.
        is_of_columns: whether it shows all levels of a variable, so that a name means many fields.
    """

    draw: Callable[[Asked], Any]
    needs_place: bool
    most_variables: int
    takes_other: bool = False
    is_of_columns: bool = False


def _shown(asked: Asked, variable: Variable) -> Display:
    return display_in(asked.cube, variable, asked.units.get(variable.name, ""))


def _at(asked: Asked, name: str, time: Moment) -> NDArray[np.float32]:
    """The members of a variable at the place, `(member,)`."""
    assert asked.place is not None, "checked before"
    return members_at(asked.cube, name, time.instants)[:, asked.place.row, asked.place.column]


def _hovmoller(asked: Asked) -> Any:
    grid = rectangle_of(asked.cube.grid)
    if grid.is_projected:
        raise SettingsError(
            "--kind hovmoller: along latitude or longitude, which the rows and columns of a map are not"
        )
    if len(asked.times) < 2:
        raise DataError("--kind hovmoller: a course in time needs two times or more; the files hold one of them")
    weights = np.cos(np.deg2rad(grid.latitude))[:, None] * np.ones(grid.shape)
    axis = 0 if asked.along == "longitude" else 1
    bands = []
    for variable in asked.variables:
        shown, rows = _shown(asked, variable), []
        for place, time in enumerate(asked.times):
            field = mean_of(variable, members_at(asked.cube, variable.name, time.instants))
            if asked.other is not None:
                other = mean_of(variable, asked.other.members(variable.name, place))
                field = difference_of(variable, field, other)
            turn = None if asked.other is not None else variable.turn
            rows.append(_mean_along(as_rectangle(asked.cube.grid, field), weights, axis, turn))
        values = np.stack(rows)
        if asked.other is not None:
            shown = of_difference(shown)
        bands.append(Band(shown, values * shown.scale + shown.offset, None if asked.other is None else DIFFERENCES))
    _check_any(asked, *(band.values for band in bands))
    places = np.unwrap(grid.longitude, period=360.0) if asked.along == "longitude" else grid.latitude
    ylabel, times = _hours(asked.times)
    across = "latitudes" if asked.along == "longitude" else "longitudes"
    return draw_hovmoller(bands, places, asked.along, times, ylabel, f"{_of_mean(asked)}, mean over {across}")


def _mean_along(field: NDArray[Any], weights: NDArray[np.float64], axis: int, turn: float | None) -> NDArray[Any]:
    """The weighted mean over rows or columns of what is not missing; of a direction that of unit vectors."""
    held = np.isfinite(field)
    total = (weights * held).sum(axis)

    def mean(values: NDArray[Any]) -> NDArray[Any]:
        summed = (np.where(held, values, 0.0).astype(np.float64) * weights).sum(axis)
        return np.asarray(np.where(total > 0, summed / np.where(total > 0, total, 1.0), np.nan))

    if turn is None:
        return mean(field)
    angle = field * (2 * np.pi / turn)
    return np.asarray(np.arctan2(mean(np.sin(angle)), mean(np.cos(angle))) % (2 * np.pi) * (turn / (2 * np.pi)))


def _hours(times: Sequence[Moment]) -> tuple[str, NDArray[np.float64]]:
    if times[0].lead is not None:
        return "lead time [h]", np.array([time.lead for time in times], dtype=np.float64)
    since = np.array([time.valid for time in times]) - times[0].valid
    return f"days since {str(times[0].valid)[:16]}", since / np.timedelta64(86400, "s")


def _meteogram(asked: Asked) -> Any:
    courses = []
    for variable in asked.variables:
        shown = _shown(asked, variable)
        values = np.stack([_at(asked, variable.name, time) for time in asked.times])
        courses.append(Course(shown, shown.values(values), is_rain(variable)))
    _check_any(asked, *(course.values for course in courses))
    pair = wind_of(asked.cube, "auto", asked.variables)
    wind = None
    if pair is not None:
        parts = [
            [float(in_metres_per_second(part, _at(asked, part.name, time)).mean()) for time in asked.times]
            for part in pair
        ]
        wind = _to_true_north(asked, pair[0], np.array(parts))
    title = f"{_place(asked).name}, {asked.title}"
    place = _place(asked)
    south = bool(asked.cube.grid.latitude_2d()[place.row, place.column] < 0)
    return draw_meteogram(courses, np.array([time.valid for time in asked.times]), title, wind, south)


def _to_true_north(asked: Asked, first: Variable, wind: NDArray[np.float64]) -> NDArray[np.float64]:
    """Components at the place, `(2, ...)`, towards east and north, where they run along the axes of a map."""
    grid, place = asked.cube.grid, _place(asked)
    if first.axes != "grid" or not (grid.is_projected and grid.is_rectangular):
        return wind
    along, towards = (
        np.stack([axis[place.row, place.column] for axis in frame(grid, axes)]) for axes in ("grid", "earth")
    )
    return np.asarray(towards @ along.T @ wind)


def _place(asked: Asked) -> Place:
    assert asked.place is not None, "checked before"
    return asked.place


def _columns(asked: Asked, variables: Sequence[Variable]) -> dict[str, list[Variable]]:
    """Variables on pressure levels by their name, each from the highest level to the lowest."""
    by_name: dict[str, list[Variable]] = {}
    for variable in variables:
        if variable.type_of_level == "isobaricInhPa" and variable.level is not None:
            by_name.setdefault(variable.short_name or variable.name, []).append(variable)
    return {
        name: sorted(column, key=lambda v: v.level or 0.0)
        for name, column in by_name.items()
        if len({v.level for v in column}) > 1
    }


def _profile(asked: Asked) -> Any:
    columns = _columns(asked, asked.variables)
    if not columns:
        raise DataError("--kind profile: no variable stands on two pressure levels or more")
    times = _few(asked.times)
    profiles = []
    if len(columns) > _MOST_COLUMNS:
        told = (
            "--kind profile: %d variables stand on pressure levels, of which %s are drawn; name others by --variables"
        )
        logger.warning(told, len(columns), ", ".join(c[0].short_name or c[0].name for c in list(columns.values())[:_MOST_COLUMNS]))  # fmt: skip
    for column in list(columns.values())[:_MOST_COLUMNS]:
        # one name for all levels
        shown = _shown(asked, column[0])
        shown = shown._replace(name=shown.name.rsplit(" at ", 1)[0])
        values = np.array([[float(_at(asked, v.name, time).mean()) for v in column] for time in times])
        levels = np.array([v.level for v in column], dtype=np.float64)
        profiles.append(Profile(shown, levels, values * shown.scale + shown.offset))
    titles = [time.title.split(", valid")[0].split("UTC ")[-1] for time in times]
    return draw_profiles(profiles, titles, f"{_place(asked).name}, {_of_mean(asked)}")


def _check_any(asked: Asked, *values: NDArray[Any]) -> None:
    """Refuses a chart of nothing but missing values; DataError."""
    if not any(np.isfinite(each).any() for each in values):
        raise DataError(f"{', '.join(v.name for v in asked.variables)}: all values are missing, there or then")


def _of_mean(asked: Asked) -> str:
    """The title of what shows members by their mean."""
    return f"{asked.title}, their mean" if asked.cube.axis.num_members > 1 else asked.title


def _few(times: Sequence[Moment]) -> list[Moment]:
    shown = min(_MOST_LINES, len(times))
    return [times[i] for i in sorted({round(k * (len(times) - 1) / max(1, shown - 1)) for k in range(shown)})]


def _named(columns: dict[str, list[Variable]], standard_name: str) -> list[Variable]:
    for column in columns.values():
        if column[0].cf_name == standard_name:
            return column
    return []


def _skewt(asked: Asked) -> Any:
    columns, time = _columns(asked, asked.cube.variables), asked.times[0]
    warmth = _named(columns, "air_temperature")
    if not warmth:
        raise DataError("--kind skewt: no air temperature on pressure levels")
    levels = np.array([v.level for v in warmth], dtype=np.float64)

    def along(column: Sequence[Variable], units: str) -> NDArray[np.float64]:
        """A variable on the levels of the temperature; NaN where it has none."""
        held = {v.level: v for v in column}
        values = [float(_at(asked, held[v.level].name, time).mean()) if v.level in held else np.nan for v in warmth]
        shown = display_of(column[0], units)
        return np.array(values) * shown.scale + shown.offset

    specific, relative = (_named(columns, f"{kind}_humidity") for kind in ("specific", "relative"))
    dew_points = dew_point(along(specific, "kg kg-1"), levels) if specific else None
    if dew_points is None and relative:
        dew_points = dew_point_of_relative(along(relative, "%"), along(warmth, "degC"))
    pairs = (
        [_named(columns, name) for name in names]
        for names in (("eastward_wind", "northward_wind"), ("x_wind", "y_wind"))
    )
    pair = next((p for p in pairs if all(p)), None)
    wind = None
    if pair is not None:
        wind = _to_true_north(asked, pair[0][0], np.stack([along(part, "m s-1") for part in pair]))
    members = ", mean of the members" if asked.cube.axis.num_members > 1 else ""
    title = f"{_place(asked).name}, {time.title}{members}"
    try:
        return draw_skewt(levels, along(warmth, "degC"), dew_points, wind, title)
    except ImportError:
        raise SettingsError("--kind skewt needs MetPy: pip install 'py4cast[skewt]'") from None


KINDS = {
    "hovmoller": Kind(_hovmoller, False, 2, takes_other=True),
    "meteogram": Kind(_meteogram, True, 5),
    "profile": Kind(_profile, True, 1000, is_of_columns=True),
    "skewt": Kind(_skewt, True, 1000, is_of_columns=True),
}
