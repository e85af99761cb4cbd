"""References to parts of other files, as kerchunk and VirtualiZarr write them."""

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from py4cast.cubes.source_settings import SourceSettings
from py4cast.cubes.sources import open_source
from py4cast.errors import DataError
from py4cast.formats import open_reader
from tests.cubes.numbered import planes_of

pytest.importorskip("fsspec", reason="fsspec is of the extra remote")
VALUES = 280 + np.arange(4 * 5 * 6, dtype="<f4").reshape(4, 5, 6)


def array(shape: list[int], chunks: list[int], dtype: str) -> str:
    return json.dumps({"zarr_format": 2, "shape": shape, "chunks": chunks, "dtype": dtype, "compressor": None, "fill_value": None, "order": "C", "filters": None})  # fmt: skip


def references(target: str) -> dict[str, Any]:
    """A series of four fields in one binary file of a head of 4 bytes; coordinates stand in the references."""
    refs: dict[str, Any] = {".zgroup": '{"zarr_format": 2}', "t/.zarray": array([4, 5, 6], [1, 5, 6], "<f4")}
    refs["t/.zattrs"] = json.dumps({"_ARRAY_DIMENSIONS": ["time", "lat", "lon"], "units": "K"})
    refs |= {f"t/{i}.0.0": [target, 4 + i * 120, 120] for i in range(4)}
    coords = {
        "time": (np.arange(4, dtype="<i8"), "hours since 2020-01-01"),
        "lat": (np.linspace(50, 40, 5), "degrees_north"), "lon": (np.arange(6.0), "degrees_east"),
    }  # fmt: skip
    for name, (values, units) in coords.items():
        refs[f"{name}/.zarray"] = array([values.size], [values.size], values.dtype.str)
        refs[f"{name}/.zattrs"] = json.dumps({"_ARRAY_DIMENSIONS": [name], "units": units})
        refs[f"{name}/0"] = "base64:" + base64.b64encode(values.tobytes()).decode()
    return refs


def written(folder: Path, target: str = "data/part.bin", document: Any = None) -> Path:
    (folder / "data").mkdir(exist_ok=True)
    (folder / "data" / "part.bin").write_bytes(b"head" + VALUES.tobytes())
    path = folder / "refs.json"
    path.write_text(json.dumps(document or {"version": 1, "refs": references(target)}))
    return path


@pytest.mark.parametrize("target", ["data/part.bin", "file://{folder}/data/part.bin", "{folder}/data/part.bin"])
def test_chunks_are_read_where_they_lie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    path = written(tmp_path, target.format(folder=tmp_path))
    monkeypatch.chdir("/")  # relative to the references, not to the current folder
    with open_reader(path) as reader:
        records = reader.records()
        assert [r.short_name for r in records] == ["t"] * 4 and str(records[2].valid_time) == "2020-01-01T02:00:00"
        np.testing.assert_array_equal(reader.read(records[2]), VALUES[2])
    cube = open_source(SourceSettings.from_dict({"store": "refs.json", "rename": {"t": "t2m"}}), root=tmp_path)
    np.testing.assert_array_equal(planes_of(cube, ["t2m"])[0], VALUES)
    cube.close()


def test_templates_and_the_older_form_are_understood(tmp_path: Path) -> None:
    templates = {"version": 1, "templates": {"u": "data"}, "refs": references("{{u}}/part.bin")}
    older = references("data/part.bin")
    for document in (templates, older):
        with open_reader(written(tmp_path, document=document)) as reader:
            np.testing.assert_array_equal(reader.read(reader.records()[3]), VALUES[3])


def test_references_in_parquet(tmp_path: Path) -> None:
    pytest.importorskip("kerchunk", reason="fsspec writes references by kerchunk")
    from fsspec.implementations.reference import LazyReferenceMapper

    written(tmp_path)
    mapper = LazyReferenceMapper.create(str(tmp_path / "refs.parq"), engine="pyarrow")
    for key, value in references(str(tmp_path / "data" / "part.bin")).items():
        mapper[key] = value if isinstance(value, list) else value.encode()
    mapper.flush()
    with open_reader(tmp_path / "refs.parq") as reader:
        np.testing.assert_array_equal(reader.read(reader.records()[1]), VALUES[1])


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("/etc/hostname", "refers to /etc/hostname, outside of the folder of the references"),
        ("../secret.bin", "outside of the folder of the references"),
        ("data/../../secret.bin", "outside of the folder of the references"),
        ("ftp://somewhere/part.bin", "refers to ftp://somewhere/part.bin: expected http://"),
    ],
)
def test_files_of_elsewhere_are_not_read(tmp_path: Path, target: str, told: str) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "secret.bin").write_bytes(b"head" + VALUES.tobytes())
    with pytest.raises(DataError, match=told):
        open_reader(written(inside, target))


def test_a_link_does_not_lead_out_either(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "secret.bin").write_bytes(b"head" + VALUES.tobytes())
    (inside / "linked.bin").symlink_to(tmp_path / "secret.bin")
    with pytest.raises(DataError, match="outside of the folder of the references"):
        open_reader(written(inside, "linked.bin"))


def test_other_json_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"name": "x"}')
    with pytest.raises(DataError, match="expected GRIB, NetCDF, Zarr or NumPy, found bytes"):
        open_reader(tmp_path / "a.json")
    (tmp_path / "b.json").write_text('{"version": 1, "refs": {')
    with pytest.raises(DataError, match=r"b\.json: damaged, or not a Zarr store: no JSON"):
        open_reader(tmp_path / "b.json")
