from pathlib import Path
from typing import Any

import numpy as np
import pytest

from py4cast.datasets import get_datasets
from py4cast.errors import DataError, SettingsError
from tests.services import poesy_files as files
from tests.weather_files import write_json

START, DAY = np.datetime64("2020-09-24T21", "s"), np.timedelta64(86400, "s")


def write(root: Path) -> Path:
    files.write_fixed(root)
    for day in range(3):
        files.write_start(root, START + day * DAY)
    return root


def describe(root: Path, **changes: Any) -> dict[str, Any]:
    periods = {
        s: {"start": 2020092421 + 100 * i, "end": 2020092421 + 100 * i, "step": 24}
        for i, s in enumerate(("train", "valid", "test"))
    }
    document = {
        "root": str(root), "periods": periods, "grid": {"name": "EURW1S40", "border_size": 1, "subgrid": [0, 8, 1, 11]},
        "members": [0, 3, 15], "params": {"t2m": {"levels": [2]}, "tirf": {"levels": [0], "kind": "output"}},
    }  # fmt: skip
    return {**document, **changes}


def make(tmp_path: Path, document: dict[str, Any]):
    return get_datasets("poesy", 2, 3, 3, write_json(tmp_path / "p.json", document))


def test_samples_of_every_member_and_lead_time(tmp_path: Path) -> None:
    train, _, _ = make(tmp_path, describe(write(tmp_path / "in")))
    assert len(train) == 3 * (45 - 4) and train.info.grid.shape == (8, 10)
    item = train[(45 - 4) + 10]  # the eleventh of member 3
    field = files.field("t2m", START)[0:8, 1:11, :, 3]
    np.testing.assert_array_equal(item.inputs["t2m"][..., 0], np.moveaxis(field[..., 10:12], -1, 0))
    np.testing.assert_array_equal(item.outputs["t2m"][..., 0], np.moveaxis(field[..., 12:15], -1, 0))
    rain = files.field("rr", START)[0:8, 1:11, 12, 3]
    np.testing.assert_array_equal(item.outputs["tirf"][0, ..., 0], rain)
    assert item.init_time == START + np.timedelta64(12, "h")
    assert "orography" in train.info.static and train.info.grid.latitude[0] > train.info.grid.latitude[-1]


def test_a_start_that_is_missing_and_arrays_of_another_shape(tmp_path: Path) -> None:
    root = write(tmp_path / "in")
    (root / "2020-09-25T21:00:00Z_rr_lt1-45_crop.npy").unlink()
    with pytest.raises(DataError, match=r"period valid .* no 5 of them in a row|period valid .* holds no data"):
        make(tmp_path, describe(root))
    np.save(root / "2020-09-25T21:00:00Z_rr_lt1-45_crop.npy", np.zeros((9, 11, 45, 15), dtype=np.float32))
    with pytest.raises(DataError, match=r"2020-09-25T21:00:00Z_rr.*\(9, 11, 45, 15\), expected numbers"):
        make(tmp_path, describe(root, store=str(tmp_path / "another")))


def test_a_pickle_in_a_file_is_never_run(tmp_path: Path) -> None:
    root = write(tmp_path / "in")
    with (root / "2020-09-24T21:00:00Z_t2m_lt1-45_crop.npy").open("wb") as stream:
        np.save(stream, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=r"t2m_lt1-45_crop\.npy: damaged, or no NumPy file: .*Python objects"):
        make(tmp_path, describe(root))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"members": [16]}, "there are 0 to 15, not 16"),
        ({"term": {"start": 1, "end": 48}}, "lead times go from 1 to 45 h"),
        ({"params": {"t2n": {}}}, "params: unknown 't2n'; did you mean 't2m'"),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        make(tmp_path, describe(tmp_path, **changes))
