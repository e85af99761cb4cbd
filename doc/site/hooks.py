"""What the documentation site has beside the pages of doc/: the README as its start, commands, the API, decisions, a gallery.

Links from pages to files of the repository, which the site does not hold, become plain text.
"""

import base64
import json
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent.parent
GALLERY = ROOT / "build" / "gallery"
NOTEBOOKS = ROOT / "doc" / "notebooks"
_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)\s]+)\)")

# the classes and functions that people use and extend, by the room that they stand in
API = {
    "The Forecaster": ["py4cast.forecaster.Forecaster"],
    "Nouns": [
        "py4cast.namedtensor.NamedTensor", "py4cast.batch.ItemBatch", "py4cast.batch.Statics", "py4cast.grid.Grid",
        "py4cast.variables.Variable", "py4cast.dataset_info.DatasetInfo",
    ],
    "Contracts": [
        "py4cast.datasets.base.DatasetABC", "py4cast.models.base.ModelABC", "py4cast.models.image.ImageModel",
        "py4cast.strategies.base.StrategyABC", "py4cast.losses.base.LossABC", "py4cast.formats.base.ReaderABC",
        "py4cast.formats.base.WriterABC",
    ],
    "Work": [
        "py4cast.workflows.train.run.train", "py4cast.workflows.forecast.run.forecast", "py4cast.workflows.view.run.view",
        "py4cast.workflows.plot.plot", "py4cast.workflows.python.verifying.verify", "py4cast.workflows.python.viewing.open_dataset",
    ],
}  # fmt: skip


def _api() -> str:
    parts = ["# Python API", "What people call and extend; each page of [extending](extending.md) shows one at work."]
    for title, names in API.items():
        parts += [f"## {title}", *(f"::: {name}" for name in names)]
    return "\n\n".join(parts)


def _commands() -> str:
    """The help of every verb, as it is printed."""
    from py4cast.cli.main import _VERBS, _parser

    parts = ["# Commands"]
    for verb in _VERBS:
        parts.append(f"## py4cast {verb}\n\n```text\n{_parser(verb).format_help().rstrip()}\n```")
    return "\n\n".join(parts)


def _decisions() -> str:
    parts = ["# Decisions", "Why things are as they are, in the order in which it was decided."]
    for path in sorted((ROOT / "doc" / "decisions").glob("*.md")):
        title = path.read_text().splitlines()[0].lstrip("# ")
        parts.append(f"- [{title}](decisions/{path.name})")
    return "\n\n".join(parts[:2]) + "\n\n" + "\n".join(parts[2:])


def _gallery() -> str:
    parts = ["# Gallery", "Made by the build from the embedded data, with the commands below each picture."]
    for path in sorted(GALLERY.glob("*.png")):
        parts.append(f"![{path.stem}](figs/{path.name})\n\n```sh\n{path.with_suffix('.sh').read_text().strip()}\n```")
    if (GALLERY / "view.html").exists():
        parts.append("[The page that `py4cast view` makes of the same forecast](figs/view.html)")
    return "\n\n".join(parts)


def _notebook(path: Path) -> tuple[str, dict[str, bytes]]:
    """A notebook as a page, its cells with what they print, and its pictures by name."""
    parts, pictures = [], {}
    for number, cell in enumerate(json.loads(path.read_text())["cells"]):
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        parts.append(f"```python\n{source}\n```")
        for output in cell["outputs"]:
            data = output.get("data", {"text/plain": output.get("text", [])})
            if "image/png" in data:
                name = f"{path.stem}_{number}.png"
                pictures[name] = base64.b64decode(data["image/png"])
                parts.append(f"![what the cell shows]({name})")
            else:
                parts.append(f"```text\n{''.join(data['text/plain']).rstrip()}\n```")
    parts.append(f"[This page as a notebook]({path.name})")
    return "\n\n".join(parts), pictures


def on_files(files: Files, config: Any) -> Files:
    """Adds the pages that are no files of doc/."""
    pages = {
        "index.md": (ROOT / "README.md").read_text(),
        "changelog.md": (ROOT / "CHANGELOG.md").read_text(),
        "contributing.md": (ROOT / "CONTRIBUTING.md").read_text(),
        "api.md": _api(), "commands.md": _commands(), "decisions.md": _decisions(), "gallery.md": _gallery(),
    }  # fmt: skip
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        text, pictures = _notebook(path)
        files.append(File.generated(config, f"notebooks/{path.stem}.md", content=text))
        for name, content in pictures.items():
            files.append(File.generated(config, f"notebooks/{name}", content=content))
    for path in (*GALLERY.glob("*.png"), *GALLERY.glob("*.html")):
        files.append(File.generated(config, f"figs/{path.name}", abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Links as the site has them."""
    if page.file.src_uri.startswith("notebooks/"):
        return markdown  # its links are those of the site
    inside = page.file.src_uri.startswith("decisions/")

    def linked(match: re.Match[str]) -> str:
        text, target = match.groups()
        if target.startswith(("http", "#", "mailto:")):
            return match.group(0)
        path, _, anchor = target.partition("#")
        at = path.removeprefix("../").removeprefix("doc/") if not inside else path
        at = {"README.md": "index.md", "CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}.get(at, at)
        base = Path(page.file.src_uri).parent
        if at.startswith("notebooks/") and base == Path():
            at = str(Path(at).with_suffix(".md"))
        wanted = str(base / at).replace("decisions/../", "")
        if files.get_file_from_path(wanted) is None and files.get_file_from_path(at) is None:
            return (
                f"`{path.removeprefix('../').removeprefix('../')}`"
                if text == path
                else f"{text} (`{path.lstrip('./')}`)"
            )
        return f"[{text}]({at}{'#' + anchor if anchor else ''})"

    return _LINK.sub(linked, markdown)
