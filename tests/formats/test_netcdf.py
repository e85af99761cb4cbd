from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from py4cast.errors import DataError, SettingsError
from py4cast.formats import Fields, open_reader, writer_for
from tests.formats.test_grib import INIT, LEADS, T2M, T850, forecast, lambert, latlon
from tests.weather_files import wave_fields, write_netcdf


@pytest.mark.parametrize("grid", [latlon(True), latlon(False), lambert()], ids=["south-up", "north-up", "lambert"])
def test_what_is_written_is_read(tmp_path: Path, grid) -> None:
    path = tmp_path / "out.nc"
    written = forecast(grid, [T2M, T850], missing=True)
    writer_for(path).write(path, written)
    with open_reader(path) as reader:
        records = reader.records()
        assert len(records) == 6 and all(reader.grid(r).same_as(grid) for r in records)
        for record in records:
            step = LEADS.index(record.lead_time)
            feature = [v.name for v in written.variables].index(record.short_name)
            assert (record.init_time, record.level) == (INIT, written.variables[feature].level)
            np.testing.assert_array_equal(reader.read(record), written.values[step, :, :, feature])


def test_forecasts_follow_cf(tmp_path: Path) -> None:
    path = tmp_path / "out.nc"
    writer_for(path).write(path, forecast(lambert(), [T2M.with_units("K")]))
    with xr.open_dataset(path, decode_timedelta=True) as data:
        t2m = data["t2m"]
        assert t2m.dims == ("time", "y", "x") and t2m.attrs["units"] == "K"
        assert t2m.attrs["standard_name"] == "air_temperature" and t2m.attrs["grid_mapping"] == "projection"
        assert data["projection"].attrs["grid_mapping_name"] == "lambert_conformal_conic"
        assert data.attrs["Conventions"].startswith("CF-1.")
        names = {
            c: data[c].attrs.get("standard_name")
            for c in ("latitude", "longitude", "x", "y", "init_time", "time", "lead_time")
        }
        assert names == {
            "latitude": "latitude", "longitude": "longitude", "x": "projection_x_coordinate", "y": "projection_y_coordinate",
            "init_time": "forecast_reference_time", "time": "time", "lead_time": "forecast_period",
        }  # fmt: skip
        assert data["init_time"].values == np.datetime64("2024-02-28T18:00")
        assert data["time"].values[-1] == np.datetime64("2024-03-01T00:00"), "a leap day lies between"


def test_levels_members_and_runs_become_records(tmp_path: Path) -> None:
    values = np.arange(2 * 3 * 2 * 2 * 4 * 5, dtype=np.float32).reshape(2, 3, 2, 2, 4, 5)
    data = xr.Dataset(
        {"t": (("number", "step", "isobaricInhPa", "surface", "latitude", "longitude"), values, {"units": "K"})},
        {
            "number": [0, 1], "step": ("step", np.array([0, 3, 6], dtype="timedelta64[h]").astype("timedelta64[ns]")),
            "isobaricInhPa": ("isobaricInhPa", [850.0, 500.0], {"units": "hPa"}),
            "time": np.datetime64("2020-01-01T12", "ns"),
            "latitude": ("latitude", np.linspace(50, 47, 4), {"units": "degrees_north"}),
            "longitude": ("longitude", np.linspace(0, 4, 5), {"units": "degrees_east"}),
        },
    )  # fmt: skip
    data.to_netcdf(tmp_path / "e.nc")
    with open_reader(tmp_path / "e.nc") as reader:
        records = reader.records()
        assert len(records) == 24
        chosen = [r for r in records if r.member == 1 and r.level == 500 and r.lead_time == np.timedelta64(3, "h")]
        assert chosen[0].type_of_level == "isobaricInhPa"
        assert str(chosen[0].valid_time) == "2020-01-01T15:00:00"
        np.testing.assert_array_equal(reader.read(chosen[0]), values[1, 1, 1, 0])


@pytest.mark.parametrize(
    "content",
    [b"\x89HDF\r\n\x1a\n" + b"junk" * 50, b"CDF\x01" + b"\0" * 10, b"", b"<html>"],
    ids=["hdf", "cdf", "empty", "html"],
)
def test_bad_files_are_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.nc"
    path.write_bytes(content)
    with pytest.raises(DataError, match=str(path)):
        open_reader(path).records()


def test_a_truncated_file_is_named(tmp_path: Path) -> None:
    path = write_netcdf(tmp_path / "t.nc", {"t": wave_fields()})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match=str(path)), open_reader(path) as reader:
        for record in reader.records():
            reader.read(record)


def test_a_file_without_fields_is_refused(tmp_path: Path) -> None:
    xr.Dataset({"a": ("time", [1.0, 2.0])}, {"time": [0, 1]}).to_netcdf(tmp_path / "p.nc")
    with pytest.raises(DataError, match="no variable on a latitude-longitude"):
        open_reader(tmp_path / "p.nc").records()


def test_unknown_endings_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"unknown ending '.ncc'; did you mean '.nc'"):
        writer_for("forecast.ncc")


@pytest.mark.parametrize("ending", ["nc", "grib2", "zarr"])
def test_a_full_disk_leaves_nothing(tmp_path: Path, ending: str) -> None:
    import subprocess
    import sys

    code = f"""
import resource, signal, numpy as np
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from pathlib import Path
from py4cast.formats import Fields, writer_for
from py4cast.grid import Grid
from py4cast.variables import Variable
values = np.random.default_rng(0).standard_normal((4, 64, 64, 1)).astype("f4")
fields = Fields(values, [Variable(name="t", short_name="2t", units="K")], Grid(np.linspace(0, 9, 64), np.linspace(0, 9, 64)),
                np.datetime64("2020-01-01", "s"), [np.timedelta64(i, "h") for i in range(1, 5)])
path = Path({str(tmp_path / ("out." + ending))!r})
writer = writer_for(path)
resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))
writer.write(path, fields)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "SpaceError: disk full while writing" in done.stderr, done.stderr[-800:]
    assert not list(tmp_path.iterdir())


@pytest.mark.real_data
def test_every_real_file_has_records_and_a_grid(real_data: Path) -> None:
    shapes = {
        "lambert/arome_metcoop_2p5km_hourly_u10v10_2015-11-16.nc": ((151, 81), 134, "lambert_conformal_conic"),
        "ocean/norkyst800_hourly_uv_2015-11-16_crop.nc": ((128, 192), 134, "polar_stereographic"),
        "ocean/globcurrent_agulhas_daily_uv_2002-01_09.nc": ((41, 81), 546, None),
        "ocean/duacs_mediterranean_daily_adt_2005-04_06.nc": ((128, 344), 91, None),
        "series/era5_global2p5_6h_msl_vo850_2025-12.nc": ((73, 144), 248, None),
        "series/nmc_storm1996_6h_tpuv_northamerica.nc": ((33, 36), 384, None),
    }
    for name, (shape, count, projection) in shapes.items():
        with open_reader(real_data / name) as reader:
            records = reader.records()
            grid = reader.grid(records[0])
            assert (grid.shape, len(records)) == (shape, count), name
            assert grid.projection.get("grid_mapping_name") == projection
            assert reader.read(records[-1]).shape == shape
            if projection:
                assert grid.spacing()[0] == pytest.approx(abs(grid.y[1] - grid.y[0]), rel=0.02), name


def test_level_from_attributes(tmp_path: Path) -> None:
    path = write_netcdf(tmp_path / "t.nc", {"vo": wave_fields()})
    with xr.open_dataset(path) as data:
        changed = data.load()
    changed["vo"].attrs["level_hPa"] = 850
    changed.to_netcdf(tmp_path / "u.nc")
    with open_reader(tmp_path / "u.nc") as reader:
        assert (reader.records()[0].level, reader.records()[0].type_of_level) == (850.0, "isobaricInhPa")


def test_forecast_object_is_plain() -> None:
    assert isinstance(forecast(latlon(True), [T2M]), Fields)
