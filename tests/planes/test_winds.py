from pathlib import Path

import eccodes
import numpy as np
import pytest
import xarray as xr

from py4cast.datasets.gridded import Gridded
from py4cast.errors import DataError
from py4cast.formats import Fields, Record, open_reader, writer_for
from py4cast.grid import Grid
from py4cast.planes.winds import WindAxes
from py4cast.variables import ALONG_GRID, Variable, axes_of
from tests.cubes.store.test_store import prepare
from tests.weather_files import HOUR, START, describe

LATLON = Grid(np.array([51.0, 50.0]), np.array([0.0, 1.0, 2.0]))
X = np.arange(3) * 2500.0
LAMBERT = Grid(
    50 + np.add.outer(X[:2] / 1e5, X / 1e6), 2 + np.add.outer(X[:2] / 1e6, X / 7e4), X, X[:2],
    {"grid_mapping_name": "lambert_conformal_conic", "standard_parallel": 50.0, "longitude_of_central_meridian": 2.0,
     "latitude_of_projection_origin": 50.0, "earth_radius": 6371229.0},
)  # fmt: skip
U10 = Variable(name="u10", short_name="10u", units="m s-1", level=10, type_of_level="heightAboveGround")


def record(name: str = "10u", standard_name: str = "", flag: int | None = None) -> Record:
    keys = {} if flag is None else {"uvRelativeToGrid": flag}
    return Record(name, 10.0, "heightAboveGround", START, 0 * HOUR, None, "m s-1", 0, "g", standard_name, keys)


@pytest.mark.parametrize(
    ("standard_name", "axes"),
    [("eastward_wind", "earth"), ("y_wind", "grid"), ("grid_eastward_wind", "grid"), ("air_temperature", ""), ("", ""), ("wind_speed", "")],
)  # fmt: skip
def test_a_name_tells_the_axes(standard_name: str, axes: str) -> None:
    assert axes_of(standard_name) == axes


@pytest.mark.parametrize(
    ("grid", "field", "name"),
    [
        (LAMBERT, record(flag=1), "x_wind"),
        (LAMBERT, record(flag=0), ""),
        (LATLON, record(flag=1), ""),
        (LAMBERT, record("u", "x_wind"), "x_wind"),
        (LATLON, record("u", "x_wind"), ""),
        (LAMBERT, record("u", "eastward_wind"), ""),
        (LAMBERT, record("u", "grid_eastward_wind"), "grid_eastward_wind"),
    ],
)
def test_axes_of_the_grid_are_kept_where_they_are_others_than_east_and_north(
    grid: Grid, field: Record, name: str
) -> None:
    winds = WindAxes()
    winds.take(Path("a.grib"), field, U10, grid)
    assert winds.named(U10, False) == name


def test_what_is_no_wind_has_no_axes() -> None:
    winds, cold = WindAxes(), Variable(name="t2m", short_name="2t")
    winds.take(Path("a.grib"), record("2t", "air_temperature", 1), cold, LAMBERT)
    assert winds.named(cold, True) == ""


def test_files_that_disagree_and_settings_that_say_otherwise_are_refused() -> None:
    winds = WindAxes()
    winds.take(Path("a.grib"), record(flag=1), U10, LAMBERT)
    with pytest.raises(
        DataError, match=r"u10: a\.grib has components along the axes of its grid, b\.grib along east and north"
    ):
        winds.take(Path("b.grib"), record(flag=0), U10, LAMBERT)
    with pytest.raises(DataError, match="leave standard_name out, or give x_wind"):
        winds.named(Variable(name="u10", standard_name="eastward_wind"), False)
    with pytest.raises(DataError, match="which are others on the grid that they are brought to"):
        winds.named(U10, True)


def written(path: Path, standard_names: tuple[str, str], grid: Grid = LAMBERT) -> Path:
    names = ("10u", "10v")
    variables = [
        Variable(name=n, short_name=n, units="m s-1", level=10, type_of_level="heightAboveGround", standard_name=s)
        for n, s in zip(names, standard_names, strict=True)
    ]
    values = np.arange(6 * 12, dtype=np.float32).reshape(6, 2, 3, 2)
    path.parent.mkdir(parents=True, exist_ok=True)
    writer_for(path).write(path, Fields(values, variables, grid, START - HOUR, [HOUR * (i + 1) for i in range(6)]))
    return path


@pytest.mark.parametrize(("names", "flag"), [(("x_wind", "y_wind"), 1), (("eastward_wind", "northward_wind"), 0)])
def test_the_flag_goes_from_file_to_store_to_file(tmp_path: Path, names: tuple[str, str], flag: int) -> None:
    written(tmp_path / "in" / "a.grib2", names)
    with (tmp_path / "in" / "a.grib2").open("rb") as stream:
        handle = eccodes.codes_grib_new_from_file(stream)
        assert eccodes.codes_get(handle, "uvRelativeToGrid") == flag
        eccodes.codes_release(handle)
    settings = {
        n: {"short_name": s, "level": 10, "type_of_level": "heightAboveGround"}
        for n, s in (("u10", "10u"), ("v10", "10v"))
    }
    document = describe(
        tmp_path / "in", files=["*.grib2"], grid={"border_size": 0}, variables=settings, store=str(tmp_path / "store")
    )
    period = {"start": "2020-01-01T00", "end": "2020-01-01T05"}
    document["periods"] = {"train": period, "valid": period, "test": period}
    store = prepare(Gridded.settings_kls.from_dict(document))
    assert tuple(v.standard_name for v in store.variables) == names
    out = tmp_path / "out.nc"
    writer_for(out).write(out, Fields(np.zeros((1, 2, 3, 2), np.float32), store.variables, LAMBERT, START, [HOUR]))
    with xr.open_dataset(out) as data:
        assert (data["u10"].attrs["standard_name"], data["v10"].attrs["standard_name"]) == names
    with open_reader(tmp_path / "in" / "a.grib2") as reader:
        assert {r.keys["uvRelativeToGrid"] for r in reader.records()} == {flag}


def test_a_direction_needs_east_and_north(tmp_path: Path) -> None:
    written(tmp_path / "in" / "a.grib2", ("x_wind", "y_wind"))
    level = {"level": 10, "type_of_level": "heightAboveGround"}
    settings = {
        "u10": {"short_name": "10u", **level}, "v10": {"short_name": "10v", **level},
        "from": {"made_from": {"filter": "wind_direction", "u": "u10", "v": "v10"}},
    }  # fmt: skip
    document = describe(
        tmp_path / "in", files=["*.grib2"], grid={"border_size": 0}, variables=settings, store=str(tmp_path / "store")
    )
    with pytest.raises(DataError, match="from: u10, v10 run along the axes of their grid, not east and north"):
        prepare(Gridded.settings_kls.from_dict(document))
    settings["from"] = {"made_from": {"filter": "wind_speed", "u": "u10", "v": "v10"}}
    period = {"start": "2020-01-01T00", "end": "2020-01-01T05"}
    document = {**document, "variables": settings, "periods": {"train": period, "valid": period, "test": period}}
    assert "from" in prepare(Gridded.settings_kls.from_dict(document)).names, "a speed has no axes"


def test_every_name_has_its_like_along_the_grid() -> None:
    assert all(axes_of(e) == "earth" and axes_of(g) == "grid" for e, g in ALONG_GRID.items())
