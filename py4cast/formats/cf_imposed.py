"""Cells whose values were imposed and not forecast (the border of a domain), as a status flag of CF files.

The fields of such a file name it as an ancillary variable; 1 stands where a driving model's or the truth's values are.
"""

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from py4cast.errors import DataError

__all__ = ["ATTRIBUTES", "NAME", "is_imposed", "taken_out"]

NAME = "imposed"
ATTRIBUTES: dict[str, Any] = {
    "standard_name": "status_flag",
    "long_name": "cells whose values were imposed, not forecast",
    "flag_values": np.array([0, 1], dtype=np.int8),
    "flag_meanings": "forecast imposed",
}


def taken_out(data: xr.Dataset, path: Path) -> tuple[xr.Dataset, xr.DataArray | None]:
    """The dataset without its flag, and the flag; None where it has none.

    Raises:
        DataError: several of them.
    """
    names = [n for n, a in data.variables.items() if _is_flag(a)]
    if len(names) > 1:
        raise DataError(
            f"{path}: {' and '.join(map(str, names))} both tell which cells are imposed; expected one of them"
        )
    return (data.drop_vars(names), data[names[0]]) if names else (data, None)


def _is_flag(array: xr.Variable) -> bool:
    words = str(array.attrs.get("flag_meanings", "")).split()
    return array.attrs.get("standard_name") == "status_flag" and "imposed" in words


def is_imposed(flag: xr.DataArray) -> NDArray[np.bool_]:
    """Where a flag says so, of its shape."""
    words = str(flag.attrs["flag_meanings"]).split()
    told = np.ravel(flag.attrs.get("flag_values", np.arange(len(words))))
    return np.asarray(flag.values == told[words.index("imposed")])
