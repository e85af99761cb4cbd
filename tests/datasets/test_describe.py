from pathlib import Path
from typing import Any

import numpy as np
import pytest

from py4cast.axis import TimeAxis
from py4cast.cubes.driver import Driver
from py4cast.cubes.memory import MemoryCube
from py4cast.datasets.describe import describe, fitted, open_drivers
from py4cast.datasets.series_settings import SeriesSettings
from py4cast.datasets.splits import Splits
from py4cast.errors import DataError, SettingsError
from py4cast.grid import Grid
from py4cast.settings import decode
from py4cast.variables import Variable
from tests.weather_files import HOUR, START, wave_fields, write_netcdf
from tests.weather_files import describe as document_of

GRID = Grid(np.arange(48.0, 44.0, -1.0), np.arange(5.0))
COARSE = Grid(np.array([49.0, 46.0, 43.0]), np.array([0.0, 4.0]))
RAIN = Variable(name="tp", role="diagnostic", units="kg m-2")
WIND = Variable(name="u", role="forcing", units="m s-1")
TEMPERATURE = Variable(name="t", units="K", weight=5.0)


def cube_of(*variables: Variable, grid: Grid = GRID, seed: int = 0) -> MemoryCube:
    values = np.random.default_rng(seed).normal(size=(len(variables), 48, *grid.shape)).astype(np.float32)
    return MemoryCube(variables, TimeAxis.series(START + np.arange(48) * HOUR), grid, values)


def settings(**changes: Any) -> SeriesSettings:
    document = {k: v for k, v in document_of(Path()).items() if k in ("name", "step", "periods")}
    return decode(SeriesSettings, {**document, **changes}, where="dataset")


def described(cube: MemoryCube, drivers: dict[str, Driver] | None = None, **changes: Any) -> Splits:
    return describe(settings(**changes), cube, cube.variables, {"from": "memory"}, drivers or {})


def values_of(cube: MemoryCube, name: str) -> np.ndarray[Any, np.dtype[np.float32]]:
    out = np.empty((1, 48, *cube.shape), dtype=np.float32)
    cube.read([name], 0, 48, out)
    return np.asarray(out[0], dtype=np.float32)


def test_features_are_ordered_by_role_and_keep_their_weights() -> None:
    info = described(cube_of(WIND, RAIN, TEMPERATURE), forcings=["hour"]).info
    assert info.prognostic == ["t"] and info.diagnostic == ["tp"]
    assert info.forcing[0] == "u" and len(info.forcing) > 1, "those of the data come before those that are computed"
    assert info.state_weights == {"t": 5.0, "tp": 2.0} and info.name == "made" and info.step_duration == HOUR
    assert info.lineage["from"] == "memory" and set(info.lineage["periods"]) == {"train", "valid", "test"}


def test_statistics_are_those_of_the_training_period() -> None:
    cube = cube_of(TEMPERATURE, RAIN)
    info = described(cube, forcings=["hour"]).info
    for name in ("t", "tp"):
        train = values_of(cube, name)[:24].astype(np.float64)
        assert info.stats[name]["mean"] == pytest.approx(train.mean())
        assert info.stats[name]["std"] == pytest.approx(train.std())
        assert info.diff_stats[name]["std"] == pytest.approx(np.diff(train, axis=0).std() / train.std())
        assert info.stats[name]["max"] == train.max() and info.stats[name]["count"] == train.size
    assert set(info.forcing) <= set(info.stats.table), "of what is computed too"


def test_statics_fit_the_grid_and_what_it_lacks() -> None:
    assert described(cube_of(TEMPERATURE)).info.static == ["x", "y"]
    assert described(cube_of(TEMPERATURE), grid={"border_size": 1}).info.static == ["x", "y", "border_mask"]
    globe = Grid(np.array([30.0, 0.0, -30.0]), np.arange(0.0, 360.0, 60.0))
    assert described(cube_of(TEMPERATURE, grid=globe)).info.static == ["sin_latitude", "sin_longitude", "cos_longitude"]
    holed = cube_of(TEMPERATURE, RAIN)
    holed._values[1, :, 2, 3] = np.nan
    info = described(holed).info
    assert info.static == ["x", "y", "valid_mask"]
    mask = info.statics.valid_mask[..., 0].numpy()
    assert not mask[2, 3] and mask.sum() == mask.size - 1
    assert described(holed, statics=["sin_latitude"]).info.static == ["sin_latitude"]


def test_settings_that_do_not_fit_the_cube_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"step 3h: the data have one of 3600 seconds"):
        described(cube_of(TEMPERATURE), step="3h")
    computed = described(cube_of(TEMPERATURE), forcings=["hour"]).computed.names[0]
    with pytest.raises(SettingsError, match=f"forcings: '{computed}' is a variable of the data too"):
        described(cube_of(TEMPERATURE, Variable(name=computed, role="forcing")), forcings=["hour"])
    with pytest.raises(SettingsError, match="border_size 2: the grid of 4 x 5 cells leaves no interior; at most 1"):
        described(cube_of(TEMPERATURE), grid={"border_size": 2})
    with pytest.raises(SettingsError, match="variables: none is prognostic or diagnostic; there is nothing to predict"):
        described(cube_of(WIND))


def test_variables_that_no_cell_holds_together_are_refused() -> None:
    cube = cube_of(TEMPERATURE, RAIN)
    cube._values[0, :, :2], cube._values[1, :, 2:] = np.nan, np.nan
    with pytest.raises(DataError, match="dataset 'made': no cell holds data of all of t, tp"):
        described(cube)


def test_inputs_have_a_grid_and_statistics_of_their_own() -> None:
    radar = cube_of(Variable(name="z", units="1"), Variable(name="dbz", role="diagnostic"), grid=COARSE, seed=1)
    boundary = cube_of(Variable(name="q"), TEMPERATURE, seed=2)
    drivers = {"radar": Driver(radar, ["z", "dbz"]), "boundary": Driver(boundary, ["q", "t"])}
    shared = described(cube_of(TEMPERATURE), drivers)
    assert list(shared.info.inputs) == ["radar"]
    given = shared.info.inputs["radar"]
    assert given.names == ["z", "dbz"] and given.grid is COARSE
    assert {v.role for v in given.variables} == {"forcing"}
    assert given.stats["z"]["std"] == pytest.approx(values_of(radar, "z")[:24].std(), rel=1e-6)
    assert shared.drivers["boundary"].names == ["t"], "the border takes what is predicted and fed back"


def test_drivers_are_those_that_the_forecaster_knows_in_its_order() -> None:
    radar = Driver(cube_of(Variable(name="z"), Variable(name="dbz"), grid=COARSE), ["z", "dbz"])
    info = described(cube_of(TEMPERATURE), {"radar": radar}).info
    turned = Driver(cube_of(Variable(name="dbz"), Variable(name="z"), grid=COARSE), ["dbz", "z"])
    fitting = fitted({"radar": turned, "lidar": radar}, info)
    assert list(fitting) == ["radar"] and fitting["radar"].names == ["z", "dbz"]
    with pytest.raises(
        DataError, match="no input 'radar' given; the Forecaster was trained with it: set dataset.inputs.radar"
    ):
        fitted({}, info)
    with pytest.raises(DataError, match=r"radar: on 4 x 5 .*; expected 3 x 2 "):
        fitted({"radar": Driver(cube_of(Variable(name="z")), ["z"])}, info)
    with pytest.raises(DataError, match="radar: the driving data lack 'dbz'"):
        fitted({"radar": Driver(cube_of(Variable(name="z"), grid=COARSE), ["z"])}, info)
    with pytest.raises(DataError, match=r"boundary: on 3 x 2 .*; expected 4 x 5"):
        fitted({"radar": radar, "boundary": Driver(cube_of(TEMPERATURE, grid=COARSE), ["t"])}, info)


def test_border_values_come_to_the_grid_and_inputs_stay_on_theirs(tmp_path: Path) -> None:
    path = write_netcdf(tmp_path / "a.nc", {"t": wave_fields(4, (6, 8))})
    source = {"store": str(path)}
    inside = Grid(np.array([46.25, 45.75]), np.array([-3.25, -2.75]))
    drivers = open_drivers(settings(inputs={"radar": source}, boundary=source), inside)
    assert list(drivers) == ["radar", "boundary"]
    assert drivers["radar"].cube.shape == (6, 8) and drivers["boundary"].cube.grid.same_as(inside)
    field = wave_fields(4, (6, 8))[:1, ::-1]
    out = np.empty((1, 1, 2, 2), dtype=np.float32)
    drivers["boundary"].read(START, np.array([START]), out)
    # rows stand at 45, 45.5, ... and columns at −4, −3.5, ...: each cell is the mean of the four about it
    middle = [[field[0, r : r + 2, c : c + 2].mean() for c in (1, 2)] for r in (2, 1)]
    np.testing.assert_allclose(out[0, 0], middle, rtol=1e-6)
    assert open_drivers(settings(), inside) == {}


def test_a_source_that_cannot_be_opened_is_named_by_its_place(tmp_path: Path) -> None:
    lost = {"store": str(tmp_path / "none.zarr")}
    with pytest.raises(DataError, match=r"inputs\.radar: .*none\.zarr"):
        open_drivers(settings(inputs={"radar": lost}), GRID)
    with pytest.raises(DataError, match=r"boundary: .*none\.zarr"):
        open_drivers(settings(boundary=lost), GRID)
