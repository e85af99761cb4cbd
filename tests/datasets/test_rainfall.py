from pathlib import Path
from typing import Any

import numpy as np
import pytest

from py4cast.datasets import get_datasets
from py4cast.datasets.rainfall import PROJECTION, Rainfall
from py4cast.errors import DataError
from py4cast.projection import forward
from tests.services import rainfall_files as files
from tests.weather_files import write_json

START = np.datetime64("2024-01-01T00", "s")


def describe(root: Path, **changes: Any) -> dict[str, Any]:
    spans = {"train": ("2024-01-01T00", "2024-01-01T01"), "valid": ("2024-01-01T01:05", "2024-01-01T02"), "test": ("2024-01-01T02:05", "2024-01-01T02:55")}  # fmt: skip
    periods = {s: {"start": a, "end": b, "obs_step": 300, "obs_step_btw_t0": 900} for s, (a, b) in spans.items()}
    document = {
        "root": str(root), "periods": periods, "grid": {"name": "FRANXL1S100", "border_size": 0}, "shape": list(files.SHAPE),
        "params": {"precip": {"levels": "surface", "kind": "input_output"}},
    }  # fmt: skip
    return {**document, **changes}


def test_rates_within_reach_and_nothing_beyond(tmp_path: Path) -> None:
    files.write_mosaics(tmp_path / "in", START, 36)
    train, _, _ = get_datasets("rainfall", 2, 1, 2, write_json(tmp_path / "r.json", describe(tmp_path / "in")))
    item = train[0]
    counts = files.field(item.init_time).astype(np.float32)
    found = item.inputs["precip"][-1, ..., 0].numpy()
    np.testing.assert_array_equal(np.isnan(found), counts < 0)
    np.testing.assert_allclose(found[counts >= 0], counts[counts >= 0] * 0.12, rtol=1e-6)
    np.testing.assert_array_equal(train.info.statics.valid_mask.squeeze(-1).numpy(), counts >= 0)
    assert train.info.variable("precip").units == "kg m-2 h-1"
    assert [str(t)[14:16] for t in train.init_times] == ["15", "30", "45"], "starts every 15 minutes"


def test_the_mosaic_is_a_square_on_its_plane() -> None:
    document = describe(Path(), shape=[1536, 1536])
    arrays = Rainfall.gridded(Rainfall.settings_kls.from_dict(document)).arrays
    assert arrays is not None
    grid = arrays.grid(Path())
    assert grid.x is not None and grid.y is not None
    assert float(np.diff(grid.x).mean()) == pytest.approx(1000.0, abs=0.01)
    assert float(np.diff(grid.y).mean()) == pytest.approx(-1000.0, abs=0.01)
    # the other two corners, which the description does not use
    for lat, lon, x, y in ((53.071644, 14.564706, 1, 0), (39.852361, -6.977881, 0, 1)):
        at = [float(v) for v in forward(PROJECTION, lat, lon)]
        edges = (grid.x[-x] + (500 if x else -500), grid.y[-y] + (-500 if y else 500))
        assert at == pytest.approx(edges, abs=1.0)


def test_a_time_that_is_none_and_an_archive_that_is_cut(tmp_path: Path) -> None:
    files.write_mosaics(tmp_path / "in", START, 36)
    path = write_json(tmp_path / "r.json", describe(tmp_path / "in"))
    victim = tmp_path / "in" / "Hexagone" / "2024" / "202401010030.npz"
    whole = victim.read_bytes()
    victim.write_bytes(whole[:-100])
    with pytest.raises(DataError, match=r"202401010030\.npz: damaged, or no NumPy file"):
        get_datasets("rainfall", 2, 1, 2, path)
    victim.write_bytes(whole)
    victim.rename(victim.with_name("202413010030.npz"))
    with pytest.raises(DataError, match=r"202413010030\.npz: no valid time in its name"):
        get_datasets("rainfall", 2, 1, 2, path)
