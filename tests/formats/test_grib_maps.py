"""Where the cells of maps lie in every order that GRIB has for them."""

from pathlib import Path

import eccodes
import numpy as np
import pytest

from py4cast.errors import DataError
from py4cast.formats import open_reader
from py4cast.formats.grib_maps import Order

NX, NY = 5, 4
KINDS = {
    "lambert": {"LoVInDegrees": 5.0, "LaDInDegrees": 47.0, "Latin1InDegrees": 47.0, "Latin2InDegrees": 47.0},
    "polar_stereographic": {"orientationOfTheGridInDegrees": 5.0, "LaDInDegrees": 60.0},
    "lambert_azimuthal_equal_area": {"standardParallelInDegrees": 52.0, "centralLongitudeInDegrees": 10.0},
}


def encoded(kind: str, first: tuple[float, float], values: np.ndarray, **flags: int) -> bytes:
    handle = eccodes.codes_grib_new_from_samples("regular_ll_sfc_grib2")
    place = {"latitudeOfFirstGridPointInDegrees": first[0], "longitudeOfFirstGridPointInDegrees": first[1] % 360.0}
    size = {"Nx": NX, "Ny": NY, "DxInMetres": 50000, "DyInMetres": 50000}
    keys = {"gridType": kind, **size, **KINDS[kind], **place, "bitsPerValue": 16, **flags}
    for key, value in keys.items():
        eccodes.codes_set(handle, key, value)
    eccodes.codes_set_values(handle, values.ravel().astype(float))
    message = bytes(eccodes.codes_get_message(handle))
    eccodes.codes_release(handle)
    return message


def read(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    with open_reader(path) as reader:
        (record,) = reader.records()
        grid = reader.grid(record)
        return grid.latitude, grid.longitude, reader.read(record)


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize(
    ("west", "south", "alternates", "by_column"),
    [(w, s, a, c) for w in (0, 1) for s in (0, 1) for a in (0, 1) for c in (0, 1)],
)
def test_every_value_stays_at_its_place(
    tmp_path: Path, kind: str, west: int, south: int, alternates: int, by_column: int
) -> None:
    field = 280.0 + np.arange(NX * NY).reshape(NY, NX)
    plain = tmp_path / "plain.grib2"
    plain.write_bytes(encoded(kind, (45.0, 2.0), field, jScansPositively=1, iScansNegatively=0))
    lat, lon, there = read(plain)
    np.testing.assert_array_equal(there, field)

    # the same field from another corner on, as WMO's flags say
    lines = field[::-1] if south else field
    lines = lines[:, ::-1] if west else lines
    corner = (-1 if south else 0, -1 if west else 0)
    lines = lines.T if by_column else lines
    if alternates:
        lines = lines.copy()
        lines[1::2] = lines[1::2, ::-1]
    flags = {"jScansPositively": 1 - south, "iScansNegatively": west, "alternativeRowScanning": alternates, "jPointsAreConsecutive": by_column}  # fmt: skip
    path = tmp_path / "turned.grib2"
    path.write_bytes(encoded(kind, (float(lat[corner]), float(lon[corner])), lines, **flags))
    if kind == "lambert_azimuthal_equal_area" and (west or by_column):
        with pytest.raises(DataError, match="values that run west, or by columns, have no known places"):
            read(path)
        return
    if kind == "lambert_azimuthal_equal_area" and south:
        pytest.skip("ecCodes alone tells these places")
    their_lat, their_lon, values = read(path)
    apart = (their_lat[..., None, None] - lat) ** 2 + (their_lon[..., None, None] - lon) ** 2
    nearest = apart.reshape(NY, NX, -1)
    assert nearest.min(-1).max() < 1e-8, "the same places"
    np.testing.assert_array_equal(values, field.ravel()[nearest.argmin(-1)])


def test_columns_alternate_where_values_run_by_columns() -> None:
    raw = np.array([0, 1, 2, 5, 4, 3])  # two columns, the second upwards
    order = Order((3, 2), is_by_column=True, alternates=True, runs_west=False, num_repeated=0)
    np.testing.assert_array_equal(order.arrange(raw), [[0, 3], [1, 4], [2, 5]])


def test_what_tells_products_apart_is_a_key(tmp_path: Path) -> None:
    field = np.full((NY, NX), 280.0)
    messages = [
        encoded("lambert", (45.0, 2.0), field, jScansPositively=1, productDefinitionTemplateNumber=6, percentileValue=10),
        encoded("lambert", (45.0, 2.0), field, jScansPositively=1, productDefinitionTemplateNumber=2, derivedForecast=1),
    ]  # fmt: skip
    (tmp_path / "p.grib2").write_bytes(b"".join(messages))
    with open_reader(tmp_path / "p.grib2") as reader:
        keys = [(r.keys["percentileValue"], r.keys["derivedForecast"]) for r in reader.records()]
    assert keys == [(10, None), (None, 1)]
