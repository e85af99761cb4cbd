"""What a plane may hold: values that are there, in the range that Earth allows, and no marks of missing ones."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from py4cast.errors import DataError
from py4cast.variables import Variable

__all__ = ["check_plane"]

Plane = NDArray[np.float32]
# sizes beyond are fill values, such as 1e20 and 9.96921e36
_MOST = 1e15
_NINES = {sign * float("9" * digits) for digits in range(3, 8) for sign in (-1, 1)} | {-32768.0, 32767.0, -32767.0}


def _refuse_absurd(variable: Variable, where: Callable[[], str], plane: Plane, low: float, high: float) -> None:
    """Refuses what no field of Earth holds, where nothing is known of the variable: marks of missing values.

    That is a size beyond 1e15, or a number of nines (−999, 9999, ...) that stands in many cells, far from all others.
    """
    for extreme in (low, high):
        is_huge = abs(extreme) > _MOST
        if not (is_huge or extreme in _NINES):
            continue
        marked = plane == np.float32(extreme)
        count = int(marked.sum())
        if not is_huge:
            others = plane[~marked & np.isfinite(plane)]
            if count < 2 or others.size == 0 or abs(extreme) < 2 * float(np.abs(others).max()):
                continue
        row, column = (int(i) for i in np.argwhere(marked)[0])
        raise DataError(
            f"{where()}: {extreme:g} [{variable.units or '1'}] stands in {count} of {plane.size} cells, the first at row {row}, column "
            f"{column}: {'no value of Earth' if is_huge else 'a mark of missing values'}; tell readers by _FillValue or "
            f'valid_range in the file, or set "nan": "mask" and "fill": {extreme:g} for {variable.name}'
        )


def check_plane(variable: Variable, where: Callable[[], str], plane: Plane) -> None:
    """Refuses missing values where they are forbidden, and values that Earth does not allow; infinities become NaN.

    Raises:
        DataError: names the variable, the time, the file, how many values or what range.
    """
    with np.errstate(invalid="ignore"):
        low, high = float(plane.min()), float(plane.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        finite = np.isfinite(plane)
        if variable.nan == "forbid":
            count = int(plane.size - finite.sum())
            raise DataError(
                f'{where()}: {count} of {plane.size} values are missing; set "nan": "mask" for {variable.name} if that is meant'
            )
        plane[~finite] = np.nan
        if not finite.any():
            return
        low, high = float(np.nanmin(plane)), float(np.nanmax(plane))
    allowed = variable.plausible_range()
    if allowed is None:
        _refuse_absurd(variable, where, plane, low, high)
        return
    margin = 1e-6 * max(1.0, abs(allowed[0]), abs(allowed[1]))
    if low < allowed[0] - margin or high > allowed[1] + margin:
        raise DataError(
            f"{where()}: values from {low:g} to {high:g} [{variable.units}], expected within {allowed[0]:g} to {allowed[1]:g}; "
            f"are the units right, or is the file damaged?"
        )
