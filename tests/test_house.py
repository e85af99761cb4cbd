"""The house rules: layers, confined third parties, lengths, no print. Read from the source, not from a run."""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "py4cast"

# a module imports only from rows above its own; siblings of a row do not import each other
ROWS = [
    "door errors process version progress former text checksums triangulation edges shipped",
    "calibration html job settings registry atomic units polygons projection given noise",
    "namedtensor remote",
    "constraint",
    "variables grid kept_arrays statistics timeline",
    "axis cell_order kept_weights over_points overlap transforms",
    "formats regrid",
    "mask_file",
    "areas",
    "border neighbours stretched vectors",
    "batch normalizer saved",
    "dataset_info description",
    "learned late limits tensor_file",
    "entry",
    "scores physics",
    "planes models losses metrics",
    "cubes",
    "datasets",
    "strategies",
    "forecaster",
    "steppers",
    "observers optim averaging ranks rollout_length meeting",
    "alike checkpoint_io epoch heartbeat meter seeding shards",
    "children cost diagnosis guards splitting",
    "profiling",
    "observer callbacks lightning tracking",
    "workflows testing",
    "cli",
]
# the same inside every room; a room within a room is one name there
ROOMS = {
    "cli": [
        "addresses base",
        "calibrate catalogue closure compare ensembles export forecast get graph inspect main mapping new plot plugins prepare pull push register sweep train verify view",
        "__main__ cycle estimate serve",
    ],
    "cubes": [
        "base selection source_settings",
        "driver forecasts heights kept memory store",
        "foreign views",
        "files sources",
    ],
    "cubes/foreign": [
        "base whole_chunks",
        "anemoi cf mllam stations",
    ],
    "cubes/store": [
        "mapped packing",
        "layout",
        "integrity shard",
        "blocks",
        "store",
        "builder",
    ],
    "cubes/views": [
        "base",
        "instants winds",
        "aligned cells places plausible variables",
        "stretched",
    ],
    "datasets": [
        "forcings globe loader sampling series_settings statics titan_parameters",
        "splits gridded_settings older_settings",
        "base preparing",
        "describe dummy file_windows",
        "files_dataset qg stochastic virtual",
        "gridded poesy rainfall smeagol titan tracks",
    ],
    "datasets/qg": [
        "settings",
        "simulation",
        "dataset",
    ],
    "datasets/stochastic": [
        "systems",
        "dataset",
    ],
    "formats": [
        "proj_library",
        "aec base cf_imposed cf_time grib_fields grib_headers grib_keys icechunk icon_grid reduced stations zarr_references zip",
        "cf_axes",
        "cf_healpix cf_places cf_valid conventions grib_maps grib_packed grib_points numpy table_writer zarr_address",
        "grib",
        "cf_dataset",
        "cf",
        "bare_netcdf grib_writer netcdf normals station_series zarr zarr_writer",
        "netcdf_writer",
    ],
    "losses": [
        "base members on_areas weights",
        "cells",
        "crps gaussian huber joint spectral sum weighted",
    ],
    "metrics": [
        "pool raster rows",
        "layout",
        "case climatology",
        "base dressed maps",
        "aggregator anomaly area deterministic event resolution score_set significance spectral",
        "categorical ensemble joint neighbourhood verification",
        "batches",
    ],
    "models": [
        "recomputed split",
        "base blocks conditional synchronised",
        "cnn graph halfunet image segformer swinunetr unet unetrpp",
        "other_names zero",
    ],
    "models/graph": [
        "geometry halo settings weights",
        "edges",
        "along blockwise mesh",
        "attention interaction triangulated",
        "latent meshes windowed",
        "graph",
        "cache further parts",
        "base",
        "attentive graphlam hierarchy",
        "graphtransformer hilam hilamparallel transformer",
    ],
    "models/split": [
        "convolution group moments",
        "part",
        "bands batches tiles",
    ],
    "observers": [
        "style",
        "base clock colours display ensembles kept mapping numbers titles turbulence",
        "coast difference hovmoller meteogram profile raster",
        "graph graticule images maps spectra spread state_error towns",
        "chart cube",
        "learned sheet",
        "error prediction spatial_error",
        "animation",
    ],
    "physics": [
        "base transforms",
        "advection spectral",
        "equation forcing invariants",
        "filters steppers two_layer vorticity",
        "closures plane",
        "baroclinic barotropic",
    ],
    "physics/closures": [
        "base",
        "backscatter dynamic leith smagorinsky",
    ],
    "physics/steppers": [
        "base",
        "rk3 rk4",
        "ab3",
    ],
    "planes": [
        "arrays checks filters fingerprint patterns winds",
        "reader",
        "rivals",
        "catalog",
    ],
    "planes/filters": [
        "base",
        "arithmetic humidity wind",
    ],
    "scores": [
        "categorical deterministic ensemble neighbourhood spectral spherical",
    ],
    "testing": [
        "samples cubes",
        "datasets formats models physics scores strategies",
    ],
    "steppers": [
        "info",
        "base",
        "eager onnx",
    ],
    "strategies": [
        "correlated fold older",
        "base",
        "scaled untied",
        "diff_ar downscaling ensemble generative graph_efm hybrid mapping scaled_ar",
    ],
    "strategies/generative": [
        "mean_step samplers schedule",
        "base",
        "diffusion flow_matching",
    ],
    "strategies/hybrid": [
        "couplings settings",
        "step",
        "objectives",
        "strategy",
    ],
    "workflows": [
        "config export page terminal workers",
        "chosen",
        "counterpart",
        "catalogue forecast graph inspect new plugins prepare sharing verify view",
        "calibrate charts cycle get hindcast plot train",
        "python",
        "experiments",
        "sweep",
    ],
    "workflows/calibrate": [
        "fit",
        "run",
    ],
    "workflows/charts": [
        "asked",
        "kinds",
        "run",
    ],
    "workflows/catalogue": [
        "catalogue",
        "register",
        "view",
    ],
    "workflows/cycle": [
        "verify_last",
        "run",
    ],
    "workflows/experiments": [
        "campaign",
        "closure ensembles mapping",
    ],
    "workflows/experiments/ensembles": [
        "board judge settings",
        "run",
    ],
    "workflows/experiments/closure": [
        "settings summary",
        "evaluation",
        "run",
    ],
    "workflows/experiments/mapping": [
        "board interpolation settings",
        "run",
    ],
    "workflows/export": [
        "compress graph",
        "rate run",
    ],
    "workflows/forecast": [
        "extremes file_input members outputs overlay perturbed room",
        "request",
        "sources",
        "dataset_input",
        "made",
        "run",
        "shared",
    ],
    "workflows/get": [
        "asked",
        "sources",
        "run",
    ],
    "workflows/get/sources": [
        "base",
        "archive clients ecmwf services",
    ],
    "workflows/hindcast": [
        "starts store",
        "run score",
    ],
    "workflows/inspect": [
        "data step",
    ],
    "workflows/new": [
        "look plugin",
        "dataset",
    ],
    "workflows/page": [
        "numbers pictures template worst",
        "member_views",
        "cases",
        "data",
        "score_page",
    ],
    "workflows/python": [
        "copies viewing",
        "forecasting training verifying",
    ],
    "workflows/sharing": [
        "earth2studio repository",
    ],
    "workflows/sweep": [
        "axes board",
        "settings trial",
        "study",
        "run",
    ],
    "workflows/train": [
        "channels constrained folder limits lineage overlap precision sharing",
        "trainer",
        "transfer",
        "run",
        "estimate",
    ],
    "workflows/view": [
        "cells layers moments",
        "page scene",
        "run",
        "serve",
    ],
    "workflows/verify": [
        "climatology dressing leaderboard renamed score_files",
        "merge",
        "normals split",
        "file_case",
        "shares",
        "files",
        "compare",
    ],
}

CONFINED = {
    "netCDF4": {"formats/icon_grid.py", "formats/netcdf_writer.py"},
    "eccodes": {
        "formats/grib.py",
        "formats/grib_keys.py",
        "formats/grib_maps.py",
        "formats/grib_points.py",
        "formats/grib_writer.py",
    },
    "cfgrib": {"formats/grib.py"},
    "zarr": {
        "formats/icechunk.py",
        "formats/zarr.py",
        "formats/zarr_references.py",
        "formats/zarr_writer.py",
        "cubes/store/layout.py",
        "cubes/foreign/",
        "workflows/hindcast/store.py",
    },
    "xarray": {
        "workflows/get/sources/archive.py",
        "workflows/python/",
        "formats/netcdf.py",
        "formats/bare_netcdf.py",
        "planes/arrays.py",
        "formats/cf.py",
        "formats/cf_axes.py",
        "formats/cf_dataset.py",
        "formats/cf_healpix.py",
        "formats/cf_places.py",
        "formats/cf_imposed.py",
        "formats/cf_valid.py",
        "formats/stations.py",
        "formats/icechunk.py",
        "formats/zarr.py",
        "formats/zarr_references.py",
        "cubes/foreign/",
        "namedtensor.py",
    },
    "safetensors": {"saved.py"},
    "matplotlib": {"observers/"},
    "cartopy": {"observers/"},
    "PIL": {"observers/"},
    "pytorch_lightning": {
        "observers/",
        "averaging.py",
        "checkpoint_io.py",
        "guards.py",
        "lightning.py",
        "profiling.py",
        "alike.py",
        "shards.py",
        "splitting.py",
        "callbacks.py",
        "tracking.py",
        "workflows/sweep/study.py",
        "workflows/train/run.py",
        "workflows/train/sharing.py",
        "workflows/train/estimate.py",
        "workflows/train/trainer.py",
    },
    "onnx": {"workflows/export/"},
    "onnxruntime": {"steppers/onnx.py", "workflows/export/rate.py", "testing/"},
    "pandas": {"formats/stations.py"},
    "pyarrow": {"formats/stations.py"},
    "pint": {"units.py"},
    "rich": {"workflows/terminal.py"},
    "pickle": set(),
}
FILES = sorted(p for p in PACKAGE.rglob("*.py") if "__pycache__" not in p.parts)
NODES = {path: list(ast.walk(ast.parse(path.read_text()))) for path in FILES}


def module_name(path: Path) -> str:
    """`py4cast.room.file`; of a package its own name."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in FILES}


def imports(path: Path) -> list[str]:
    """All that a file imports, in functions and for type checkers too."""
    names = []
    for node in NODES[path]:
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


def imported_modules(path: Path) -> set[str]:
    """Modules of this package that a file imports."""
    targets = {name if name in MODULES else name.rpartition(".")[0] for name in imports(path)}
    return (targets & set(MODULES)) - {module_name(path)}


ARROWS = {name: imported_modules(path) for name, path in MODULES.items()}


def levels(rows: list[str]) -> dict[str, int]:
    return {name: level for level, row in enumerate(rows) for name in row.split()}


def arrows_up(room: str, rows: list[str]) -> list[str]:
    """Imports within a room that do not run down its rows, by name."""
    level, within = levels(rows), f"{room}."
    wrong = []
    for module, targets in ARROWS.items():
        if not module.startswith(within):
            continue
        place = module.removeprefix(within).partition(".")[0]
        assert place in level, f"{module} has no row; give {place} one in this test, and in doc/architecture.md"
        for target in targets:
            other = target.removeprefix(within).partition(".")[0]
            if target.startswith(within) and other != place and level[other] >= level[place]:
                wrong.append(f"{module} (row {level[place]}) imports {target} (row {level[other]})")
    return sorted(wrong)


def circles() -> list[set[str]]:
    """Sets of modules that import each other, directly or not."""
    reach = {name: set(targets) for name, targets in ARROWS.items()}
    is_growing = True
    while is_growing:
        is_growing = False
        for targets in reach.values():
            further = set().union(*(reach[t] for t in targets)) - targets
            if further:
                targets |= further
                is_growing = True
    return [{other for other in reach[name] if name in reach[other]} for name in reach if name in reach[name]]


@pytest.mark.parametrize("room", ["", *sorted(ROOMS)])
def test_imports_go_down_the_rows(room: str) -> None:
    package = f"py4cast.{room.replace('/', '.')}" if room else "py4cast"
    wrong = arrows_up(package, ROOMS[room] if room else ROWS)
    print(f"{package}: {len(wrong)} arrows up")
    assert not wrong, "\n".join(wrong)


def test_every_room_has_rows() -> None:
    rooms = {str(p.parent.relative_to(PACKAGE)) for p in FILES} - {"."}
    assert rooms == set(ROOMS)


def test_imports_make_no_circle() -> None:
    knots = circles()
    print(f"{len(knots)} modules in circles")
    assert not knots, knots


def complaints(complaints_of: Callable[[Path], Iterator[str]]) -> str:
    """What a rule complains of in any file, one complaint a line."""
    return "\n".join(f"{path.relative_to(ROOT)}: {complaint}" for path in FILES for complaint in complaints_of(path))


def test_third_parties_stay_in_their_rooms() -> None:
    def strangers(path: Path) -> Iterator[str]:
        where = str(path.relative_to(PACKAGE))
        for name in imports(path):
            homes = CONFINED.get(name.split(".")[0])
            if homes is not None and not any(where == h or (h.endswith("/") and where.startswith(h)) for h in homes):
                yield f"imports {name}"

    assert not complaints(strangers)


def test_files_and_functions_are_short() -> None:
    def lengths(path: Path) -> Iterator[str]:
        length = len(path.read_text().splitlines())
        if length > 400:
            yield f"{length} lines"
        for node in NODES[path]:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > 60:
                    yield f"{node.name} has {length} lines"

    assert not complaints(lengths)


def test_nothing_prints_or_unpickles() -> None:
    def dangers(path: Path) -> Iterator[str]:
        for node in NODES[path]:
            if isinstance(node, ast.Name) and node.id in ("print", "eval", "exec"):
                yield f"{node.lineno} uses {node.id}"
            if isinstance(node, ast.keyword) and node.arg in ("weights_only", "allow_pickle"):
                is_safe = isinstance(node.value, ast.Constant) and node.value.value is (node.arg == "weights_only")
                if not is_safe:
                    yield f"{node.lineno} {node.arg}"

    assert not complaints(dangers)


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


def test_names_say_what_they_hold() -> None:
    banned = {"found", "own"}

    def empty_names(path: Path) -> Iterator[str]:
        for node in NODES[path]:
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in banned:
                yield f"{node.lineno} calls something {node.id}; use the noun"
            if isinstance(node, ast.arg) and node.arg in banned:
                yield f"{node.lineno} calls an argument {node.arg}; use the noun"

    assert not complaints(empty_names)


def test_public_docstrings_are_sentences() -> None:
    def curt(path: Path) -> Iterator[str]:
        for node in NODES[path]:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                first = (ast.get_docstring(node) or "a function of one's own class, told by its contract").splitlines()[
                    0
                ]
                if len(first.split()) <= 4:
                    yield f"{node.lineno} {node.name}: {first!r} tells too little"

    assert not complaints(curt)
