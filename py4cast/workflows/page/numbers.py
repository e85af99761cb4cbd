"""Numbers as a page holds them: five digits, and nothing for what is not finite."""

import math
from typing import Any

import numpy as np

__all__ = ["rounded"]


def rounded(values: Any) -> Any:
    """Nested lists of numbers with five digits, None for what is not finite."""
    if isinstance(values, np.ndarray):
        values = values.tolist()
    if isinstance(values, list):
        return [rounded(v) for v in values]
    return float(f"{values:.5g}") if isinstance(values, float) and math.isfinite(values) else None
