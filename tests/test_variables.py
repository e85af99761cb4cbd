import numpy as np
import pytest
import torch

from py4cast.errors import SettingsError
from py4cast.variables import Variable, axes_of, feature_name, names_of, role_of, shorter_arc, towards


def test_feature_names() -> None:
    assert feature_name("t", 850, "isobaricInhPa") == "t_850_isobaricInhPa"
    assert feature_name("t", 0.5, None) == "t_0.5" and feature_name("msl", None, None) == "msl"


def test_older_words_for_roles() -> None:
    assert [role_of(w) for w in ("input_output", "output", "input", "static")] == [
        "prognostic",
        "diagnostic",
        "forcing",
        "static",
    ]
    with pytest.raises(SettingsError, match="unknown role 'prognostics'; did you mean 'prognostic'"):
        role_of("prognostics")


def test_default_weights() -> None:
    assert Variable(name="a", level=850, type_of_level="isobaricInhPa").loss_weight == pytest.approx(1.85)
    assert Variable(name="a", level=2, type_of_level="heightAboveGround").loss_weight == 2.0
    assert Variable(name="a", weight=0.5).loss_weight == 0.5


def test_the_range_that_earth_allows_is_in_the_variable_units() -> None:
    low, high = Variable(name="t2m", short_name="2t", units="degC").plausible_range()
    assert (low, high) == pytest.approx((150 - 273.15, 350 - 273.15))
    assert Variable(name="x", short_name="x", units="K").plausible_range() is None
    assert Variable(name="t2m", short_name="2t", units="Pa").plausible_range() is None


def test_round_trip_and_order() -> None:
    variable = Variable(
        name="u10", short_name="10u", role="diagnostic", grib={"stepType": "instant"}, nan="mask"
    ).with_units("m s**-1")
    assert variable.units == "m s-1" and variable.standard_name == "eastward_wind"
    assert Variable.from_dict(variable.to_dict()) == variable
    others = [Variable(name="f", role="forcing"), variable, Variable(name="p")]
    assert names_of(others, "prognostic", "diagnostic") == ["p", "u10"]


def test_directions_differ_by_the_shorter_arc_in_arrays_and_tensors() -> None:
    differences = [2.0, 358.0, -358.0, 180.0, 181.0, 721.0]
    assert shorter_arc(np.array(differences), 360.0).tolist() == [2.0, -2.0, 2.0, -180.0, -179.0, 1.0]
    assert shorter_arc(torch.tensor(differences), 360.0).tolist() == [2.0, -2.0, 2.0, -180.0, -179.0, 1.0]
    assert shorter_arc(6.0, 2 * np.pi) == pytest.approx(6.0 - 2 * np.pi)


@pytest.mark.parametrize(
    ("name", "earth"),
    [
        ("x_wind", "eastward_wind"), ("grid_northward_wind", "northward_wind"),
        ("sea_water_x_velocity", "eastward_sea_water_velocity"), ("y_sea_water_velocity", "northward_sea_water_velocity"),
    ],
)  # fmt: skip
def test_components_along_a_grid_are_known_by_all_their_names(name: str, earth: str) -> None:
    assert axes_of(name) == "grid" and towards(name) == earth and axes_of(earth) == "earth"
