"""FileInput: what a forecast starts from and is driven by, read from the files of a service; numpy alone.

Fields are matched to the Forecaster's variables by name, CF name, GRIB name and level; units are converted; rows that
run the other way are turned. Where an instant is held several times, the shortest lead time is taken.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from py4cast.cubes.base import CubeABC
from py4cast.cubes.driver import Driver
from py4cast.cubes.files import open_fields
from py4cast.cubes.views import placed
from py4cast.cubes.views.aligned import AlignedCube, Matched, match_variables, why_unmatched
from py4cast.cubes.views.plausible import PlausibleCube
from py4cast.datasets.forcings import GROUPS, ComputedForcings
from py4cast.errors import DataError, SettingsError, nearest
from py4cast.given import Given
from py4cast.grid import Grid
from py4cast.regrid import Method
from py4cast.steppers import Array, StepInfo
from py4cast.timeline import later, told
from py4cast.variables import Variable

__all__ = ["FileInput"]


class FileInput:
    """Creates the input of a forecast from files.

    Args:
        info: of the Forecaster.
        files: of the last analyses, paths or patterns.
        boundary: files of a driving model, for border values and forcings that are not computed.
        renamed: name in the files by name in the Forecaster.
        accumulated: variables that the files hold as sums since the start of the forecast.
        regrid: how the input comes to the Forecaster's grid; None where the grids must be the same.
        imposes_border: whether the driving model's values are imposed, where the Forecaster does so.
        further: files of further inputs by key; of points each takes what stands at its place.

    Raises:
        DataError: files that cannot be read, that lack a variable, or that are on another grid.
    """

    def __init__(
        self, info: StepInfo, files: Sequence[str], boundary: Sequence[str] = (), renamed: Mapping[str, str] | None = None,
        accumulated: Sequence[str] = (), regrid: Method | None = None, imposes_border: bool = True,
        further: Mapping[str, Sequence[str]] | None = None,
    ) -> None:  # fmt: skip
        self.info, self._opened, self._renamed = info, list[CubeABC](), dict(renamed or {})
        try:
            source = self._cube(files, accumulated)
            prognostic = info.variables_of(info.prognostic)
            self._states = self._aligned("input", source, prognostic, info.grid, regrid)
            self.members = source.axis.members
            driving = self._cube(boundary) if boundary else None
            self._border = None
            if info.border is not None and driving is not None and imposes_border:
                self._border = Driver(self._driving("boundary", driving, prognostic, info.grid), info.prognostic)
            self._set_forcings(source, driving, regrid)
            self._inputs = self._further_inputs(dict(further or {}), driving or source)
        except BaseException:
            self.close()
            raise

    def _further_inputs(self, files: Mapping[str, Sequence[str]], source: CubeABC) -> dict[str, Driver]:
        """What the Forecaster takes beside its grid: from files of its own, else from what drives the forecast."""
        for key in files:
            if key not in self.info.inputs:
                known = nearest(key, self.info.inputs) if self.info.inputs else ": the Forecaster takes none"
                raise SettingsError(f"--further {key}: no such input{known}")
        drivers = {}
        for key, wanted in self.info.inputs.items():
            if key not in files:
                cube = self._driving("boundary", source, wanted.variables, wanted.grid)
            else:
                held = placed(self._cube(files[key]), wanted.grid)
                cube = self._aligned(f"further {key}", held, wanted.variables, wanted.grid, "linear")
            drivers[key] = Driver(cube, _names(wanted.variables), at_start=wanted.at_start)
        return drivers

    def _cube(self, files: Sequence[str], accumulated: Sequence[str] = ()) -> CubeABC:
        cube = open_fields(files, accumulated)
        self._opened.append(cube)
        return cube

    def _aligned(
        self, what: str, source: CubeABC, wanted: Sequence[Variable], grid: Grid, method: Method | None
    ) -> PlausibleCube:
        """The wanted variables of a source on a grid, looked at as they are read; DataError names those that it lacks."""
        return PlausibleCube(self._matched(what, source, wanted, grid, method), f"--{what}")

    def _matched(
        self, what: str, source: CubeABC, wanted: Sequence[Variable], grid: Grid, method: Method | None
    ) -> AlignedCube:
        """The wanted variables of a source on a grid; DataError names those that it lacks."""
        words = (what, "forecaster")
        renamed = {ours: name for ours, name in self._renamed.items() if ours in _names(wanted)}
        matched = match_variables(source.variables, wanted, (), renamed, words)
        self._refuse_lacking(what, source, wanted, matched)
        return AlignedCube(source, matched, grid, method, words=words)

    @staticmethod
    def _refuse_lacking(what: str, source: CubeABC, wanted: Sequence[Variable], matched: Sequence[Matched]) -> None:
        held_names = {m.variable.name for m in matched}
        lacking = [v for v in wanted if v.name not in held_names]
        if lacking:
            shown = ", ".join(_described(v) for v in lacking)
            near = why_unmatched(source.variables, lacking[0]) or nearest(lacking[0].name, source.names)
            raise DataError(f"--{what}: lacks {shown}{near}; use --rename INPUT=FORECASTER")
        held = {v.name: v for v in source.variables}
        for match in matched:
            level, wants = held[match.name].level, match.variable.level
            is_pressure = match.variable.type_of_level == "isobaricInhPa"
            if is_pressure and level is not None and level != wants:
                raise DataError(f"--{what}: {match.name} is on level {level:g}; the Forecaster expects {_described(match.variable)}")  # fmt: skip

    def _driving(self, what: str, source: CubeABC, wanted: Sequence[Variable], grid: Grid) -> PlausibleCube:
        """The same of a driving model, which may lie on another grid: its fields come to this one linearly."""
        aligned = self._matched(what, source, wanted, grid, "linear")
        border = self.info.border
        if border is not None and grid.same_as(self.info.grid) and not aligned.covered[border].all():
            share = float(aligned.covered[border].mean())
            raise DataError(f"--{what}: covers {100 * share:.0f} % of the border; it is on {source.grid.describe()}")
        return PlausibleCube(aligned, f"--{what}")

    def _set_forcings(self, source: CubeABC, driving: CubeABC | None, regrid: Method | None) -> None:
        """Forcings that are computed, and those that are read: from the driving model, else from the input."""
        info = self.info
        made = {name: group for group, names in GROUPS.items() for name in names}
        groups = list(dict.fromkeys(made[n] for n in info.forcing if n in made))
        self._computed = ComputedForcings(groups, info.grid, info.step_duration)
        read = info.variables_of([n for n in info.forcing if n not in made])
        self._read: Driver | None = None
        if read:
            cube = self._aligned("input", source, read, info.grid, regrid) if driving is None else self._driving("boundary", driving, read, info.grid)  # fmt: skip
            self._read = Driver(cube, _names(read))

    def latest(self) -> np.datetime64:
        """The last time from which a forecast can start: all its past states are there; DataError when there is none."""
        axis, back = self._states.axis, -np.arange(self.info.num_input_steps)
        held = np.unique(axis.times[self._states.available(self._states.names)])
        able = [t for t in held[::-1] if np.isin(later(t, back, self.info.step_duration), held).all()]
        if not able:
            raise DataError(
                f"--input: no time has {self.info.num_input_steps} states {told(self.info.step_duration)} apart; it holds {_span(held)}"
            )
        return np.datetime64(able[0], "s")

    def chosen_members(self, asked: Sequence[int]) -> list[int]:
        """The members to forecast: those asked for, by default all; SettingsError for one that is not there."""
        for number in asked:
            if number not in self.members:
                held = ", ".join(map(str, self.members)) or "none"
                raise SettingsError(f"--members {number}: the input has {held}")
        if len(set(asked)) < len(asked):
            twice = next(number for number in asked if list(asked).count(number) > 1)
            raise SettingsError(
                f"--members {','.join(map(str, asked))}: {twice} stands there twice; members are told apart by their numbers"
            )
        return list(asked or self.members)

    def states(self, init_time: np.datetime64, members: Sequence[int] = ()) -> Array:
        """The past states, `(member, timestep, lat, lon, features)`; one member where there are none.

        Raises:
            DataError: an instant or a field is missing, or holds values that are none.
        """
        info, cube = self.info, self._states
        names, there = cube.names, cube.available(cube.names)
        rows = [self.members.index(m) for m in members] or [0]
        states = np.empty((len(rows), info.num_input_steps, *info.grid.shape, len(names)), dtype=np.float32)
        for step in reversed(range(info.num_input_steps)):
            time = later(init_time, step + 1 - info.num_input_steps, info.step_duration)[()]
            for place, member in enumerate(rows):
                index = self._instant(time, member, there)
                planes = np.empty((len(names), 1, *info.grid.shape), dtype=np.float32)
                cube.read(names, index, index + 1, planes)
                self._check(planes[:, 0], f"{time}{self._of(member)}")
                states[place, step] = np.moveaxis(planes[:, 0], 0, -1)
        return states

    def _instant(self, time: np.datetime64, member: int, there: NDArray[np.bool_]) -> int:
        """Where an instant of a member lies: the shortest lead time that holds all fields."""
        axis = self._states.axis
        places = np.flatnonzero(axis.times == time)
        rows = places if axis.is_series else places[places // axis.length % axis.num_members == member]
        whole = rows[there[rows]]
        if whole.size:
            return int(whole[np.argmin(whole % axis.length)])
        if not rows.size:
            raise DataError(f"--input: no state at {time}; it holds {_span(np.unique(axis.times))}")
        lacking = [n for n in self._states.names if not self._states.available([n])[rows].any()]
        raise DataError(f"--input: {', '.join(lacking or self._states.names)} missing at {time}{self._of(member)}")

    def _of(self, member: int) -> str:
        return f" of member {self.members[member]}" if self.members else ""

    def _check(self, planes: Array, when: str) -> None:
        """Refuses missing values in cells that held data in training, but in variables that may lack some."""
        for plane, variable in zip(planes, self.info.variables_of(self.info.prognostic), strict=True):
            values = plane[self.info.valid]
            holes = int(np.count_nonzero(~np.isfinite(values)))
            if holes and (variable.nan == "forbid" or holes == values.size):
                raise DataError(f"--input: {variable.name} at {when} has no value in {holes} of {values.size} cells")

    def given(self, init_time: np.datetime64, num_steps: int, num_members: int = 1) -> Iterator[Given[Array]]:
        """What is given of each step, read when its turn comes; DataError first of all when something is missing."""
        info = self.info
        valid = later(init_time, np.arange(1, num_steps + 1), info.step_duration)
        for key, driver in {"--boundary": self._border, "forcing": self._read, **self._inputs}.items():
            if driver is not None:
                driver.require(key, init_time, valid)
        for time in valid:
            forcing = self._forcing(init_time, time)
            border = None if self._border is None else _fields(self._border, init_time, time)
            inputs = {key: _wide(_fields(driver, init_time, time), num_members) for key, driver in self._inputs.items()}
            wide = [None if x is None else _wide(x, num_members) for x in (forcing, border)]
            yield Given(wide[0], wide[1], inputs)

    def _forcing(self, init_time: np.datetime64, time: np.datetime64) -> Array | None:
        """`(lat, lon, features)` in the Forecaster's order; None where it has none."""
        names = self.info.forcing
        if not names:
            return None
        fields = dict(zip(self._computed.names, self._computed.compute(time.reshape(1))[:, 0], strict=True))
        if self._read is not None:
            planes = np.moveaxis(_fields(self._read, init_time, time), -1, 0)
            fields |= dict(zip(self._read.names, planes, strict=True))
        for name in names:
            if not np.isfinite(fields[name][self.info.valid]).all():
                raise DataError(f"forcing {name} at {time} has missing values")
        return np.stack([fields[name] for name in names], -1)

    def close(self) -> None:
        """Closes all files that it has opened."""
        for cube in self._opened:
            cube.close()


def _names(variables: Sequence[Variable]) -> list[str]:
    return [v.name for v in variables]


def _fields(driver: Driver, init_time: np.datetime64, time: np.datetime64) -> Array:
    """`(lat, lon, features)` at a valid time."""
    planes = np.empty((len(driver.names), 1, *driver.shape), dtype=np.float32)
    driver.read(init_time, time.reshape(1), planes)
    return np.moveaxis(planes[:, 0], 0, -1)


def _wide(values: Array, num_members: int) -> Array:
    """The same for every member."""
    return np.broadcast_to(values, (num_members, *values.shape))


def _described(variable: Variable) -> str:
    level = "" if variable.level is None else f", {variable.level:g} {variable.type_of_level or ''}".rstrip()
    return f"{variable.role} {variable.name!r} ({variable.standard_name or variable.short_name or 'no CF name'}{level}, [{variable.units}])"


def _span(times: NDArray[np.datetime64]) -> str:
    if not times.size:
        return "nothing"
    return f"{times.min()} to {times.max()}" if times.size > 4 else ", ".join(str(t) for t in times)
