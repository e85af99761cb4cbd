from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from py4cast.datasets.file_windows import FileWindows
from py4cast.datasets.files_dataset import FilesDataset
from py4cast.datasets.gridded_settings import GriddedSettings
from py4cast.errors import DataError, SettingsError
from py4cast.planes.catalog import Catalog
from py4cast.settings import decode
from tests.weather_files import HOUR, START, describe, wave_fields, write_json, write_netcdf

FIELDS = wave_fields(48, (6, 8))
GROUND = wave_fields(1, (6, 8), seed=2)[0]


class Named(FilesDataset):
    """A dataset that says in words of its own what `gridded` does."""

    settings_kls: ClassVar[type] = GriddedSettings

    @classmethod
    def gridded(cls, settings: Any) -> GriddedSettings:
        if settings.name != "made":
            raise SettingsError(f"name {settings.name!r}: only 'made' is known")
        return decode(GriddedSettings, settings.to_dict(), where="dataset")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_netcdf(tmp_path / "in" / "a.nc", {"t": FIELDS, "u": FIELDS - 280}, units={"u": "m s-1"})
    write_netcdf(tmp_path / "in" / "z.nc", {"z": np.broadcast_to(GROUND, FIELDS.shape)}, units={"z": "m"})
    return tmp_path / "in"


def document(folder: Path, **changes: Any) -> dict[str, Any]:
    variables = {
        "t": {"units": "degC", "weight": 7.0}, "u": {"role": "forcing"},
        "z": {"role": "static", "files": ["z.nc"], "units": "m"},
    }  # fmt: skip
    return describe(folder, **{"files": ["a.nc"], "variables": variables, **changes})


def splits(folder: Path, **changes: Any) -> tuple[Named, Named, Named]:
    return Named.splits(Named.decode_settings(document(folder, **changes)), 2, 1, 3)


def test_splits_are_of_one_store_that_says_where_it_comes_from(folder: Path) -> None:
    train, valid, test = splits(folder)
    assert (len(train), len(valid), len(test)) == (22, 8, 8)
    info = train.info
    assert info.state_weights == {"t": 7.0} and info.units["t"] == "degC" and "z" in info.static
    assert info.lineage["files"] == 2 and info.lineage["store"] and info.lineage["inputs"]
    item = valid[0]
    np.testing.assert_allclose(item.inputs.tensor[..., 0], FIELDS[24:26] - np.float32(273.15), atol=1e-4)
    assert train.cube is valid.cube is test.cube


def test_a_weight_changes_the_loss_and_not_the_store(folder: Path) -> None:
    first = splits(folder)[0].info
    variables = {**document(folder)["variables"], "t": {"units": "degC"}}
    again = splits(folder, variables=variables)[0].info
    assert again.lineage["store"] == first.lineage["store"] and again.state_weights == {"t": 2.0}


def test_settings_are_translated_first(folder: Path) -> None:
    with pytest.raises(SettingsError, match="name 'other': only 'made' is known"):
        splits(folder, name="other")
    with pytest.raises(SettingsError, match="name 'other': only 'made' is known"):
        Named.make(Named.decode_settings(document(folder, name="other")))


def test_a_forecast_is_read_from_the_files_and_cut_as_the_training_was(folder: Path, tmp_path: Path) -> None:
    info = splits(folder, grid={"subgrid": [1, 6, 2, 7]})[0].info
    path = write_json(tmp_path / "d.json", document(folder, grid={"subgrid": [1, 6, 2, 7]}))
    (folder / "z.nc").unlink()
    data = Named.for_forecast(path, info, START + 30 * HOUR, 2, 4)
    assert len(data) == 1 and data.init_times[0] == START + 30 * HOUR and data.info is info
    batch = data.at(START + 30 * HOUR, 4, with_outputs=True)
    assert batch.outputs is not None and batch.forcing is not None
    cut = FIELDS[29:35, 1:6, 2:7]
    np.testing.assert_allclose(batch.inputs.tensor[0, ..., 0], cut[:2] - np.float32(273.15), atol=1e-4)
    np.testing.assert_allclose(batch.outputs.tensor[0, ..., 0], cut[2:] - np.float32(273.15), atol=1e-4)
    np.testing.assert_allclose(batch.forcing["u"][0, ..., 0], cut[2:] - 280, atol=1e-4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"grid": {"subgrid": [0, 5, 2, 7]}}, "its grid is not the Forecaster's"),
        ({"step": "2h"}, "step of 7200 seconds, the Forecaster was trained on 3600 seconds"),
        ({"variables": {"t": {"units": "K"}, "u": {"role": "forcing"}}}, r"t is prognostic, level None, \[K\]"),
        ({"variables": {"t": {"units": "degC"}}}, "lacks forcing 'u' of the Forecaster"),
    ],
)
def test_files_of_another_kind_are_refused(folder: Path, tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    window = {"subgrid": [1, 6, 2, 7]}
    info = splits(folder, grid=window)[0].info
    path = write_json(tmp_path / "d.json", document(folder, **{"grid": window, **changes}))
    with pytest.raises(DataError, match=message):
        Named.for_forecast(path, info, START + 30 * HOUR, 2, 4)


def test_planes_of_some_instants_are_held_in_memory(folder: Path) -> None:
    settings = Named.decode_settings(document(folder, variables={"t": {}, "u": {"role": "forcing"}}))
    catalog = Catalog({name: [folder / "a.nc"] for name in ("t", "u")}, settings.plans())
    catalog.scan()
    assert catalog.grid is not None
    planes = catalog.planes(catalog.grid, (slice(0, 6), slice(0, 8)))
    windows, out = FileWindows(planes, catalog.grid), np.empty((2, 4, 6, 8), dtype=np.float32)
    read: list[object] = []
    kept = planes.read
    planes.read = lambda name, instant: read.append(instant) or kept(name, instant)  # type: ignore[func-returns-value,method-assign]
    for first, num_read in ((46, 8), (44, 4), (10, 8)):
        read.clear()
        cube = windows.cube(START + np.arange(first, first + 4) * HOUR)
        cube.read(["u", "t"], 0, 4, out)
        there = min(4, 48 - first)
        expected = FIELDS[first : first + 4]
        np.testing.assert_allclose(out[:, :there], np.stack([expected - 280, expected]), atol=1e-5)
        assert np.isnan(out[:, there:]).all() and cube.available(["t", "u"]).sum() == there
        assert len(read) == num_read, "what the window before held is not read again"


def test_other_starts_are_read_when_they_are_asked_for(folder: Path, tmp_path: Path) -> None:
    info = splits(folder)[0].info
    data = Named.for_forecast(write_json(tmp_path / "d.json", document(folder)), info, START + 30 * HOUR, 2, 4)
    for hour in (5, 30, 40, 8):
        batch = data.at(START + hour * HOUR, 4, with_outputs=True)
        assert batch.outputs is not None
        both = np.concatenate([batch.inputs.tensor[0, ..., 0], batch.outputs.tensor[0, ..., 0]])
        np.testing.assert_allclose(both, FIELDS[hour - 1 : hour + 5] - np.float32(273.15), atol=1e-4)
    with pytest.raises(
        DataError,
        match="forecast from 2020-01-02T22:00:00: u missing 2020-01-03T00:00:00; the data hold 2020-01-01T00:00:00 to 2020-01-02T23:00:00",
    ):
        data.at(START + 46 * HOUR, 4, with_outputs=True)
    np.testing.assert_allclose(data.at(START + 30 * HOUR, 4, True).inputs.tensor[0, 0, ..., 0], FIELDS[29] - np.float32(273.15), atol=1e-4)  # fmt: skip
