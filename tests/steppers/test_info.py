"""What running a saved Forecaster needs to know, from its header and a few arrays."""

from typing import Any

import numpy as np
import pytest

from py4cast.forecaster import Forecaster
from py4cast.grid import Grid
from py4cast.noise import Noise
from py4cast.steppers.info import StepInfo
from py4cast.testing import make_info
from py4cast.variables import Variable

INFO = make_info((5, 6), border_size=1)


def saved() -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    forecaster = Forecaster.build(INFO, "zero", "scaled_ar", 2)
    return forecaster.header(), {k: v.numpy() for k, v in INFO.pack()[1].items()}


def test_it_says_what_the_forecaster_takes_and_gives() -> None:
    info = StepInfo.from_header(*saved())
    assert (info.prognostic, info.forcing, info.predicted) == (["a", "b"], ["f", "g"], ["a", "b", "d"])
    assert info.step_duration == np.timedelta64(3600, "s") and info.num_input_steps == 2
    assert info.grid.same_as(INFO.grid) and info.valid.all() and info.valid.shape == (5, 6)
    assert info.title == "zero (scaled_ar)" and info.num_members == 1 and not info.noise and info.inputs == {}


def test_variables_come_in_the_order_that_is_asked_for() -> None:
    assert [v.units for v in StepInfo.from_header(*saved()).variables_of(["d", "a"])] == ["kg m-2", "K"]


@pytest.mark.parametrize(
    ("changes", "is_imposed"),
    [
        ({"forces_border": True}, True),
        ({"forces_border": False}, False),
        ({"forces_border": None, "strategy_settings": {"force_border": True}}, True),
        ({"forces_border": None, "strategy_settings": {}}, False),
    ],
)
def test_the_border_is_imposed_where_the_strategy_says_so(changes: dict[str, Any], is_imposed: bool) -> None:
    header, arrays = saved()
    header = {k: v for k, v in (header | changes).items() if v is not None}
    border = StepInfo.from_header(header, arrays).border
    assert (border is not None) == is_imposed
    if border is not None:
        assert border.sum() == 5 * 6 - 3 * 4 and not border[1:-1, 1:-1].any()


def test_a_border_of_no_cells_is_none() -> None:
    header, arrays = saved()
    header["forces_border"] = True
    header["info"]["border_size"] = 0
    assert StepInfo.from_header(header, arrays).border is None


def test_cells_that_never_hold_data_are_known() -> None:
    header, arrays = saved()
    holes = np.ones((5, 6, 1), dtype=bool)
    holes[2, 3] = False
    info = StepInfo.from_header(header, arrays | {"statics.valid_mask": holes})
    assert np.argwhere(~info.valid).tolist() == [[2, 3]]


def test_further_inputs_are_those_that_the_model_asks_for_on_their_own_grids() -> None:
    radar = Grid(np.array([50.0, 51.0]), np.array([1.0, 2.0, 3.0]), name="radar")
    meta, grid_arrays = radar.pack()
    header, arrays = saved()
    rain = Variable(name="rain", units="kg m-2", role="forcing")
    header["info"]["inputs"] = {k: {"grid": meta, "variables": [rain.to_dict()]} for k in ("radar", "lidar")}
    header["further_inputs"] = ["radar"]
    arrays |= {f"inputs.{k}.{name}": a for k in ("radar", "lidar") for name, a in grid_arrays.items()}
    info = StepInfo.from_header(header, arrays)
    assert list(info.inputs) == ["radar"] and info.inputs["radar"].variables == [rain]
    assert info.inputs["radar"].grid.same_as(radar) and info.grid.same_as(INFO.grid)


def test_noise_and_members_are_of_the_header_and_none_in_the_first_files() -> None:
    header, arrays = saved()
    noisy = StepInfo.from_header(header | {"noise": {"kind": "vector", "size": 3}, "num_members": 5}, arrays)
    assert noisy.noise == Noise("vector", 3) and noisy.num_members == 5
    first = {k: v for k, v in header.items() if k not in ("noise", "num_members", "further_inputs")}
    early = StepInfo.from_header(first, arrays)
    assert early.noise == Noise() and early.num_members == 1 and early.inputs == {}


@pytest.mark.parametrize("key", ["info", "num_input_steps"])
def test_a_header_that_lacks_something_is_a_key_error(key: str) -> None:
    header, arrays = saved()
    del header[key]
    with pytest.raises(KeyError, match=key):
        StepInfo.from_header(header, arrays)


def test_arrays_that_lack_the_valid_cells_are_a_key_error() -> None:
    header, arrays = saved()
    del arrays["statics.valid_mask"]
    with pytest.raises(KeyError, match=r"statics\.valid_mask"):
        StepInfo.from_header(header, arrays)
