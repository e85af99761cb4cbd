from pathlib import Path
from typing import Any

import numpy as np
import pytest

from py4cast.datasets import get_datasets
from py4cast.datasets.titan_parameters import LEVELS, PARAMETERS
from py4cast.errors import DataError, SettingsError
from py4cast.regrid import Regridder
from tests.services import titan_files as files
from tests.weather_files import write_json

START, HOUR = np.datetime64("2023-01-01T00", "s"), files.HOUR
NAMES = ["aro_t2m", "aro_tp", "aro_t", "aro_prmsl", "arp_t", "aro_u10"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("titan")
    for i in range(25):
        files.write_hour(folder, START + i * HOUR, NAMES, (0, 1))
        files.write_npy(folder, START + i * HOUR, ["aro_t2m", "aro_t"], "PAAROME_1S40")
    for grid in ("PAAROME_1S40", "PAAROME_1S100"):
        files.write_conf(folder, grid)
    return folder


def describe(root: Path, **changes: Any) -> dict[str, Any]:
    document: dict[str, Any] = {
        "root": str(root),
        "periods": {
            "train": {"start": 2023010101, "end": 2023010112, "step": 1},
            "valid": {"start": 2023010113, "end": 2023010118, "step": 1},
            "test": {"start": 2023010119, "end": 2023010200, "step": 1},
        },
        "grid": {"name": "PAAROME_1S40", "border_size": 2, "subgrid": [1, 13, 2, 20]},
        "settings": {"step_duration": 1, "standardize": True, "file_format": "grib"},
        "params": {
            "aro_t2m": {"levels": [2], "kind": "input_output"},
            "aro_t": {"levels": [500, 850], "kind": "input_output"},
            "aro_tp": {"levels": [0], "kind": "output"},
            "arp_t": {"levels": [850], "kind": "input"},
        },
    }
    return {**document, **changes}


def make(tmp_path: Path, document: dict[str, Any], past: int = 2, ahead: int = 1):
    return get_datasets("titan", past, ahead, ahead, write_json(tmp_path / "t.json", document))


def test_samples_are_the_files_fields_brought_to_one_grid(tmp_path: Path, root: Path) -> None:
    train, _, test = make(tmp_path, describe(root))
    info = train.info
    assert info.prognostic == ["aro_t2m", "aro_t_500_isobaricInhPa", "aro_t_850_isobaricInhPa"]
    assert info.diagnostic == ["aro_tp"] and info.forcing[0] == "arp_t_850_isobaricInhPa"
    assert info.static == ["x", "y", "border_mask", "orography"] and info.grid.shape == (12, 18)
    assert info.variable("aro_t_850_isobaricInhPa").loss_weight == pytest.approx(1.85)
    item, window = train[3], (slice(1, 13), slice(2, 20))
    when = item.init_time
    assert when == START + 5 * HOUR
    own = files.grid("PAAROME_1S40")
    level = files.field("aro_t", 500, when, own)[window]
    np.testing.assert_allclose(item.inputs["aro_t_500_isobaricInhPa"][-1, ..., 0], level, atol=2e-3)
    fine = files.field("aro_t2m", 2, when, files.grid("PAAROME_1S100"))
    brought = Regridder(files.grid("PAAROME_1S100"), own, "mean")(fine)[window]
    np.testing.assert_allclose(item.inputs["aro_t2m"][-1, ..., 0], brought, atol=2e-3)
    coarse = Regridder(files.grid("PA_01D"), own, "linear")(
        files.field("arp_t", 850, when + HOUR, files.grid("PA_01D"))
    )
    np.testing.assert_allclose(item.forcing["arp_t_850_isobaricInhPa"][0, ..., 0], coarse[window], atol=2e-3)
    # rain of the hour before each valid time comes from the run that started then
    rain = files.field("aro_tp", 0, when + HOUR, files.grid("PAAROME_1S100"))
    rain = Regridder(files.grid("PAAROME_1S100"), own, "mean")(rain)[window]
    np.testing.assert_allclose(item.outputs["aro_tp"][0, ..., 0], rain, atol=1e-3)
    assert len(test) == 6 - 2


def test_sums_of_an_hour_become_sums_of_a_step(tmp_path: Path, root: Path) -> None:
    periods = {
        "train": {"start": 2023010103, "end": 2023010112},
        "valid": {"start": 2023010113, "end": 2023010118},
        "test": {"start": 2023010118, "end": 2023010200},
    }
    document = describe(root, settings={"step_duration": 3}, periods=periods)
    train, _, _ = make(tmp_path, document, 1)
    assert train.info.step_duration == 3 * HOUR and "aro_tp_1h" not in train.info.prognostic + train.info.forcing
    item = train[0]
    own, fine = files.grid("PAAROME_1S40"), files.grid("PAAROME_1S100")
    regridder = Regridder(fine, own, "mean")
    hours = [regridder(files.field("aro_tp", 0, item.init_time + i * HOUR, fine)) for i in (1, 2, 3)]
    np.testing.assert_allclose(item.outputs["aro_tp"][0, ..., 0], sum(hours)[1:13, 2:20], atol=2e-3)


def test_the_arrays_hold_the_same(tmp_path: Path, root: Path) -> None:
    document = describe(root, settings={"file_format": "npy"})
    document["params"] = {"aro_t2m": {"levels": [2]}, "aro_t": {"levels": [850]}}
    train, _, _ = make(tmp_path, document)
    item = train[0]
    level = files.field("aro_t", 850, item.init_time, files.grid("PAAROME_1S40"))[1:13, 2:20]
    np.testing.assert_array_equal(item.inputs["aro_t_850_isobaricInhPa"][-1, ..., 0], level)
    assert train.info.variable("aro_t2m").short_name == "2t", "as GRIB writes it"


def test_reforecasts_are_windows_within_one_run(tmp_path: Path) -> None:
    for start in range(0, 24, 6):
        files.write_hour(tmp_path / "f", START + start * HOUR, ["aro_t2m"], (0, 1, 2, 3))
    periods = {
        "train": {"start": 2023010100, "end": 2023010106},
        "valid": {"start": 2023010112, "end": 2023010112},
        "test": {"start": 2023010118, "end": 2023010118},
    }
    document = describe(tmp_path / "f", periods=periods, forecasts={"first": "0s", "last": "3h"})
    document |= {"params": {"aro_t2m": {"levels": [2]}}, "grid": {"name": "PAAROME_1S100", "border_size": 1}}
    train, _, _ = make(tmp_path, document, 2, 1)
    assert len(train) == 2 * 2, "two runs, lead times 1 and 2 h as last past states"
    assert [str(t)[11:13] for t in train.init_times] == ["01", "02", "07", "08"]


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("params", {"aro_t2n": {}}, r"params: unknown 'aro_t2n'; did you mean 'aro_t2m'"),
        ("params", {"aro_t": {}}, r"params\.aro_t: give its levels"),
        ("params", {"aro_t": {"levels": [510]}}, r"params\.aro_t: no level 510; the nearest is 500"),
        ("params", {"aro_t2m": {"levels": [10]}}, r"params\.aro_t2m: no level 10"),
        ("grid", {"name": "PAAROME_1S10"}, r"grid\.name 'PAAROME_1S10'; did you mean 'PAAROME_1S100'"),
        ("settings", {"step_duration": 0}, r"0 h: expected a positive number of hours"),
        ("settings", {"file_format": "grb"}, r"file_format: expected one of 'grib', 'npy'"),
        ("periods", {"train": {"start": 20230101, "end": 20220101}}, r"end 20220101 lies before start"),
        ("gird", {}, r"gird: unknown setting; did you mean 'grid'"),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, root: Path, place: str, value: Any, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        make(tmp_path, {**describe(root), place: value})


def test_a_day_of_23_files_loses_the_windows_that_touch_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "f"
    for i in range(25):
        if i != 6:
            files.write_hour(folder, START + i * HOUR, ["aro_t2m"])
    document = describe(folder, params={"aro_t2m": {"levels": [2]}}, grid={"name": "PAAROME_1S100", "border_size": 1})
    with caplog.at_level("WARNING"):
        train, _, _ = make(tmp_path, document)
    assert "aro_t2m is missing at 1 of 24 instants: 2023-01-01T06:00:00" in caplog.text
    assert len(train) == 10 - 3
    assert all((t - START) / HOUR not in (5, 6, 7) for t in train.init_times)


@pytest.mark.parametrize("how", ["truncated", "html", "empty", "other grid", "other parameter"])
def test_bad_files_are_named(tmp_path: Path, how: str) -> None:
    folder = tmp_path / "f"
    for i in range(25):
        files.write_hour(folder, START + i * HOUR, ["aro_t2m"])
    victim = folder / "grib" / "2023-01-01_05h00" / "PAAROME_1S100_ECH0_2M.grib"
    data = victim.read_bytes()
    if how == "other grid":
        files._write(victim, ["aro_t2m"], START + 5 * HOUR, 0, files.grid("PAAROME_1S40"))
    elif how == "other parameter":
        files._write(victim, ["aro_r2"], START + 5 * HOUR, 0, files.grid("PAAROME_1S100"))
    else:
        victim.write_bytes({"truncated": data[:-40], "html": b"<html>404</html>", "empty": b""}[how])
    document = describe(folder, params={"aro_t2m": {"levels": [2]}}, grid={"name": "PAAROME_1S100", "border_size": 1})
    if how == "other parameter":
        assert len(make(tmp_path, document)[0]) == 7, "an hour that lacks the parameter is missing"
        return
    with pytest.raises(DataError, match=r"05h00/PAAROME_1S100_ECH0_2M\.grib"):
        make(tmp_path, document)


def test_holes_and_scanning_orders(tmp_path: Path) -> None:
    """Bitmap holes are refused or masked; a file that runs south to north, from 0 to 360, is turned."""
    from py4cast.formats import Fields, writer_for
    from py4cast.grid import Grid

    folder, own = tmp_path / "f", files.grid("PAAROME_1S100")
    for i in range(25):
        files.write_hour(folder, START + i * HOUR, ["aro_t2m"])
    turned = Grid(own.latitude[::-1], own.longitude % 360.0)
    when = START + 5 * HOUR
    field = files.field("aro_t2m", 2, when, own)
    victim = folder / "grib" / "2023-01-01_05h00" / "PAAROME_1S100_ECH0_2M.grib"
    variable = files._variable("aro_t2m", PARAMETERS["aro_t2m"], 2)
    writer_for(victim).write(victim, Fields(field[::-1][None, ..., None], [variable], turned, when, [0 * HOUR]))
    document = describe(folder, params={"aro_t2m": {"levels": [2]}}, grid={"name": "PAAROME_1S100", "border_size": 1})
    train = make(tmp_path, document)[0]
    found = next(item for item in (train[i] for i in range(len(train))) if item.init_time == when)
    np.testing.assert_allclose(found.inputs["aro_t2m"][-1, ..., 0], field, atol=2e-3)
    holed = field.copy()
    holed[3, 4] = np.nan
    writer_for(victim).write(victim, Fields(holed[None, ..., None], [variable], own, when, [0 * HOUR]))
    document["store"] = str(tmp_path / "other")
    with pytest.raises(DataError, match=r"aro_t2m of 2023-01-01T05:00:00 in .*05h00.*: 1 of \d+ values are missing"):
        make(tmp_path, document)


def test_the_table_of_parameters_is_whole() -> None:
    assert len(LEVELS) == 24 and len(PARAMETERS) == 35
    for name, parameter in PARAMETERS.items():
        assert name[:4] in ("aro_", "arp_", "ant_") and parameter.units and parameter.standard_name
