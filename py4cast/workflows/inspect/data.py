"""inspect: what a store holds, how whole it is, and where it comes from."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from py4cast.atomic import atomic_path
from py4cast.axis import TimeAxis
from py4cast.cubes.base import CubeABC
from py4cast.cubes.foreign import open_cube
from py4cast.cubes.store.store import PreparedStore
from py4cast.errors import DataError, SettingsError
from py4cast.observers.cube import draw_cube
from py4cast.observers.style import DPI
from py4cast.timeline import instant, show_duration
from py4cast.workflows.terminal import table_of

__all__ = ["inspect"]

_SHOWN = 8


def inspect(
    path: str | os.PathLike[str],
    plot: str | os.PathLike[str] | None = None,
    time: str | None = None,
    check: bool = False,
    names: Sequence[str] = (),
) -> list[Any]:
    """What to show of a store: lines and a table of its variables.

    Args:
        path: a prepared store, or a store or file of another tool.
        plot: PNG file to draw maps to.
        time: of the maps, UTC; by default the middle of the data.
        check: whether everything is read and compared with its checksums.
        names: variables to draw; by default all.

    Raises:
        SettingsError: a time or a variable that is not there, or an ending that is not .png.
        DataError: no store, or a damaged one; names the parts.
    """
    cube = open_cube(Path(path))
    try:
        items: list[Any] = [*_head(cube, Path(path)), _table(cube), *_missing(cube), *_lineage(cube)]
        if check:
            items.append(_checked(cube))
        if plot is not None:
            if not os.fspath(plot).endswith(".png"):
                raise SettingsError(f"--plot {plot}: expected a name that ends in .png")
            index = _index(cube, time)
            figure = draw_cube(cube, index, list(names) or cube.names)
            with atomic_path(plot, suffix=".png") as temporary:
                figure.savefig(temporary, dpi=DPI)
            items.append(f"maps of {cube.times[index]}: {plot}")
        return items
    finally:
        cube.close()


def _head(cube: CubeABC, path: Path) -> list[str]:
    axis = cube.axis
    kind = "prepared store" if isinstance(cube, PreparedStore) else type(cube).__name__.removesuffix("Cube")
    files = [p.stat().st_size for p in ([path] if path.is_file() else path.rglob("*")) if p.is_file()]
    values = 4 * axis.size * len(cube.names) * cube.shape[0] * cube.shape[1]
    return [
        f"{kind} {path}",
        f"period  {_period(axis)}",
        f"grid    {cube.grid.describe()}",
        f"size    {sum(files) / 1e6:.1f} MB in {len(files)} files, {values / 1e6:.1f} MB as float32",
        f"statics {', '.join(cube.static_fields()) or 'none'}",
    ]


def _period(axis: TimeAxis) -> str:
    if axis.is_series:
        step = f" every {show_duration(axis.step)}" if axis.size > 1 else ""
        return f"{axis.times[0]} to {axis.times[-1]}{step}, {axis.size} instants"
    leads = [t / np.timedelta64(3600, "s") for t in (axis.lead_times[0], axis.lead_times[-1])]
    members = f", members {', '.join(map(str, axis.members))}" if axis.members else ""
    return (
        f"{axis.init_times.size} starts from {axis.init_times[0]} to {axis.init_times[-1]}, "
        f"lead times {leads[0]:g} to {leads[1]:g} h every {show_duration(axis.step) if axis.length > 1 else '-'}{members}"
    )


def _table(cube: CubeABC) -> Any:
    everything = np.ones(cube.axis.size, dtype=bool)
    stats, differences = cube.statistics(everything)
    rows = []
    for variable in cube.variables:
        of_field, step = stats[variable.name], differences[variable.name]
        level = f"{variable.level:g} {variable.type_of_level or ''}".strip() if variable.level is not None else "-"
        numbers = [f"{of_field[k]:.5g}" for k in ("mean", "std", "min", "max")]
        lacking = int((~cube.available([variable.name])).sum())
        stored = "float32"
        if isinstance(cube, PreparedStore):
            packing = cube.packings[variable.name]
            if packing.error:
                stored = (
                    f"{packing.kind}, error <= {packing.error:.2g} ({packing.error / (of_field['std'] or 1.0):.1g} std)"
                )
        rows.append([
            variable.name, variable.role, variable.units, level, *numbers, f"{step['std'] / (of_field['std'] or 1.0):.4f}",
            str(lacking), stored,
        ])  # fmt: skip
    columns = ("variable", "role", "units", "level", "mean", "std", "min", "max", "diff_std", "missing", "stored as")
    return table_of("statistics of the whole period (diff_std in units of std)", columns, [rows])


def _missing(cube: CubeABC) -> list[str]:
    lines = []
    for name in cube.names:
        lacking = np.flatnonzero(~cube.available([name]))
        if lacking.size:
            shown = ", ".join(str(cube.times[i]) for i in lacking[:_SHOWN]) + (", ..." if lacking.size > _SHOWN else "")
            lines.append(f"missing {name}: {shown}")
    return lines or ["missing nothing"]


def _lineage(cube: CubeABC) -> list[str]:
    if not isinstance(cube, PreparedStore):
        return [f"lineage {cube.fingerprint[:16]} (of its metadata)"]
    manifest = cube.manifest()
    lines = [f"lineage digest {manifest['digest'][:16]}, {len(manifest['inputs'])} files:"]
    for entry in manifest["inputs"][:_SHOWN]:
        lines.append(f"        {entry['file']}  {entry['bytes'] / 1e6:.1f} MB  sha256 {entry['sha256'][:16]}")
    if len(manifest["inputs"]) > _SHOWN:
        lines.append(f"        and {len(manifest['inputs']) - _SHOWN} more in {cube.path / 'manifest.json'}")
    return lines


def _checked(cube: CubeABC) -> str:
    if not isinstance(cube, PreparedStore):
        raise SettingsError("--check: for prepared stores, whose checksums py4cast knows")
    problems = cube.verify()
    if problems:
        more = f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise DataError("; ".join(problems[:3]) + more)
    return "checked: every plane is whole"


def _index(cube: CubeABC, time: str | None) -> int:
    if time is None:
        return cube.axis.size // 2
    index = cube.axis.find(instant(time))
    if index is None:
        raise SettingsError(f"--time {time}: not in the data, which hold {_period(cube.axis)}")
    return index
