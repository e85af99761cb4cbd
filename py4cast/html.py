"""How nouns show themselves in a notebook: small tables of HTML, in which names are text whatever they hold."""

import html
from collections.abc import Iterable, Sequence

from py4cast.text import visible

__all__ = ["facts", "table"]


def _cell(text: object) -> str:
    return html.escape(visible(text, keep="\n"))


def facts(title: str, pairs: Iterable[tuple[str, object]]) -> str:
    """A title, and what is known by name."""
    rows = "".join(
        f'<tr><th style="text-align:left">{_cell(name)}</th><td style="text-align:left">{_cell(value)}</td></tr>'
        for name, value in pairs
    )
    return f"<div><strong>{_cell(title)}</strong><table>{rows}</table></div>"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table with a row of names."""
    names = "".join(f'<th style="text-align:left">{_cell(name)}</th>' for name in head)
    body = "".join(
        "<tr>" + "".join(f'<td style="text-align:left">{_cell(cell)}</td>' for cell in row) + "</tr>" for row in rows
    )
    return f"<table><thead><tr>{names}</tr></thead><tbody>{body}</tbody></table>"
