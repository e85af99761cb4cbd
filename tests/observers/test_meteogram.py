"""The course at a place: quantiles of the members that are there, gaps where none is."""

import io

import numpy as np
import pytest
from matplotlib.collections import LineCollection

from py4cast.observers.display import display_of
from py4cast.observers.meteogram import Course, draw_meteogram
from py4cast.variables import Variable

WARMTH = Variable(name="t2m", units="K", standard_name="air_temperature")
RAIN = Variable(name="tp", units="kg m-2", standard_name="precipitation_amount")
TIMES = np.datetime64("2020-01-01T00", "s") + np.arange(4) * np.timedelta64(6, "h")


@pytest.mark.parametrize("members", [1, 5])
@pytest.mark.parametrize("is_amount", [False, True])
def test_a_time_without_values_is_a_gap(members: int, is_amount: bool) -> None:
    values = np.arange(4.0)[:, None] + np.arange(float(members))[None, :]
    values[1] = np.nan  # of all members
    values[2, :-1] = np.nan  # of all but one
    course = Course(display_of(RAIN if is_amount else WARMTH), values, is_amount)
    figure = draw_meteogram([course], TIMES, "here")
    figure.savefig(io.BytesIO(), format="png")
    (axes,) = figure.axes
    middle = [bar.get_height() for bar in axes.patches] if is_amount else axes.lines[0].get_ydata()
    np.testing.assert_allclose(middle, [(members - 1) / 2, np.nan, 1 + members, 3 + (members - 1) / 2])


def test_nothing_at_all_is_an_empty_panel() -> None:
    course = Course(display_of(WARMTH), np.full((4, 3), np.nan))
    draw_meteogram([course], TIMES, "here").savefig(io.BytesIO(), format="png")


def test_members_of_a_time_by_itself_have_their_spread() -> None:
    values = np.full((4, 5), np.nan)
    values[0], values[2], values[3] = np.arange(5.0), np.arange(5.0), np.arange(5.0) + 1
    (axes,) = draw_meteogram([Course(display_of(WARMTH), values)], TIMES, "here").axes
    bars = [c for c in axes.collections if isinstance(c, LineCollection)]
    assert [len(bar.get_segments()) for bar in bars] == [1, 1], "of the first time alone; the last two are a band"
    np.testing.assert_allclose(bars[0].get_segments()[0][:, 1], np.quantile(np.arange(5.0), (0.1, 0.9)))
    assert "10 to 90 % of the members" in axes.get_figure().get_suptitle()
