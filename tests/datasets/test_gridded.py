import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from py4cast.datasets import get_datasets
from py4cast.datasets.gridded import Gridded
from py4cast.errors import DataError, SettingsError
from py4cast.formats import Fields, writer_for
from py4cast.grid import Grid
from py4cast.planes.catalog import expand_patterns
from py4cast.variables import Variable
from tests.weather_files import HOUR, START, describe, wave_fields, write_json, write_netcdf


def splits(tmp_path: Path, document: dict[str, Any], past: int = 2, ahead: int = 1, ahead_test: int = 3):
    return get_datasets("gridded", past, ahead, ahead_test, write_json(tmp_path / "d.json", document))


def test_samples_are_the_files_values_at_their_times(tmp_path: Path) -> None:
    fields = wave_fields()
    write_netcdf(tmp_path / "in" / "a.nc", {"t": fields[:30]})
    write_netcdf(tmp_path / "in" / "b.nc", {"t": fields[30:]}, start=START + 30 * HOUR)
    train, valid, test = splits(tmp_path, describe(tmp_path / "in"))
    assert (len(train), len(valid), len(test)) == (22, 8, 8)
    item = train[5]
    assert str(item.init_time) == "2020-01-01T06:00:00"
    np.testing.assert_array_equal(item.inputs.tensor[..., 0].numpy(), fields[5:7])
    np.testing.assert_array_equal(item.outputs.tensor[..., 0].numpy(), fields[7:8])
    assert float(item.forcing["sin_hour"][0, 0, 0]) == pytest.approx(np.sin(2 * np.pi * 7 / 24))
    np.testing.assert_array_equal(test[0].outputs.tensor[..., 0].numpy(), fields[38:41])
    assert train.info.stats["t"]["mean"] == pytest.approx(fields[:24].astype(np.float64).mean())
    delta = np.diff(fields[:24].astype(np.float64), axis=0) / fields[:24].astype(np.float64).std()
    assert train.info.diff_stats["t"]["std"] == pytest.approx(delta.std(), rel=1e-9)


def test_grib_and_netcdf_join_levels_diagnostics_statics_and_forcings(tmp_path: Path) -> None:
    fields = wave_fields()
    write_netcdf(tmp_path / "in" / "a.nc", {"t2m": fields, "cover": np.clip(fields - 280, 0, 1)}, units={"cover": "1"})
    grid = Grid(45.0 + 0.5 * np.arange(12)[::-1], -4.0 + 0.5 * np.arange(16))
    levels = [
        Variable(name=f"t{p}", short_name="t", level=p, type_of_level="isobaricInhPa", units="K") for p in (850, 500)
    ]
    for hour in range(48):
        values = np.stack([fields[hour] - 10, fields[hour] - 30], axis=-1)[None]
        writer_for("x.grib2").write(
            tmp_path / "in" / f"t_{hour:02}.grib2", Fields(values, levels, grid, START + hour * HOUR, [0 * HOUR])
        )
    height = np.tile(np.linspace(0, 900, 16, dtype=np.float32), (12, 1))
    write_netcdf(tmp_path / "static" / "h.nc", {"orography": height[None]}, units={"orography": "m"})
    document = describe(
        tmp_path,
        files=["in/a.nc"],
        variables={
            "cover": {"kind": "x"} and {"role": "output"},
            "t2m": {"role": "input_output", "units": "K"},
            "t": {"levels": [850, 500], "type_of_level": "isobaricInhPa", "files": ["in/t_%H.grib2"]},
            "orography": {"role": "static", "files": ["static/h.nc"]},
        },
        forcings=["toa_radiation"],
    )
    train, _, _ = splits(tmp_path, document)
    info = train.info
    assert info.prognostic == ["t2m", "t_850_isobaricInhPa", "t_500_isobaricInhPa"] and info.diagnostic == ["cover"]
    assert info.forcing == ["toa_radiation"] and info.static == ["x", "y", "border_mask", "orography"]
    item = train[0]
    np.testing.assert_allclose(item.inputs["t_500_isobaricInhPa"][..., 0].numpy(), fields[:2] - 30, atol=1e-4)
    np.testing.assert_array_equal(item.outputs["cover"][0, ..., 0].numpy(), np.clip(fields[2] - 280, 0, 1))
    assert info.state_weights["t_850_isobaricInhPa"] == pytest.approx(1.85)


def test_bare_is_as_valid_as_full(tmp_path: Path) -> None:
    write_netcdf(tmp_path / "in" / "a.nc", {"t": wave_fields()})
    train, _, _ = splits(tmp_path, describe(tmp_path / "in", forcings=[], statics=[], grid={}))
    assert train.info.forcing == [] and train.info.static == [] and train[0].forcing is None
    assert train.info.num_input_features(2) == 2


def test_units_are_converted_to_those_asked_for(tmp_path: Path) -> None:
    fields = wave_fields()
    write_netcdf(tmp_path / "in" / "a.nc", {"t": fields - np.float32(273.15)}, units={"t": "degC"})
    train, _, _ = splits(tmp_path, describe(tmp_path / "in"))
    np.testing.assert_allclose(train[0].inputs.tensor[..., 0].numpy(), fields[:2], atol=1e-4)
    assert train.info.units["t"] == "K"


def test_windows_and_flips(tmp_path: Path) -> None:
    fields = wave_fields()
    write_netcdf(tmp_path / "in" / "a.nc", {"t": fields[:24]})
    upside = write_netcdf(tmp_path / "tmp" / "b.nc", {"t": fields[24:]}, start=START + 24 * HOUR)
    import xarray as xr

    with xr.open_dataset(upside) as data:
        data.load().isel(lat=slice(None, None, -1)).to_netcdf(tmp_path / "in" / "b.nc")
    document = describe(tmp_path / "in", grid={"subgrid": [2, 10, 3, 15], "border_size": 1})
    _, valid, _ = splits(tmp_path, document)
    np.testing.assert_array_equal(valid[0].inputs.tensor[..., 0].numpy(), fields[24:26, 2:10, 3:15])
    assert valid.info.grid.shape == (8, 12) and valid.info.statics.border_mask.sum() == 8 * 12 - 6 * 10
    box = {"box": {"south": 46, "north": 48, "west": -3, "east": 0}}
    assert splits(tmp_path, describe(tmp_path / "in", grid=box))[0].info.grid.shape == (5, 7)


def test_missing_instants_are_kept_out_and_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fields = wave_fields()
    write_netcdf(tmp_path / "in" / "a.nc", {"t": fields[:10]})
    write_netcdf(tmp_path / "in" / "b.nc", {"t": fields[12:]}, start=START + 12 * HOUR)
    with caplog.at_level(logging.WARNING):
        train, _, _ = splits(tmp_path, describe(tmp_path / "in"))
    assert "t is missing at 2 of 48 instants: 2020-01-01T10:00:00, 2020-01-01T11:00:00" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        splits(tmp_path, describe(tmp_path / "in"))
    assert "t is missing at 2 of 48 instants" in caplog.text, "a store that is found again reports too"
    hours = {int((t - START) / HOUR) for t in train.init_times}
    assert hours == {h for h in range(1, 23) if not {h - 1, h, h + 1} & {10, 11}}
    for i in range(len(train)):
        assert torch.isfinite(train[i].outputs.tensor).all()


@pytest.mark.parametrize("since_start", [True, False])
def test_accumulations_become_sums_per_step(tmp_path: Path, since_start: bool) -> None:
    import eccodes

    rain = np.random.default_rng(0).uniform(0, 2, (48, 12, 16)).astype(np.float32)
    grid = Grid(45.0 + 0.5 * np.arange(12)[::-1], -4.0 + 0.5 * np.arange(16))
    values = (np.cumsum(rain, axis=0) if since_start else rain)[..., None]
    tp = Variable(name="tp", short_name="tp", units="kg m-2", accumulated=True)
    leads = [(i + 1) * HOUR for i in range(48)]
    path = tmp_path / "in" / "tp.grib2"
    writer_for(path).write(path, Fields(values, [tp], grid, START - HOUR, leads))
    if since_start:
        with path.open("rb") as stream, (tmp_path / "in" / "sums").open("wb") as out:
            while (handle := eccodes.codes_grib_new_from_file(stream)) is not None:
                eccodes.codes_set(handle, "stepRange", f"0-{eccodes.codes_get(handle, 'endStep')}")
                eccodes.codes_write(handle, out)
                eccodes.codes_release(handle)
        (tmp_path / "in" / "sums").replace(path)
    write_netcdf(tmp_path / "in" / "a.nc", {"t": wave_fields()})
    document = describe(
        tmp_path / "in",
        files=["a.nc"],
        variables={
            "t": {"units": "K"},
            "tp": {"role": "diagnostic", "units": "kg m-2", "accumulated": True, "nan": "mask", "files": ["tp.grib2"]},
        },
    )
    train, _, _ = splits(tmp_path, document)
    np.testing.assert_allclose(train[3].outputs["tp"][0, ..., 0].numpy(), rain[5], atol=2e-4)
    assert train.info.units["tp"] == "kg m-2"


def spoil(tmp_path: Path, what: str) -> dict[str, Any]:
    folder = tmp_path / "in"
    fields = wave_fields()
    write_netcdf(folder / "a.nc", {"t": fields[:24]})
    second = {"start": START + 24 * HOUR}
    document = describe(folder)
    if what == "units":
        write_netcdf(folder / "b.nc", {"t": fields[24:] - np.float32(273.15)}, units={"t": "degC"}, **second)
    elif what == "grid":
        write_netcdf(folder / "b.nc", {"t": fields[24:]}, south=50.0, **second)
    elif what == "truncated":
        path = write_netcdf(folder / "b.nc", {"t": fields[24:]}, **second)
        path.write_bytes(path.read_bytes()[:2000])
    elif what == "html":
        (folder / "b.nc").write_text("<html>not found</html>")
    elif what == "variable":
        document["variables"] = {"t": {}, "tt": {}}
    elif what == "level":
        document["variables"] = {"t": {"level": 850, "type_of_level": "isobaricInhPa"}}
    elif what == "pattern":
        document["files"] = ["*.grib"]
    elif what == "period":
        pass
    return document


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("units", r"variable t: units differ between files: 'K' in .*a\.nc, 'degC' in .*b\.nc"),
        ("grid", r"grids differ between files: t in .*b\.nc is on 12 x 16"),
        ("truncated", r"b\.nc: damaged, or not a NetCDF file"),
        ("html", r"b\.nc: expected GRIB, NetCDF, Zarr or NumPy, found HTML"),
        ("variable", r"variable tt: no field 'tt' in .*a\.nc; did you mean 't'"),
        ("level", r"variable t: no field 't' at level 850 isobaricInhPa in"),
        ("pattern", r"no file matches '\*\.grib' under .*in"),
        ("period", r"period valid .* holds no data; the files hold 2020-01-01T00:00:00 to 2020-01-01T23:00:00"),
    ],
)
def test_bad_data_is_one_line_with_names(tmp_path: Path, what: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        splits(tmp_path, spoil(tmp_path, what))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"grid": {"border_size": 6}}, "border_size 6: the grid of 12 x 16 cells leaves no interior"),
        ({"grid": {"subgrid": [0, 20, 0, 5]}}, r"grid.subgrid \[0, 20, 0, 5\]: outside the grid of 12 x 16"),
        ({"grid": {"bordersize": 1}}, r"dataset\.grid\.bordersize: unknown setting; did you mean 'border_size'"),
        ({"variables": {"t": {"rol": "forcing"}}}, r"dataset\.variables\.t\.rol: unknown setting; did you mean 'role'"),
        ({"variables": {"t": {"role": "prognostc"}}}, "unknown role 'prognostc'; did you mean 'prognostic'"),
        ({"variables": {"t": {"role": "forcing"}}}, "there is nothing to predict"),
        ({"variables": {}}, "variables: none given"),
        ({"variables": {"t": {"level": 1, "levels": [1, 2]}}}, "give level or levels, not both"),
        ({"forcings": ["hours"]}, "forcings: unknown 'hours'; did you mean 'hour'"),
        ({"statics": ["z"]}, "statics: unknown 'z'"),
        ({"step": "1 moon"}, "duration '1 moon'"),
        ({"files": ["../*.nc"]}, r"'\.\.' is refused"),
        ({"periods": {"train": {"start": "x", "end": "y"}}}, "periods.valid: missing"),
    ],
)
def test_bad_settings_are_one_line_with_names(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    write_netcdf(tmp_path / "in" / "a.nc", {"t": wave_fields()})
    with pytest.raises(SettingsError, match=message):
        splits(tmp_path, describe(tmp_path / "in", **change))


def test_more_steps_than_the_period_holds(tmp_path: Path) -> None:
    write_netcdf(tmp_path / "in" / "a.nc", {"t": wave_fields()})
    with pytest.raises(
        DataError, match=r"period valid .* holds 12 instants of 1h, no 22 of them in a row; 22 are needed"
    ):
        splits(tmp_path, describe(tmp_path / "in"), ahead_test=20)


def test_land_is_masked(tmp_path: Path) -> None:
    fields = wave_fields()
    fields[:, :, :5] = np.nan
    fields[3, 6, 9] = np.nan
    write_netcdf(tmp_path / "in" / "a.nc", {"t": fields})
    train, _, _ = splits(tmp_path, describe(tmp_path / "in", variables={"t": {"units": "K", "nan": "mask"}}))
    valid = train.info.statics.valid_mask[..., 0]
    assert not valid[:, :5].any() and valid[:, 5:].all() and "valid_mask" in train.info.static
    assert torch.isnan(train[0].inputs.tensor[:, :, :5]).all()


def test_a_forecast_reads_its_instants_from_the_files_alone(tmp_path: Path) -> None:
    fields = wave_fields()
    write_netcdf(tmp_path / "in" / "a.nc", {"t": fields})
    document = write_json(tmp_path / "d.json", describe(tmp_path / "in"))
    info = splits(tmp_path, describe(tmp_path / "in"))[0].info
    data = Gridded.for_forecast(document, info, START + 47 * HOUR, 2, 5)
    batch = data.at(START + 47 * HOUR, 5, with_outputs=False)
    np.testing.assert_array_equal(batch.inputs.tensor[0, ..., 0].numpy(), fields[46:])
    assert batch.forcing.shape[1] == 5 and batch.outputs is None
    with pytest.raises(DataError, match="t missing after 2020-01-03|t missing 2020-01-03"):
        data.at(START + 47 * HOUR, 5, with_outputs=True)
    late = Gridded.for_forecast(document, info, START + 60 * HOUR, 2, 5)
    with pytest.raises(DataError, match="t missing 2020-01-03T11:00:00"):
        late.at(START + 60 * HOUR, 5, with_outputs=False)


def test_what_is_missing_of_several_is_named_alone(tmp_path: Path) -> None:
    t, u = wave_fields(), wave_fields(seed=1)
    u[20] = np.nan
    write_netcdf(tmp_path / "in" / "a.nc", {"t": t, "u": u})
    described = describe(tmp_path / "in", variables={"t": {"units": "K"}, "u": {"units": "K", "nan": "mask"}})
    document = write_json(tmp_path / "d.json", described)
    info = splits(tmp_path, described)[0].info
    data = Gridded.for_forecast(document, info, START + 18 * HOUR, 2, 5)
    with pytest.raises(
        DataError, match="forecast from 2020-01-01T18:00:00: u missing 2020-01-01T20:00:00; the data hold"
    ):
        data.at(START + 18 * HOUR, 5, with_outputs=True)


def test_patterns_stay_under_the_root(tmp_path: Path) -> None:
    (tmp_path / "2020").mkdir()
    for name in ("20200101.nc", "20200102.nc", "notes.nc"):
        (tmp_path / "2020" / name).write_text("x")
    found = expand_patterns(tmp_path, ["%Y/%Y%m%d.nc"])
    assert [p.name for p in found] == ["20200101.nc", "20200102.nc"]


def test_the_phase_of_the_files_is_kept(tmp_path: Path) -> None:
    write_netcdf(tmp_path / "in" / "a.nc", {"t": wave_fields(60)}, start=START + 12 * HOUR, step=24 * HOUR)
    periods = {
        "train": {"start": "2020-01-01", "end": "2020-01-31"},
        "valid": {"start": "2020-02-01", "end": "2020-02-10"},
        "test": {"start": "2020-02-11", "end": "2020-02-29"},
    }
    train, _, _ = splits(tmp_path, describe(tmp_path / "in", step="1d", periods=periods))
    assert str(train.init_times[0]) == "2020-01-02T12:00:00"


def test_periods_of_months_and_of_several_stretches(tmp_path: Path) -> None:
    """No sample reaches over what is left out, and statistics come from what is left."""
    from tests import forecast_files as made

    made.write(tmp_path, "an.nc", made.analyses())
    times = made.TIMES
    document = {
        "name": "parts", "root": str(tmp_path), "files": ["an.nc"], "step": "6h", "variables": {"t2m": {}, "u10": {}},
        "periods": {
            "train": [{"start": str(times[0]), "end": str(times[5])}, {"start": str(times[10]), "end": str(times[15])}],
            "valid": {"start": str(times[16]), "end": str(times[22])},
            "test": {"start": str(times[16]), "end": str(times[29]), "without": [{"start": str(times[20]), "end": str(times[21])}]},
        },
    }  # fmt: skip
    (tmp_path / "d.json").write_text(json.dumps(document))
    train, _, test = get_datasets("gridded", 2, 1, 1, tmp_path / "d.json")
    # six instants are four samples of two past states and one ahead
    assert train.init_times.tolist() == times[[1, 2, 3, 4, 11, 12, 13, 14]].tolist()
    assert test.init_times.tolist() == times[[17, 18, 23, 24, 25, 26, 27, 28]].tolist()
    learned = np.concatenate([made.truth_of("t2m")[:6], made.truth_of("t2m")[10:16]])
    assert train.info.stats["t2m"]["mean"] == pytest.approx(float(learned.mean()), rel=1e-5)
