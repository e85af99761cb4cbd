"""Pages from templates: one HTML file that holds its data, style and script, and fetches nothing."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["as_script_data", "filled"]


def as_script_data(document: Any) -> str:
    """Plain JSON values as the text of a script element, which nothing in them ends."""
    # "</script" would end the script that holds the data, "<!--<script" would take the page's own into it
    return json.dumps(document, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def filled(template: Path, styles: Sequence[Path], script: Path, parts: Mapping[str, str]) -> str:
    """The text of a page.

    Args:
        template: whose places `{{name}}` are filled.
        styles: files of its `css`.
        script: file of its `js`.
        parts: of the other places.
    """
    held = {
        **parts,
        "css": "\n".join(path.read_text(encoding="utf-8") for path in styles),
        "js": script.read_text(encoding="utf-8"),
    }
    # in one pass, so that nothing within a part is taken for a place
    pieces = re.split(r"\{\{(\w+)\}\}", template.read_text(encoding="utf-8"))
    return "".join(held[piece] if i % 2 else piece for i, piece in enumerate(pieces))
