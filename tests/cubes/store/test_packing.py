from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from py4cast.cubes.store.packing import Packing
from py4cast.datasets.gridded import Gridded
from py4cast.errors import DataError
from tests.cubes.store.test_store import prepare
from tests.weather_files import describe, wave_fields, write_netcdf


@pytest.mark.parametrize("kind", ["uint16", "float16"])
def test_the_error_is_at_most_what_is_stated(kind: str) -> None:
    values = np.random.default_rng(0).uniform(-40, 60, (64, 64)).astype(np.float32)
    packing = Packing.over(kind, -40.0, 60.0)  # type: ignore[arg-type]
    out = np.empty_like(values)
    packing.decode(packing.encode(values, "x"), out)
    assert np.abs(out - values).max() <= packing.error * 1.01
    assert packing.error <= 100 / 2**16 * 1.01 if kind == "uint16" else packing.error <= 50 / 2**12
    again = np.empty_like(values)
    packing.decode(packing.encode(out, "x"), again)
    np.testing.assert_array_equal(again, out)


def test_missing_values_survive() -> None:
    values = np.array([[1.0, np.nan], [2.0, 3.0]], dtype=np.float32)
    for kind in ("uint16", "float16"):
        packing, out = Packing.over(kind, 0.0, 4.0), np.empty_like(values)  # type: ignore[arg-type]
        packing.decode(packing.encode(values, "x"), out)
        np.testing.assert_array_equal(np.isnan(out), np.isnan(values))


@pytest.mark.parametrize("kind", ["uint16", "float16"])
def test_a_packed_store_is_half_the_size_and_xarray_reads_it(tmp_path: Path, kind: str) -> None:
    fields = wave_fields(shape=(48, 64))
    write_netcdf(tmp_path / "in" / "a.nc", {"t": fields})
    stores = {}
    for store_type in ("float32", kind):
        document = describe(tmp_path / "in", store=str(tmp_path / store_type), store_type=store_type)
        stores[store_type] = prepare(Gridded.settings_kls.from_dict(document))
    sizes = {
        k: sum(p.stat().st_size for p in (s.path / "t" / "c").rglob("*") if p.is_file()) for k, s in stores.items()
    }
    assert sizes[kind] / sizes["float32"] == pytest.approx(0.5, abs=0.02)
    store, out = stores[kind], np.empty((1, 5, 48, 64), dtype=np.float32)
    for _ in range(2):  # from the file, then from the mapping
        store.read(["t"], 7, 12, out)
        assert np.abs(out[0] - fields[7:12]).max() <= store.packings["t"].error * 1.05
    window = np.empty((1, 5, 10, 20), dtype=np.float32)
    store.read_window(["t"], 7, 12, slice(3, 13), slice(5, 25), window)
    np.testing.assert_array_equal(window, out[:, :, 3:13, 5:25])
    with xr.open_dataset(store.path, engine="zarr") as data:
        np.testing.assert_allclose(data["t"].values[7:12], out[0], rtol=1e-6)
    stats, _ = store.statistics(np.ones(48, dtype=bool))
    assert stats["t"]["mean"] == pytest.approx(fields.astype(np.float64).mean()), "of what went in"
    assert store.verify() == []


def test_values_beyond_the_range_are_refused(tmp_path: Path) -> None:
    write_netcdf(tmp_path / "in" / "a.nc", {"t": wave_fields()})
    document = describe(tmp_path / "in", store_type="uint16", variables={"t": {"range": [270, 281]}})
    with pytest.raises(
        DataError, match=r"t of 2020-01-01T00:00:00: values from .* do not fit the packing over 270 to 281"
    ):
        prepare(Gridded.settings_kls.from_dict(document))
