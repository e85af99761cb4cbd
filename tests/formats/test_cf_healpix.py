"""HEALPix cells in NetCDF and Zarr that hold no coordinates."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from py4cast.errors import DataError
from py4cast.formats import open_reader
from py4cast.formats.reduced import healpix

TIMES = np.array(["2020-01-01T00", "2020-01-01T06"], dtype="datetime64[ns]")


def store(path: Path, attrs: dict[str, Any], values: np.ndarray, index: np.ndarray | None = None) -> Path:
    """A series on cells of HEALPix, as models of the kilometre scale write it."""
    data = xr.Dataset({"tas": (("time", "cell"), values, {"units": "K", "grid_mapping": "crs"})}, {"time": TIMES})
    data["crs"] = ((), 0, {"grid_mapping_name": "healpix", **attrs})
    if index is not None:
        data["cell"] = ("cell", index, {"standard_name": "healpix_index"})
    data.to_netcdf(path) if path.suffix == ".nc" else data.to_zarr(path, zarr_format=2, consolidated=True)
    return path


@pytest.mark.parametrize("ending", ["nc", "zarr"])
@pytest.mark.parametrize(
    ("attrs", "order"),
    [
        ({"healpix_nside": 4, "healpix_order": "nest"}, "nested"),
        ({"healpix_nside": 4, "healpix_order": "ring"}, "ring"),
        ({"refinement_level": 2, "indexing_scheme": "nested"}, "nested"),
    ],
)
def test_cells_stand_where_side_and_order_say(tmp_path: Path, ending: str, attrs: dict[str, Any], order: Any) -> None:
    grid = healpix(4, order)
    values = np.stack([grid.latitude[0], grid.longitude[0]]).astype(np.float32)
    with open_reader(store(tmp_path / f"a.{ending}", attrs, values)) as reader:
        records = reader.records()
        assert len(records) == 2 and reader.grid(records[0]).same_as(grid)
        assert reader.grid(records[0]).name == f"HEALPix 4 {order}"
        np.testing.assert_allclose(reader.read(records[0]), grid.latitude, atol=1e-4)


def test_a_part_of_the_globe_has_the_numbers_of_its_cells(tmp_path: Path) -> None:
    whole = healpix(8, "nested")
    index = np.flatnonzero((np.abs(whole.latitude[0] - 50) < 15) & (np.abs(whole.longitude[0] - 20) < 25))
    path = store(tmp_path / "a.nc", {"healpix_nside": 8, "healpix_order": "nest"}, np.ones((2, index.size)), index)
    with open_reader(path) as reader:
        grid = reader.grid(reader.records()[0])
    np.testing.assert_allclose(grid.latitude[0], whole.latitude[0, index])
    np.testing.assert_allclose(grid.longitude[0], whole.longitude[0, index])


@pytest.mark.parametrize(
    ("attrs", "index", "message"),
    [
        ({"healpix_order": "nest"}, None, "tells neither healpix_nside nor nside nor refinement_level"),
        ({"healpix_nside": 4}, None, "in the order 'that it does not tell'; expected ring or nested"),
        ({"healpix_nside": 4, "healpix_order": "zuniq"}, None, "in the order 'zuniq'"),
        ({"healpix_nside": 8, "healpix_order": "ring"}, None, "192 cells along 'cell' of the 768 of HEALPix 8"),
        ({"healpix_nside": 4, "healpix_order": "ring"}, np.arange(192) + 1, "cells 1 to 192 along 'cell'; HEALPix 4 has 0 to 191"),
    ],
)  # fmt: skip
def test_grids_that_are_not_told(tmp_path: Path, attrs: dict[str, Any], index: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        open_reader(store(tmp_path / "a.nc", attrs, np.ones((2, 192)), index))
