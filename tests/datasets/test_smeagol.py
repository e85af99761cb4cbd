from pathlib import Path
from typing import Any

import numpy as np
import pytest

from py4cast.datasets import get_datasets
from py4cast.errors import DataError, SettingsError
from tests.services import smeagol_files as files
from tests.weather_files import write_json

START, DAY = np.datetime64("2022-08-06T00", "s"), np.timedelta64(86400, "s")
NAMES = ["TEMPERATURE", "CLSTEMPERATURE", "SURFACCPLUIE"]
HOURS = np.arange(0, 4, 0.25)


def write(root: Path, members: tuple[int, ...] = (0, 1)) -> Path:
    files.write_constant(root)
    for day in range(3):
        for member in members:
            files.write_run(root, START + day * DAY, member, HOURS, NAMES)
    return root


def describe(root: Path, **changes: Any) -> dict[str, Any]:
    source = {
        "grid": {"domain": "france", "model": "arome", "geometry": "franmgsp32"},
        "members": [0, 1],
        "term": {"start": 1, "end": 3, "timestep": 0.25},
        "var": {
            "TEMPERATURE": {"shortname": "t", "level": [90, 85]},
            "CLSTEMPERATURE": {"shortname": "t2m"},
            "SURFACCPLUIE": {"shortname": "rain", "kind": "output"},
        },
    }
    periods = {
        s: {"start": 2022080600 + 100 * i, "end": 2022080600 + 100 * i, "step": 3}
        for i, s in enumerate(("train", "valid", "test"))
    }
    grid = {"geometry": "franmgsp32", "border_size": 1, "domain": "france", "model": "arome", "subgrid": [2, 12, 0, 12]}
    return {"root": str(root), "periods": periods, "grid": grid, "dataset": {"arome": {**source, **changes}}}


def make(tmp_path: Path, document: dict[str, Any]):
    return get_datasets("smeagol", 2, 1, 2, write_json(tmp_path / "s.json", document))


def test_samples_of_every_run_and_member(tmp_path: Path) -> None:
    train, valid, _ = make(tmp_path, describe(write(tmp_path / "in")))
    info = train.info
    assert info.prognostic == ["t_90", "t_85", "t2m"] and info.diagnostic == ["rain"]
    assert info.grid.projection["grid_mapping_name"] == "lambert_conformal_conic" and info.grid.shape == (10, 12)
    assert info.step_duration == np.timedelta64(900, "s")
    # 8 lead times from 1 h to 2 h 45 in each of 2 members
    assert len(train) == 2 * (8 - 2) and len(valid) == 2 * (8 - 3)
    item = train[6]  # the first of the second member
    np.testing.assert_array_equal(item.inputs["t_85"][-1, ..., 0], files.field("TEMPERATURE", 85, START, 1, 1.25)[2:12])
    before, after = (files.field("SURFACCPLUIE", 0, START, 1, h)[2:12] for h in (1.25, 1.5))
    np.testing.assert_allclose(item.outputs["rain"][0, ..., 0], after - before, atol=1e-5)
    np.testing.assert_allclose(info.grid.latitude_2d(), files.coordinates()[0][2:12], atol=1e-9)
    assert "landsea_mask" in info.static and "geopotential" in info.static
    assert info.variable("t_90").loss_weight == pytest.approx(2.0)


def test_statistics_count_no_step_between_runs(tmp_path: Path) -> None:
    train, _, _ = make(tmp_path, describe(write(tmp_path / "in")))
    planes = np.array(
        [[files.field("CLSTEMPERATURE", 0, START, m, h)[2:12] for h in HOURS[4:12]] for m in (0, 1)], dtype=np.float64
    )
    steps = np.diff(planes, axis=1) / planes.std()
    assert train.info.stats["t2m"]["mean"] == pytest.approx(planes.mean(), rel=1e-9)
    assert train.info.diff_stats["t2m"]["std"] == pytest.approx(steps.std(), rel=1e-6)
    assert train.info.diff_stats["t2m"]["count"] == steps.size


def test_a_missing_member_is_told_and_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = write(tmp_path / "in")
    for path in (root / files.FOLDER / "20220806H00").glob("mb_001_*"):
        path.unlink()
    with caplog.at_level("WARNING"):
        train, valid, _ = make(tmp_path, describe(root))
    assert len(train) == 6 and len(valid) == 2 * 5
    assert "t2m is missing at 8 of 48 instants: 2022-08-06T00:00:00+1h member 1" in caplog.text
    caplog.clear()
    with caplog.at_level("WARNING"):
        make(tmp_path, describe(root, members=[0, 7]))
    assert "members 7 are in none of the files" in caplog.text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"var": {"TEMPERTURE": {"shortname": "t"}}}, r"unknown variable 'TEMPERTURE'; did you mean 'TEMPERATURE'"),
        ({"var": {"TEMPERATURE": {"shortname": "t", "level": [91]}}}, r"model levels 1 to 90, not 91"),
        ({"term": {"start": 3, "end": 3, "timestep": 0.25}}, r"last 165min lies before first 3h"),
        ({"members": [5]}, r"no field 'TEMPERATURE' at level 90 hybrid of members 5"),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises((SettingsError, DataError), match=message):
        make(tmp_path, describe(write(tmp_path / "in"), **changes))


def test_bad_files_are_named(tmp_path: Path) -> None:
    root = write(tmp_path / "in")
    victim = root / files.FOLDER / "20220807H00" / "mb_000_surface.nc"
    victim.write_bytes(victim.read_bytes()[:300])
    with pytest.raises(DataError, match=r"20220807H00/mb_000_surface\.nc: damaged, or not a NetCDF file"):
        make(tmp_path, describe(root))
