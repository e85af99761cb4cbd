"""The files of a verification: scores.json, scores.csv, scores.nc; and back."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from py4cast.atomic import write_json, write_text
from py4cast.errors import DataError
from py4cast.formats.conventions import grid_coordinates
from py4cast.formats.netcdf import read_arrays, write_arrays
from py4cast.grid import Grid
from py4cast.metrics.rows import Rows
from py4cast.metrics.score_set import ScoreArray, ScoreSet

__all__ = ["read_scores", "write_scores"]

_ROW = "row_"  # before the names of what every forecast contributed
_MAPS = ("row", "column")
_COORDINATES = ("variable_units", "init_time", "projection", "latitude", "longitude")
FORMAT = 1


def write_scores(folder: str | os.PathLike[str], scores: ScoreSet) -> Path:
    """Writes `scores.json`, `scores.csv` and `scores.nc` to a folder, each whole or not at all.

    Args:
        folder: where to.
        scores: what was found.
    """
    target = Path(folder)
    write_json(target / "scores.json", scores.to_dict())
    write_text(target / "scores.csv", scores.to_csv())
    write_netcdf(target / "scores.nc", scores)
    return target


def write_netcdf(path: Path, scores: ScoreSet) -> None:
    """Writes all scores to one CF-NetCDF file, and what every forecast contributed, so that runs can be compared."""
    write_arrays(path, *netcdf_parts(scores))


def netcdf_parts(scores: ScoreSet, has_rows: bool = True) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Arrays and coordinates `(dims, values, attributes)` by name, and attributes: what `scores.nc` holds.

    Args:
        scores: what was found.
        has_rows: whether what every forecast contributed is among them.
    """
    grid = scores.grid
    dims, grid_coords, mapping = (_MAPS, {}, None) if grid is None else grid_coordinates(grid)
    places = dict(zip(_MAPS, dims, strict=True))
    arrays: dict[str, Any] = {}
    for name, array in scores.arrays.items():
        attrs = {k: v for k, v in array.attrs.items() if v != ""}
        arrays[name] = (tuple(places.get(d, d) for d in array.dims), array.values, attrs)
    if mapping:
        arrays["projection"] = ((), np.int32(0), mapping)
    first = scores.rows.get(scores.systems[0]) if has_rows else None
    for name in first.shapes if first is not None and first.count else ():
        assert first is not None, "it has shapes"
        values = first.read(name).numpy()
        further = tuple(f"{_ROW}{name.rsplit('.', 1)[0]}_{i}" for i in range(values.ndim - 2))
        arrays[_ROW + name] = (("forecast", "lead_time", *further), values, {})
    hours = {"standard_name": "forecast_period", "units": "hours", "long_name": "lead time"}
    coords: dict[str, Any] = {
        "system": (("system",), np.array(list(scores.systems), dtype=object), {"long_name": "forecasting system"}),
        "lead_time": (("lead_time",), np.array(scores.lead_hours), hours),
        "variable": (("variable",), np.array(scores.variables, dtype=object), {"long_name": "variable"}),
        "variable_units": (("variable",), np.array(list(scores.units.values()), dtype=object), {}),
        **grid_coords,
    }
    if len(scores.systems) > 1:
        coords["reference"] = (("reference",), np.array(list(scores.systems[1:]), dtype=object), {})
    if scores.init_times.size:
        reference = {"standard_name": "forecast_reference_time", "long_name": "start of the forecast"}
        coords["init_time"] = (("forecast",), scores.init_times.astype("datetime64[ns]"), reference)
    for name, array in scores.coordinates.items():
        values = array.values if np.issubdtype(array.values.dtype, np.number) else array.values.astype(object)
        coords[name if array.dims == (name,) else f"{name}_value"] = (array.dims, values, dict(array.attrs))
    document = {
        **scores.document,
        "num_forecasts": scores.num_forecasts,
        "num_features": scores.num_features,
        "format": FORMAT,
    }
    attributes = {"title": "Scores of forecasts", "source": "py4cast", "py4cast": json.dumps(document, allow_nan=False)}
    return arrays, coords, attributes


def read_scores(path: str | os.PathLike[str]) -> ScoreSet:
    """The scores of a `scores.nc`, or of the folder that holds one.

    Raises:
        DataError: no such file, or none that py4cast wrote.
    """
    file = Path(path)
    file = file / "scores.nc" if file.is_dir() else file
    arrays, attributes = read_arrays(file)
    if "py4cast" not in attributes or "system" not in arrays:
        raise DataError(f"{file}: a NetCDF file, but no scores of py4cast")
    document: dict[str, Any] = json.loads(attributes["py4cast"])
    if document.pop("format", 0) > FORMAT:
        raise DataError(f"{file}: scores of a later py4cast; this one reads format {FORMAT}")
    names = [str(n) for n in arrays["variable"][1]]
    scores = ScoreSet(
        [str(n) for n in arrays["system"][1]],
        [np.timedelta64(round(float(h) * 3600), "s") for h in arrays["lead_time"][1]],
        dict(zip(names, (str(u) for u in arrays["variable_units"][1]), strict=True)),
        int(document.pop("num_features", len(names))),
        num_forecasts=int(document.pop("num_forecasts", 0)), document=document,
    )  # fmt: skip
    if "init_time" in arrays:
        scores.init_times = arrays["init_time"][1].astype("datetime64[s]")
    for name, (dims, values, attrs) in arrays.items():
        if name.startswith(_ROW) or dims == (name,) or name in _COORDINATES:
            continue
        if name.endswith("_value") and "variable" in dims:
            scores.coordinates[name.removesuffix("_value")] = ScoreArray(dims, values, attrs)
        elif dims and dims[0] in ("system", "reference"):
            scores.arrays[name] = ScoreArray(dims, values, attrs)
        elif name in ("bias_map", "rmse_map"):
            scores.arrays[name] = ScoreArray((*dims[:2], *_MAPS), values, attrs)
    if "latitude" in arrays:
        scores.grid = _grid(arrays)
    used = {d for a in scores.arrays.values() for d in a.dims[3:]}
    scores.coordinates |= {d: ScoreArray((d,), arrays[d][1], arrays[d][2]) for d in used if d in arrays}
    scores.rows = {scores.systems[0]: _rows(arrays, scores)}
    return scores


def _grid(arrays: Mapping[str, Any]) -> Grid:
    """The grid of the scores' coordinates."""
    x, y = (arrays[n][1] if n in arrays else None for n in ("x", "y"))
    projection = (
        {k: np.asarray(v).tolist() for k, v in arrays["projection"][2].items()} if "projection" in arrays else {}
    )
    return Grid(arrays["latitude"][1], arrays["longitude"][1], x, y, projection)


def _rows(arrays: Mapping[str, Any], scores: ScoreSet) -> Rows:
    from torch import from_numpy

    rows = Rows()
    tables = {name.removeprefix(_ROW): values for name, (_, values, _) in arrays.items() if name.startswith(_ROW)}
    for i, time in enumerate(scores.init_times):
        rows.append(time, {name: from_numpy(np.ascontiguousarray(table[i])) for name, table in tables.items()})
    return rows
