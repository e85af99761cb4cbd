"""Style: the one look of all pictures, so that nothing in them needs to be learned twice.

Sizes of letters in points, inks, and the colours of series, which can be told apart by colour-blind eyes and in print; the
pages of scores and forecasts have the same (`--s0` and so on).

Reference: M. Okabe, K. Ito (2008), Color Universal Design, https://jfly.uni-koeln.de/color.
"""

from typing import Any

__all__ = ["COLD", "DPI", "FAINT", "INK", "LABEL", "LINE", "MARK", "NOTE", "PANEL", "SERIES", "SOFT", "TICK", "TITLE", "WARM", "plain_numbers"]  # fmt: skip

DPI = 100
# letters: of a figure's title, of a panel's, of axes, of numbers along them, of legends, of places on maps
TITLE, PANEL, LABEL, TICK, NOTE, MARK = 9.0, 8.0, 7.5, 6.5, 7.0, 5.0
# inks: of lines and letters, of what stands behind them, of grids
INK, SOFT, FAINT = "black", "0.35", "0.85"
LINE = 0.6  # width of coasts and contours
# highs and what is cold, lows and what is warm
COLD, WARM = "#2166ac", "#b2182b"
# the forecast first, its error second
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9", "#8c6bb1", "#7a7a7a")


def plain_numbers(axis: Any) -> None:
    """Has the numbers along an axis of matplotlib written out, 1013 and not 13 beside +1e3."""
    from matplotlib.ticker import ScalarFormatter

    formatter = axis.get_major_formatter()
    if isinstance(formatter, ScalarFormatter):
        formatter.set_useOffset(False)
        formatter.set_powerlimits((-4, 7))
