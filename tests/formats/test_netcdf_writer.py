import shutil
import subprocess
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr

from py4cast.formats import Fields, Heading, open_reader, writer_for
from py4cast.formats.netcdf_writer import NetcdfWriter
from py4cast.grid import Grid
from py4cast.testing import make_forecast
from py4cast.variables import Variable

FILL = np.float32(9.96921e36)
STATIONS = Grid(np.array([[50.0, 51.0, 52.0]]), np.array([[1.0, 2.0, 3.0]]), areas=np.ones((1, 3)))


@pytest.mark.parametrize("members", [(), (2, 5)])
def test_a_file_holds_a_compressed_chunk_per_lead_time(tmp_path: Path, members: tuple[int, ...]) -> None:
    forecast, path = make_forecast(members), tmp_path / "f.nc"
    NetcdfWriter().write(path, forecast)
    with netCDF4.Dataset(path) as file:
        places = (6, 9)
        assert {n: d.size for n, d in file.dimensions.items()} == {
            "time": 3, **({"member": 2} if members else {}), "latitude": 6, "longitude": 9,
        }  # fmt: skip
        for index, name in enumerate(("t2m", "msl")):
            variable = file[name]
            assert variable.chunking() == [1, *([2] if members else []), *places]
            filters = variable.filters()
            assert (filters["zlib"], filters["complevel"], variable.dtype) == (True, 1, np.float32)
            assert variable._FillValue == FILL
            np.testing.assert_array_equal(variable[:], forecast.values[..., index])
        assert file.Conventions == "CF-1.11" and file.title == "a check" and file.data_model == "NETCDF4"
        if members:
            assert file["member"][:].tolist() == [2, 5]


def test_holes_are_the_fill_value_and_the_values_given_stay(tmp_path: Path) -> None:
    forecast, path = make_forecast(), tmp_path / "f.nc"
    forecast.values[1, 2, 3, 0] = np.nan
    NetcdfWriter().write(path, forecast)
    with netCDF4.Dataset(path) as file:
        file.set_auto_mask(False)
        raw = file["t2m"][:]
    assert raw[1, 2, 3] == FILL and (raw == FILL).sum() == 1
    assert np.isnan(forecast.values[1, 2, 3, 0])


def test_the_grid_mapping_stands_in_a_variable_of_its_own(tmp_path: Path) -> None:
    grid, lead = Grid.plane(8, 8e5), np.timedelta64(3600, "s")
    forecast = Fields(
        np.ones((1, 8, 8, 1), dtype=np.float32), [Variable(name="vo", units="s-1")], grid,
        np.datetime64("2020-01-01", "s"), [lead],
    )  # fmt: skip
    NetcdfWriter().write(tmp_path / "f.nc", forecast)
    with netCDF4.Dataset(tmp_path / "f.nc") as file:
        mapping = file[file["vo"].grid_mapping]
        assert (mapping.grid_mapping_name, mapping.length) == ("doubly_periodic_plane", 8e5)
        np.testing.assert_allclose(file["x"][:], 1e5 * np.arange(8))


@pytest.mark.parametrize("members", [(), (0, 1)])
def test_stations_are_a_series_of_points(tmp_path: Path, members: tuple[int, ...]) -> None:
    heading = Heading(
        [Variable(name="t2m", units="K")], STATIONS, np.datetime64("2020-01-01", "s"),
        [np.timedelta64(3600 * h, "s") for h in (1, 2)], members=members, stations=("a", "Bø", "c"),
    )  # fmt: skip
    values = np.arange(2 * max(1, len(members)) * 3, dtype=np.float32).reshape(2, *heading.shape)
    with NetcdfWriter().open(tmp_path / "s.nc", heading) as put:
        for step in values:
            put(step)
    with netCDF4.Dataset(tmp_path / "s.nc") as file:
        assert file.featureType == "timeSeries" and file["station"][:].tolist() == ["a", "Bø", "c"]
        assert file["station"].cf_role == "timeseries_id" and "projection" not in file.variables
        assert file["t2m"].dimensions == ("time", *(("member",) if members else ()), "station")
        np.testing.assert_array_equal(file["t2m"][:].ravel(), values.ravel())
        np.testing.assert_array_equal(file["latitude"][:], [50, 51, 52])


def test_what_hdf5_says_of_a_full_disk_is_told_and_other_errors_stay(tmp_path: Path) -> None:
    forecast = make_forecast()
    with (
        pytest.raises(OSError, match="disk full while writing"),
        NetcdfWriter().open(tmp_path / "f.nc", forecast.heading) as put,
    ):
        put(forecast.values[0])
        raise RuntimeError("NetCDF: HDF error")
    with pytest.raises(RuntimeError, match="something else"), NetcdfWriter().open(tmp_path / "f.nc", forecast.heading):
        raise RuntimeError("something else")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", ["nc", "zarr"])
def test_a_variable_with_the_name_of_a_coordinate_is_written_beside_it(tmp_path: Path, suffix: str) -> None:
    names = ("x", "latitude", "time", "projection", "lead_time", "t2m")
    variables = [Variable(name=n, units="K") for n in names]
    x = np.arange(3) * 1000.0
    lat, lon = np.meshgrid(50 + x[:2] / 1e5, x / 1e5, indexing="ij")
    grid = Grid(lat, lon, x, x[:2], {"grid_mapping_name": "polar_stereographic"})
    heading = Heading(variables, grid, np.datetime64("2020-02-28T18"), [np.timedelta64(h, "h") for h in (6, 12)])
    path = tmp_path / f"a.{suffix}"
    with writer_for(path).open(path, heading) as put:
        for step in (0, 1):
            put(np.full((2, 3, 6), 270 + step + np.arange(6), dtype=np.float32))
    with xr.open_dataset(path, decode_timedelta=False) as data:
        assert data["time"].values.tolist() == np.array(["2020-02-29T00", "2020-02-29T06"], "datetime64[ns]").tolist()
        for i, name in enumerate(names):
            held = data["t2m" if name == "t2m" else f"{name}_field"]
            assert held.attrs["long_name"] == name and held.values[:, 0, 0].tolist() == [270 + i, 271 + i]
        assert data["x"].values.tolist() == x.tolist()


def test_other_programs_date_the_fields(tmp_path: Path) -> None:
    """CDO, ncview and Panoply take the coordinate of the leading dimension, which counts from a date."""
    heading = Heading([Variable(name="t2m", units="K")], Grid(np.array([1.0, 0.0]), np.arange(3.0)), np.datetime64("2020-02-28T18"), [np.timedelta64(6, "h")])  # fmt: skip
    with writer_for(tmp_path / "a.nc").open(tmp_path / "a.nc", heading) as put:
        put(np.zeros((2, 3, 1), dtype=np.float32))
    with netCDF4.Dataset(tmp_path / "a.nc") as file:
        assert file["t2m"].dimensions[0] == "time"
        time = file["time"]
        assert (time.standard_name, time.axis) == ("time", "T") and time.units.startswith("seconds since ")
        assert str(netCDF4.num2date(time[0], time.units, time.calendar)) == "2020-02-29 00:00:00"
        assert file["init_time"].standard_name == "forecast_reference_time" and file["lead_time"][:].tolist() == [6.0]
    cdo = shutil.which("cdo")
    if cdo is None:
        pytest.skip("no cdo here")
    told = subprocess.run(
        [cdo, "-s", "sinfon", str(tmp_path / "a.nc")], capture_output=True, text=True, check=True
    ).stdout
    assert "2020-02-29 00:00:00" in told and "t2m" in told


@pytest.mark.parametrize("suffix", ["nc", "zarr"])
def test_levels_are_coordinates_of_their_variables(tmp_path: Path, suffix: str) -> None:
    variables = [
        Variable(name="t2m", units="K", level=2, type_of_level="heightAboveGround"),
        Variable(name="t850", units="K", level=850, type_of_level="isobaricInhPa"),
        Variable(name="soil", units="K", level=0.07, type_of_level="depthBelowLand"),
        Variable(name="hybrid", units="K", level=90, type_of_level="hybrid"),
        Variable(name="skt", units="K", level=0, type_of_level="surface"), Variable(name="msl", units="Pa"),
    ]  # fmt: skip
    heading = Heading(variables, Grid(np.array([1.0, 0.0]), np.arange(3.0)), np.datetime64("2020-01-01T00"), [np.timedelta64(6, "h")])  # fmt: skip
    path = tmp_path / f"a.{suffix}"
    with writer_for(path).open(path, heading) as put:
        put(np.zeros((2, 3, 6), dtype=np.float32))
    expected = {
        "t2m": ("heightAboveGround_2", "height", "m", 2.0), "t850": ("isobaricInhPa_850", "air_pressure", "hPa", 850.0),
        "soil": ("depthBelowLand_0.07", "depth", "m", 0.07), "hybrid": ("hybrid_90", None, "1", 90.0),
    }  # fmt: skip
    with xr.open_dataset(path, decode_timedelta=False) as data:
        for name in ("t2m", "t850", "soil", "hybrid", "skt", "msl"):
            named = set(data[name].encoding["coordinates"].split()) - {"lead_time", "init_time"}
            if name not in expected:
                assert not named
                continue
            coordinate, standard_name, units, value = expected[name]
            assert named == {coordinate}
            level = data[coordinate]
            assert (level.attrs.get("standard_name"), level.attrs["units"], float(level)) == (
                standard_name,
                units,
                value,
            )
            assert level.attrs["axis"] == "Z"
    read = {r.short_name: (r.level, r.type_of_level) for r in open_reader(path).records()}
    assert read["t850"] == (850.0, "isobaricInhPa") and read["t2m"] == (2.0, "heightAboveGround")
    assert read["hybrid"] == (90.0, "hybrid") and read["msl"] == (None, None)
