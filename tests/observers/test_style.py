"""One look of pictures and pages."""

import re
from importlib.resources import files

from matplotlib.colors import to_rgb

from py4cast.observers.style import COLD, INK, LABEL, MARK, NOTE, PANEL, SERIES, TICK, TITLE, WARM, plain_numbers


def luminance(colour: str) -> float:
    """WCAG 2.1: relative luminance."""
    parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def test_letters_are_smaller_the_less_they_say() -> None:
    assert TITLE > PANEL > LABEL > NOTE > TICK > MARK >= 5


def test_series_can_be_told_from_paper_and_from_the_truth() -> None:
    for colour in (*SERIES, COLD, WARM):
        assert 1.05 / (luminance(colour) + 0.05) >= 2.0 and luminance(colour) > luminance(INK) + 0.05
    assert len(set(SERIES)) == 8
    first, second = (luminance(c) for c in SERIES[:2])
    assert max(first, second) / min(first, second) > 1.2, "in print too"


def test_pages_have_the_same_colours() -> None:
    page = files("py4cast.workflows.page").joinpath("report.css").read_text()
    assert tuple(re.findall(r"--s\d: (#\w+);", page)[:8]) == SERIES
    view = files("py4cast.workflows.view").joinpath("view.js").read_text()
    assert f'letter === "L" ? "{WARM}" : "{COLD}"' in view


def test_numbers_along_an_axis_are_written_out() -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure()
    axes = figure.subplots()
    axes.plot([0, 1], [1013.1, 1013.4])
    plain_numbers(axes.yaxis)
    FigureCanvasAgg(figure).draw()
    assert axes.yaxis.get_offset_text().get_text() == ""
    assert any(label.get_text().startswith("1013") for label in axes.get_yticklabels())
