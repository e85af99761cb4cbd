import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from py4cast.errors import DataError, SettingsError
from py4cast.metrics import ScoreSettings
from py4cast.metrics.score_set import ScoreSet
from py4cast.workflows.verify import shares
from py4cast.workflows.verify.file_case import FileCase, VerifyFiles
from py4cast.workflows.verify.files import verify_files
from tests import forecast_files as made
from tests.command import py4cast
from tests.forecast_files import BIAS, HOUR, STARTS

FEW = ScoreSettings(metrics=("rmse", "bias", "wind_rmse"), num_samples=50)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    return {
        "forecast": made.write(tmp_path / "f", "forecasts.nc", made.forecasts()),
        "truth": made.write(tmp_path / "t", "analyses.nc", made.analyses()),
    }


OPENED: list[FileCase] = []


@pytest.fixture(autouse=True)
def all_closed() -> Iterator[None]:
    yield
    while OPENED:
        OPENED.pop().close()


def verified(asked_for: VerifyFiles) -> tuple[ScoreSet, FileCase]:
    scores, case = verify_files(asked_for)
    OPENED.append(case)
    return scores, case


def asked(files: dict[str, str], **changes: object) -> VerifyFiles:
    plain = VerifyFiles(forecast=[files["forecast"]], truth=[files["truth"]], climatology="none", scores=FEW)
    return replace(plain, **changes)


def test_the_scores_of_a_forecast_with_a_known_bias(files: dict[str, str]) -> None:
    scores, case = verified(asked(files))
    assert scores.num_forecasts == 10 and scores.lead_hours == [6.0, 12.0, 18.0]
    assert list(scores.systems) == ["forecast", "persistence"]
    for i, name in enumerate(BIAS):
        np.testing.assert_allclose(scores.table("bias", "forecast")[:, i], BIAS[name], atol=1e-5)
        np.testing.assert_allclose(scores.table("rmse", "forecast")[:, i], BIAS[name], atol=1e-5)
    np.testing.assert_allclose(
        scores.table("wind_rmse", "forecast")[:, 3], np.hypot(BIAS["u10"], BIAS["v10"]), rtol=1e-5
    )
    step = np.sin(0.7 * (2 * np.arange(10) + 1) + 3) - np.sin(0.7 * 2 * np.arange(10) + 3)
    assert scores.table("rmse", "persistence")[0, 0] == pytest.approx(3 * np.sqrt((step**2).mean()), rel=1e-4)
    forecast, truth = case.fields(STARTS[3])
    assert forecast.shape == truth.shape == (3, 12, 16, 3)
    np.testing.assert_allclose((forecast - truth)[..., 0].mean((1, 2)), BIAS["t2m"], atol=1e-4)


@pytest.mark.parametrize("form", ["zarr", "many NetCDF files", "many GRIB files"])
def test_every_format_gives_the_same_scores(files: dict[str, str], tmp_path: Path, form: str) -> None:
    expected, _ = verified(asked(files))
    if form == "zarr":
        path = made.write(tmp_path / "z", "forecasts.zarr", made.forecasts())
    else:
        path = made.write_each(tmp_path / "each", ".nc" if "NetCDF" in form else ".grib2")
    found, _ = verified(asked({**files, "forecast": path}))
    assert found.num_forecasts == 10 and (found.init_times == expected.init_times).all()
    for name in ("rmse", "bias", "wind_rmse"):
        atol = 2e-3 if "GRIB" in form else 1e-6
        np.testing.assert_allclose(found.arrays[name].values, expected.arrays[name].values, atol=atol, err_msg=name)


def test_blocks_of_lead_times_change_nothing(files: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    expected, _ = verified(asked(files))
    monkeypatch.setattr(shares, "BLOCK_BYTES", 1)
    found, _ = verified(asked(files))
    for name, array in expected.arrays.items():
        np.testing.assert_array_equal(found.arrays[name].values, array.values, err_msg=name)


def test_units_are_converted_and_rows_turned(files: dict[str, str], tmp_path: Path) -> None:
    truth = made.analyses()
    truth["t2m"] = (truth["t2m"] - 273.15).assign_attrs(units="degC", standard_name="air_temperature")
    path = made.write(tmp_path / "c", "a.nc", truth.isel(latitude=slice(None, None, -1)))
    scores, case = verified(asked({**files, "truth": path}))
    assert scores.units["t2m"] == "degC" and case.grid.latitude[0] < case.grid.latitude[-1]
    np.testing.assert_allclose(scores.table("bias", "forecast")[:, 0], BIAS["t2m"], atol=1e-3)


def test_a_reference_is_compared(files: dict[str, str], tmp_path: Path) -> None:
    worse = made.forecasts()
    worse["t2m"] = (worse["t2m"] + np.random.default_rng(0).normal(0, 3, worse["t2m"].shape)).assign_attrs(units="K")
    path = made.write(tmp_path / "r", "worse.nc", worse.isel(init_time=slice(1, None)))
    scores, _ = verified(asked(files, references={"worse": [path]}))
    assert list(scores.systems) == ["forecast", "worse", "persistence"] and scores.num_forecasts == 9
    gains = scores.arrays["rmse_gain"].values[0, :, 0]
    assert (gains > 0.3).all() and (scores.arrays["rmse_gain_low"].values[0, :, 0] > 0).all()


def test_another_grid_is_refused_or_regridded(files: dict[str, str], tmp_path: Path) -> None:
    coarse = made.write(
        tmp_path / "g", "a.nc", made.analyses().isel(latitude=slice(1, -1, 2), longitude=slice(1, -1, 2))
    )
    with pytest.raises(
        DataError, match=r"grids differ: the forecast is on 12 x 16.*truth is on 5 x 7.*--regrid linear"
    ):
        verified(asked({**files, "truth": coarse}))
    scores, _ = verified(asked({**files, "truth": coarse}, regrid="linear"))
    np.testing.assert_allclose(scores.table("bias", "forecast")[:, 0], BIAS["t2m"], atol=1e-4)


def test_what_does_not_fit_is_named(files: dict[str, str], tmp_path: Path) -> None:
    foreign = made.analyses()[["t2m"]].rename(t2m="x")
    foreign["x"].attrs.update(units="kg m-2", standard_name="x")
    other = made.write(tmp_path / "o", "a.nc", foreign)
    with pytest.raises(
        DataError, match=r"no variable in common: the forecast has t2m, u10, v10; the truth has x; use --rename"
    ):
        verified(asked({**files, "truth": other}))
    with pytest.raises(DataError, match=r"variable x: the forecast is in 'K', the truth in 'kg m-2'"):
        verified(asked({**files, "truth": other}, renamed={"x": "t2m"}))
    with pytest.raises(SettingsError, match=r"--rename tm2=t2m: no variable 'tm2' in the forecast.*t2m"):
        verified(asked(files, renamed={"t2m": "tm2"}))
    with pytest.raises(SettingsError, match=r"--variables msl: not in both"):
        verified(asked(files, variables=["msl"]))
    later = made.write(tmp_path / "l", "a.nc", made.analyses(time=(made.TIMES + 2000 * HOUR).astype("datetime64[ns]")))
    with pytest.raises(
        DataError, match=r"no time in common: the forecasts are valid 2020-01-01.*the truth holds 2020-03-24"
    ):
        verified(asked({**files, "truth": later}))
    with pytest.raises(DataError, match="--forecast: holds analyses, no forecasts"):
        verified(asked({**files, "forecast": files["truth"]}))
    with pytest.raises(DataError, match=r"no start between 2021-01-01.*2020-01-01T00:00:00 to 2020-01-05"):
        verified(asked(files, first=np.datetime64("2021-01-01", "s")))
    with pytest.raises(DataError, match=r"--reference late: no start in common"):
        late = made.forecasts().assign_coords(init_time=(STARTS + HOUR).astype("datetime64[ns]"))
        verified(asked(files, references={"late": [made.write(tmp_path / "r", "late.nc", late)]}))
    with pytest.raises(SettingsError, match="either --truth FILES or --stations FILE"):
        VerifyFiles(forecast=["x"])
    with pytest.raises(DataError, match="no file matches"):
        verified(asked({**files, "truth": str(tmp_path / "none" / "*.nc")}))


def test_missing_fields_are_left_out(files: dict[str, str], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    holed = made.analyses()
    holed["u10"] = holed["u10"] * np.nan
    holed["t2m"][5] = np.nan
    with caplog.at_level(logging.WARNING):
        scores, _ = verified(asked({**files, "truth": made.write(tmp_path / "h", "a.nc", holed.isel(time=slice(0, 12)))}))  # fmt: skip
    assert "no value of u10 could be scored" in caplog.text and "4 of 10 forecasts have no truth" in caplog.text
    assert scores.num_forecasts == 6
    np.testing.assert_allclose(scores.table("bias", "forecast")[:, 0], BIAS["t2m"], atol=1e-5)
    assert np.isnan(scores.table("rmse", "forecast")[:, 1]).all()


def normals(days: range) -> xr.Dataset:
    hours, dims = np.arange(0, 24, 6), ("hour", "dayofyear", "latitude", "longitude")
    values = np.broadcast_to(hours[:, None, None, None] + np.array(days)[None, :, None, None], (4, len(days), 12, 16))
    data = {n: (dims, values.astype(np.float32)) for n in BIAS}
    return xr.Dataset(data, {**made._coords(), "hour": hours, "dayofyear": list(days)})


def test_normals_of_a_file(files: dict[str, str], tmp_path: Path) -> None:
    path = made.write(tmp_path / "n", "normals.nc", normals(range(1, 20)))
    scores, case = verified(
        asked(files, climatology=path, scores=ScoreSettings(metrics=("rmse", "acc"), num_samples=0))
    )
    found = case.climatology(np.array(["2020-01-03T18"], dtype="datetime64[s]"))[0]
    assert (found == 18 + 3).all() and "climatology" in scores.systems
    p, o, w = (
        x.astype(np.float64) for x in (made.forecast_of("t2m"), made.truth_of("t2m"), case.layout.weights.numpy())
    )
    valid = STARTS[:, None] + made.LEADS[None, :]
    hours = (valid.astype("datetime64[h]").astype(int) % 24) + 1 + (valid - made.START) // (24 * HOUR)
    c = hours[:, :, None, None]
    a, b = p - c, o[((valid - made.START) / (6 * HOUR)).astype(int)] - c
    expected = (w * a * b).sum((0, 2, 3)) / np.sqrt((w * a * a).sum((0, 2, 3)) * (w * b * b).sum((0, 2, 3)))
    np.testing.assert_allclose(scores.table("acc", "forecast")[:, 0], expected, rtol=1e-6)
    shared, other = verify_files(case.asked, num_workers=2)
    OPENED.append(other)
    np.testing.assert_allclose(shared.arrays["acc"].values, scores.arrays["acc"].values, rtol=1e-12)
    short = made.write(tmp_path / "n", "short.nc", normals(range(1, 4)))
    with pytest.raises(
        DataError, match=r"short.nc: normals lack the days of the year 4, 5, 6, which the forecasts reach"
    ):
        verified(asked(files, climatology=short))
    few = made.write(tmp_path / "n", "few.nc", normals(range(1, 20)).drop_vars("u10"))
    with pytest.raises(DataError, match=r"few.nc: no normals of u10; there are t2m, v10"):
        verified(asked(files, climatology=few))


@pytest.mark.parametrize("form", ["csv", "parquet", "nc"])
@pytest.mark.parametrize("interpolation", ["linear", "nearest"])
def test_stations(
    files: dict[str, str], tmp_path: Path, caplog: pytest.LogCaptureFixture, form: str, interpolation: str
) -> None:
    table = made.stations()
    path = tmp_path / f"stations.{form}"
    if form == "csv":
        table.sample(frac=1.0, random_state=0).to_csv(path, index=False)
    elif form == "parquet":
        table.to_parquet(path)
    else:
        wide = table.set_index(["time", "station"]).to_xarray()
        data = xr.Dataset({n: wide[f"{n} [{made.UNITS[n]}]"].assign_attrs(units=made.UNITS[n]) for n in BIAS})
        places = {c: ("station", wide[c].isel(time=0).to_numpy()) for c in ("latitude", "longitude", "elevation")}
        data.assign_coords(places).to_netcdf(path)
    with caplog.at_level(logging.WARNING):
        scores, case = verified(
            asked(files, truth=(), stations=str(path), interpolation=interpolation, scores=FEW, climatology="none")
        )
    assert "1 of 3 stations lie outside the grid and are left out: far" in caplog.text
    assert "no height correction of t2m: the forecast has no orography" in caplog.text
    assert case.grid is None and scores.num_forecasts == 10
    # the fields are linear in place: exact for linear interpolation, within half a cell's change for the nearest cell
    atol = 1e-4 if interpolation == "linear" else 0.2
    np.testing.assert_allclose(scores.table("bias", "forecast")[:, 0], BIAS["t2m"], atol=atol)
    assert "bias_map" not in scores.arrays


def test_temperatures_come_to_the_height_of_the_station(files: dict[str, str], tmp_path: Path) -> None:
    """A model surface of 500 m everywhere: 6.5 K/km × (500 − 100) and (500 − 300) m warmer at the stations; wind is not."""
    height = xr.Dataset({"orog": (("latitude", "longitude"), np.full((12, 16), 500.0), {"units": "m"})}, made._coords())
    made.stations().to_csv(tmp_path / "s.csv", index=False)
    options = {"truth": (), "stations": str(tmp_path / "s.csv"), "orography": made.write(tmp_path, "h.nc", height)}
    scores, _ = verified(asked(files, **options))
    warmer = 0.0065 * np.mean([400, 200])
    np.testing.assert_allclose(scores.table("bias", "forecast")[:, 0], np.array(BIAS["t2m"]) + warmer, atol=1e-4)
    np.testing.assert_allclose(scores.table("bias", "forecast")[:, 1], BIAS["u10"], atol=1e-4)


def test_stations_that_do_not_fit(files: dict[str, str], tmp_path: Path) -> None:
    table = made.stations()

    def checked(changed: object) -> None:
        changed.to_csv(tmp_path / "s.csv", index=False)
        verified(asked(files, truth=(), stations=str(tmp_path / "s.csv")))

    with pytest.raises(DataError, match=r"no station lies on the grid: they span latitudes 10.00 to 10.00"):
        checked(table[table.station == "far"])
    with pytest.raises(DataError, match=r"s.csv: no column 'latitude'; did you mean 'lattitude'"):
        checked(table.rename(columns={"latitude": "lattitude"}))
    with pytest.raises(DataError, match=r"a time that is none"):
        checked(table.assign(time="yesterday"))
    with pytest.raises(DataError, match=r"holds no column of numbers"):
        checked(table[["station", "latitude", "longitude", "time"]])
    with pytest.raises(DataError, match="no such file"):
        verified(asked(files, truth=(), stations=str(tmp_path / "none.csv")))
    (tmp_path / "s.dat").write_text("x")
    with pytest.raises(DataError, match=r"stations of ending '.dat'; expected .csv, .parquet or .nc"):
        verified(asked(files, truth=(), stations=str(tmp_path / "s.dat")))


def test_the_command_line(files: dict[str, str], tmp_path: Path) -> None:
    out = tmp_path / "scores"
    done = py4cast("verify", "--forecast", files["forecast"], "--truth", files["truth"], "--output", str(out))
    assert done.returncode == 0, done.stderr
    assert "RMSE over 10 forecasts" in done.stdout and done.stdout.splitlines()[-1] == str(out)
    assert {p.name for p in out.iterdir()} == {"scores.json", "scores.csv", "scores.nc", "report.html"}
    with xr.open_dataset(out / "scores.nc", decode_timedelta=False) as data:
        assert data.attrs["Conventions"].startswith("CF-") and data["rmse"].dims == ("system", "lead_time", "variable")
        assert float(data["bias"].sel(system="forecast", variable="t2m", lead_time=18.0)) == pytest.approx(
            2.0, abs=1e-4
        )
        assert data["acc"].attrs["long_name"] == "anomaly correlation coefficient"
        assert data["bias_map"].dims == ("lead_time", "feature", "latitude", "longitude")
        assert data["init_time"].dtype == "datetime64[ns]" and data["lead_time"].attrs["units"] == "hours"
        assert data["csi"].dims == ("system", "lead_time", "variable", "threshold")
    assert json.loads((out / "scores.json").read_text())["num_forecasts"] == 10
    for words, status, text in (
        (["--forecast", files["forecast"]], 2, "either --truth FILES or --stations FILE"),
        ([], 2, "either --forecaster FILE or --forecast FILES"),
        (["--forecast", files["forecast"], "--truth", files["truth"], "--metrics", "rsme"], 2, "rmse"),
        (["--forecast", files["forecast"], "--truth", str(tmp_path / "no.nc")], 3, "no such file or store"),
        (["--forecast", files["forecast"], "--truth", files["truth"], "--num_workers", "0"], 2, "expected at least 1"),
        (["--forecast", files["forecast"], "--truth", files["truth"], "--reference", "x"], 2, "expected NAME=FILES"),
    ):
        failed = py4cast("verify", *words, "--output", str(tmp_path / "x"))
        assert failed.returncode == status and text in failed.stderr and len(failed.stderr.splitlines()) == 1, (
            failed.stderr
        )


def members(count: int) -> xr.Dataset:
    """An ensemble about the truth, whose spread is that of its error."""
    rng = np.random.default_rng(0)
    data = made.forecasts()
    for name in BIAS:
        exact = data[name] - xr.DataArray(list(BIAS[name]), dims="lead_time")
        noise = rng.standard_normal((count, *exact.shape)).astype(np.float32)
        wide = (exact.expand_dims(member=np.arange(count)) + noise).transpose("init_time", "member", ...)
        data[name] = wide.astype(np.float32).assign_attrs(data[name].attrs)
    return data


def test_ensembles(files: dict[str, str], tmp_path: Path) -> None:
    """Members of N(truth, 1) about a truth without error: the mean's RMSE is 1/√m, the fair CRPS (√2 − 1)/√π."""
    path = made.write(tmp_path / "e", "e.nc", members(5))
    scores, case = verified(asked({**files, "forecast": path}, scores=ScoreSettings(num_samples=50)))
    assert case.layout.num_members == 5 and scores.document["num_members"] == 5
    np.testing.assert_allclose(scores.table("rmse", "forecast")[:, :3], 5**-0.5, rtol=0.05)
    np.testing.assert_allclose(scores.table("spread", "forecast")[:, :3], 1.0, rtol=0.03)
    np.testing.assert_allclose(
        scores.table("fair_crps", "forecast")[:, :3], (np.sqrt(2) - 1) / np.sqrt(np.pi), rtol=0.06
    )
    assert scores.table("rank_histogram", "forecast").shape == (3, 4, 6)
    assert np.isnan(scores.table("crps", "persistence")).all()


def test_a_member_that_lacks_a_field_is_named(files: dict[str, str], tmp_path: Path) -> None:
    data = members(3)
    data["u10"][2, 1] = np.nan
    path = made.write(tmp_path / "e", "e.nc", data)
    with pytest.raises(DataError, match=r"--forecast: member 1 lacks u10 of the forecast from 2020-01-02T00"):
        verified(asked({**files, "forecast": path}))


@pytest.mark.real_data
def test_real_forecasts_against_real_forecasts(real_data: Path) -> None:
    """ARPEGE's hourly fields against themselves, three hours of lead time at most: no error, all of the truth's power."""
    path = str(real_data / "grib" / "meteonet_arpege_2m_NW_2018-05-01.grib")
    settings = ScoreSettings(metrics=("rmse", "spectral_ratio", "lambda_x"), num_samples=0)
    scores, case = verified(
        VerifyFiles(forecast=[path], truth=[path], climatology="none", num_steps=3, scores=settings)
    )
    assert case.grid.shape == (58, 80) and scores.units["2t"] == "K"
    np.testing.assert_array_equal(scores.table("rmse", "forecast"), 0.0)
    held = scores.table("spectral_ratio", "forecast")
    np.testing.assert_allclose(held[np.isfinite(held)], 1.0, rtol=1e-5)
    shortest = scores.coordinates["wavelength"].values[-1]
    np.testing.assert_allclose(scores.table("lambda_x", "forecast"), shortest, rtol=1e-9)
