"""Stores of other tools: made by those tools where `make peers` has installed them, and small ones in their layouts."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr

from py4cast.cubes.base import CubeABC
from py4cast.cubes.foreign import open_cube
from py4cast.datasets import get_datasets
from py4cast.datasets.gridded import Gridded
from py4cast.errors import DataError, SettingsError
from tests.conftest import ROOT
from tests.cubes.store.test_store import prepare
from tests.weather_files import HOUR, START, describe, wave_fields, write_json, write_netcdf

RECIPE = """
description: made for a test
dates: {{start: 2020-01-01T00:00:00, end: 2020-01-02T23:00:00, frequency: 1h, missing: [{missing}]}}
input: {{netcdf: {{path: {path}, param: [t, u]}}}}
statistics: {{allow_nans: true}}
"""
MLLAM = """
schema_version: v0.6.0
dataset_version: v0.1.0
output:
  variables: {{static: [grid_index, static_feature], state: [time, grid_index, state_feature], forcing: [time, grid_index, forcing_feature]}}
  coord_ranges: {{time: {{start: 2020-01-01T00:00, end: 2020-01-02T23:00, step: PT1H}}}}
  chunking: {{time: 1}}
  splitting:
    dim: time
    splits:
      train: {{start: 2020-01-01T00:00, end: 2020-01-01T23:00, compute_statistics: {{ops: [mean, std], dims: [grid_index, time]}}}}
      val: {{start: 2020-01-02T00:00, end: 2020-01-02T11:00}}
      test: {{start: 2020-01-02T12:00, end: 2020-01-02T23:00}}
inputs:
  state:
    path: {path}
    dims: [time, x, y]
    variables: [t, u]
    dim_mapping:
      time: {{method: rename, dim: time}}
      state_feature: {{method: stack_variables_by_var_name, name_format: "{{var_name}}"}}
      grid_index: {{method: stack, dims: [x, y]}}
    target_output_variable: state
  forcing:
    path: {path}
    dims: [time, x, y]
    variables: [sun]
    dim_mapping:
      time: {{method: rename, dim: time}}
      forcing_feature: {{method: stack_variables_by_var_name, name_format: "{{var_name}}"}}
      grid_index: {{method: stack, dims: [x, y]}}
    target_output_variable: forcing
  static:
    path: {path}
    dims: [x, y]
    variables: [height]
    dim_mapping:
      static_feature: {{method: stack_variables_by_var_name, name_format: "{{var_name}}"}}
      grid_index: {{method: stack, dims: [x, y]}}
    target_output_variable: static
"""


def run_peer(peer: str, *words: str) -> None:
    folder = ROOT / ".peers" / peer
    if not folder.is_dir():
        pytest.skip(f"{peer} is not installed; run make peers")
    env = {**os.environ, "PYTHONPATH": str(folder), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def values_of(cube: CubeABC, names: list[str]) -> np.ndarray:
    out = np.empty((len(names), cube.axis.size, *cube.shape), dtype=np.float32)
    cube.read(names, 0, cube.axis.size, out)
    return out


def virtual(tmp_path: Path, store: Path, **changes: object):
    document = describe(tmp_path, source={"store": str(store)}, grid={"border_size": 1})
    for key in ("files", "root", "variables"):
        document.pop(key)
    return get_datasets("virtual", 2, 1, 2, write_json(tmp_path / "v.json", {**document, **changes}))


@pytest.mark.slow
def test_what_anemoi_datasets_makes(tmp_path: Path) -> None:
    t, u = wave_fields(), wave_fields(seed=1) - 280
    with xr.open_dataset(write_netcdf(tmp_path / "in.nc", {"t": t, "u": u}, units={"u": "m s-1"})) as data:
        named = data.rename(lat="latitude", lon="longitude")
        for name in ("latitude", "longitude", "time"):
            named[name].attrs["standard_name"] = name
        path = tmp_path / "cf.nc"
        named.to_netcdf(path)
    (tmp_path / "recipe.yaml").write_text(RECIPE.format(path=path, missing="'2020-01-01T05:00:00'"))
    run_peer("anemoi", "-m", "anemoi.datasets", "create", str(tmp_path / "recipe.yaml"), str(tmp_path / "a.zarr"))
    cube = open_cube(tmp_path / "a.zarr")
    assert type(cube).__name__ == "AnemoiCube" and cube.names == ["t", "u"] and cube.axis.step == HOUR
    there = cube.available(["t"])
    assert not there[5] and there.sum() == 47
    found = values_of(cube, ["u", "t"])
    np.testing.assert_array_equal(found[1][there], t[there])
    np.testing.assert_array_equal(found[0][there], u[there])
    assert np.isnan(found[:, 5]).all()
    train, _, _ = virtual(tmp_path, tmp_path / "a.zarr")
    assert len(train) == 22 - 3, "no window touches the missing date"
    np.testing.assert_array_equal(train[0].inputs["t"][..., 0], t[:2])
    inside = there & (np.arange(48) < 24)
    assert train.info.stats["t"]["mean"] == pytest.approx(t[inside].astype(np.float64).mean(), rel=1e-12)


@pytest.mark.slow
def test_what_mllam_data_prep_makes(tmp_path: Path) -> None:
    t, u, sun = wave_fields(), wave_fields(seed=1), wave_fields(seed=2) * 2
    x, y = 2500.0 * np.arange(16), 1000.0 + 2500.0 * np.arange(12)
    lat, lon = np.meshgrid(50 + y / 111e3, 2 + x / 7e4, indexing="ij")
    dims = ("time", "y", "x")
    times = (START + np.arange(48) * HOUR).astype("datetime64[ns]")
    height = np.add.outer(np.arange(12.0), np.arange(16.0))
    data = {"t": (dims, t, {"units": "K", "long_name": "t"}), "u": (dims, u, {"units": "m s-1", "long_name": "u"}), "sun": (dims, sun, {"units": "W m-2", "long_name": "s"}), "height": (dims[1:], height, {"units": "m", "long_name": "h"})}  # fmt: skip
    coords = {
        "time": times,
        "x": ("x", x, {"units": "m"}),
        "y": ("y", y, {"units": "m"}),
        "lat": (dims[1:], lat),
        "lon": (dims[1:], lon),
    }
    xr.Dataset(data, coords).to_zarr(tmp_path / "in.zarr", zarr_format=2)
    (tmp_path / "m.yaml").write_text(MLLAM.format(path=tmp_path / "in.zarr"))
    run_peer("mllam", "-m", "mllam_data_prep", str(tmp_path / "m.yaml"), "-o", str(tmp_path / "m.zarr"))
    cube = open_cube(tmp_path / "m.zarr")
    assert type(cube).__name__ == "MllamCube" and cube.names == ["t", "u", "sun"]
    np.testing.assert_array_equal(values_of(cube, ["t", "u", "sun"]), np.stack([t, u, sun]))
    np.testing.assert_allclose(cube.grid.latitude_2d(), lat)
    np.testing.assert_array_equal(cube.static_fields()["height"], height.astype(np.float32))
    train, _, _ = virtual(tmp_path, tmp_path / "m.zarr")
    assert train.info.prognostic == ["t", "u"] and train.info.forcing == ["sun", "sin_hour", "cos_hour"]
    assert "height" in train.info.static
    assert train.info.stats["sun"]["std"] == pytest.approx(sun[:24].astype(np.float64).std(), rel=1e-9)


def anemoi_like(path: Path, fields: np.ndarray, members: int = 1) -> Path:
    """A store in Anemoi's layout, written with zarr: `(dates, variables, ensembles, values)`."""
    group = zarr.create_group(path, zarr_format=2)
    num, rows, columns = fields.shape
    data = np.stack([np.stack([fields + 10 * m, 2 * fields], 1).reshape(num, 2, -1) for m in range(members)], 2)
    array = group.create_array("data", shape=data.shape, dtype="float32", chunks=(1, *data.shape[1:]))
    array[...] = data
    lat, lon = np.meshgrid(50 - 0.5 * np.arange(rows), 0.5 * np.arange(columns), indexing="ij")
    for name, values in (
        ("dates", START + np.arange(num) * HOUR),
        ("latitudes", lat.ravel()),
        ("longitudes", lon.ravel()),
    ):
        group.create_array(name, data=values)
    group.attrs.update(
        {"variables": ["t", "t_850"], "dimensions": ["dates", "variables", "ensembles", "values"], "field_shape": [rows, columns],
         "missing_dates": ["2020-01-01T03:00:00"], "variables_metadata": {"t": {"units": "K", "mars": {"param": "2t"}},
         "t_850": {"units": "K", "mars": {"param": "t", "levtype": "pl", "levelist": 850}}}}
    )  # fmt: skip
    return path


@pytest.mark.filterwarnings("ignore")
def test_members_and_levels_of_anemoi(tmp_path: Path) -> None:
    fields = wave_fields(8)
    cube = open_cube(anemoi_like(tmp_path / "a.zarr", fields, 2))
    assert cube.axis.members == (0, 1) and cube.axis.size == 16 and cube.grid.shape == (12, 16)
    assert cube.variable("t_850").level == 850 and cube.variable("t").short_name == "2t"
    found = values_of(cube, ["t"])[0]
    np.testing.assert_array_equal(found[2 * 5 + 1], fields[5] + 10)
    assert np.flatnonzero(~cube.available(["t"])).tolist() == [6, 7] and np.isnan(found[6:8]).all()


@pytest.mark.parametrize("kind", ["zarr2", "zarr3", "nc"])
def test_weatherbench_and_other_cf_stores(tmp_path: Path, kind: str) -> None:
    """`(time, level, longitude, latitude)`, latitudes rising, as WeatherBench 2 has them."""
    t = wave_fields(48)
    upper = np.stack([t - 30, t - 10], axis=1)
    coords = {
        "time": (START + np.arange(48) * HOUR).astype("datetime64[ns]"), "level": [500, 850],
        "latitude": ("latitude", 45 + 0.5 * np.arange(12), {"units": "degrees_north"}),
        "longitude": ("longitude", 0.5 * np.arange(16), {"units": "degrees_east"}),
    }  # fmt: skip
    data = {
        "2m_temperature": (
            ("time", "longitude", "latitude"),
            t[:, ::-1].swapaxes(1, 2),
            {"units": "K", "short_name": "2t"},
        ),
        "temperature": (("time", "level", "longitude", "latitude"), upper[:, :, ::-1].swapaxes(2, 3), {"units": "K"}),
        "land_sea_mask": (("longitude", "latitude"), np.ones((16, 12), dtype=np.float32)),
    }
    dataset = xr.Dataset(data, coords)
    path = tmp_path / f"w.{'nc' if kind == 'nc' else 'zarr'}"
    if kind == "nc":
        dataset.to_netcdf(path)
    else:
        dataset.to_zarr(path, zarr_format=int(kind[-1]), consolidated=kind == "zarr2")
    cube = open_cube(path)
    assert cube.names == ["2m_temperature", "temperature_500_isobaricInhPa", "temperature_850_isobaricInhPa"]
    np.testing.assert_array_equal(values_of(cube, ["2m_temperature"])[0], t[:, ::-1])
    np.testing.assert_array_equal(values_of(cube, ["temperature_850_isobaricInhPa"])[0], upper[:, 1, ::-1])
    assert set(cube.static_fields()) == {"land_sea_mask"} and cube.grid.latitude[0] == 45
    train, _, _ = virtual(
        tmp_path, path, variables={"2m_temperature": {}, "temperature_850_isobaricInhPa": {"role": "forcing"}}
    )
    assert train.info.prognostic == ["2m_temperature"] and train.info.variable("2m_temperature").short_name == "2t"


def test_forecasts_with_members_are_runs(tmp_path: Path) -> None:
    values = np.random.default_rng(0).standard_normal((3, 2, 4, 5, 6)).astype(np.float32)
    coords = {
        "time": (START + np.arange(3) * 12 * HOUR).astype("datetime64[ns]"), "number": [0, 7],
        "prediction_timedelta": (np.arange(4) * HOUR).astype("timedelta64[ns]"),
        "lat": ("lat", np.linspace(50, 48, 5), {"units": "degrees_north"}), "lon": ("lon", np.linspace(0, 2.5, 6), {"units": "degrees_east"}),
    }  # fmt: skip
    dims = ("time", "number", "prediction_timedelta", "lat", "lon")
    xr.Dataset({"z": (dims, values, {"units": "m2 s-2"})}, coords).to_zarr(
        tmp_path / "f.zarr", zarr_format=3, consolidated=False
    )
    cube = open_cube(tmp_path / "f.zarr")
    assert cube.axis.shape == (3, 2, 4) and cube.axis.members == (0, 7) and not cube.axis.is_series
    np.testing.assert_array_equal(values_of(cube, ["z"])[0].reshape(3, 2, 4, 5, 6), values)


def test_gridded_prepares_zarr_too(tmp_path: Path) -> None:
    path = write_netcdf(tmp_path / "a.nc", {"t": wave_fields()})
    with xr.open_dataset(path) as data:
        data.to_zarr(tmp_path / "in" / "a.zarr", zarr_format=3, consolidated=False)
    store = prepare(Gridded.settings_kls.from_dict(describe(tmp_path / "in", files=["*.zarr"])))
    out = np.empty((1, 48, 12, 16), dtype=np.float32)
    store.read(["t"], 0, 48, out)
    np.testing.assert_array_equal(out[0], wave_fields())


def test_what_is_no_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "era5.zarr").mkdir()
    (tmp_path / "text.txt").write_text("rain")
    with pytest.raises(DataError, match=r"era6\.zarr: no such file or store; did you mean 'era5\.zarr'"):
        open_cube(tmp_path / "era6.zarr")
    with pytest.raises(
        DataError, match=r"era5\.zarr: no store that is known; expected a prepared one, or anemoi, cf, mllam"
    ):
        open_cube(tmp_path / "era5.zarr")
    with pytest.raises(DataError, match=r"text\.txt: no store that is known"):
        open_cube(tmp_path / "text.txt")
    with pytest.raises(SettingsError, match=r"kind 'anemo'; did you mean 'anemoi'"):
        open_cube(tmp_path / "era5.zarr", "anemo")
    with pytest.raises(DataError, match=r"era5\.zarr: cannot be opened as Anemoi"):
        open_cube(tmp_path / "era5.zarr", "anemoi")
    write_netcdf(tmp_path / "b.nc", {"t": wave_fields()})
    (tmp_path / "b.nc").write_bytes((tmp_path / "b.nc").read_bytes()[:500])
    with pytest.raises(DataError, match=r"b\.nc: damaged, or not a NetCDF file"):
        open_cube(tmp_path / "b.nc")


def test_the_folder_of_an_unfinished_store_is_told(tmp_path: Path) -> None:
    """It has the marks of any Zarr, and planes that were not written yet."""
    group = zarr.create_group(store=tmp_path / "half")
    group.create_array("t", shape=(3, 2, 2), dtype="float32", dimension_names=("time", "latitude", "longitude"))
    (tmp_path / "half" / "recipe.json").write_text("{}")
    with pytest.raises(DataError, match=r"half: unfinished prepared store here; prepare it again to go on"):
        open_cube(tmp_path / "half")
