"""Flags that are addresses: what is read there is fetched, and nothing is written there."""

import json
import shutil
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

import pytest

from py4cast.atomic import write_text
from py4cast.cli.addresses import settle_addresses
from py4cast.cubes.foreign import open_cube
from py4cast.errors import SettingsError
from tests import forecast_files as made
from tests.command import py4cast
from tests.loopback import served
from tests.workflows.export.test_run import exported
from tests.workflows.forecast.test_run import saved

pytest.importorskip("aiohttp", reason="fsspec reads addresses by it")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    place = tmp_path / "served"
    place.mkdir()
    with served(place) as (url, _):
        yield place, url


def test_files_are_fetched_and_all_else_stays(folder: tuple[Path, str], tmp_path: Path) -> None:
    place, url = folder
    (place / "a.json").write_text('{"a": 1}')
    given = Namespace(model_conf=f"{url}/a.json", forecaster=[f"{url}/a.json", "here"], input=[f"{url}/b.grib"], lr=0.1)
    settle_addresses(given)
    for path in (given.model_conf, given.forecaster[0]):
        assert json.loads(Path(path).read_text()) == {"a": 1}
    assert (given.forecaster[1], given.input, given.lr) == ("here", [f"{url}/b.grib"], 0.1)


@pytest.mark.parametrize("name", ["output", "state", "series", "folder"])
@pytest.mark.parametrize("value", ["s3://bucket/fc.nc", ["fc.nc", "s3://bucket/fc.nc"]])
def test_nothing_is_written_at_an_address(name: str, value: object) -> None:
    with pytest.raises(SettingsError, match=rf"--{name} s3://bucket/fc\.nc: nothing is written at an address"):
        settle_addresses(Namespace(**{name: value}))


def test_nor_by_what_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match="nothing is written at an address"):
        write_text("s3://bucket/a.txt", "a")
    monkeypatch.setenv("PY4CAST_ROOTDIR", "s3://bucket/runs")
    with pytest.raises(SettingsError, match="PY4CAST_ROOTDIR s3://bucket/runs: nothing is written at an address"):
        settle_addresses(Namespace())
    assert list(tmp_path.iterdir()) == []


def test_verbs_read_what_lies_at_an_address(folder: tuple[Path, str], tmp_path: Path) -> None:
    place, url = folder
    _, path = saved(tmp_path)
    for source in (path, str(exported(tmp_path)), made.write(tmp_path, "an.nc", made.analyses())):
        shutil.copy(source, place)
    done = py4cast("new", "dataset", f"{url}/an.nc", "--name", "far", "--output", "far.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    shutil.copy(tmp_path / "far.json", place)
    for words, told in (
        (("inspect", f"{url}/forecaster.safetensors"), "halfunet"),
        (("inspect", f"{url}/step.onnx"), "t2m"),
        (("inspect", f"{url}/an.nc"), "t2m"),
    ):
        done = py4cast(*words, cwd=tmp_path)
        assert done.returncode == 0 and told in done.stdout, done.stderr
    done = py4cast("prepare", "--dataset_conf", f"{url}/far.json", cwd=tmp_path)
    assert done.returncode == 0 and open_cube(Path(done.stdout.strip())).names == ["t2m", "u10", "v10"], done.stderr
    document = json.loads((tmp_path / "far.json").read_text()) | {"store": "s3://bucket/store"}
    (tmp_path / "store.json").write_text(json.dumps(document))
    done = py4cast("prepare", "--dataset_conf", "store.json", cwd=tmp_path)
    assert done.returncode == 2 and "s3://bucket/store: no store is prepared at an address" in done.stderr, done.stderr
    assert not (tmp_path / "s3:").exists()
