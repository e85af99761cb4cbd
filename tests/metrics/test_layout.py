import numpy as np
import pytest
import torch

from py4cast.errors import SettingsError
from py4cast.metrics.layout import Layout, ScoreSettings, is_rain
from py4cast.settings import decode
from py4cast.testing import make_info
from py4cast.variables import Variable
from tests.metrics.layouts import HOUR, layout

RAIN = Variable(name="tp", units="kg m-2", standard_name="precipitation_amount")


def wind(name: str, standard_name: str, level: int = 10, units: str = "m s-1") -> Variable:
    return Variable(name=name, units=units, standard_name=standard_name, level=level, type_of_level="heightAboveGround")


def of(*variables: Variable, **settings: object) -> Layout:
    return Layout(variables, torch.ones(2, 2), None, HOUR, settings=ScoreSettings(**settings))  # type: ignore[arg-type]


@pytest.mark.parametrize("scales", [(1, 2), (0,), (-3,)])
def test_scales_are_odd_numbers_of_cells(scales: tuple[int, ...]) -> None:
    with pytest.raises(SettingsError, match=r"scales \[.*\]: expected odd numbers of cells"):
        ScoreSettings(scales=scales)


@pytest.mark.parametrize("confidence", [0.49, 1.0])
def test_confidence_is_a_share(confidence: float) -> None:
    with pytest.raises(SettingsError, match=f"confidence {confidence:g}: expected 0.5 to 1"):
        ScoreSettings(confidence=confidence)
    assert ScoreSettings(confidence=0.5).confidence == 0.5


@pytest.mark.parametrize("settings", [{"num_samples": -1}, {"num_bins": 1}, {"block": 0}])
def test_numbers_have_a_least(settings: dict[str, int]) -> None:
    with pytest.raises(SettingsError, match="num_samples expects at least 0, num_bins at least 2, block at least 1"):
        decode(ScoreSettings, settings)
    assert ScoreSettings(num_samples=0, num_bins=2, block=1).block == 1


@pytest.mark.parametrize(
    ("standard_name", "units", "value"),
    [
        ("precipitation_amount", "kg m-2", True),
        ("convective_rainfall_amount", "kg m-2", True),
        ("precipitation_flux", "kg m-2 s-1", False),
        ("snowfall_amount", "kg m-2", False),
    ],
)
def test_rain_is_an_amount_of_precipitation(standard_name: str, units: str, value: bool) -> None:
    assert is_rain(Variable(name="x", units=units, standard_name=standard_name)) is value


@pytest.mark.parametrize(
    ("east", "north", "name"),
    [
        (wind("u10", "eastward_wind"), wind("v10", "northward_wind"), "wind10"),
        (wind("u_850", "x_wind"), wind("v_850", "y_wind"), "wind_850"),
        (wind("ua", "grid_eastward_wind"), wind("va", "grid_northward_wind"), "winda"),
        (wind("uo", "eastward_sea_water_velocity"), wind("vo", "northward_sea_water_velocity"), "currento"),
        (wind("east", "eastward_wind"), wind("north", "northward_wind"), "wind of east"),
    ],
)
def test_components_of_one_vector(east: Variable, north: Variable, name: str) -> None:
    for order in ((east, RAIN, north), (north, RAIN, east)):
        (pair,) = of(*order).pairs
        assert pair.name == name and (order[pair.eastward], order[pair.northward]) == (east, north)


@pytest.mark.parametrize(
    "north",
    [
        wind("v", "northward_wind", level=100),
        wind("v", "northward_wind", units="km h-1"),
        wind("v", "y_wind"),
        wind("v", "northward_sea_water_velocity"),
    ],
)
def test_components_of_different_vectors_make_none(north: Variable) -> None:
    assert of(wind("u", "eastward_wind"), north).pairs == []


def test_thresholds_by_default_and_by_the_settings() -> None:
    variables = [
        wind("u10", "eastward_wind"),
        wind("v10", "northward_wind"),
        wind("uo", "eastward_sea_water_velocity"),
        wind("vo", "northward_sea_water_velocity"),
        wind("gust", "wind_speed_of_gust"),
        RAIN,
    ]
    fields_of = of(*variables)
    speeds, amounts = (5.0, 10.0, 15.0), (0.1, 1.0, 5.0, 10.0)
    assert fields_of.events == {"tp": amounts, "gust": speeds, "wind10": speeds}, "none of currents"
    assert fields_of.rains == fields_of.placed_events == {"tp": amounts}
    named = of(*variables, thresholds={"tp": (2.0,), "currento": (0.5,)})
    assert named.events == {"tp": (2.0,), "gust": speeds, "wind10": speeds, "currento": (0.5,)}
    assert named.placed_events == {"tp": (2.0,), "currento": (0.5,)}


def test_thresholds_of_what_is_not_there_are_refused() -> None:
    with pytest.raises(SettingsError, match="thresholds: no feature 'tpp'; did you mean 'tp'"):
        of(RAIN, thresholds={"tpp": (1.0,)})


def test_the_layout_of_what_a_forecaster_predicts() -> None:
    info = make_info((5, 6), border_size=1, valid=np.arange(30).reshape(5, 6) != 7)
    fields_of = Layout.of(info, has_climatology=True)
    assert fields_of.features == ["a", "b", "d"] and fields_of.grid is info.grid and fields_of.has_climatology
    assert fields_of.num_members == 1 and fields_of.step_duration == HOUR and fields_of.settings == ScoreSettings()
    weights = fields_of.weights
    assert weights.dtype == torch.float64 and weights.shape == (5, 6)
    inside = torch.zeros(5, 6, dtype=torch.bool)
    inside[1:-1, 1:-1] = True
    inside[1, 1] = False
    assert torch.equal(weights > 0, inside)
    np.testing.assert_allclose(weights[inside], info.grid.area_weights()[inside.numpy()], rtol=1e-6)


def test_the_same_for_other_members_and_devices() -> None:
    fields_of = layout(3)
    assert fields_of.for_system(1).num_members == 1 and fields_of.num_members == 3
    moved = fields_of.to(torch.device("meta"))
    assert moved.weights.is_meta and moved.features == fields_of.features and not fields_of.weights.is_meta
