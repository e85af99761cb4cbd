import subprocess
import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from py4cast.formats import ENDINGS, Fields, open_reader, writer_for, writers
from py4cast.units import conversion
from tests.formats.test_grib import INIT, LEADS, T2M, T850, TP, forecast, lambert, latlon

FORMATS = ("nc", "zarr", "grib2")
GRIDS = pytest.mark.parametrize(
    "grid", [latlon(True), latlon(False), lambert()], ids=["south-up", "north-up", "lambert"]
)


def ensemble(grid) -> Fields:
    one = forecast(grid, [T2M, T850, TP])
    values = np.stack([one.values, one.values + 1, one.values * 1.01], 1).astype(np.float32)
    return Fields(values, one.variables, grid, INIT, LEADS, {"title": "three members"}, (0, 1, 2))


@pytest.mark.parametrize("ending", FORMATS)
@GRIDS
def test_an_ensemble_is_read_back(tmp_path: Path, grid, ending: str) -> None:
    path, written = tmp_path / f"out.{ending}", ensemble(grid)
    writer_for(path).write(path, written)
    with open_reader(path) as reader:
        records = reader.records()
        assert len(records) == 3 * 3 * 3 and all(reader.grid(r).same_as(grid) for r in records)
        seen = set()
        for record in records:
            step = LEADS.index(record.lead_time)
            feature = next(
                i for i, v in enumerate(written.variables) if record.short_name == v.name or record.matches(v)
            )
            scale, offset = conversion(record.units, written.variables[feature].units)
            seen.add((step, record.member, feature))
            expected = written.values[step, record.member, :, :, feature]
            np.testing.assert_allclose(
                scale * reader.read(record) + offset, expected, atol=2e-4 if ending == "grib2" else 0
            )
        assert len(seen) == 27 and all(r.init_time == INIT for r in records)


def test_cfgrib_opens_an_ensemble(tmp_path: Path) -> None:
    import cfgrib

    path, written = tmp_path / "out.grib2", ensemble(latlon(False))
    writer_for(path).write(path, written)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = cfgrib.open_dataset(path, indexpath="", filter_by_keys={"shortName": "2t"})
    assert data.t2m.dims == ("number", "step", "latitude", "longitude") and data.number.values.tolist() == [0, 1, 2]
    np.testing.assert_allclose(data.t2m.values.transpose(1, 0, 2, 3), written.values[..., 0], atol=2e-5)


@pytest.mark.parametrize("ending", ["nc", "zarr"])
def test_xarray_opens_it_without_help(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"out.{ending}"
    writer_for(path).write(path, ensemble(lambert()))
    with xr.open_dataset(path, engine="netcdf4" if ending == "nc" else "zarr", decode_timedelta=False) as data:
        assert data["t2m"].dims == ("time", "member", "y", "x") and data.attrs["title"] == "three members"
        assert set(data["t2m"].coords) >= {"latitude", "longitude", "init_time", "time", "lead_time", "member"}
        assert data["init_time"].values == INIT and data["lead_time"].values.tolist() == [1.0, 6.0, 30.0]
        assert (data["time"].values == INIT + np.array(LEADS)).all()
        assert data["projection"].attrs["grid_mapping_name"] == "lambert_conformal_conic"


@pytest.mark.parametrize("ending", FORMATS)
def test_a_forecast_that_ends_early_leaves_what_was_there(tmp_path: Path, ending: str) -> None:
    path, whole = tmp_path / f"out.{ending}", forecast(latlon(True), [T2M])
    writer_for(path).write(path, whole)
    with pytest.raises(RuntimeError, match="no power"), writer_for(path).open(path, whole.heading) as put:
        put(whole.values[0] + 50)
        raise RuntimeError("no power")
    with (
        pytest.raises(ValueError, match="2 lead times written of 3"),
        writer_for(path).open(path, whole.heading) as put,
    ):
        put(whole.values[0] + 50)
        put(whole.values[1])
    with pytest.raises(ValueError, match="values of shape"), writer_for(path).open(path, whole.heading) as put:
        put(whole.values[0, 1:])
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    with open_reader(path) as reader:
        np.testing.assert_allclose(reader.read(reader.records()[0]), whole.values[0, ..., 0], atol=2e-4)
    writer_for(path).write(path, Fields(whole.values + 50, whole.variables, whole.grid, INIT, LEADS))
    assert [p.name for p in tmp_path.iterdir()] == [path.name], "written over"
    with open_reader(path) as reader:
        np.testing.assert_allclose(reader.read(reader.records()[0]), whole.values[0, ..., 0] + 50, atol=2e-4)


def test_holes_come_and_go_in_grib(tmp_path: Path) -> None:
    path, whole = tmp_path / "out.grib2", forecast(latlon(True), [T2M])
    whole.values[1, 2, 3, 0] = np.nan
    writer_for(path).write(path, whole)
    with open_reader(path) as reader:
        holes = [int(np.isnan(reader.read(r)).sum()) for r in reader.records()]
    assert holes == [0, 1, 0]


def test_endings_are_those_of_the_writers() -> None:
    held = {e: name for name in writers.builtin_names for e in writers.builtin(name).suffixes}
    assert held == ENDINGS


def test_grib_ls_shows_names_dates_levels_and_units(tmp_path: Path) -> None:
    eccodeslib = pytest.importorskip("eccodeslib")
    home = Path(eccodeslib.__file__).parent
    program = home / "bin" / "grib_ls"
    if not program.is_file():
        pytest.skip("no grib_ls here")
    path = tmp_path / "out.grib2"
    writer_for(path).write(path, ensemble(latlon(True)))
    keys = "shortName,typeOfLevel,level,dataDate,dataTime,stepRange,validityDate,validityTime,units,perturbationNumber"
    libraries = ":".join(str(p / "lib64") for p in (home, home.parent / "eckitlib"))
    done = subprocess.run(
        [str(program), "-p", keys, str(path)],
        capture_output=True,
        text=True,
        check=True,
        env={"LD_LIBRARY_PATH": libraries},
    )
    rows = [line.split() for line in done.stdout.splitlines()[2:29]]
    assert rows[0] == ["2t", "heightAboveGround", "2", "20240228", "1800", "1", "20240228", "1900", "K", "0"]
    assert rows[4] == ["t", "isobaricInhPa", "850", "20240228", "1800", "1", "20240228", "1900", "K", "1"]
    assert rows[17] == ["tp", "surface", "0", "20240228", "1800", "1-6", "20240229", "0", "kg", "m**-2", "2"]
    assert rows[26][5:8] == ["6-30", "20240301", "0"], "over a leap day"
