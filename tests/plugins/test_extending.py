"""The package of doc/extending.md, installed as an outsider's: every kind is found by name and keeps its contract."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import ROOT

PAGE = (ROOT / "doc" / "extending.md").read_text()
KINDS = dict(re.findall(r'entry-points\."py4cast\.(\w+)"\]\n(\w+) = ', PAGE))
CHECKS = """
import warnings
warnings.simplefilter("error")
import json, sys
from pathlib import Path

import numpy as np

from py4cast import testing
from py4cast.cubes.foreign import open_cube
from py4cast.datasets import get_datasets
from py4cast.formats import readers, writers, open_reader, writer_for

folder = Path(sys.argv[1])
testing.check_model("pointwise")
testing.check_strategy("gusty")
for split in get_datasets("waves", 2, 1, 3):
    testing.check_dataset(split)
testing.check_loss("log_cosh")
testing.check_metric("log_rmse")
testing.check_observer("histogram", folder / "plots")
testing.check_physics("relaxation", scale=1.0)
testing.check_closure("hyperviscous")
testing.check_filter("thickness", {"upper": "z500", "lower": "z1000"})
cube = open_cube(folder / "store")
assert type(cube).__name__ == "FolderOfArrays", cube
testing.check_cube(cube)
(folder / "out").mkdir()
testing.check_writer(writers.get("asc"), folder / "out")
written = folder / "out" / "forecast.asc"
reader = testing.check_reader(written)
assert type(reader).__name__ == "AscReader"
forecast = testing.make_forecast()
with open_reader(written) as reader:
    (record,) = reader.records()
    np.testing.assert_allclose(reader.read(record), forecast.values[-1, ..., 0], rtol=1e-5)
    assert str(record.valid_time) == "2020-01-01T03:00:00" and reader.grid(record).same_as(forecast.grid)
print("all of them")
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    info = folder / "outsider-1.0.dist-info"
    info.mkdir()
    (folder / "outsider.py").write_text(
        "\n\n".join(b for b in re.findall(r"```python\n(.*?)```", PAGE, re.S) if "smp" not in b)
    )
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: outsider\nVersion: 1.0\n")
    (entries,) = re.findall(r"```toml\n(.*?)```", PAGE, re.S)
    told = re.sub(r'\[project\.entry-points\."(.*?)"\]', r"[\1]", entries).replace('"', "")
    (info / "entry_points.txt").write_text(told)
    return folder


def run(site: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(ROOT)])}
    return subprocess.run([sys.executable, *words], env=env, capture_output=True, text=True, check=False)


def test_every_kind_keeps_its_contract(site: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    times = [f"2020-01-01T{hour:02d}:00:00" for hour in range(6)]
    told = {"units": {"t": "K"}, "times": times, "latitude": [60, 59, 58, 57], "longitude": [0, 1, 2]}
    (store / "arrays.json").write_text(json.dumps(told))
    np.save(store / "t.npy", np.random.default_rng(0).normal(280, 3, (6, 4, 3)).astype(np.float32))
    done = run(site, "-c", CHECKS, str(tmp_path))
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout == "all of them\n"


def test_the_list_shows_all_twelve_ready(site: Path) -> None:
    done = run(site, str(ROOT / "bin" / "plugins.py"))
    assert done.returncode == 0, done.stderr[-2000:]
    cells = [
        [c.strip() for c in line.strip("│").split("│")] for line in done.stdout.splitlines() if " outsider " in line
    ]
    assert len(cells) == 12 and all(row[2:] == ["outsider", "1.0", "ready"] for row in cells)
    assert {row[1] for row in cells} == set(KINDS.values()) and len(KINDS) == 12


def test_two_readers_of_one_file_are_refused_by_name(site: Path, tmp_path: Path) -> None:
    second = site / "second-1.0.dist-info"
    second.mkdir()
    (second / "METADATA").write_text("Metadata-Version: 2.1\nName: second\nVersion: 1.0\n")
    (second / "entry_points.txt").write_text("[py4cast.readers]\nother = outsider:AscReader\n")
    path = tmp_path / "a.asc"
    path.write_text("ncols 1\n")
    code = f"from py4cast.formats import open_reader\nopen_reader({str(path)!r})"
    done = run(site, "-c", code)
    assert "the readers asc and other both say that they read it" in done.stderr


def test_the_table_names_every_registry() -> None:
    from tests.contracts.test_freedom import REGISTRIES

    rows = re.findall(r"^\| (\w+) \| `py4cast\.[\w.]+`.*\| `(py4cast\.\w+)` \| `(check_\w+)\(", PAGE, re.M)
    assert {group for _, group, _ in rows} == {r.group for r in REGISTRIES}
    from py4cast import testing

    assert all(hasattr(testing, check) for _, _, check in rows) and len(rows) == 12
