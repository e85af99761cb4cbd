"""Extremes: values of a forecast that Earth does not have, which are told, since nobody reads them again in silence."""

import logging
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from py4cast.variables import Variable

__all__ = ["with_extremes_told"]

logger = logging.getLogger(__name__)


def with_extremes_told(
    steps: Iterator[NDArray[np.float32]], variables: Sequence[Variable]
) -> Iterator[NDArray[np.float32]]:
    """The steps `(..., lat, lon, features)` of a forecast as they are; at their end it warns of values beyond what is plausible."""
    lowest, highest = (np.full(len(variables), sign * np.inf) for sign in (1, -1))
    for values in steps:
        cells = values.reshape(-1, len(variables))
        lowest = np.fmin(lowest, np.fmin.reduce(cells, axis=0))
        highest = np.fmax(highest, np.fmax.reduce(cells, axis=0))
        yield values
    for variable, low, high in zip(variables, lowest, highest, strict=True):
        allowed = variable.plausible_range()
        if allowed is None or (low >= allowed[0] and high <= allowed[1]):
            continue
        # the least of what is never negative lies a little below 0, for what packing does
        is_negative = high <= allowed[1] and -1.0 < allowed[0] <= 0.0
        hint = (
            f"; a training keeps to bounds: --set 'variables.{variable.name}.bounds=[0, null]'" if is_negative else ""
        )
        logger.warning(
            "%s: the forecast has values from %g to %g [%s], expected within %g to %g; readers may refuse it%s",
            variable.name, low, high, variable.units, *allowed, hint,
        )  # fmt: skip
