"""Any NetCDF file or Zarr store under the CF conventions, WeatherBench 2 among them.

A variable with levels becomes one per level. Beside `time` there may be lead times (`prediction_timedelta`, `step`,
`lead_time`) and members; then every start is a forecast. Latitude and longitude may stand in any order.

Reference: S. Rasp et al. (2024), WeatherBench 2, doi 10.1029/2023MS004019.
"""

import logging
from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from py4cast.axis import TimeAxis
from py4cast.cubes.base import Planes
from py4cast.cubes.foreign.base import ForeignCube
from py4cast.errors import DataError
from py4cast.formats import open_reader
from py4cast.formats.cf import CfReader, kind_of, without_invalid
from py4cast.formats.cf_axes import level_type
from py4cast.formats.zarr import is_zarr
from py4cast.grid import Grid
from py4cast.remote import is_remote
from py4cast.timeline import is_even, month_start
from py4cast.units import normalise
from py4cast.variables import Variable, cf_name_in, feature_name

__all__ = ["CfCube"]

logger = logging.getLogger(__name__)

_KINDS = {
    "time": "times",
    "init": "starts",
    "lead": "lead times",
    "member": "members",
    "level": "levels",
    "other": "one value",
}
_SUFFIXES = (".nc", ".nc4", ".cdf", ".netcdf")


class _Plan(NamedTuple):
    """How a feature is read: its array, the dimensions by what they are, and fixed places along others."""

    variable: xr.Variable
    time: Hashable | None
    lead: Hashable | None
    member: Hashable | None
    spatial: tuple[Hashable, Hashable]
    fixed: dict[Hashable, int]

    def read(self, at: dict[Hashable, Any], leading: Hashable | None) -> NDArray[Any]:
        """The values at these places, `leading` first, then rows and columns."""
        # an index of the bare variable, since that of an array with coordinates costs a millisecond
        part = self.variable[tuple(at.get(d, self.fixed.get(d, slice(None))) for d in self.variable.dims)]
        places = tuple(dict.fromkeys(self.spatial))  # points have one dimension
        wanted = (*([leading] if leading in part.dims else []), *places)
        values = (part if part.dims == wanted else part.transpose(*wanted)).values
        return without_invalid(self.variable, values[..., None, :] if len(places) == 1 else values)


@dataclass
class _Family:
    """Variables of the same instants and cells, with the kinds of their dimensions; or one whose times are of no use."""

    axis: TimeAxis | None
    order: NDArray[np.int64]
    grid: Grid
    kinds: dict[str, dict[str, Hashable]]
    problem: DataError | None = None

    def is_of(self, axis: TimeAxis, order: NDArray[np.int64], grid: Grid) -> bool:
        """Whether these are its instants, in the same order, and its cells."""
        return (
            self.axis is not None
            and self.axis.same_as(axis)
            and np.array_equal(self.order, order)
            and self.grid.same_as(grid)
        )


class CfCube(ForeignCube):
    """Opens a NetCDF file or a Zarr store under the CF conventions."""

    @classmethod
    def fits(cls, path: Path) -> bool:
        return is_zarr(path) or is_remote(path) or (path.is_file() and path.suffix.lower() in _SUFFIXES)

    def open(self) -> None:
        reader = open_reader(self.path)
        if not isinstance(reader, CfReader):
            raise DataError(f"{self.path}: no NetCDF and no Zarr; prepare it through gridded")
        self._reader = reader
        self.variables: list[Variable] = []
        self._arrays: dict[str, tuple[str, Hashable | None, int]] = {}
        self._plans: dict[str, _Plan] = {}
        self._statics: dict[str, str] = {}
        self._axes: dict[tuple[tuple[str, Hashable], ...], tuple[TimeAxis, NDArray[np.int64]]] = {}
        arrays = list(reader.data.data_vars.items())
        if self.path.is_dir() or is_remote(self.path):
            # a folder lists its arrays in any order
            arrays.sort(key=lambda pair: str(pair[0]))
        families: list[_Family] = []
        for name, array in arrays:
            spatial = reader.spatial_dims(array)
            if spatial is None or not np.issubdtype(array.dtype, np.number):
                continue
            kinds = self._kinds(array, spatial)
            if not {"time", "init", "lead"} & set(kinds):
                if not kinds:
                    self._statics[str(name)] = str(name)
                continue
            self._join(families, str(name), kinds, spatial)
        self._choose(families)

    def _join(
        self, families: list[_Family], name: str, kinds: dict[str, Hashable], spatial: tuple[Hashable, Hashable]
    ) -> None:
        """Puts a variable to those that have its instants and its cells."""
        array, grid = self._reader.data[name], self._reader.grid_of(self._reader.data[name], spatial)
        problem: DataError | None = None
        axis: TimeAxis | None = None
        order = np.zeros(0, dtype=np.int64)
        along = tuple(kinds.items())
        try:
            # found out once for all along the same dimensions: at an address it costs a request
            axis, order = self._axes[along] = self._axes.get(along) or self._axis_of(array, kinds)
        except DataError as error:
            problem = error
        for family in families:
            if axis is not None and family.is_of(axis, order, grid):
                family.kinds[name] = kinds
                return
        families.append(_Family(axis, order, grid, {name: kinds}, problem))

    def _choose(self, families: list[_Family]) -> None:
        """Takes the variables that are most, of as many those of several members, and tells of the others.

        Raises:
            DataError: there are none, or their times cannot be used.
        """
        if not families:
            raise DataError(f"{self.path}: holds no variable over time on a rectangular grid")
        usable = [family for family in families if family.axis is not None]
        if not usable:
            problem = families[0].problem
            assert problem is not None, "which made it of no use"
            raise problem
        chosen = max(usable, key=lambda family: (len(family.kinds), bool(family.axis and family.axis.members)))
        assert chosen.axis is not None, "it is usable"
        self.axis, self._order, self._grid = chosen.axis, chosen.order, chosen.grid
        first = next(iter(chosen.kinds))
        for family in families:
            if family.problem is not None:
                logger.warning("%s; %s left out", family.problem, next(iter(family.kinds)))
        left_out = [name for family in usable if family is not chosen for name in family.kinds]
        if left_out:
            logger.warning(
                "%s: %s left out: on another grid or along other dimensions than %s",
                self.path,
                ", ".join(left_out),
                first,
            )
        for name, kinds in chosen.kinds.items():
            self._add(name, self._reader.data[name], kinds)

    def _kinds(self, array: xr.DataArray, spatial: tuple[Hashable, Hashable]) -> dict[str, Hashable]:
        """Dimensions beside the grid's, by what they are: time, init, lead, member, level."""
        kinds: dict[str, Hashable] = {}
        for dim in array.dims:
            if dim in spatial:
                continue
            coordinate = self._reader.coordinate(dim)
            kind = "other" if coordinate is None else kind_of(coordinate)
            if kind == "other" and array.sizes[dim] > 1:
                raise DataError(
                    f"{self.path}: {array.name} has a dimension {dim!r} that is neither time, level nor member"
                )
            other = kinds.get(kind)
            if other is not None and min(array.sizes[dim], array.sizes[other]) > 1:
                raise DataError(
                    f"{self.path}: {array.name} has two dimensions of {_KINDS[kind]}, {other!r} and {dim!r}; expected one"
                )
            # of two one may stand for a single value: there is nothing to choose
            if other is None or array.sizes[dim] > 1:
                kinds[kind] = dim
        kinds.pop("other", None)
        if set(kinds) & {"time", "init", "lead"} == {"time"} and self._leads(array, kinds["time"]) is not None:
            # of one start, whose valid times stand in place of lead times
            kinds["lead"] = kinds.pop("time")
        return kinds

    def _leads(self, array: xr.DataArray, dim: Hashable) -> NDArray[np.timedelta64] | None:
        """Lead times along a dimension of a forecast from one start that is told beside it; None where there is none."""
        start, along = self._start(array), self._reader.coordinate(dim)
        assert along is not None, "it has a kind"
        if kind_of(along) == "lead":
            return np.asarray(along.values).astype("timedelta64[s]")
        if start is None:
            return None
        leads = (along.values.astype("datetime64[s]") - start).astype("timedelta64[s]")
        return leads if (leads > np.timedelta64(0, "s")).all() else None

    @staticmethod
    def _start(array: xr.DataArray) -> np.datetime64 | None:
        """The start of a forecast that stands once for the whole array."""
        starts = [c.values for c in array.coords.values() if c.ndim == 0 and kind_of(c) == "init"]
        return starts[0].astype("datetime64[s]") if len(starts) == 1 else None

    def _axis_of(self, array: xr.DataArray, kinds: dict[str, Hashable]) -> tuple[TimeAxis, NDArray[np.int64]]:
        """The instants of a variable, and the order in which its own stand."""

        def values(kind: str) -> NDArray[Any]:
            coordinate = self._reader.coordinate(kinds[kind])
            assert coordinate is not None, "it has a kind"
            return np.asarray(coordinate.values)

        if "init" in kinds or "time" in kinds:
            starts = values("init" if "init" in kinds else "time").astype("datetime64[s]")
        elif (start := self._start(array)) is not None:
            starts = np.array([start])
        else:
            raise DataError(
                f"{self.path}: {array.name} has lead times and no start; expected a forecast_reference_time"
            )
        order = np.argsort(starts, kind="stable")
        starts = starts[order]
        twice = starts[1:][np.diff(starts) == np.timedelta64(0, "s")]
        if twice.size:
            raise DataError(
                f"{self.path}: {twice[0]} stands twice along {kinds['init' if 'init' in kinds else 'time']!r}"
            )
        lead = None if "lead" in kinds else self._reader.scalar(array, "lead")
        beside = np.array([0 if lead is None else lead], dtype="timedelta64[s]")
        if "lead" not in kinds and "member" not in kinds and not beside.any():
            starts = _months(starts)
            if starts.size > 1 and not is_even(starts):
                raise DataError(f"{self.path}: its times are not evenly spaced; prepare it through gridded")
            return TimeAxis.series(starts), order
        # beside a lead time, `time` is the start of the forecast, as cfgrib has it
        leads = self._leads(array, kinds["lead"]) if "lead" in kinds else beside
        assert leads is not None, "they are told, or follow from the start"
        if leads.size > 1 and np.unique(np.diff(leads)).size > 1:
            raise DataError(f"{self.path}: its lead times are not evenly spaced")
        return TimeAxis.forecasts(starts, leads, self._members(array, kinds)), order

    def _members(self, array: xr.DataArray, kinds: dict[str, Hashable]) -> tuple[int, ...]:
        """The numbers of its members; none where it has none, or one without a number."""
        if "member" not in kinds:
            return ()
        coordinate = self._reader.coordinate(kinds["member"])
        assert coordinate is not None, "it has a kind"
        numbers = [self._reader.member_of(value, str(array.name), array) for value in coordinate.values]
        known = tuple(number for number in numbers if number is not None)
        twice = next((number for number in known if known.count(number) > 1), None)
        if twice is not None:
            raise DataError(f"{self.path}: {array.name}: member {twice} stands twice along {kinds['member']!r}")
        return known

    def _add(self, name: str, array: xr.DataArray, kinds: dict[str, Hashable]) -> None:
        dim, units = kinds.get("level"), normalise(str(array.attrs["units"])) if array.attrs.get("units") else ""
        standard = cf_name_in(array.attrs.get("standard_name"))
        short = str(array.attrs.get("short_name") or array.attrs.get("GRIB_shortName") or name)
        if dim is None:
            self._arrays[name] = (name, None, 0)
            level, kind = self._level_beside(array)
            self.variables.append(
                Variable(
                    name=name, short_name=short, units=units, standard_name=standard, level=level, type_of_level=kind, nan="mask"
                )
            )  # fmt: skip
            return
        coordinate = self._reader.coordinate(dim)
        assert coordinate is not None, "it has a kind"
        # WeatherBench 2 gives its pressure levels without units
        kind = self._reader.level_type_of(array, [dim]) or ("isobaricInhPa" if str(dim) == "level" else None)
        for i, level in enumerate(np.asarray(coordinate.values, dtype=np.float64)):
            feature = feature_name(name, float(level), kind)
            if feature in self._arrays:
                raise DataError(
                    f"{self.path}: {feature} stands twice, as {self._arrays[feature][0]} and along {dim!r} of {name}"
                )
            self._arrays[feature] = (name, dim, i)
            self.variables.append(
                Variable(
                    name=feature, short_name=short, units=units, standard_name=standard, level=float(level),
                    type_of_level=kind, nan="mask",
                )
            )  # fmt: skip

    def _level_beside(self, array: xr.DataArray) -> tuple[float | None, str | None]:
        """The level that an attribute or a scalar coordinate tells of a whole array."""
        named = self._reader.named_level(array)
        level = array.attrs.get("GRIB_level", array.attrs.get("level_hPa", None if named is None else named.values))
        if level is None:
            return None, None
        kind = self._reader.level_type_of(array, []) or (None if named is None else level_type(named))
        return float(level), kind

    def _plan(self, name: str) -> _Plan:
        """How a feature is read, found out once."""
        if name not in self._plans:
            variable, level_dim, level = self._arrays[name]
            array = self._reader.data[variable]
            spatial = self._reader.spatial_dims(array)
            assert spatial is not None, "open() took only such"
            kinds = self._kinds(array, spatial)
            time = kinds.get("init", kinds.get("time"))
            fixed = {dim: 0 for dim in array.dims if dim not in (*kinds.values(), *spatial)}
            if level_dim is not None:
                fixed[level_dim] = level
            self._plans[name] = _Plan(array.variable, time, kinds.get("lead"), kinds.get("member"), spatial, fixed)
        return self._plans[name]

    def plane_block(self, name: str, start: int, stop: int) -> NDArray[Any]:
        plan = self._plan(name)
        if self.axis.is_series:
            chosen = self._order[start:stop]
            is_plain = chosen.size < 2 or (np.diff(chosen) == 1).all()
            picked = slice(int(chosen[0]), int(chosen[-1]) + 1) if is_plain else chosen
            return plan.read({plan.time: picked}, plan.time).reshape(stop - start, *self.shape)
        planes = []
        first = start
        while first < stop:
            # what lies in one run is read at once
            last = min(stop, self.axis.run_end(first))
            run, lead = divmod(first, self.axis.length)
            begin, member = divmod(run, self.axis.num_members)
            at: dict[Hashable, Any] = {} if plan.time is None else {plan.time: int(self._order[begin])}
            at |= {plan.lead: slice(lead, lead + last - first)} if plan.lead is not None else {}
            at |= {plan.member: member} if plan.member is not None else {}
            planes.append(plan.read(at, plan.lead).reshape(last - first, *self.shape))
            first = last
        return planes[0] if len(planes) == 1 else np.concatenate(planes)

    @property
    def imposed(self) -> NDArray[np.bool_] | None:
        mask = self._reader.imposed
        return mask if mask is not None and mask.shape == self.shape else None

    def static_fields(self) -> dict[str, Planes]:
        statics = {}
        for name in self._statics:
            array = self._reader.data[name]
            spatial = self._reader.spatial_dims(array)
            if spatial is not None and self._reader.grid_of(array, spatial).same_as(self.grid):
                plane = without_invalid(array.variable, array.transpose(*dict.fromkeys(spatial), ...).values)
                values = np.asarray(plane, dtype=np.float32)
                statics[name] = values.reshape(self.shape)
        return statics

    def close(self) -> None:
        self._reader.close()


def _months(times: NDArray[np.datetime64]) -> NDArray[np.datetime64]:
    """The beginnings of the months, where the times are one of every month or of every so many; else the times."""
    months = times.astype("datetime64[M]").astype(np.int64)
    gaps = np.unique(np.diff(months))
    is_monthly = gaps.size == 1 and gaps[0] > 0 and np.unique(np.diff(times)).size > 1
    return month_start(times) if is_monthly else times
