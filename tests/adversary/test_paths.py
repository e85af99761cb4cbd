"""Names from settings, headers and commands never become a path that leads elsewhere."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import py4cast
from py4cast.atomic import check_name
from py4cast.axis import TimeAxis
from py4cast.cubes.store.layout import StoreLayout
from py4cast.datasets.gridded_settings import GriddedSettings
from py4cast.errors import SettingsError
from py4cast.grid import Grid
from py4cast.variables import Variable

PACKAGE = Path(py4cast.__file__).parent
# expressions that may stand in a name without a check: numbers, digests, parts of a path that is there already
SAFE = (
    r"(path|target|p|folder|temporary)\.name", r"_host\(\)", r"os\.getpid\(\)", r"uuid\.uuid4\(\)\.hex\[:8\]", "suffix",
    "start", "stop", "block", "index", "self.seed", "split", r"kind\.suffixes\[0\]", r".*digest(\(.*\)|\.hexdigest\(\))?(\[:\d+\])?",
    r"_hash\(.*\)", r"_safe\(.*\)",
)  # fmt: skip
GRID = Grid(np.array([1.0, 0.0]), np.array([0.0, 1.0]))
NAMES = ("/data/other.store/t2m", "../t2m", "..", ".", "", "a/b", "a\\b", "t2m\0", "\ud800", "t2m\n", "\u202et2m", "a" * 129, "~", "-r", ".t2m", "a..b")  # fmt: skip


# the same for what is no text in the source: constants, and names that were checked where they came in
CHECKED = {
    "cubes/foreign/anemoi.py": {"name"},  # constants
    "cubes/sources.py": {"path"},  # a path of the settings
    "cubes/store/blocks.py": {"name"},  # StoreLayout
    "cubes/store/integrity.py": {"name", "place"},  # PreparedStore; read and compared alone
    "cubes/store/layout.py": {"name", "variable.name", "first", "str(block)"},  # StoreLayout
    "datasets/titan.py": {"conf"},  # a path of the settings
    "formats/zarr_address.py": {"name"},  # constants
    "planes/arrays.py": {"self.grid_file"},  # a path of the settings
    "workflows/catalogue/catalogue.py": {"copy"},  # checked a line before
    "workflows/experiments/campaign.py": {"f'.{run}.lock'"},  # a run's name, checked by run_folder
    "workflows/hindcast/store.py": {"str(place)"},  # a number
    "workflows/train/folder.py": {"name"},  # constants
    "workflows/train/run.py": {"name"},  # constants
    "workflows/verify/compare.py": {"f'{case}.png'", "f'{case}.gif'"},  # checked a line before
}
PATHS = re.compile(
    r"(self\.)?_?(\w*folder|\w*root|output|path|\w*parent|plots|store|base|target|directory)"
    r"|.*(Path|cache_dir|root_dir|root_folder|expanduser|absolute|parent)(\(.*\))?"
)


def is_path(node: ast.expr) -> bool:
    """Whether an expression left of a `/` is a path, as far as its name tells."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        return is_path(node.left)
    return PATHS.fullmatch(ast.unparse(node)) is not None


def joined_parts(tree: ast.AST) -> Iterator[ast.expr]:
    """What is put behind a path: right of `/`, in `joinpath`, `with_name` and `with_stem`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            if isinstance(node.right, ast.JoinedStr) or is_path(node.left):
                yield node.right
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("joinpath", "with_name", "with_stem"):
            yield from (a for a in node.args if not isinstance(a, ast.Starred))


def is_safe(part: ast.expr) -> bool:
    text = ast.unparse(part)
    if isinstance(part, ast.Constant) or text.startswith("check_name(") or re.fullmatch(r"[A-Z_]+", text):
        return True
    if isinstance(part, ast.JoinedStr):
        inserted = [ast.unparse(v.value) for v in part.values if isinstance(v, ast.FormattedValue)]
        return all(any(re.fullmatch(safe, i) for safe in SAFE) for i in inserted)
    return any(re.fullmatch(safe, text) for safe in SAFE)


def test_every_name_that_becomes_a_path_goes_through_check_name() -> None:
    unchecked: dict[str, set[str]] = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        texts = {ast.unparse(p) for p in joined_parts(ast.parse(file.read_text())) if not is_safe(p)}
        if texts:
            unchecked[file.relative_to(PACKAGE).as_posix()] = texts
    assert unchecked == CHECKED


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_what_is_no_name_is_refused_wherever_it_comes_in(name: str) -> None:
    with pytest.raises(SettingsError, match="expected letters, digits"):
        check_name(name, "name")
    settings = {"name": "x", "step": "1h", "variables": {name: {"short_name": "t2m"}}}
    period = {"start": "2020-01-01", "end": "2020-01-02"}
    settings["periods"] = {"train": period, "valid": period, "test": period}
    with pytest.raises(SettingsError, match="variables"):
        GriddedSettings.from_dict(settings).plans()
    with pytest.raises(SettingsError, match="variables"):
        StoreLayout([Variable(name=name)], GRID, TimeAxis.series(np.array(["2020-01-01"], dtype="datetime64[s]")))


@pytest.mark.parametrize("name", ["py4cast.json", "manifest.json", "zarr.json", "recipe.json", "journal.jsonl", "lock", "checksums", "counts", "latitude"])  # fmt: skip
def test_the_stores_own_files_are_no_variables(name: str) -> None:
    with pytest.raises(SettingsError, match="the store's own"):
        StoreLayout([Variable(name=name)], GRID, TimeAxis.series(np.array(["2020-01-01"], dtype="datetime64[s]")))


@given(st.text(max_size=12))
def test_any_text_is_a_name_in_its_folder_or_refused(name: str) -> None:
    try:
        checked = check_name(name, "name")
    except SettingsError:
        return
    assert Path("/runs", checked).resolve().parent == Path("/runs").resolve() and checked.isascii()
