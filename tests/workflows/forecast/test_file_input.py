from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray

from py4cast.datasets.forcings import ComputedForcings
from py4cast.errors import DataError, SettingsError
from py4cast.steppers import StepInfo
from py4cast.steppers.info import StepInput
from py4cast.variables import Variable
from py4cast.workflows.forecast.file_input import FileInput
from tests import forecast_files as made
from tests.forecasters import GRID, PREDICTED, STEP

START = made.TIMES[5]
COMPUTED = ComputedForcings(("hour",), GRID, STEP)
SEA = Variable(name="sst", short_name="sst", role="forcing", units="K", standard_name="sea_surface_temperature")
Open = Callable[..., FileInput]


def info_of(**changes: Any) -> StepInfo:
    fields: dict[str, Any] = {
        "header": {"model": "unet", "strategy": "diff_ar"}, "grid": GRID, "variables": [*PREDICTED, *COMPUTED.variables],
        "step_duration": STEP, "num_input_steps": 2, "border": None, "valid": np.ones(GRID.shape, dtype=bool),
        "inputs": {},
    }  # fmt: skip
    return StepInfo(**{**fields, **changes})


@pytest.fixture
def open_input(tmp_path: Path) -> Iterator[Open]:
    """Opens datasets as files."""
    sources: list[FileInput] = []

    def opened(data: xr.Dataset | list[xr.Dataset], boundary: xr.Dataset | None = None, info: StepInfo | None = None, **options: Any) -> FileInput:  # fmt: skip
        pieces = data if isinstance(data, list) else [data]
        files = [made.write(tmp_path, f"input{len(sources)}_{i}.nc", piece) for i, piece in enumerate(pieces)]
        driving = [] if boundary is None else [made.write(tmp_path, f"boundary{len(sources)}.nc", boundary)]
        sources.append(FileInput(info or info_of(), files, driving, **options))
        return sources[-1]

    yield opened
    for source in sources:
        source.close()


def with_sea(data: xr.Dataset, dims: tuple[str, ...] = ("time",)) -> xr.Dataset:
    """The data with a temperature of the sea that grows by 1 K per 6 hours."""
    times = data["time"].to_numpy() if dims == ("time",) else data["init_time"].to_numpy()[:, None] + data["lead_time"].to_numpy()  # fmt: skip
    steps = (times - made.START.astype("datetime64[ns]")) / np.timedelta64(6, "h")
    values = np.broadcast_to(280 + steps[..., None, None], (*steps.shape, *GRID.shape)).astype(np.float32)
    attrs = {"units": "K", "standard_name": "sea_surface_temperature"}
    return data.assign(sst=((*dims, "latitude", "longitude"), values, attrs))


def truth(index: int) -> NDArray[np.float32]:
    return np.stack([made.truth_of(v.name)[index] for v in PREDICTED], -1)


def test_past_states_stand_in_the_order_of_time_and_of_the_forecaster(open_input: Open) -> None:
    source = open_input(made.analyses()[["v10", "t2m", "u10"]])
    states = source.states(START)
    assert states.shape == (1, 2, 12, 16, 3) and source.members == () and source.chosen_members([]) == []
    np.testing.assert_array_equal(states[0], [truth(4), truth(5)])
    assert source.latest() == made.TIMES[-1]


def test_the_latest_start_has_all_past_states(open_input: Open) -> None:
    data = made.analyses().isel(time=[0, 1, 2, 3, 5, 7, 9])
    assert open_input(data).latest() == made.TIMES[3]
    parts = [made.analyses().isel(time=slice(6)), made.analyses()[["t2m", "v10"]].isel(time=slice(6, 8))]
    assert open_input(parts).latest() == made.TIMES[5], "what follows lacks a wind"
    with pytest.raises(
        DataError,
        match=r"--input: no time has 4 states 21600 seconds apart; it holds 2020-01-01T00:00:00, 2020-01-01T06",
    ):
        open_input(data.isel(time=[0, 1, 2]), info=info_of(num_input_steps=4)).latest()


def test_of_an_instant_that_is_held_twice_the_shortest_lead_time_is_taken(open_input: Open) -> None:
    leads = np.arange(4) * 6 * made.HOUR
    starts = made.TIMES[:6]
    values = np.arange(4)[None, :] + 10.0 * np.arange(6)[:, None]
    wide = np.broadcast_to(values[..., None, None], (6, 4, *GRID.shape)).astype(np.float32)
    dims = ("init_time", "lead_time", "latitude", "longitude")
    coords = {
        **made._coords(),
        "init_time": starts.astype("datetime64[ns]"),
        "lead_time": leads.astype("timedelta64[ns]"),
    }
    data = xr.Dataset({n: (dims, wide + (200 if n == "t2m" else 0), made._attrs(n)) for n in made.BIAS}, coords)
    last = data.isel(init_time=[5])
    parts = [data.isel(init_time=slice(5)), last.drop_vars("t2m"), last[["t2m"]].isel(lead_time=slice(1, None))]
    states = open_input(parts).states(START)
    assert (states[0, 0] == [240, 40, 40]).all(), "the analysis itself"
    assert (states[0, 1] == [241, 41, 41]).all(), "all of the forecast before, since the analysis lacks a field"


def test_an_instant_that_lacks_a_field_or_is_not_there_is_named(open_input: Open) -> None:
    data = made.analyses()
    source = open_input([data.isel(time=[0, 1, 2, 3, 5, 6, 7]), data[["t2m", "v10"]].isel(time=[4])])
    with pytest.raises(DataError, match="--input: u10 missing at 2020-01-02T00:00:00"):
        source.states(START)
    with pytest.raises(DataError, match="no state at 2020-01-03T00:00:00; it holds 2020-01-01T00:00:00 to 2020-01-02"):
        source.states(made.TIMES[8])


@pytest.mark.parametrize(("nan", "is_refused"), [("forbid", True), ("mask", False)])
def test_cells_without_a_value_are_refused_unless_they_may_lack_some(
    open_input: Open, nan: Literal["forbid", "mask"], is_refused: bool
) -> None:
    data = made.analyses().isel(time=slice(8)).copy(deep=True)
    data["u10"][5, 0, 0] = np.nan
    valid = np.ones(GRID.shape, dtype=bool)
    valid[3] = False
    variables = [replace(PREDICTED[1], nan=nan) if v.name == "u10" else v for v in info_of().variables]
    source = open_input(data, info=info_of(variables=variables, valid=valid))
    if is_refused:
        with pytest.raises(DataError, match="--input: u10 at 2020-01-02T06:00:00 has no value in 1 of 176 cells"):
            source.states(START)
    else:
        assert int(np.isnan(source.states(START)).sum()) == 1
    valid[:] = False
    valid[0, 0] = True
    with pytest.raises(DataError, match="has no value in 1 of 1 cells"):
        open_input(data, info=info_of(variables=variables, valid=valid)).states(START)


def test_members_are_chosen_by_their_numbers(open_input: Open) -> None:
    data = made.analyses().isel(time=slice(6))
    members = data.expand_dims(number=[1, 4]).transpose("time", "number", ...).copy()
    for name in made.BIAS:
        members[name] = members[name] + xr.DataArray([0.0, 10.0], dims="number").astype(np.float32)
        members[name].attrs.update(data[name].attrs)
    source = open_input(members)
    assert source.chosen_members([]) == [1, 4] and source.chosen_members([4]) == [4]
    np.testing.assert_allclose(source.states(START, [4, 1])[:, 1], [truth(5) + 10, truth(5)], atol=1e-4)
    name = next(iter(made.BIAS))
    holes = members.copy(deep=True)
    holes[name][{"number": 1}] = np.nan
    with pytest.raises(DataError, match=rf"{name} at .* of member 4 has no value in 192 of 192 cells"):
        open_input(holes).states(START, [1, 4])
    with pytest.raises(SettingsError, match="--members 2: the input has 1, 4"):
        source.chosen_members([1, 2])
    with pytest.raises(SettingsError, match="--members 4,1,4: 4 stands there twice"):
        source.chosen_members([4, 1, 4])
    with pytest.raises(SettingsError, match="--members 0: the input has none"):
        open_input(data).chosen_members([0])


def test_forcings_are_computed_for_the_time_that_is_predicted(open_input: Open) -> None:
    steps = list(open_input(made.analyses()).given(START, 3, 2))
    angles = 2 * np.pi * np.array([12, 18, 24]) / 24
    assert len(steps) == 3 and all(s.border is None and not s.inputs and s.noise is None for s in steps)
    for step, angle in zip(steps, angles, strict=True):
        assert step.forcing is not None and step.forcing.shape == (2, 12, 16, 2)
        np.testing.assert_allclose(step.forcing[1, 3, 4], [np.sin(angle), np.cos(angle)], atol=1e-6)
    bare = open_input(made.analyses(), info=info_of(variables=PREDICTED))
    assert [s.forcing for s in bare.given(START, 2)] == [None, None]


def test_forcings_that_are_not_computed_are_read_from_the_boundary_else_from_the_input(open_input: Open) -> None:
    info = info_of(variables=[*PREDICTED, SEA, *COMPUTED.variables])
    (step,) = open_input(with_sea(made.analyses()), info=info).given(START, 1)
    assert step.forcing is not None and (step.forcing[..., 0] == 286.0).all()
    assert step.forcing[0, 0, 0, 2] == pytest.approx(-1.0)
    driving = with_sea(made.forecasts(), ("init_time", "lead_time")).isel(init_time=[2])
    first, second = open_input(made.analyses(), driving, info).given(START, 2)
    assert first.forcing is not None and second.forcing is not None
    assert (first.forcing[..., 0] == 286.0).all() and (second.forcing[..., 0] == 287.0).all()
    with pytest.raises(DataError, match=r"forecast from .*: forcing lacks sst up to 2020-01-03T00:00:00; it holds"):
        next(open_input(made.analyses(), driving, info).given(START, 3))
    with pytest.raises(DataError, match="input and forecaster have no variable in common.*; the forecaster has sst"):
        open_input(made.analyses(), info=info)
    with pytest.raises(DataError, match="boundary and forecaster have no variable in common"):
        open_input(with_sea(made.analyses()), made.analyses(), info)


def test_a_forcing_with_missing_values_is_refused(open_input: Open) -> None:
    data = with_sea(made.analyses()).copy(deep=True)
    data["sst"][6, 2, 2] = np.nan
    info = info_of(variables=[*PREDICTED, SEA])
    with pytest.raises(DataError, match="forcing sst at 2020-01-02T12:00:00 has missing values"):
        next(open_input(data, info=info).given(START, 1))
    valid = np.ones(GRID.shape, dtype=bool)
    valid[2, 2] = False
    (step,) = open_input(data, info=info_of(variables=[*PREDICTED, SEA], valid=valid)).given(START, 1)
    assert step.forcing is not None and int(np.isnan(step.forcing).sum()) == 1


def test_values_in_the_border_are_those_of_the_driving_model(open_input: Open) -> None:
    info = info_of(border=GRID.border_mask(2))
    (step,) = open_input(made.analyses(), made.analyses(), info).given(START, 1, 3)
    assert step.border is not None and step.border.shape == (3, 12, 16, 3)
    np.testing.assert_array_equal(step.border[2], truth(6))
    (free,) = open_input(made.analyses(), made.analyses(), info, imposes_border=False).given(START, 1)
    assert free.border is None
    with pytest.raises(DataError, match="--boundary lacks t2m, u10, v10 up to 2020-01-08T12"):
        next(open_input(made.analyses(), made.analyses(), info).given(made.TIMES[-1], 1))
    # of the 12 × 16 cells a ring of two has 96; rows 2 to 11 of it, 8 · 4 + 2 · 16 = 64, are covered
    with pytest.raises(DataError, match="--boundary: covers 67 % of the border; it is on 10 x 16"):
        open_input(made.analyses(), made.analyses().isel(latitude=slice(2, None)), info)


def test_further_inputs_come_to_their_own_grid(open_input: Open) -> None:
    coarse = GRID.rows_columns(slice(1, -1, 3), slice(2, -2, 4))
    info = info_of(inputs={"large": StepInput(coarse, [PREDICTED[0]])})
    (step,) = open_input(made.analyses(), info=info).given(START, 1, 2)
    assert step.inputs["large"].shape == (2, *coarse.shape, 1)
    np.testing.assert_allclose(step.inputs["large"][1, ..., 0], made.truth_of("t2m")[6, 1:-1:3, 2:-2:4], atol=1e-4)


def test_variables_are_renamed_where_nothing_else_tells(open_input: Open) -> None:
    data = made.analyses().rename(u10="foreign")
    data["foreign"].attrs.pop("standard_name")
    source = open_input(data, renamed={"u10": "foreign"})
    np.testing.assert_array_equal(source.states(START)[0, 1], truth(5))
    with pytest.raises(
        DataError,
        match=r"--input: lacks prognostic 'u10' \(eastward_wind, 10 heightAboveGround, \[m s-1\]\).*; use "
        "--rename INPUT=FORECASTER",
    ):
        open_input(data)


def test_a_pressure_level_that_is_another_is_refused(open_input: Open) -> None:
    level = Variable(
        name="t_850", short_name="t", units="K", level=850, type_of_level="isobaricInhPa",
        standard_name="air_temperature",
    )  # fmt: skip
    data = made.analyses()[["t2m"]].rename(t2m="t").expand_dims(level=[500.0]).transpose("time", "level", ...)
    data["level"].attrs.update(units="hPa", standard_name="air_pressure")
    info = info_of(variables=[level])
    with pytest.raises(
        DataError, match=r"is on level 500; the Forecaster expects prognostic 't_850' \(air_temperature, 850 isobaric"
    ):
        open_input(data, info=info, renamed={"t_850": "t_500_isobaricInhPa"})
