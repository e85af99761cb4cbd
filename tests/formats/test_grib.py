import warnings
from pathlib import Path

import eccodes
import numpy as np
import pytest

from py4cast.errors import DataError
from py4cast.formats import Fields, open_reader, writer_for
from py4cast.grid import Grid
from py4cast.projection import inverse
from py4cast.units import conversion
from py4cast.variables import Variable

INIT = np.datetime64("2024-02-28T18:00", "s")
LEADS = [np.timedelta64(h, "h").astype("timedelta64[s]") for h in (1, 6, 30)]
T2M = Variable(name="t2m", short_name="2t", units="K", level=2, type_of_level="heightAboveGround")
T850 = Variable(name="t850", short_name="t", units="K", level=850, type_of_level="isobaricInhPa")
TP = Variable(name="tp", short_name="tp", units="kg m-2", accumulated=True)


def lambert() -> Grid:
    projection = {
        "grid_mapping_name": "lambert_conformal_conic", "standard_parallel": [46.0, 49.0],
        "longitude_of_central_meridian": 2.0, "latitude_of_projection_origin": 47.0, "earth_radius": 6367470.0,
    }  # fmt: skip
    x, y = np.arange(9) * 2500.0, np.arange(7) * 2500.0
    lat, lon = inverse(projection, *np.meshgrid(x, y))
    return Grid(lat, lon, x, y, projection)


def latlon(ascending: bool) -> Grid:
    lat = np.linspace(50, 56, 7)
    return Grid(lat if ascending else lat[::-1], np.arange(-3.0, 6.0))


def forecast(grid: Grid, variables: list[Variable], missing: bool = False) -> Fields:
    rng = np.random.default_rng(0)
    values = (280 + rng.standard_normal((3, *grid.shape, len(variables)))).astype(np.float32)
    if missing:
        values[:, 2, 3] = np.nan
    return Fields(values, variables, grid, INIT, LEADS)


@pytest.mark.parametrize("grid", [latlon(True), latlon(False), lambert()], ids=["south-up", "north-up", "lambert"])
@pytest.mark.parametrize("missing", [False, True])
def test_what_is_written_is_read(tmp_path: Path, grid: Grid, missing: bool) -> None:
    path = tmp_path / "out.grib2"
    written = forecast(grid, [T2M, T850, TP], missing)
    writer_for(path).write(path, written)
    with open_reader(path) as reader:
        records = reader.records()
        assert len(records) == 9
        assert all(reader.grid(record).same_as(grid) for record in records)
        for number, record in enumerate(records):
            step, feature = divmod(number, 3)
            variable = written.variables[feature]
            assert record.matches(variable), variable
            assert (record.init_time, record.lead_time) == (INIT, LEADS[step])
            assert record.valid_time == INIT + LEADS[step]
            scale, offset = conversion(record.units, variable.units)
            found = scale * reader.read(record) + offset
            np.testing.assert_allclose(found, written.values[step, :, :, feature], atol=2e-4)


def test_cfgrib_opens_what_is_written(tmp_path: Path) -> None:
    import cfgrib

    path = tmp_path / "out.grib2"
    written = forecast(latlon(False), [T2M])
    writer_for(path).write(path, written)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = cfgrib.open_dataset(path, indexpath="")
    np.testing.assert_allclose(data.t2m.values, written.values[..., 0], atol=2e-6)
    assert data.t2m.attrs["units"] == "K" and float(data.heightAboveGround) == 2
    np.testing.assert_allclose(data.latitude.values, written.grid.latitude)
    assert data.step.values.astype("timedelta64[h]").astype(int).tolist() == [1, 6, 30]


def test_units_are_converted_to_those_of_the_parameter(tmp_path: Path) -> None:
    path = tmp_path / "out.grib2"
    celsius = Variable(name="t2m", short_name="2t", units="degC", level=2, type_of_level="heightAboveGround")
    fields = forecast(latlon(True), [celsius])
    writer_for(path).write(path, Fields(fields.values - 273.15, [celsius], fields.grid, INIT, LEADS))
    with open_reader(path) as reader:
        np.testing.assert_allclose(reader.read(reader.records()[0]), fields.values[0, ..., 0], atol=1e-4)


def test_parameters_on_levels_of_their_own_keep_their_names(tmp_path: Path) -> None:
    path = tmp_path / "out.grib2"
    cloud = Variable(name="tcc", short_name="tcc", units="1", level=0, type_of_level="heightAboveGround")
    rain = Variable(
        name="tp", short_name="tp", units="kg m-2", level=0, type_of_level="heightAboveGround", accumulated=True
    )
    writer_for(path).write(path, forecast(lambert(), [cloud, rain]))
    with open_reader(path) as reader:
        records = reader.records()
    assert [r.short_name for r in records[:2]] == ["tcc", "tp"]
    hours = [
        (r.keys["since"] / np.timedelta64(3600, "s"), r.lead_time / np.timedelta64(3600, "s")) for r in records[1::2]
    ]
    assert hours == [(0, 1), (1, 6), (6, 30)], "a sum runs from the lead time before"


def test_an_unknown_parameter_is_named(tmp_path: Path) -> None:
    path = tmp_path / "out.grib2"
    with pytest.raises(DataError, match="sst42: GRIB knows no parameter 'sst42'"):
        writer_for(path).write(path, forecast(latlon(True), [Variable(name="sst42")]))
    assert not list(tmp_path.iterdir()), "nothing half-written"


@pytest.mark.parametrize("spoil", ["cut", "cut in the header", "html", "empty", "garbage", "missing"])
def test_bad_files_are_named(tmp_path: Path, spoil: str) -> None:
    path = tmp_path / "in.grib2"
    writer_for(path).write(path, forecast(latlon(True), [T2M]))
    whole = path.read_bytes()
    content = {
        "cut": whole[:-50], "cut in the header": whole[: len(whole) // 3 * 2 + 10], "html": b"<!DOCTYPE html><html>504</html>",
        "empty": b"", "garbage": bytes(range(256)) * 4, "missing": None,
    }[spoil]  # fmt: skip
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=str(path)), open_reader(path) as reader:
        for record in reader.records():
            reader.read(record)


@pytest.mark.real_data
def test_scanning_orders_against_eccodes_own_coordinates(real_data: Path) -> None:
    for name in ("cfgrib_scanning_mode_64", "cfgrib_lambert_grid", "cfgrib_t_analysis_and_fc_0"):
        path = real_data / "grib" / f"{name}.grib"
        with open_reader(path) as reader, path.open("rb") as stream:
            record = reader.records()[0]
            field, grid = reader.read(record), reader.grid(record)
            handle = eccodes.codes_grib_new_from_file(stream)
            # ecCodes' iterator pairs values with places whatever the scanning order, which its plain arrays do not
            iterator = eccodes.codes_grib_iterator_new(handle, 0)
            points = {}
            while found := eccodes.codes_grib_iterator_next(iterator):
                points[round(found[0], 3), round(found[1] % 360, 3)] = found[2]
            eccodes.codes_grib_iterator_delete(iterator)
            eccodes.codes_release(handle)
        lat, lon = grid.latitude_2d(), grid.longitude_2d() % 360
        rng = np.random.default_rng(0)
        for row, column in zip(rng.integers(0, lat.shape[0], 200), rng.integers(0, lat.shape[1], 200), strict=True):
            key = (round(float(lat[row, column]), 3), round(float(lon[row, column]), 3))
            assert field[row, column] == pytest.approx(points[key], rel=1e-6), (name, key)


@pytest.mark.real_data
def test_rows_in_alternating_directions_are_straightened(real_data: Path) -> None:
    # ecCodes hands these rows out as they lie in the file, to and fro; only straightened is the field smooth
    with open_reader(real_data / "grib" / "cfgrib_alternate-scanning.grib") as reader:
        field = reader.read(reader.records()[0])
    to_and_fro = field.copy()
    to_and_fro[1::2] = to_and_fro[1::2, ::-1]
    assert np.abs(np.diff(field, axis=0)).mean() < 0.2 * np.abs(np.diff(to_and_fro, axis=0)).mean()


@pytest.mark.real_data
def test_real_bad_days(real_data: Path) -> None:
    with pytest.raises(DataError, match="era5-levels-corrupted.*damaged or truncated"):
        open_reader(real_data / "grib" / "cfgrib_era5-levels-corrupted.grib").records()
    with open_reader(real_data / "grib" / "cfgrib_reduced_gg.grib") as reader:
        record = reader.records()[0]
        grid = reader.grid(record)
        assert not grid.is_rectangular and reader.read(record).shape == grid.shape
    with open_reader(real_data / "grib" / "cfgrib_fields_with_missing_values.grib") as reader:
        assert np.isnan(reader.read(reader.records()[0])).any()
    with open_reader(real_data / "grib" / "cfgrib_step_60m.grib") as reader:
        leads = [r.lead_time / np.timedelta64(60, "m") for r in reader.records()]
        assert leads == sorted(leads) and leads[0] == 0 and leads[-1] == 72
    with open_reader(real_data / "grib" / "meteonet_NW_masks.grib") as reader:
        assert all(r.valid_time is None for r in reader.records()), "a static field with an impossible date"


@pytest.mark.real_data
def test_real_lambert_against_its_projection(real_data: Path) -> None:
    with open_reader(real_data / "lambert" / "arome_arctic_2p5km_3h_2018-07-10T00_steps0-48.grib") as reader:
        records = reader.records()
        grid = reader.grid(records[0])
        lat, lon = inverse(grid.projection, *np.meshgrid(grid.x, grid.y))
        np.testing.assert_allclose(lat, grid.latitude, atol=1e-9)
        np.testing.assert_allclose(lon, grid.longitude, atol=1e-9)
        assert np.diff(grid.x) == pytest.approx(2500.0) and len(records) == 205


def test_damaged_bytes_are_read_or_refused_by_name(tmp_path: Path) -> None:
    import random

    path = tmp_path / "in.grib2"
    writer_for(path).write(path, forecast(lambert(), [T2M, T850]))
    whole = path.read_bytes()
    rng = random.Random(0)
    refused = 0
    for trial in range(150):
        data = bytearray(whole)
        where = rng.randrange(len(data))
        if trial % 3 == 0:
            data = data[:where]
        elif trial % 3 == 1:
            data[where] ^= 1 << rng.randrange(8)
        else:
            data[where : where + 64] = bytes(len(data[where : where + 64]))
        path.write_bytes(data)
        try:
            with open_reader(path) as reader:
                for record in reader.records():
                    reader.grid(record)
                    reader.read(record)
        except DataError as error:
            assert str(path) in str(error)
            refused += 1
    assert refused > 40


@pytest.mark.parametrize(("first", "last", "west"), [(0.0, 360.0, 0.0), (180.0, 180.0, 180.0)])
def test_a_cyclic_column_is_left_out_with_a_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, first: float, last: float, west: float
) -> None:
    handle = eccodes.codes_grib_new_from_samples("regular_ll_sfc_grib2")
    for key, value in {
        "Ni": 73, "Nj": 5, "latitudeOfFirstGridPointInDegrees": 10, "latitudeOfLastGridPointInDegrees": -10,
        "longitudeOfFirstGridPointInDegrees": first, "longitudeOfLastGridPointInDegrees": last,
        "iDirectionIncrementInDegrees": 5, "jDirectionIncrementInDegrees": 5, "shortName": "2t",
    }.items():  # fmt: skip
        eccodes.codes_set(handle, key, value)
    values = np.arange(5 * 73.0).reshape(5, 73)
    eccodes.codes_set_values(handle, values.ravel())
    (tmp_path / "a.grib2").write_bytes(eccodes.codes_get_message(handle))
    eccodes.codes_release(handle)
    with caplog.at_level("WARNING"), open_reader(tmp_path / "a.grib2") as reader:
        (record,) = reader.records()
        grid = reader.grid(record)
        np.testing.assert_allclose(reader.read(record), values[:, :72], atol=0.01)
    assert grid.shape == (5, 72) and grid.is_periodic and not grid.is_projected
    np.testing.assert_allclose((grid.longitude - west) % 360, np.arange(72) * 5.0, atol=1e-4)
    assert "the last 1 of 73 longitudes are the first again" in caplog.text
