"""The cache of graphs: found again, rebuilt when damaged, safe between processes that build at once."""

import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from py4cast.grid import Grid
from py4cast.models.graph import cache
from py4cast.models.graph.settings import GraphSettings

GRID = Grid(np.linspace(55, 45, 30), np.linspace(-5, 9, 40))


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PY4CAST_ROOTDIR", str(tmp_path))
    return tmp_path


def arrays(is_hierarchical: bool = True) -> dict:
    return cache.cached_graph(GRID, GraphSettings(), is_hierarchical).pack()


def test_a_graph_is_built_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first = arrays()
    monkeypatch.setattr(cache, "build_graph", lambda *_: pytest.fail("built again"))
    again = arrays()
    assert first.keys() == again.keys() and all(np.array_equal(first[k], again[k]) for k in first)


def test_what_shapes_it_names_it() -> None:
    name = cache.graph_path(GRID, GraphSettings(), True)
    assert name == cache.graph_path(GRID, GraphSettings(hidden_dims=3, processor_layers=9, mesh_aggr="mean"), True)
    moved = Grid(GRID.latitude + 1e-6, GRID.longitude)
    others = [(GRID, GraphSettings(), False), (moved, GraphSettings(), True), (GRID, GraphSettings(mesh_levels=1), True),
              (GRID, GraphSettings(mesh_spacing=5.0), True), (GRID, GraphSettings(mesh="rectangular"), True)]  # fmt: skip
    assert len({name, *(cache.graph_path(*o) for o in others)}) == 6


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 not a zip", None])
def test_a_damaged_file_is_built_again(damage: bytes | None, caplog: pytest.LogCaptureFixture) -> None:
    first, path = arrays(), cache.graph_path(GRID, GraphSettings(), True)
    path.write_bytes(path.read_bytes()[:-2000] if damage is None else damage)
    with caplog.at_level(logging.WARNING):
        again = arrays()
    assert str(path) in caplog.text and all(np.array_equal(first[k], again[k]) for k in first)
    assert all(np.array_equal(first[k], v) for k, v in np.load(path).items())


def test_a_cache_that_cannot_be_written_is_no_obstacle(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = cache.graph_path(GRID, GraphSettings(), True).parent
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("a file where the folder should be")
    with caplog.at_level(logging.WARNING):
        assert arrays()["num_cells"] == 1200
    assert "not kept in the cache" in caplog.text


def test_processes_build_at_once(root: Path) -> None:
    code = (
        "import numpy as np; from py4cast.grid import Grid; from py4cast.models.graph import cache, settings;"
        "g = cache.cached_graph(Grid(np.linspace(55, 45, 30), np.linspace(-5, 9, 40)), settings.GraphSettings(), True);"
        "print(g.grid_to_mesh.num_edges)"
    )
    runs = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    answers = [run.communicate(timeout=120)[0] for run in runs]
    assert len(set(answers)) == 1 and all(run.returncode == 0 for run in runs)
    files = list((root / "cache" / "graphs").iterdir()) if (root / "cache").exists() else list(root.rglob("*.npz"))
    assert len(files) == 1
