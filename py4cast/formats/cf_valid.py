"""What a CF file calls valid: values beyond its limits are missing."""

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

__all__ = ["without_invalid"]


def without_invalid(array: xr.DataArray | xr.Variable, values: NDArray[Any]) -> NDArray[Any]:
    """Values with NaN where they lie outside what the file calls valid: `valid_min`, `valid_max`, `valid_range`.

    Limits of the type of packed numbers are packed themselves, as CF has it.
    """
    attrs = array.attrs
    declared = (
        np.ravel(attrs["valid_range"]) if "valid_range" in attrs else (attrs.get("valid_min"), attrs.get("valid_max"))
    )
    low, high = (_limit(array, limit) for limit in declared[:2]) if len(declared) >= 2 else (None, None)
    if low is None and high is None:
        return values
    fields: NDArray[Any] = np.array(values, dtype=np.float64 if values.dtype == np.float64 else np.float32)
    tolerance = 1e-6 * max(abs(limit) for limit in (low, high) if limit is not None)
    with np.errstate(invalid="ignore"):
        if low is not None:
            fields[fields < low - tolerance] = np.nan
        if high is not None:
            fields[fields > high + tolerance] = np.nan
    return fields


def _limit(array: xr.DataArray | xr.Variable, limit: Any) -> float | None:
    """A limit of what is valid in the units of the unpacked values; None where it is no number."""
    number = np.asarray(limit)
    if number.dtype.kind not in "iuf":
        return None
    scale, offset = float(array.encoding.get("scale_factor", 1.0)), float(array.encoding.get("add_offset", 0.0))
    packed = array.encoding.get("dtype")
    is_packed = (scale, offset) != (1.0, 0.0) and packed is not None and number.dtype.kind == np.dtype(packed).kind
    return float(number) * scale + offset if is_packed else float(number)
