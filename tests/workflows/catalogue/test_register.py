import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from py4cast.cubes.store.store import MANIFEST, MARKER
from py4cast.errors import DataError
from py4cast.formats.netcdf import write_arrays
from py4cast.workflows.catalogue import register as module
from py4cast.workflows.catalogue.register import item_of
from tests import forecasters
from tests.weather_files import write_json


def write_forecaster(path: Path, lineage: dict[str, Any], **extra: Any) -> Path:
    made = forecasters.forecaster(settings={"num_filters": 4})
    made.info.lineage = lineage
    made.save(path, **extra)
    return path


def test_a_forecaster_says_what_it_is_and_what_it_was_trained_on(tmp_path: Path) -> None:
    path = write_forecaster(tmp_path / "f.safetensors", {"store": "s" * 64}, git={"py4cast": {"commit": "c0ffee"}})
    item = item_of(path)
    assert (item.kind, item.path, item.is_copied) == ("forecaster", str(path), True)
    assert item.parents == (("s" * 64, "trained on"),) and item.created.startswith("20")
    assert {k: item.facts[k] for k in ("model", "strategy", "dataset", "commit", "predicts")} == {
        "model": "halfunet", "strategy": "scaled_ar", "dataset": "tests", "commit": "c0ffee",
        "predicts": ["t2m", "u10", "v10", "tp"],
    }  # fmt: skip


def test_data_made_in_memory_are_known_by_what_made_them(tmp_path: Path) -> None:
    lineage = {"settings": {"size": 16}, "dataset": "dummy"}
    digest = hashlib.sha256(b'{"dataset": "dummy", "settings": {"size": 16}}').hexdigest()
    assert item_of(write_forecaster(tmp_path / "a.safetensors", lineage)).parents == ((digest, "trained on"),)
    bare = item_of(write_forecaster(tmp_path / "b.safetensors", {}))
    assert bare.parents == () and bare.facts["commit"] == ""


def test_a_store_is_known_by_the_digest_of_its_planes(tmp_path: Path) -> None:
    meta = {"digest": "d" * 64, "inputs_digest": "i" * 64, "variables": [{"name": "t"}, {"name": "u"}], "axis": {"n": 4}}  # fmt: skip
    write_json(tmp_path / "store" / MARKER, meta)
    write_json(tmp_path / "store" / MANIFEST, {"inputs": [{"file": "a.nc"}, {"file": "b.nc"}]})
    item = item_of(tmp_path / "store")
    assert (item.id, item.kind, item.is_copied) == ("d" * 64, "dataset", False)
    assert item.facts == {"variables": ["t", "u"], "files": 2, "period": {"n": 4}}
    assert item.parents == (("i" * 64, "prepared from files"),)
    write_json(tmp_path / "store" / MANIFEST, {})
    assert item_of(tmp_path / "store").parents == ()


def test_scores_are_known_by_their_bytes_and_point_at_a_forecaster_that_is_there(tmp_path: Path) -> None:
    path = write_forecaster(tmp_path / "f.safetensors", {})
    document = {"forecaster": str(path), "model": "unet", "split": "test", "num_forecasts": 3, "grid": "left out"}
    write_arrays(tmp_path / "run" / "scores.nc", {}, {}, {"py4cast": json.dumps(document)})
    item = item_of(tmp_path / "run")
    assert item == item_of(tmp_path / "run" / "scores.nc")
    assert item.id == hashlib.sha256((tmp_path / "run" / "scores.nc").read_bytes()).hexdigest()
    assert item.facts == {"model": "unet", "split": "test", "num_forecasts": 3} and item.kind == "scores"
    assert item.parents == ((item_of(path).id, "scores of"),)
    path.unlink()
    assert item_of(tmp_path / "run").parents == ()


def test_an_exported_step_points_at_its_forecaster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    export = {"forecaster": "f" * 64, "weights": "int8", "drift": [1.0]}
    header = {
        "model": "unet", "strategy": "diff_ar", "info": {"name": "uk", "variables": [{"name": "t"}, {"name": "sun", "role": "forcing"}]},
        "lineage": {"created": "2020-01-01T00:00:00Z", "version": "1"}, "export": export,
    }  # fmt: skip

    class Stepper:
        def __init__(self, file: Path) -> None:
            self.info = self
            self.header = header

    monkeypatch.setattr("py4cast.steppers.onnx.OnnxStepper", Stepper)
    (tmp_path / "s.onnx").write_bytes(b"graph")
    item = item_of(tmp_path / "s.onnx")
    assert (item.id, item.kind) == (hashlib.sha256(b"graph").hexdigest(), "step")
    assert item.facts["export"] == {"forecaster": "f" * 64, "weights": "int8"} and item.facts["predicts"] == ["t"]
    assert item.parents == (("f" * 64, "exported from"),) and item.created == "2020-01-01T00:00:00Z"
    export.clear()
    assert module.item_of(tmp_path / "s.onnx").parents == ()


def test_what_is_none_of_these_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere: no such file or folder"):
        item_of(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"nowhere\.nc: no such file or folder"):
        item_of(tmp_path / "nowhere.nc")
    (tmp_path / "a.txt").touch()
    with pytest.raises(DataError, match=r"a\.txt: expected a Forecaster \(\.safetensors\), an exported step"):
        item_of(tmp_path / "a.txt")
    write_arrays(tmp_path / "other.nc", {}, {}, {"title": "fields"})
    with pytest.raises(DataError, match=r"other\.nc: a NetCDF file, but no scores of py4cast"):
        item_of(tmp_path / "other.nc")
