import json
from pathlib import Path

import numpy as np
import pytest
import zarr

from py4cast.formats import Fields
from py4cast.formats.zarr_writer import ZarrWriter
from py4cast.grid import Grid
from py4cast.testing import make_forecast
from py4cast.variables import Variable


@pytest.mark.parametrize("members", [(), (2, 5)])
def test_a_store_has_a_chunk_per_lead_time_and_gathered_metadata(tmp_path: Path, members: tuple[int, ...]) -> None:
    forecast, path = make_forecast(members), tmp_path / "f.zarr"
    forecast.values[1, ..., 2, 3, 0] = np.nan
    ZarrWriter().write(path, forecast)
    document = json.loads((path / "zarr.json").read_text())
    assert document["zarr_format"] == 3
    gathered = document["consolidated_metadata"]["metadata"]
    names = {"t2m", "msl", "latitude", "longitude", "lead_time", "init_time", "time", "heightAboveGround_2"}
    assert set(gathered) == names | ({"member"} if members else set())
    group = zarr.open_group(path, mode="r")
    assert dict(group.attrs) == {"Conventions": "CF-1.11", "title": "a check"}
    for index, name in enumerate(("t2m", "msl")):
        array = group[name]
        assert isinstance(array, zarr.Array)
        assert array.chunks == (1, *([2] if members else []), 6, 9) and array.dtype == np.float32
        dims = ["time", *(["member"] if members else []), "latitude", "longitude"]
        assert gathered[name]["dimension_names"] == dims
        assert np.isnan(array.fill_value), "what is not there is NaN"
        np.testing.assert_array_equal(array[:], forecast.values[..., index])
        assert array.attrs["units"] == forecast.variables[index].units
        assert len(list((path / name / "c").iterdir())) == 3


def test_attributes_of_numpy_are_plain_numbers(tmp_path: Path) -> None:
    plane = Grid.plane(8, 8e5)
    projection = {"grid_mapping_name": "lambert", "standard_parallel": np.array([46.0, 49.0]), "n": np.int64(3)}
    grid = Grid(plane.latitude, plane.longitude, plane.x, plane.y, projection)
    variable = Variable(name="vo", units="s-1", level=np.float64(2.0))
    forecast = Fields(
        np.ones((1, 8, 8, 1), dtype=np.float32), [variable], grid,
        np.datetime64("2020-01-01", "s"), [np.timedelta64(3600, "s")],
    )  # fmt: skip
    ZarrWriter().write(tmp_path / "f.zarr", forecast)
    written = json.loads((tmp_path / "f.zarr" / "projection" / "zarr.json").read_text())["attributes"]
    assert written == {"grid_mapping_name": "lambert", "standard_parallel": [46.0, 49.0], "n": 3}
    attributes = json.loads((tmp_path / "f.zarr" / "vo" / "zarr.json").read_text())["attributes"]
    assert (attributes["GRIB_level"], attributes["grid_mapping"]) == (2.0, "projection")
