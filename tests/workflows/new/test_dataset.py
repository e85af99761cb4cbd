"""What is proposed of files is what they hold, and `prepare` takes it as it is."""

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from py4cast.errors import DataError
from py4cast.workflows.new.dataset import propose
from py4cast.workflows.prepare import prepare
from tests import forecast_files as made
from tests.command import py4cast

SETS = {
    "era5_uk": (["series/era5_uk*"], ["t2m"], "1h"),
    "era5_global": (["series/era5_global*"], ["msl", "vo"], "6h"),
    "ncep": (["series/ncep*"], ["air"], "6h"),
    "storm": (["series/nmc*"], ["t", "p", "u", "v", "u500", "v500"], "6h"),
    "finse": (["series/era5_finse*"], ["t2m", "d2m", "sp", "tp", "ssrd", "strd"], "1h"),
    "metcoop": (["lambert/arome_metcoop*"], ["x_wind_10m", "y_wind_10m"], "1h"),
    "globcurrent": (["ocean/globcurrent*"], ["u", "v"], "1d"),
    "duacs": (["ocean/duacs*"], ["adt"], "1d"),
    "norkyst": (["ocean/norkyst*"], ["u", "v"], "1h"),
    "ostia": (["ocean/ostia*"], ["analysed_sst"], "1d"),
    "arpege": (["grib/meteonet_arpege*"], ["ws", "wdir", "u10", "v10", "t2m", "d2m", "r", "tp", "msl"], "1h"),
}


@pytest.mark.real_data
@pytest.mark.parametrize("name", list(SETS))
def test_prepare_takes_real_files_as_they_are_described(name: str, tmp_path: Path, real_data: Path) -> None:
    patterns, variables, step = SETS[name]
    document, remarks = propose([str(real_data / p) for p in patterns], name)
    assert list(document["variables"]) == variables and document["step"] == step and document["name"] == name
    assert any(r.startswith("periods: ") for r in remarks)
    if name in ("finse", "ncep"):
        # the longest ones take half a minute each: the first days stand for all
        start = document["periods"]["train"]["start"]
        short = {"start": start, "end": str(np.datetime64(start, "h") + np.timedelta64(5, "D"))}
        document["periods"] = dict.fromkeys(("train", "valid", "test"), short)
    (tmp_path / "d.json").write_text(json.dumps(document))
    store = prepare("gridded", tmp_path / "d.json", tmp_path / "store", num_workers=1)
    assert set(variables) <= set(store.names)
    assert document["variables"][variables[0]].get("nan") == ("mask" if name in ("storm", "globcurrent", "duacs", "norkyst") else None)  # fmt: skip


def test_a_series_is_described_and_split_in_order(tmp_path: Path) -> None:
    made.write(tmp_path, "an.nc", made.analyses())
    document, remarks = propose([str(tmp_path / "an.nc")])
    assert document["name"] == "an" and document["root"] == str(tmp_path) and document["files"] == ["an.nc"]
    assert document["step"] == "6h" and document["forcings"] == ["hour", "toa_radiation"]
    assert document["variables"]["t2m"] == {"role": "prognostic", "units": "K", "standard_name": "air_temperature"}
    assert document["periods"]["train"] == {"start": "2020-01-01T00", "end": "2020-01-06T00"}
    assert document["periods"]["test"]["end"] == "2020-01-08T06"
    assert document["grid"] == {"border_size": 1}
    assert any("few instants" in r for r in remarks)


def test_holes_units_and_gaps_are_remarked(tmp_path: Path) -> None:
    data = made.analyses().isel(time=[i for i in range(30) if i != 17])
    data["u10"] = data["u10"].where(data["latitude"] > 52)
    del data["v10"].attrs["units"]
    made.write(tmp_path, "an.nc", data)
    document, remarks = propose([str(tmp_path / "an.nc")])
    assert document["variables"]["u10"]["nan"] == "mask" and "nan" not in document["variables"]["t2m"]
    text = "\n".join(remarks)
    assert "u10: values are missing" in text and "v10: its files say no units" in text
    assert "step 6h: the commonest of 2 distances between instants (6h to 12h)" in text


def test_fixed_fields_and_other_grids_are_told_apart(tmp_path: Path) -> None:
    data = made.analyses()
    data["lsm"] = (("latitude", "longitude"), np.ones((12, 16), dtype=np.float32), {"units": "1"})
    made.write(tmp_path, "an.nc", data)
    coarse = made.analyses()[["t2m"]].isel(latitude=slice(None, None, 2)).rename(t2m="coarse")
    made.write(tmp_path, "coarse.nc", coarse)
    (tmp_path / "broken.nc").write_bytes(b"CDF\x01nothing")
    document, remarks = propose([str(tmp_path / "*.nc")], "mine")
    assert document["variables"]["lsm"] == {"role": "static", "short_name": "lsm", "units": "1"}
    assert "coarse" not in document["variables"] and any(
        r.startswith("coarse: left out, it is on another grid") for r in remarks
    )
    assert any(r.startswith("broken.nc: left out, it cannot be read") for r in remarks)
    assert document["files"] == ["an.nc", "coarse.nc"]


def test_levels_are_one_variable(tmp_path: Path) -> None:
    data = made.analyses()[["t2m"]].rename(t2m="t").expand_dims(isobaricInhPa=[850.0, 500.0], axis=1)
    data["isobaricInhPa"].attrs = {"units": "hPa", "standard_name": "air_pressure"}
    made.write(tmp_path, "an.nc", data)
    document, _ = propose([str(tmp_path / "an.nc")])
    assert document["variables"]["t"]["levels"] == [500.0, 850.0]
    assert document["variables"]["t"]["type_of_level"] == "isobaricInhPa"


def test_what_is_no_series_is_refused(tmp_path: Path) -> None:
    made.write(tmp_path, "one.nc", made.analyses().isel(time=slice(0, 2)))
    with pytest.raises(DataError, match="2 instants; a dataset needs a series of at least 4"):
        propose([str(tmp_path / "one.nc")])
    two = xr.Dataset(
        {"a": (("time", "lat", "lon"), np.zeros((6, 3, 4))), "b": (("later", "lat", "lon"), np.zeros((6, 3, 4)))},
        {
            "time": np.datetime64("2020-01-01", "ns") + np.arange(6) * np.timedelta64(6, "h"),
            "later": ("later", np.datetime64("2020-01-02", "ns") + np.arange(6) * np.timedelta64(1, "h"), {"standard_name": "time"}),
            "lat": ("lat", [50.0, 49.0, 48.0], {"units": "degrees_north"}), "lon": ("lon", np.arange(4.0), {"units": "degrees_east"}),
        },
    )  # fmt: skip
    two.to_netcdf(tmp_path / "two.nc")
    with pytest.raises(
        DataError, match=r"at least 4 in common \(a: 6 from 2020-01-01T00:00:00 to .*; b: 6 from 2020-01-02T00"
    ):
        propose([str(tmp_path / "two.nc")])
    xr.Dataset({"a": ("n", np.zeros(3))}).to_netcdf(tmp_path / "none.nc")
    with pytest.raises(DataError, match="none of 1 files can be read"):
        propose([str(tmp_path / "none.nc")])
    with pytest.raises(DataError):
        propose([str(tmp_path / "nowhere*.nc")])


def test_the_verb_writes_it_and_tells_what_it_guessed(tmp_path: Path) -> None:
    made.write(tmp_path, "an.nc", made.analyses())
    done = py4cast("new", "dataset", "an.nc", "--name", "mine", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "mine.json\n" and "periods: 30 instants" in done.stderr
    prepared = py4cast("prepare", "--dataset_conf", "mine.json", "--output", "store", cwd=tmp_path)
    assert prepared.returncode == 0, prepared.stderr
    again = py4cast("new", "dataset", "an.nc", "--name", "mine", cwd=tmp_path)
    assert again.returncode == 2 and "mine.json: exists" in again.stderr
    wrong = py4cast("new", "datset", "an.nc", cwd=tmp_path)
    assert wrong.returncode == 2 and "did you mean 'dataset'" in wrong.stderr


def test_months_begin_with_the_month_and_of_members_one_is_named(tmp_path: Path) -> None:
    months = np.array([f"{2018 + k // 12}-{k % 12 + 1:02}-15" for k in range(24)], dtype="datetime64[ns]")
    coords = {"time": months, "number": [4, 7], "lat": ("lat", np.arange(50.0, 40, -1), {"units": "degrees_north"}), "lon": ("lon", np.arange(9.0), {"units": "degrees_east"})}  # fmt: skip
    values = 280 + np.arange(24.0)[:, None, None, None] + np.zeros((24, 2, 10, 9))
    xr.Dataset({"t2m": (("time", "number", "lat", "lon"), values, {"units": "K"})}, coords).to_netcdf(tmp_path / "m.nc")
    document, remarks = propose([str(tmp_path / "m.nc")])
    assert document["periods"]["train"]["start"] == "2018-01-01T00" and document["periods"]["test"]["end"] == "2019-12-01T00"  # fmt: skip
    assert document["member"] == 4 and any(r.startswith("member 4: the first of 2") for r in remarks)
    (tmp_path / "d.json").write_text(json.dumps(document))
    assert prepare("gridded", tmp_path / "d.json", tmp_path / "store", num_workers=1).axis.size == 24


def test_a_series_of_several_members_is_refused(tmp_path: Path) -> None:
    times = np.datetime64("2020-01-01T00", "ns") + np.arange(8) * np.timedelta64(6, "h")
    coords = {"time": times, "number": [4, 7], "lat": ("lat", [50.0, 49.0], {"units": "degrees_north"}), "lon": ("lon", [0.0, 1.0], {"units": "degrees_east"})}  # fmt: skip
    xr.Dataset({"t2m": (("time", "number", "lat", "lon"), np.full((8, 2, 2, 2), 280.0), {"units": "K"})}, coords).to_netcdf(tmp_path / "m.nc")  # fmt: skip
    document, _ = propose([str(tmp_path / "m.nc")])
    del document["member"]
    (tmp_path / "d.json").write_text(json.dumps(document))
    with pytest.raises(
        DataError, match='the files hold the members 4, 7, and a series is of one; choose it by "member": 4'
    ):
        prepare("gridded", tmp_path / "d.json", tmp_path / "store", num_workers=1)
    (tmp_path / "d.json").write_text(json.dumps({**document, "member": 7}))
    assert prepare("gridded", tmp_path / "d.json", tmp_path / "store", num_workers=1).axis.size == 8


def test_the_patterns_that_were_asked_for_stay(tmp_path: Path) -> None:
    """So that files that come later belong to the dataset, and files that nobody asked for do not."""
    data = made.analyses()
    for number in range(10):
        made.write(tmp_path, f"an_{number:02}.nc", data.isel(time=slice(3 * number, 3 * number + 3)))
    assert propose([f"{tmp_path}/an_0*.nc"]).document["files"] == ["an_0*.nc"]
    assert propose([f"{tmp_path}/an_%d.nc"]).document["files"] == ["an_%d.nc"]
    names = [str(tmp_path / f"an_{number:02}.nc") for number in range(10)]
    assert propose(names).document["files"] == ["*.nc"]
    made.write(tmp_path, "other.nc", data)
    assert propose(names).document["files"] == [Path(name).name for name in names]


def ocean(tmp_path: Path, halo: int, south: float = -78.0) -> Path:
    """A curvilinear grid round the globe as ocean models write it: the first columns again at the end."""
    ny, nx = 20, 36
    north = np.linspace(south, 85.0, ny)[:, None] + 2 * np.sin(np.arange(nx) / nx * 4 * np.pi)[None]
    east = np.broadcast_to(72.0 + np.arange(nx) * 10.0, (ny, nx)) + 3 * np.cos(np.deg2rad(north))
    values = np.random.default_rng(1).normal(290, 1, (60, ny, nx)).astype(np.float32)
    wide = [np.concatenate([a, a[..., :halo]], -1) for a in (north, (east + 180) % 360 - 180, values)]
    xr.Dataset(
        {"tos": (("time", "y", "x"), wide[2], {"units": "K", "coordinates": "nav_lat nav_lon"}),
         "nav_lat": (("y", "x"), wide[0], {"units": "degrees_north"}),
         "nav_lon": (("y", "x"), wide[1], {"units": "degrees_east"})},
        {"time": np.datetime64("2020-01-01", "ns") + np.arange(60) * np.timedelta64(1, "D")},
    ).to_netcdf(tmp_path / "orca.nc")  # fmt: skip
    return tmp_path / "orca.nc"


@pytest.mark.parametrize("halo", [0, 1, 2])
def test_a_curvilinear_grid_round_the_globe_has_no_border_and_no_column_twice(tmp_path: Path, halo: int) -> None:
    document, remarks = propose([str(ocean(tmp_path, halo))])
    if halo:
        assert document["grid"] == {"subgrid": [0, 20, 0, 36]}
        assert any(f"without the last {halo} of {36 + halo} columns" in r for r in remarks)
    else:
        assert "grid" not in document and any("its last column is next to the first one" in r for r in remarks)
    (tmp_path / "d.json").write_text(json.dumps({**document, "store": str(tmp_path / "s")}))
    assert prepare("gridded", tmp_path / "d.json").shape == (20, 36)


def test_corners_of_cells_are_proposed_as_no_fields(tmp_path: Path) -> None:
    lat, lon = np.arange(40.0, 52.0), np.arange(0.0, 14.0)
    values = np.random.default_rng(1).normal(290, 1, (60, 12, 14)).astype(np.float32)
    corners = np.zeros((12, 14, 4))
    with_corners = {"lat2": (("y", "x"), np.broadcast_to(lat[:, None], (12, 14)), {"standard_name": "latitude", "bounds": "lat_c"}),
                    "lon2": (("y", "x"), np.broadcast_to(lon[None], (12, 14)), {"standard_name": "longitude", "bounds": "lon_c"})}  # fmt: skip
    xr.Dataset(
        {"t": (("time", "y", "x"), values, {"units": "K"}), "lat_c": (("y", "x", "c"), corners), "lon_c": (("y", "x", "c"), corners)},
        {"time": np.datetime64("2020-01-01", "ns") + np.arange(60) * np.timedelta64(1, "D"), **with_corners},
    ).to_netcdf(tmp_path / "c.nc")  # fmt: skip
    assert list(propose([str(tmp_path / "c.nc")]).document["variables"]) == ["t"]
