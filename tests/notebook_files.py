"""Notebooks of doc/notebooks: run cell by cell, and written again with what their cells print and show.

    python -m tests.notebook_files        # runs all, and keeps their outputs; look at them before they are committed

No kernel is needed: cells are plain Python. Standard output, the value of a last expression and pictures are kept.
"""

import ast
import base64
import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import types
from pathlib import Path
from typing import Any

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "doc" / "notebooks"


def source_of(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def run(path: Path) -> list[dict[str, Any]]:
    """Runs the cells in the current folder; gives them with their outputs."""
    document = json.loads(path.read_text())
    module = types.ModuleType("a_notebook")
    sys.modules["a_notebook"] = module
    cells = []
    for number, cell in enumerate(document["cells"]):
        if cell["cell_type"] == "code":
            outputs = _outputs(source_of(cell), f"{path.name}, cell {number}", module.__dict__)
            cell = {**cell, "outputs": outputs, "execution_count": None}
        cells.append(cell)
    return cells


def _outputs(source: str, where: str, names: dict[str, Any]) -> list[dict[str, Any]]:
    body = ast.parse(source, where)
    last = body.body.pop() if body.body and isinstance(body.body[-1], ast.Expr) else None
    printed, value = io.StringIO(), None
    with contextlib.redirect_stdout(printed):
        exec(compile(body, where, "exec"), names)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), where, "eval"), names)
    outputs: list[dict[str, Any]] = []
    if printed.getvalue():
        outputs.append(
            {"output_type": "stream", "name": "stdout", "text": printed.getvalue().splitlines(keepends=True)}
        )
    if value is not None:
        data: dict[str, Any] = {"text/plain": repr(value).splitlines(keepends=True)}
        if hasattr(value, "_repr_png_"):
            data = {"image/png": _small(value._repr_png_()), "text/plain": ["a picture"]}
        outputs.append({"output_type": "execute_result", "data": data, "metadata": {}, "execution_count": None})
    return outputs


def _small(png: bytes) -> str:
    """A picture of at most so many pixels and colours, in base64."""
    with Image.open(io.BytesIO(png)) as picture:
        shown = picture.convert("RGB")
    shown.thumbnail((900, 900))
    held = io.BytesIO()
    shown.quantize(96, dither=Image.Dither.NONE).save(held, "PNG", optimize=True)
    return base64.b64encode(held.getvalue()).decode()


def run_alone(path: Path, folder: Path) -> list[dict[str, Any]]:
    """The same in a process of its own, whose current folder is `folder`; RuntimeError with what a cell raised."""
    code = "import json, sys; from tests.notebook_files import *; cells = run(Path(sys.argv[1])); print('CELLS' + json.dumps(cells))"
    environment = {**os.environ, "PY4CAST_ROOTDIR": str(folder), "PYTHONPATH": os.pathsep.join(["", str(ROOT)])}
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{path.name}: {done.stderr[-2000:]}")
    cells: list[dict[str, Any]] = json.loads(done.stdout.rpartition("CELLS")[2])
    return cells


def main() -> None:
    for path in sorted(FOLDER.glob("*.ipynb")):
        document = json.loads(path.read_text())
        with tempfile.TemporaryDirectory() as folder:
            document["cells"] = run_alone(path, Path(folder))
        path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
        sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
