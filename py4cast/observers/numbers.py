"""Numbers at axes and colour bars as people write them: 5410, not 5.41e+03."""

import math

__all__ = ["decimals_of", "fixed", "label_of"]

_SMALL, _LARGE = 1e-4, 1e6


def decimals_of(step: float) -> int:
    """The decimals that numbers a step apart need: none for 4, one for 2.5 and 0.5."""
    size = abs(step)
    if not math.isfinite(size) or size == 0:
        return 0
    first = max(0, math.ceil(-math.log10(size)))
    return next((d for d in (first, first + 1) if math.isclose(size * 10**d, round(size * 10**d), rel_tol=1e-6)), first)


def fixed(value: float, step: float) -> str:
    """A number among others a step apart, with as many decimals as they need; a zero has no sign."""
    text = f"{value:.{decimals_of(step)}f}"
    return text.removeprefix("-") if not text.strip("-0.") else text


def label_of(value: float, span: float) -> str:
    """A number with as many decimals as tell hundredths of a span apart; with an exponent only where zeros would fill it.

    Args:
        value: what is written.
        span: between the lowest and the highest number beside it; 0 where it stands alone.
    """
    scale = span if span > 0 else abs(value)
    if not math.isfinite(value) or not math.isfinite(scale) or scale == 0:
        return f"{value:g}"
    if scale < _SMALL or max(abs(value), scale) >= _LARGE:
        return f"{value:.3g}"
    text = f"{value:.{max(0, 2 - math.floor(math.log10(scale)))}f}"
    plain = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if plain in ("-0", "") else plain
