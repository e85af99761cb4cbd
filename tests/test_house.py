"""The house rules: layers, confined third parties, lengths, no print. Read from the source, not from a run."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "py4cast"

# a module imports only from rows above its own
ROWS = [
    ["errors", "process"],
    ["namedtensor", "settings", "registry", "atomic", "units", "projection"],
    ["variables", "grid", "statistics"],
    ["regrid"],
    ["batch", "normalizer", "saved"],
    ["dataset_info"],
    ["formats", "scores", "physics"],
    ["datasets", "models", "losses", "metrics"],
    ["strategies"],
    ["forecaster"],
    ["steppers"],
    ["observers", "optim"],
    ["observer", "callbacks", "lightning", "tracking"],
    ["workflows", "testing"],
    ["arguments", "verbs"],
    ["cli"],
]
LEVEL = {name: level for level, row in enumerate(ROWS) for name in row}

CONFINED = {
    "netCDF4": {"formats/netcdf_writer.py"},
    "eccodes": {"formats/grib.py", "formats/grib_writer.py"},
    "cfgrib": {"formats/grib.py"},
    "zarr": {"formats/zarr.py", "formats/zarr_writer.py", "datasets/layout.py", "datasets/foreign/"},
    "xarray": {
        "formats/netcdf.py",
        "formats/bare_netcdf.py",
        "datasets/array_settings.py",
        "formats/cf.py",
        "formats/stations.py",
        "formats/zarr.py",
        "datasets/foreign/",
        "namedtensor.py",
    },
    "safetensors": {"saved.py"},
    "matplotlib": {"observers/"},
    "cartopy": {"observers/"},
    "PIL": {"observers/"},
    "pytorch_lightning": {"observers/", "lightning.py", "callbacks.py", "tracking.py", "workflows/train.py"},
    "onnx": {"workflows/export.py", "workflows/export_rate.py", "workflows/compress.py"},
    "onnxruntime": {"steppers/onnx.py", "workflows/export_rate.py", "testing.py"},
    "pandas": {"formats/stations.py"},
    "pyarrow": {"formats/stations.py"},
    "pint": {"units.py"},
    "rich": {"workflows/report.py"},
    "pickle": set(),
}
FILES = sorted(p for p in PACKAGE.rglob("*.py") if "__pycache__" not in p.parts)
IDS = [str(p.relative_to(PACKAGE)) for p in FILES]


def top_noun(path: Path) -> str:
    part = path.relative_to(PACKAGE).parts[0]
    return part.removesuffix(".py")


def imports(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_imports_go_down_the_layers(path: Path) -> None:
    own = top_noun(path)
    if own == "__init__":
        return
    assert own in LEVEL, f"{own} has no row; give it one in this test and in doc/architecture.md"
    for name in imports(path):
        parts = name.split(".")
        if parts[0] != "py4cast" or parts[1] in (own, "__version__"):
            continue
        if own == "workflows" and parts[1] in LEVEL and LEVEL[parts[1]] <= LEVEL[own]:
            continue
        assert LEVEL[parts[1]] < LEVEL[own], f"{path.name} (row {LEVEL[own]}) imports {name} (row {LEVEL[parts[1]]})"


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_third_parties_stay_in_their_rooms(path: Path) -> None:
    where = str(path.relative_to(PACKAGE))
    for name in imports(path):
        homes = CONFINED.get(name.split(".")[0])
        if homes is not None:
            assert any(where == h or (h.endswith("/") and where.startswith(h)) for h in homes), (
                f"{where} imports {name}"
            )


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_files_and_functions_are_short(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 400, f"{path} has {len(text.splitlines())} lines"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= 60, f"{path.name}: {node.name} has {length} lines"


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_nothing_prints_or_unpickles(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("print", "eval", "exec"), f"{path.name}:{node.lineno} calls {node.func.id}"
        if isinstance(node, ast.keyword) and node.arg in ("weights_only", "allow_pickle"):
            is_safe = isinstance(node.value, ast.Constant) and node.value.value is (node.arg == "weights_only")
            assert is_safe, f"{path.name}:{node.lineno} {node.arg}"


def test_shells_are_thin() -> None:
    for path in (ROOT / "bin").glob("*.py"):
        assert len(path.read_text().splitlines()) <= 40, path


def test_no_drawers_for_odds_and_ends() -> None:
    banned = {"utils.py", "helpers.py", "common.py", "misc.py"}
    assert not [
        p
        for p in ROOT.rglob("*.py")
        if p.name in banned and not {".venv", ".venv-runtime", ".peers", "build"} & set(p.parts)
    ]


def test_the_lightning_module_is_short() -> None:
    assert len((PACKAGE / "lightning.py").read_text().splitlines()) < 250
