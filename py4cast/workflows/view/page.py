"""The page on which a forecast is looked at: one HTML file that holds its fields, style and script, and fetches nothing."""

import html
from pathlib import Path
from typing import Any

from py4cast.errors import SettingsError
from py4cast.workflows.page.template import as_script_data, filled
from py4cast.workflows.view.layers import Layer

__all__ = ["check_size", "page_of"]

_LEAST_BYTES = 0.05  # a value, packed
_FOLDER = Path(__file__).parent
_STYLES = (_FOLDER.parent / "page" / "report.css", _FOLDER / "view.css")


def check_size(
    num_variables: int, num_frames: int, shape: tuple[int, int], most_mb: float, size_mb: float | None = None
) -> None:
    """Refuses a page that is too large, or must become so, and says what to leave out; SettingsError.

    Args:
        num_variables: that it shows.
        num_frames: times.
        shape: rows and columns.
        most_mb: how large it may be.
        size_mb: how large it is; by default the least that so many values have been seen to take.
    """
    size = _LEAST_BYTES * num_variables * num_frames * shape[0] * shape[1] / 1e6 if size_mb is None else size_mb
    if not size <= most_mb:
        raise SettingsError(
            f"the page would hold {'at least ' if size_mb is None else ''}{size:.1f} MB, {num_variables} variables at {num_frames} times of "
            f"{shape[0]} x {shape[1]} cells; at most {most_mb:g} (--max_mb): leave variables out (--variables), or times "
            f"(--lead_times), or show every second cell (--thin 2)"
        )


def page_of(document: dict[str, Any], layers: list[Layer], title: str, summary: str, still: str, most_mb: float) -> str:
    """The text of the page.

    Args:
        document: of the scene.
        layers: that it names.
        title: of the page.
        summary: one line below it.
        still: the address of a picture of the first field, for browsers without scripts.
        most_mb: how large it may be.

    Raises:
        SettingsError: it would be larger.
    """
    first = document["variables"][0]
    parts = {
        "title": html.escape(title),
        "summary": html.escape(summary),
        "still": html.escape(still),
        "still_alt": html.escape(f"{first['title']}, {document['frames'][0]['title']}"),
        "data": as_script_data(document),
        "layers": "\n".join(
            f'<script type="application/octet-stream" id="layer{i}">{layer.data}</script>'
            for i, layer in enumerate(layers)
        ),
    }
    text = filled(_FOLDER / "view.html", _STYLES, _FOLDER / "view.js", parts)
    shape = (document["rows"], document["columns"])
    check_size(len(document["variables"]), len(document["frames"]), shape, most_mb, len(text.encode()) / 1e6)
    return text
