import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

from py4cast.errors import DataError, SettingsError
from py4cast.forecaster import Forecaster
from py4cast.formats import Fields, open_reader, writer_for
from py4cast.workflows.forecast.run import Forecast, forecast
from tests import forecast_files as made
from tests import forecasters
from tests.command import py4cast

START = made.TIMES[5]
NAMES = ["t2m", "u10", "v10"]


def saved(folder: Path, **options: object) -> tuple[Forecaster, str]:
    folder.mkdir(parents=True, exist_ok=True)
    own = forecasters.forecaster(**options)
    own.save(folder / "forecaster.safetensors")
    return own, str(folder / "forecaster.safetensors")


def expected(own: Forecaster, num_steps: int = 4, truth: bool = False) -> np.ndarray:
    return own.forecast(forecasters.batch_at(own, START, num_steps, truth), num_steps).tensor[0].numpy()


def analyses(folder: Path, form: str) -> str:
    data = made.analyses()
    if form == "celsius, turned":
        data["t2m"] = (data["t2m"] - 273.15).assign_attrs(units="degC", standard_name="air_temperature")
        data = data.isel(latitude=slice(None, None, -1))
    if form == "other names":
        data = data.rename(t2m="temperature_2m", u10="uwind", v10="vwind")
    if form != "GRIB":
        return made.write(folder, "an.zarr" if form == "Zarr" else "an.nc", data)
    variables = forecasters.PREDICTED
    for i, time in enumerate(made.TIMES[:8]):
        values = np.stack([made.truth_of(n)[i] for n in NAMES], -1)[None]
        path = folder / f"an_{i:02}.grib2"
        path.parent.mkdir(exist_ok=True)
        writer_for(path).write(path, Fields(values, variables, forecasters.GRID, time, [0 * made.HOUR]))
    return str(folder / "an_*.grib2")


def values_of(path: Path) -> np.ndarray:
    with xr.open_dataset(path, decode_timedelta=True, engine="zarr" if path.suffix == ".zarr" else None) as data:
        return np.stack([data[n].values for n in [*NAMES, "tp"] if n in data], -1)


@pytest.mark.parametrize("form", ["NetCDF", "Zarr", "GRIB", "celsius, turned", "other names"])
def test_any_file_of_the_last_analyses_gives_the_same_forecast(tmp_path: Path, form: str) -> None:
    own, path = saved(tmp_path)
    asked = Forecast(
        forecaster=path, input=[analyses(tmp_path / "in", form)], init_time=str(START), num_steps=4,
        output=[str(tmp_path / f"fc.{e}") for e in ("nc", "zarr", "grib2")],
    )  # fmt: skip
    files = forecast(asked)
    wanted = expected(own)
    atol = 1e-3 if form in ("GRIB", "celsius, turned") else 1e-5
    for file in files[:2]:
        np.testing.assert_allclose(values_of(file), wanted, atol=atol)
    with open_reader(files[2]) as reader:
        records = reader.records()
        assert [r.short_name for r in records[:4]] == ["2t", "10u", "10v", "tp"] and len(records) == 16
        assert {r.lead_time / made.HOUR for r in records} == {6, 12, 18, 24} and {r.init_time for r in records} == {
            START
        }
        np.testing.assert_allclose(reader.read(records[4]), wanted[1, ..., 0], atol=2e-3)


def test_the_last_time_of_the_input_is_the_start(tmp_path: Path) -> None:
    _, path = saved(tmp_path)
    asked = Forecast(
        forecaster=path,
        input=[analyses(tmp_path / "in", "NetCDF")],
        num_steps=1,
        output=[str(tmp_path / "{init_time}.nc")],
    )
    (file,) = forecast(asked)
    assert file.name == "20200108T06.nc"


def test_a_file_per_lead_time(tmp_path: Path) -> None:
    own, path = saved(tmp_path)
    asked = Forecast(
        forecaster=path, input=[analyses(tmp_path / "in", "NetCDF")], init_time=str(START), num_steps=3,
        output=[str(tmp_path / "fc_{init_time}_{lead_time}.grib2")],
    )  # fmt: skip
    files = forecast(asked)
    assert [f.name for f in files] == [f"fc_20200102T06_{h:03}.grib2" for h in (6, 12, 18)]
    with open_reader(files[2]) as reader:
        rain = reader.records()[3]
        assert rain.short_name == "tp" and rain.keys["since"] == 12 * made.HOUR, "a sum of one step"
        np.testing.assert_allclose(reader.read(reader.records()[0]), expected(own)[2, ..., 0], atol=1e-3)


def test_border_values_come_from_a_driving_model(tmp_path: Path) -> None:
    own, path = saved(tmp_path, border_size=2)
    assert own.strategy.force_border
    source = analyses(tmp_path / "in", "NetCDF")
    asked = Forecast(
        forecaster=path, input=[source], init_time=str(START), num_steps=4, output=[str(tmp_path / "f.nc")]
    )
    with pytest.raises(DataError, match="give a driving model's files by --boundary, or use --free_border"):
        forecast(asked)
    # twelve-hourly, on a coarser grid that reaches further: linear in time and in space, as the fields are in space
    lat, lon = np.linspace(60, 46, 8), np.linspace(-10, 6, 9)
    steps = np.arange(5) * 12 * made.HOUR
    place = 0.4 * (lat[:, None] - 53) - 0.3 * (lon[None, :] + 2)
    places = ((START - made.START) + steps) / forecasters.STEP
    fields = {n: made.MEAN[n] + 3 * np.sin(0.7 * places + len(n))[:, None, None] + place for n in NAMES}
    driving = xr.Dataset(
        {n: (("init_time", "lead_time", "latitude", "longitude"), f[None].astype("f4"), {"units": made.UNITS[n]}) for n, f in fields.items()},
        {"init_time": [START.astype("datetime64[ns]")], "lead_time": steps.astype("timedelta64[ns]"), "latitude": lat, "longitude": lon},
    )  # fmt: skip
    boundary = made.write(tmp_path / "b", "ifs.nc", driving)
    (file,) = forecast(Forecast(forecaster=path, input=[source], boundary=[boundary], init_time=str(START), num_steps=4, output=[str(tmp_path / "f.nc")]))  # fmt: skip
    found, border = values_of(file), own.info.statics.border_mask[..., 0].bool().numpy()
    for i, n in enumerate(NAMES):
        for step in range(4):
            low, share = divmod(step + 1, 2)
            time_part = (1 - share / 2) * np.sin(0.7 * places + len(n))[low] + share / 2 * np.sin(
                0.7 * places + len(n)
            )[min(low + 1, 4)]
            wanted = (
                made.MEAN[n] + 3 * time_part + 0.4 * (made.LATITUDE[:, None] - 53) - 0.3 * (made.LONGITUDE[None, :] + 2)
            )
            np.testing.assert_allclose(found[step, ..., i][border], wanted[border], atol=1e-4)
    (free,) = forecast(Forecast(forecaster=path, input=[source], init_time=str(START), num_steps=4, output=[str(tmp_path / "g.nc")], free_border=True))  # fmt: skip
    assert np.abs(values_of(free) - found)[..., 0][:, border].max() > 0.1
    beside = Forecast(forecaster=path, input=[source], boundary=[boundary], init_time=str(START), num_steps=4, output=[str(tmp_path / "h.nc")], free_border=True)  # fmt: skip
    (freed,) = forecast(beside)
    np.testing.assert_allclose(
        values_of(freed), values_of(free), atol=1e-6, err_msg="--boundary gives forcings alone then"
    )
    own.strategy.force_border = False
    np.testing.assert_allclose(values_of(free), expected(own), atol=1e-5)
    small = made.write(tmp_path / "b", "small.nc", driving.isel(latitude=slice(3, 6)))
    with pytest.raises(DataError, match=r"--boundary: covers \d+ % of the border"):
        forecast(
            Forecast(forecaster=path, input=[source], boundary=[small], num_steps=1, output=[str(tmp_path / "f.nc")])
        )
    with pytest.raises(DataError, match="--boundary lacks t2m, u10, v10 up to 2020-01-04T12"):
        forecast(Forecast(forecaster=path, input=[source], boundary=[boundary], init_time=str(START), num_steps=9, output=[str(tmp_path / "f.nc")]))  # fmt: skip


@pytest.mark.parametrize("form", ["NetCDF", "GRIB"])
def test_an_ensemble_of_analyses_gives_an_ensemble(tmp_path: Path, form: str) -> None:
    own, path = saved(tmp_path)
    data = made.analyses()
    members = xr.concat([data, data + 1.0, data - 1.0], "number", coords="minimal").assign_coords(number=[0, 1, 2])
    if form == "NetCDF":
        for n in NAMES:
            members[n] = members[n].transpose("time", "number", ...).assign_attrs(data[n].attrs)
        source = made.write(tmp_path / "in", "ens.nc", members)
    else:
        (tmp_path / "in").mkdir()
        for i in (4, 5):
            values = np.stack([members[n].values[:, i] for n in NAMES], -1)[None]
            p = tmp_path / "in" / f"{i}.grib2"
            fields = Fields(
                values, forecasters.PREDICTED, forecasters.GRID, made.TIMES[i], [0 * made.HOUR], members=(0, 1, 2)
            )
            writer_for(p).write(p, fields)
        source = str(tmp_path / "in" / "*.grib2")
    outputs = [str(tmp_path / "f.nc"), str(tmp_path / "f.grib2")]
    files = forecast(Forecast(forecaster=path, input=[source], init_time=str(START), num_steps=2, output=outputs))
    found = values_of(files[0])
    assert found.shape == (2, 3, 12, 16, 4)
    np.testing.assert_allclose(found[:, 0], expected(own, 2), atol=1e-3)
    assert np.abs(found[:, 1] - found[:, 0])[..., 0].mean() > 0.5
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import cfgrib

        grib = cfgrib.open_dataset(files[1], indexpath="", filter_by_keys={"shortName": "2t"})
    np.testing.assert_allclose(grib.t2m.values.transpose(1, 0, 2, 3), found[..., 0], atol=1e-4)
    one = Forecast(forecaster=path, input=[source], init_time=str(START), num_steps=1, output=outputs[:1], members=[2])
    np.testing.assert_allclose(values_of(forecast(one)[0])[:, 0], found[:1, 2], atol=1e-6)
    with pytest.raises(SettingsError, match="--members 7: the input has 0, 1, 2"):
        forecast(Forecast(forecaster=path, input=[source], num_steps=1, output=outputs, members=[7]))


def test_bad_input_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    _, path = saved(tmp_path)
    data = made.analyses()

    def refused(match: str, changed: xr.Dataset | None = None, kind: type = DataError, **options: object) -> None:
        source = made.write(tmp_path / "in", "bad.nc", data if changed is None else changed)
        words = {"init_time": str(START), "num_steps": 1, "output": [str(tmp_path / "out" / "f.nc")], **options}
        with pytest.raises(kind, match=match):
            forecast(Forecast(forecaster=path, input=[source], **words))
        assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())

    refused(
        r"--input: lacks prognostic 'v10' \(northward_wind, 10 heightAboveGround, \[m s-1\]\)", data.drop_vars("v10")
    )
    refused(r"t2m: the input is in 'Pa', the forecaster in 'K'", data.assign(t2m=data["t2m"].assign_attrs(units="Pa")))
    refused("--input: no state at 2019-12-31T18", init_time="2020-01-01T00")
    refused("--input: no state at 2020-01-02T07", init_time="2020-01-02T07")
    holed = data.copy(deep=True)
    holed["u10"][5, 3, 4] = np.nan
    refused("--input: u10 at 2020-01-02T06:00:00 has no value in 1 of 192 cells", holed)
    refused(
        r"grids differ: the input is on .*; the forecaster is on .*; use --regrid", data.isel(latitude=slice(2, None))
    )
    wide = data.interp(
        latitude=np.linspace(57, 50, 20), longitude=np.linspace(-7, 2, 30), kwargs={"fill_value": "extrapolate"}
    )
    for name in wide.data_vars:
        wide[name].attrs = data[name].attrs
    refused(r"grids differ", wide)
    made.write(tmp_path / "in", "wide.nc", wide)
    files = forecast(Forecast(forecaster=path, input=[str(tmp_path / "in" / "wide.nc")], regrid="linear", init_time=str(START), num_steps=1, output=[str(tmp_path / "w.nc")]))  # fmt: skip
    np.testing.assert_allclose(values_of(files[0]), expected(forecasters.forecaster(), 1), atol=1e-3)
    refused(r"--num_steps 0: expected at least 1", kind=SettingsError, num_steps=0)
    refused(r"unknown ending '.ncc'; did you mean '.nc'", kind=SettingsError, output=[str(tmp_path / "f.ncc")])
    refused(r"unknown place \{lead\}", kind=SettingsError, output=[str(tmp_path / "f_{lead}.nc")])
    refused(r"nothing to write", kind=SettingsError, output=[])
    refused(r"--overlay 'm_\{when\}': unknown place", kind=SettingsError, overlay="m_{when}")


def test_the_command_line(tmp_path: Path) -> None:
    _, path = saved(tmp_path)
    source, out = analyses(tmp_path / "in", "other names"), tmp_path / "f.grib2"
    words = ("forecast", "--model", path, "--input", source, "--num_steps", "2", "--init_time", "2020-01-02T06")
    done = py4cast(*words, "--output", str(out), str(tmp_path / "f.nc"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(out), str(tmp_path / "f.nc")] and "2/2" in done.stderr
    for more, status, text in (
        (["--members", "a"], 2, "--members a: expected numbers by comma"),
        (["--rename", "x"], 2, "expected INPUT=FORECASTER"),
        (["--device", "tpu9"], 2, "--device tpu9: not available here"),
        (["--init_time", "2031-01-01"], 3, "no state at 2031-01-01"),
    ):
        failed = py4cast(*words, "--output", str(tmp_path / "x.nc"), *more)
        assert failed.returncode == status and text in failed.stderr and len(failed.stderr.splitlines()) == 1, (
            failed.stderr
        )
    assert not (tmp_path / "x.nc").exists()


def test_series_at_stations(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    own, path = saved(tmp_path)
    places = 'name,lat,lon\nbetween,52.25,-1.1\n"north, west",55.0,-5.0\nfar,10,0\n'
    (tmp_path / "places.csv").write_text(places)
    words = {
        "forecaster": path,
        "input": [analyses(tmp_path / "in", "NetCDF")],
        "init_time": str(START),
        "num_steps": 2,
        "output": [],
    }
    words["stations"] = str(tmp_path / "places.csv")
    (table,) = forecast(Forecast(**words, series=str(tmp_path / "s.csv")))
    assert "1 stations lie outside the grid and are left out: far" in caplog.text
    rows = pd.read_csv(table)
    assert list(rows.columns) == [
        "station", "latitude", "longitude", "time", "init_time", "lead_time_h", "t2m [K]", "u10 [m s-1]", "v10 [m s-1]", "tp [kg m-2]",
    ]  # fmt: skip
    assert rows["station"].tolist() == ["between", "north, west"] * 2 and rows["lead_time_h"].tolist() == [6, 6, 12, 12]
    assert rows["time"][3] == "2020-01-02T18:00:00Z" and rows["init_time"][0] == "2020-01-02T06:00:00Z"
    wanted = expected(own, 2)
    field = xr.DataArray(
        wanted,
        dims=("step", "latitude", "longitude", "v"),
        coords={"latitude": made.LATITUDE, "longitude": made.LONGITUDE},
    )
    at = np.stack([field.interp(latitude=a, longitude=o).values for a, o in ((52.25, -1.1), (55.0, -5.0))], 1)
    np.testing.assert_allclose(rows.iloc[:, 6:].to_numpy().reshape(2, 2, 4), at, rtol=1e-4, atol=1e-4)
    (file,) = forecast(Forecast(**words, series=str(tmp_path / "s.nc")))
    with xr.open_dataset(file, decode_timedelta=False) as data:
        assert data["t2m"].dims == ("time", "station") and data.attrs["featureType"] == "timeSeries"
        assert data["station"].values.tolist() == ["between", "north, west"] and "latitude" in data["t2m"].coords
        np.testing.assert_allclose(data["t2m"].values, at[..., 0], rtol=1e-5)
    with pytest.raises(SettingsError, match="--stations FILE and --series FILE come together"):
        Forecast(**words)
    with pytest.raises(SettingsError, match="ends in .csv or .nc"):
        forecast(Forecast(**words, series="s.grib2"))
    with pytest.raises(SettingsError, match="a .csv holds series at stations"):
        forecast(Forecast(**{**words, "stations": None, "output": [str(tmp_path / "x.csv")]}))
    (tmp_path / "places.csv").write_text("name,lat\nx,1\n")
    with pytest.raises(DataError, match="no column 'longitude'"):
        forecast(Forecast(**words, series=str(tmp_path / "s.csv")))


def test_maps_of_every_variable(tmp_path: Path) -> None:
    from PIL import Image

    _, path = saved(tmp_path)
    asked = Forecast(
        forecaster=path,
        input=[analyses(tmp_path / "in", "NetCDF")],
        num_steps=3,
        output=[],
        overlay=str(tmp_path / "{init_time}"),
    )
    files = forecast(asked)
    names = {f"{v}_{h:03}.png" for v in [*NAMES, "tp"] for h in (6, 12, 18)} | {f"{v}.gif" for v in [*NAMES, "tp"]}
    assert {f.name for f in files} == names == {p.name for p in (tmp_path / "20200108T06").iterdir()}
    with Image.open(tmp_path / "20200108T06" / "t2m.gif") as image:
        assert image.n_frames == 3
    with Image.open(tmp_path / "20200108T06" / "t2m_006.png") as image:
        assert len(np.unique(np.asarray(image.convert("RGB")).reshape(-1, 3), axis=0)) > 20, "a map, not an empty sheet"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no accelerator here")
@pytest.mark.parametrize(("precision", "atol"), [("32", 1e-2), ("bf16", 0.5)])
def test_a_gpu_gives_the_same_forecast(tmp_path: Path, precision: str, atol: float) -> None:
    own, path = saved(tmp_path)
    asked = Forecast(
        forecaster=path, input=[analyses(tmp_path / "in", "NetCDF")], init_time=str(START), num_steps=4, device="cuda",
        precision=precision, output=[str(tmp_path / "f.nc")],
    )  # fmt: skip
    np.testing.assert_allclose(values_of(forecast(asked)[0]), expected(own), atol=atol)


def test_half_precision_on_the_cpu_is_near(tmp_path: Path) -> None:
    own, path = saved(tmp_path)
    asked = Forecast(
        forecaster=path, input=[analyses(tmp_path / "in", "NetCDF")], init_time=str(START), num_steps=2, precision="bf16",
        output=[str(tmp_path / "f.nc")], device="cpu",
    )  # fmt: skip
    difference = np.abs(values_of(forecast(asked)[0]) - expected(own, 2))
    assert 0 < difference.max() < 0.5
    with pytest.raises(SettingsError, match="--precision 'fp8'"):
        forecast(Forecast(forecaster=path, input=asked.input, num_steps=1, precision="fp8", output=asked.output))


def test_members_beyond_all_memory_are_told_before_they_are_counted_out(tmp_path: Path) -> None:
    _, path = saved(tmp_path)
    files = analyses(tmp_path, "NetCDF")
    asked = Forecast(forecaster=path, input=[files], num_steps=1, num_members=10**12, output=[str(tmp_path / "m.nc")])
    with pytest.raises(SettingsError, match="1000000000000 members need at least .* fit"):
        forecast(asked)
