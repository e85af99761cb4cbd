from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray

from py4cast.axis import TimeAxis
from py4cast.cubes.memory import MemoryCube
from py4cast.errors import DataError
from py4cast.formats.normals import NormalsFile
from py4cast.grid import Grid
from py4cast.metrics.climatology import Climatology
from py4cast.variables import Variable
from py4cast.workflows.verify.normals import FileNormals, normals_of
from tests import forecast_files as made

GRID = Grid(made.LATITUDE, made.LONGITUDE)
WARM = Variable(name="t2m", short_name="2t", units="K", standard_name="air_temperature")
RAIN = Variable(name="tp", short_name="tp", units="kg m-2", standard_name="precipitation_amount")
NEEDED = np.array(["2020-01-02T06", "2020-01-05T18"], dtype="datetime64[s]")


def cube_of(values: NDArray[np.float32], *variables: Variable) -> MemoryCube:
    return MemoryCube(variables, TimeAxis.series(made.TIMES[: values.shape[1]]), GRID, values)


def write_normals(folder: Path, grid: Grid = GRID, days: int = 6) -> Path:
    """The day of the year, the hour in hundredths and the row in hundreds, from the north."""
    hours, days_of_year = np.arange(0, 24, 6), np.arange(1, days + 1)
    rows = np.round((56.0 - grid.latitude) / 0.5) * 100
    values = days_of_year[None, :, None] + hours[:, None, None] / 100 + rows
    dims = ("hour", "dayofyear", "latitude", "longitude")
    wide = np.broadcast_to(values[..., None], (*values.shape, grid.shape[1])).astype(np.float32)
    coords = {
        "latitude": ("latitude", grid.latitude, {"units": "degrees_north", "standard_name": "latitude"}),
        "longitude": ("longitude", grid.longitude, {"units": "degrees_east", "standard_name": "longitude"}),
        "hour": hours,
        "dayofyear": days_of_year,
    }
    data = xr.Dataset({"t2m": (dims, wide), "u10": (dims, -wide)}, coords)
    return Path(made.write(folder, "normals.nc", data))


@pytest.mark.parametrize("turn", [1, -1])
def test_normals_of_a_file_are_in_the_order_of_the_truths_rows(tmp_path: Path, turn: int) -> None:
    path = write_normals(tmp_path, GRID.rows_columns(slice(None, None, turn), slice(None)))
    normals = FileNormals(path, ["u10", "t2m"], GRID, NEEDED)
    fields = normals(NEEDED)
    assert [f.shape for f in fields] == [(12, 16, 2)] * 2 and normals.description == "normals of normals.nc"
    rows = 100.0 * np.arange(12)[:, None] * np.ones(16)
    np.testing.assert_allclose(fields[0][..., 1], 2.06 + rows, rtol=1e-6)
    np.testing.assert_allclose(fields[1][..., 0], -(5.18 + rows), rtol=1e-6)
    normals._file.close()


def test_normals_that_do_not_fit_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[NormalsFile] = []
    make = NormalsFile.__init__

    def remembered(self: NormalsFile, path: Path) -> None:
        make(self, path)
        opened.append(self)

    monkeypatch.setattr(NormalsFile, "__init__", remembered)
    path = write_normals(tmp_path)
    with pytest.raises(DataError, match=r"normals\.nc: no normals of v10, msl; there are t2m, u10"):
        FileNormals(path, ["t2m", "v10", "msl"], GRID, NEEDED)
    part = GRID.rows_columns(slice(2, None), slice(None))
    with pytest.raises(DataError, match=r"normals on 12 x 16 .*; the truth is on 10 x 16"):
        FileNormals(path, ["t2m"], part, NEEDED)
    late = np.array(["2020-01-07T00", "2020-01-09T00"], dtype="datetime64[s]")
    with pytest.raises(DataError, match="normals lack the days of the year 7, 9, which the forecasts reach"):
        FileNormals(path, ["t2m"], GRID, late)
    with pytest.raises(DataError, match="normals lack the hours of the day 3, which the forecasts reach"):
        FileNormals(path, ["t2m"], GRID, np.array(["2020-01-02T03"], dtype="datetime64[s]"))
    for file in opened:
        file.close()


def test_no_climatology_is_made_where_none_is_asked_for() -> None:
    assert normals_of("none", cube_of(np.zeros((1, 4, 12, 16), np.float32), WARM), [WARM], NEEDED, 0.25) is None


def test_the_truth_is_its_own_climatology_and_says_so() -> None:
    values = np.random.default_rng(0).normal(280, 5, (1, 12, 12, 16)).astype(np.float32)
    normals = normals_of("truth", cube_of(values, WARM), [WARM], NEEDED, 0.25)
    assert isinstance(normals, Climatology) and normals.step == 6 * made.HOUR
    assert "the verified truth itself (in sample)" in normals.description
    fields = normals(NEEDED).numpy()[..., 0]
    np.testing.assert_allclose(fields[0], values[0, [1, 5, 9]].mean(0), rtol=1e-6)
    np.testing.assert_allclose(fields[1], values[0, [3, 7, 11]].mean(0), rtol=1e-6)
    assert normals.rain is not None and not normals.rain.dry


def test_rain_is_dry_up_to_the_limit() -> None:
    values = np.full((1, 8, 12, 16), 2.0, dtype=np.float32)
    values[0, :2], values[0, 2] = 0.0, 0.5
    shares = []
    for limit in (0.25, 1.0):
        normals = normals_of("truth", cube_of(values, RAIN), [RAIN], NEEDED, limit)
        assert normals is not None and normals.rain is not None
        shares.append(np.unique(normals.rain.dry["tp"].numpy()).tolist())
    assert shares == [[2 / 8], [3 / 8]]


def test_one_instant_is_the_normal_of_its_hour_and_of_all_others() -> None:
    values = np.full((1, 1, 12, 16), 7.0, dtype=np.float32)
    normals = normals_of("truth", cube_of(values, WARM), [WARM], NEEDED, 0.25)
    assert isinstance(normals, Climatology) and normals.step == made.HOUR
    assert (normals(NEEDED) == 7.0).all()


def test_other_analyses_come_to_the_truths_units_and_rows(tmp_path: Path) -> None:
    data = made.analyses().isel(time=slice(8), latitude=slice(None, None, -1))
    data["t2m"] = (data["t2m"] - 273.15).assign_attrs(units="degC", standard_name="air_temperature")
    path = made.write(tmp_path, "others.nc", data)
    truth = cube_of(np.zeros((1, 2, 12, 16), np.float32), WARM)
    normals = normals_of(path, truth, [WARM], NEEDED, 0.25)
    assert isinstance(normals, Climatology) and f"of {path}" in normals.description
    expected = made.truth_of("t2m")[[1, 5]].mean(0)
    np.testing.assert_allclose(normals(NEEDED[:1])[0, ..., 0], expected, atol=1e-3)


def test_analyses_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no file matches"):
        normals_of(str(tmp_path / "*.zarr"), cube_of(np.zeros((1, 2, 12, 16), np.float32), WARM), [WARM], NEEDED, 0.25)
