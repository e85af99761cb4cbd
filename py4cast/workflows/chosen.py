"""What is drawn of files of fields: variables by name, the start of a forecast, lines of pressure, a wind."""

import logging
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from py4cast.axis import TimeAxis
from py4cast.cubes.base import CubeABC
from py4cast.cubes.files import FieldFiles, open_fields
from py4cast.cubes.selection import Selection
from py4cast.errors import DataError, SettingsError, nearest
from py4cast.observers.display import Display, display_of
from py4cast.timeline import duration, instant, show_duration
from py4cast.units import conversion
from py4cast.variables import Variable, alike_names, shorter_arc
from py4cast.vectors import mate_of

__all__ = [
    "beside_each_other",
    "chosen_start",
    "chosen_steps",
    "chosen_variables",
    "display_in",
    "in_columns",
    "instants_of",
    "isolines_of",
    "members_at",
    "name_in",
    "open_shown",
    "units_in",
    "wind_of",
]

logger = logging.getLogger(__name__)
_WORDS = ("auto", "none")  # in the place of a name
_MOST_LEADS, _HOUR = 1000, np.timedelta64(3600, "s")
_NOW = np.timedelta64(0, "s")


def open_shown(
    files: Sequence[str | os.PathLike[str]], names: Sequence[str] = (), where: Mapping[str, Any] | None = None
) -> CubeABC:
    """The cube of files that are looked at; one file with a time for every lead time is the forecast that it says it is.

    Args:
        files: paths, patterns and addresses.
        names: of variables; where the files as a whole are no cube, these alone are opened.
        where: keys that the fields must have, and their values.

    Raises:
        DataError: files that cannot be read, or fields that cannot be told apart.
        SettingsError: a key that they do not have.
    """
    paths = [Path(f) if not isinstance(f, str) else f for f in files]
    try:
        return _opened(paths, Selection((), dict(where or {})))
    except DataError as error:
        wanted = tuple(name for name in names if name not in _WORDS)
        if not wanted:
            raise DataError(_in_words_of_flags(str(error))) from None
        try:
            cube = _opened(paths, Selection(wanted, dict(where or {})))
        except DataError as again:
            raise DataError(_in_words_of_flags(str(again))) from None
        logger.warning("the other variables of the files are left out: %s", _in_words_of_flags(str(error)))
        return cube


def _in_words_of_flags(text: str) -> str:
    """A message of settings files as it is said where there are flags alone."""
    text = re.sub(r'choose by "grib": {"(\w+)": "?([^"}]*)"?}', r"choose by --where \1=\2", text)
    text = re.sub(r'choose by "type_of_level": "(\w+)"', r"choose by --where typeOfLevel=\1", text)
    return text.replace(
        'set "regrid" for the one to be brought to the other',
        "choose the fields of one grid by --where, such as --where gridType=regular_ll or --where Ni=720, or by --variables",
    )


def _opened(paths: Sequence[str | Path], only: Selection) -> CubeABC:
    cube = open_fields(paths, only=only)
    single = Path(paths[0]).expanduser()
    # a long series is no forecast, and would take long to be looked through
    if not cube.axis.is_series or len(paths) > 1 or not single.is_file() or cube.axis.size > _MOST_LEADS:
        return cube
    fields = FieldFiles([single.absolute()], only=only)
    if fields.axis.is_series:
        fields.close()
        return cube
    cube.close()
    return fields


def chosen_variables(cube: CubeABC, asked: Sequence[str], most: int) -> list[Variable]:
    """The variables that are drawn: those that are asked for, else the first ones.

    Args:
        cube: of the files.
        asked: names.
        most: how many are drawn where none is asked for.

    Raises:
        SettingsError: a name that is not in the files.
    """
    if asked:
        chosen = [cube.variable(name_in(cube, "--variables", name)) for name in asked]
        _tell_unknown(chosen)
        return chosen
    if len(cube.names) > most:
        logger.warning("%d variables of %d are drawn; choose by --variables: %s", most, len(cube.names), ", ".join(cube.names))  # fmt: skip
    _tell_unknown(cube.variables[:most])
    return list(cube.variables[:most])


def _tell_unknown(variables: Sequence[Variable]) -> None:
    """Says which variables are drawn plainly, since neither their name nor a CF name tells what they are."""
    unknown = [v.name for v in variables if not v.cf_name]
    if unknown:
        logger.warning("%s: what it is nobody knows without a CF name; drawn plainly, as it is in the files", ", ".join(unknown))  # fmt: skip


def in_columns(cube: CubeABC, names: Sequence[str]) -> list[str]:
    """Names, of which one that stands on several pressure levels means all of them: `t` of `t_850_isobaricInhPa` and others."""
    whole: list[str] = []
    for name in names:
        levels = [
            v.name for v in cube.variables if v.type_of_level == "isobaricInhPa" and name in (v.short_name, v.cf_name)
        ]
        whole += levels if name not in cube.names and levels else [name]
    return whole


def name_in(cube: CubeABC, flag: str, name: str, words: Sequence[str] = ()) -> str:
    """What the files call a variable: the name itself, or the one that GRIB has for it, `2t` for `t2m`, and the other way round.

    Raises:
        SettingsError: it is not in the files, or several are meant.
    """
    alike = alike_names(name, cube.names)
    if len(alike) != 1:
        raise SettingsError(f"{flag} {name}: not in the files{nearest(name, [*cube.names, *words])}")
    return alike[0]


def units_in(cube: CubeABC, units: Mapping[str, str]) -> dict[str, str]:
    """Units by the names that the files have; SettingsError names a variable that is not in them."""
    return {name_in(cube, "--units", name): text for name, text in units.items()}


def display_in(cube: CubeABC, variable: Variable, units: str = "") -> Display:
    """How a variable of files is shown, of a sum with the time over which it runs."""
    shown, spans = display_of(variable, units), cube.spans.get(variable.name)
    if not spans:
        return shown
    over = f"in {show_duration(next(iter(spans)))}" if len(spans) == 1 else "since the start"
    return shown._replace(name=f"{shown.name} {over}")


def chosen_start(starts: NDArray[np.datetime64], asked: str | None) -> np.datetime64:
    """The start that is asked for, or the only one; SettingsError where it is not there, or there are several."""
    if asked is not None:
        start = instant(asked)
        if start not in starts:
            raise SettingsError(
                f"--init_time {asked}: no forecast starts then; the files hold {starts.min()} to {starts.max()}"
            )
        return start
    if starts.size > 1:
        raise SettingsError(f"the files hold {starts.size} forecasts, from {starts.min()} to {starts.max()}; choose one by --init_time")  # fmt: skip
    return np.datetime64(starts[0], "s")


def chosen_steps(axis: TimeAxis, lead_times: Sequence[str]) -> list[int]:
    """The places of lead times, in the order in which they are asked for; none where none is asked for.

    Raises:
        SettingsError: one that the files do not hold.
    """
    steps = []
    for lead in (_NOW if text in ("0", "0h") else duration(text) for text in lead_times):
        if lead not in axis.lead_times:
            held = ", ".join(f"{t / _HOUR:g}" for t in axis.lead_times[:12]) + (
                " ..." if len(axis.lead_times) > 12 else ""
            )
            raise SettingsError(f"--lead_times {lead / _HOUR:g}h: not in the files, which hold {held} h")
        steps.append(int(np.flatnonzero(axis.lead_times == lead)[0]))
    return steps


def instants_of(axis: TimeAxis, start: np.datetime64, step: int) -> tuple[int, ...]:
    """The instants of a start's lead time, one per member."""
    first = int(np.flatnonzero(axis.init_times.astype("datetime64[s]") == start)[0]) * axis.num_members * axis.length
    return tuple(first + m * axis.length + step for m in range(axis.num_members))


def members_at(cube: CubeABC, name: str, instants: Sequence[int]) -> NDArray[np.float32]:
    """A variable at some instants, `(member, lat, lon)`; directions beside each other, 359 and 361 for 1."""
    planes = np.empty((1, len(instants), *cube.shape), np.float32)
    for row, index in enumerate(instants):
        cube.read([name], index, index + 1, planes[:, row : row + 1])
    return beside_each_other(cube.variable(name), planes[0])


def beside_each_other(variable: Variable, members: NDArray[np.float32]) -> NDArray[np.float32]:
    """Members `(member, lat, lon)` of one variable; those of a direction within half a turn of their middle, 359 and 361 for 1."""
    turn = variable.turn
    if turn is None or len(members) < 2:
        return members
    angle = members.astype(np.float64) * (2 * np.pi / turn)
    middle = np.arctan2(np.sin(angle).mean(0), np.cos(angle).mean(0)) % (2 * np.pi) * (turn / (2 * np.pi))
    return np.asarray(middle + shorter_arc(members - middle, turn), dtype=np.float32)


def mean_of(variable: Variable, members: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean over members that stand beside each other, `(lat, lon)`; of a direction within a turn."""
    mean = members.mean(0)
    return np.asarray(mean if variable.turn is None else mean % np.float32(variable.turn), dtype=np.float32)


def difference_of(variable: Variable, first: NDArray[Any], second: NDArray[Any]) -> NDArray[Any]:
    """One field less another; of directions the shorter arc."""
    return np.asarray(shorter_arc(first - second, variable.turn))


def isolines_of(cube: CubeABC, asked: str) -> Variable | None:
    """The variable that is drawn as lines: by name, `auto` for pressure at the sea or geopotential, `none`."""
    if asked == "none":
        return None
    if asked != "auto":
        return cube.variable(name_in(cube, "--isolines", asked, _WORDS))
    for wanted in (
        "air_pressure_at_mean_sea_level",
        "air_pressure_at_sea_level",
        "air_pressure",
        "geopotential_height",
        "geopotential",
    ):
        for variable in cube.variables:
            if variable.cf_name == wanted and not _is_of_ground(variable, wanted):
                return variable
    return None


def _is_of_ground(variable: Variable, name: str) -> bool:
    """Whether it follows the ground, or is no pressure at the sea, where it is one at all."""
    if name.endswith("sea_level"):
        return False  # GRIB 1 calls its level the surface
    if name == "air_pressure":
        return (variable.type_of_level, variable.level) not in (("heightAboveSea", 0), ("meanSea", 0))
    return variable.type_of_level in ("surface", "heightAboveGround")


def in_metres_per_second(part: Variable, field: NDArray[Any]) -> NDArray[Any]:
    """A component of a wind [m s-1]; one without units is taken as it is.

    Raises:
        SettingsError: units of no speed.
    """
    if not part.units:
        return field
    try:
        scale, _ = conversion(part.units, "m s-1")
    except DataError:
        raise SettingsError(
            f"wind: {part.name} is in [{part.units}], which is no speed; leave it out, --wind none"
        ) from None
    return field if scale == 1.0 else np.asarray(field * np.float32(scale))


def wind_of(cube: CubeABC, asked: str, beside: Sequence[Variable] = ()) -> tuple[Variable, Variable] | None:
    """Both components: of `auto` those of the level that all variables `beside` are on, else of the lowest level."""
    if asked == "none":
        return None
    pairs, is_any = [], asked == "auto"
    for variable in cube.variables if is_any else [cube.variable(name_in(cube, "--wind", asked, _WORDS))]:
        mate = mate_of(variable, cube.variables)
        # by itself a wind is drawn; a current is where it is asked for
        if mate is not None and ("wind" in variable.cf_name or not is_any):
            pairs.append((variable, mate[0]) if mate[1] else (mate[0], variable))
    if not pairs and asked != "auto":
        raise SettingsError(
            f"--wind {asked}: its other component is not in the files, or it is no component of a wind or a current"
        )
    levels = {(v.type_of_level, v.level) for v in beside}
    there = [p for p in pairs if levels == {(p[0].type_of_level, p[0].level)}]
    near = [p for p in pairs if p[0].type_of_level == "heightAboveGround"]
    return next(iter(there or near or pairs), None)
