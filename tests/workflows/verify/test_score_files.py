import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from py4cast.errors import DataError
from py4cast.formats.netcdf import write_arrays
from py4cast.grid import Grid
from py4cast.metrics.rows import Rows
from py4cast.metrics.score_set import ScoreArray, ScoreSet
from py4cast.workflows.verify.score_files import FORMAT, read_scores, write_netcdf, write_scores

START = np.datetime64("2020-01-01T06", "s")
DAY = np.timedelta64(86400, "s")
TABLE = ("system", "lead_time", "variable")
REGULAR = Grid(np.array([51.0, 50.0]), np.array([0.0, 1.0, 2.0]))
LAMBERT = {"grid_mapping_name": "lambert_conformal_conic", "standard_parallel": [46.0, 47.0], "earth_radius": 6.371e6}
PROJECTED = Grid(
    np.array([[50.0, 50.1, 50.2], [51.0, 51.1, 51.2]]), np.array([[0.0, 1.0, 2.0], [0.1, 1.1, 2.1]]),
    np.array([0.0, 1e5, 2e5]), np.array([0.0, 1e5]), LAMBERT,
)  # fmt: skip


def scores(grid: Grid | None = REGULAR, systems: tuple[str, ...] = ("forecast", "persistence")) -> ScoreSet:
    """Scores of two variables and a wind pair at two lead times of a quarter of an hour, every number another."""
    count, rows = len(systems), Rows()
    for day in (1, 0):
        rows.append(
            START + day * DAY,
            {
                "squared_error.sum": torch.full((2, 2), 4.0 + day).double(),
                "events.sum": (day + torch.arange(12)).double().reshape(2, 3, 2),
            },
        )
    rmse = np.arange(count * 6, dtype=np.float64).reshape(count, 2, 3)
    rmse[0, 1, 2] = np.nan
    arrays = {
        "rmse": ScoreArray(TABLE, rmse, {"long_name": "error", "units": "", "orientation": "low"}),
        "rmse_low": ScoreArray(TABLE, rmse - 1, {"of": "rmse"}),
        "csi": ScoreArray((*TABLE, "threshold"), np.arange(count * 12.0).reshape(count, 2, 3, 2), {"units": "1"}),
        "spectrum": ScoreArray((*TABLE, "wavelength"), np.arange(count * 12.0).reshape(count, 2, 3, 2), {"units": "1"}),
    }
    if count > 1:
        arrays["rmse_gain"] = ScoreArray(("reference", *TABLE[1:]), rmse[:-1] / 7, {"of": "rmse"})
    if grid is not None:
        arrays["bias_map"] = ScoreArray(("lead_time", "feature", "row", "column"), np.arange(24.0).reshape(2, 2, 2, 3))
    coordinates = {
        "threshold": ScoreArray(
            ("variable", "threshold"), np.array([[0.1, 1.0], [5.0, np.nan], [5.0, 10.0]]), {"units": "of it"}
        ),
        "wavelength": ScoreArray(("wavelength",), np.array([200.0, 100.0]), {"units": "km"}),
    }
    return ScoreSet(
        systems, [np.timedelta64(900, "s"), np.timedelta64(1800, "s")], {"tp": "kg m-2", "u10": "m s-1", "wind10": "m s-1"},
        2, arrays, coordinates, num_forecasts=2, init_times=rows.init_times, rows={systems[0]: rows},
        document={"truth": ["a.nc"], "settings": {"scales": [1, 3]}}, grid=grid,
    )  # fmt: skip


@pytest.mark.parametrize("grid", [REGULAR, PROJECTED, None], ids=["regular", "projected", "stations"])
def test_scores_are_read_as_they_were_written(tmp_path: Path, grid: Grid | None) -> None:
    written = scores(grid)
    folder = write_scores(tmp_path / "scores", written)
    again = read_scores(folder)
    assert list(again.systems) == ["forecast", "persistence"] and list(again.lead_times) == written.lead_times
    assert again.units == written.units and again.num_features == 2 and again.num_forecasts == 2
    assert again.document == written.document
    assert again.init_times.tolist() == [START.tolist(), (START + DAY).tolist()]
    assert set(again.arrays) == set(written.arrays) and set(again.coordinates) == {"threshold", "wavelength"}
    for before, after in ((written.arrays, again.arrays), (written.coordinates, again.coordinates)):
        for name, array in before.items():
            assert after[name].dims == array.dims, name
            np.testing.assert_array_equal(after[name].values, array.values, err_msg=name)
            assert dict(after[name].attrs) == {k: v for k, v in array.attrs.items() if v != ""}
    if grid is None:
        assert again.grid is None
    else:
        assert again.grid is not None and again.grid.same_as(grid) and dict(again.grid.projection) == grid.projection


def test_what_every_forecast_contributed_is_read_in_the_order_of_the_starts(tmp_path: Path) -> None:
    write_netcdf(tmp_path / "scores.nc", scores())
    rows = read_scores(tmp_path / "scores.nc").rows["forecast"]
    assert rows.count == 2 and rows.init_times.tolist() == [START.tolist(), (START + DAY).tolist()]
    assert rows.shapes == {"squared_error.sum": (2, 2), "events.sum": (2, 3, 2)}
    assert rows.read("squared_error.sum")[:, 1, 0].tolist() == [4.0, 5.0]
    assert rows.read("events.sum")[:, 1, 2, 1].tolist() == [11.0, 12.0]


def test_one_system_without_starts_or_rows_is_written_too(tmp_path: Path) -> None:
    bare = replace(scores(systems=("alone",)), rows={}, init_times=np.array([], dtype="datetime64[s]"))
    again = read_scores(write_scores(tmp_path, bare))
    assert list(again.systems) == ["alone"] and again.init_times.size == 0 and again.rows["alone"].count == 0
    np.testing.assert_array_equal(again.table("rmse", "alone"), bare.table("rmse", "alone"))


def test_the_dimensions_of_the_file_are_those_of_the_convention(tmp_path: Path) -> None:
    write_netcdf(tmp_path / "scores.nc", scores(PROJECTED))
    with xr.open_dataset(tmp_path / "scores.nc", decode_timedelta=False) as data:
        assert data["bias_map"].dims == ("lead_time", "feature", "y", "x")
        assert data["lead_time"].values.tolist() == [0.25, 0.5] and data["lead_time"].attrs["units"] == "hours"
        assert data["projection"].attrs["grid_mapping_name"] == "lambert_conformal_conic"
        assert data["variable_units"].values.tolist() == ["kg m-2", "m s-1", "m s-1"]
        assert data["reference"].values.tolist() == ["persistence"]
        assert data["row_events.sum"].dims == ("forecast", "lead_time", "row_events_0", "row_events_1")
        assert json.loads(data.attrs["py4cast"])["format"] == FORMAT


def test_the_text_files_hold_the_same_numbers(tmp_path: Path) -> None:
    folder = write_scores(tmp_path / "made" / "here", scores())
    document = json.loads((folder / "scores.json").read_text())
    assert document["lead_times_h"] == [0.25, 0.5] and document["num_forecasts"] == 2
    assert document["persistence"]["u10"]["rmse"] == [7.0, 10.0]
    assert document["forecast"]["wind10"]["rmse"] == [2.0, None]
    with (folder / "scores.csv").open() as stream:
        lines = {
            (r["system"], r["variable"], r["metric"], r["at"], r["lead_time_h"]): r for r in csv.DictReader(stream)
        }
    line = lines["persistence", "u10", "csi", "threshold=5", "0.5"]
    assert (line["value"], line["low"], line["units"]) == ("20.0", "", "1")
    assert lines["forecast", "u10", "rmse", "", "0.5"]["low"] == "3.0"
    assert not [key for key in lines if key[2] == "spectrum"]


def test_files_that_are_no_scores_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"scores\.nc: no such file"):
        read_scores(tmp_path)
    other = tmp_path / "other.nc"
    write_arrays(other, {"t": (("x",), np.zeros(2), {})}, {}, {})
    with pytest.raises(DataError, match=r"other\.nc: a NetCDF file, but no scores of py4cast"):
        read_scores(other)
    write_arrays(other, {"t": (("x",), np.zeros(2), {})}, {}, {"py4cast": "{}"})
    with pytest.raises(DataError, match="no scores of py4cast"):
        read_scores(other)
    (tmp_path / "scores.nc").write_text("text")
    with pytest.raises(DataError, match=r"scores\.nc: damaged, or no NetCDF"):
        read_scores(tmp_path)


def test_scores_of_a_later_format_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("py4cast.workflows.verify.score_files.FORMAT", FORMAT + 1)
    write_netcdf(tmp_path / "scores.nc", scores())
    monkeypatch.undo()
    with pytest.raises(DataError, match=rf"scores of a later py4cast; this one reads format {FORMAT}"):
        read_scores(tmp_path)


def test_a_document_that_is_no_json_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_netcdf(tmp_path / "scores.nc", replace(scores(), document={"limit": float("nan")}))
    assert not list(tmp_path.iterdir())
