"""Losses of areas: shares, whatever the number of cells."""

import pytest
import torch

from py4cast.areas import AreaSettings
from py4cast.errors import SettingsError
from py4cast.losses import registry as losses
from py4cast.losses.on_areas import on_areas, weighted
from py4cast.testing import make_info

INFO = make_info((17, 23), border_size=0)
NORTH, SOUTH = AreaSettings(box=(52.6, 56, -6, 10)), AreaSettings(box=(44, 49.9, -6, 10))


def loss_of(shares: dict[str, float], areas: dict[str, AreaSettings], error: torch.Tensor) -> float:
    loss = losses.get("mse")(on_areas(INFO, areas, shares))
    prediction = error[None, None, ..., None].expand(1, 1, *error.shape, len(INFO.predicted))
    return float(loss(prediction, torch.zeros_like(prediction)))


def test_each_area_has_its_share() -> None:
    lat = torch.from_numpy(INFO.grid.latitude_2d().copy())
    north, south = ((lat > 52.6).float(), (lat < 49.9).float())
    whole = loss_of({}, {}, torch.ones_like(north))
    both = {"north": NORTH, "south": SOUTH}
    assert loss_of({}, both, north) == pytest.approx(whole / 2) == pytest.approx(loss_of({}, both, south))
    assert loss_of({"north": 3.0}, both, north) == pytest.approx(0.75 * whole)
    assert loss_of({}, {"north": NORTH}, south) == 0.0
    assert loss_of({}, both, 1 - north - south) == 0.0


def test_without_areas_nothing_changes() -> None:
    assert on_areas(INFO, {}, {}) is INFO


def test_an_area_that_lies_in_the_border_is_refused() -> None:
    info = make_info((17, 23), border_size=3)
    with pytest.raises(SettingsError, match="area 'edge': none of its cells counts in the loss"):
        on_areas(info, {"edge": AreaSettings(box=(54.5, 56, -6, 10))}, {})


def test_variables_weigh_what_they_are_said_to() -> None:
    info = make_info((6, 8), diagnostic=False)
    first, second = info.predicted
    changed = weighted(info, {first: 3.0})
    assert changed.state_weights == {first: 3 * info.state_weights[first], second: info.state_weights[second]}
    assert weighted(info, {}) is info
    with pytest.raises(SettingsError, match=r"no predicted variable 'nothing'"):
        weighted(info, {"nothing": 1.0})
    with pytest.raises(SettingsError, match="nothing weighs"):
        weighted(info, {first: 0.0, second: 0.0})
