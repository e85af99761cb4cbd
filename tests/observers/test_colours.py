"""Colour tables: which variable has which, and their limits."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from py4cast.observers.colours import ColourTable, table_of
from py4cast.variables import Variable


def of(standard_name: str, units: str = "1") -> ColourTable:
    return table_of(Variable(name="x", units=units, standard_name=standard_name))


@pytest.mark.parametrize(
    ("standard_name", "name"),
    [
        ("sea_water_temperature", "RdYlBu_r"), ("rainfall_flux", "rain"), ("snowfall_amount", "rain"), ("wind_speed_of_gust", "wind"),
        ("upward_air_velocity", "PuOr_r"), ("atmosphere_absolute_vorticity", "PuOr_r"), ("tendency_of_air_pressure", "PuOr_r"),
        ("northward_wind", "PuOr_r"), ("specific_humidity", "humidity"), ("dew_point_depression", "humidity"),
        ("cloud_area_fraction", "Greys_r"), ("geopotential", "plain"), ("", "plain"),
    ],
)  # fmt: skip
def test_kinds_are_known_by_their_cf_name(standard_name: str, name: str) -> None:
    table = of(standard_name)
    assert table.name == name and table.is_symmetric == (name == "PuOr_r")


def test_without_a_cf_name_what_is_known_of_the_parameter_counts() -> None:
    assert table_of(Variable(name="t2m", short_name="2t", units="K")).name == "temperature"


@pytest.mark.parametrize(("units", "factor"), [("kg m-2", 1.0), ("kg/m**2", 1.0), ("m", 1e-3)])
def test_levels_of_rain_are_in_the_units_of_the_variable(units: str, factor: float) -> None:
    levels = of("precipitation_amount", units).levels
    assert levels[:3] == pytest.approx((0.0, 0.1 * factor, 0.5 * factor)) and levels[-1] == pytest.approx(150 * factor)


def test_rain_in_units_of_another_kind_is_smooth() -> None:
    table = of("precipitation_amount", "K")
    assert table.levels == () and table.colormap().N == 256


def test_a_table_of_steps_has_a_colour_per_step() -> None:
    table = ColourTable("two", ("#ff0000", "#0000ff"), (0.0, 1.0, 5.0))
    cmap = table.colormap()
    assert cmap.N == 2 and cmap(0)[:3] == (1.0, 0.0, 0.0) and cmap(1)[:3] == (0.0, 0.0, 1.0)
    assert table.span(np.array([17.0, 99.0])) == (0.0, 5.0), "whatever the field"


def test_a_smooth_table_runs_through_its_colours() -> None:
    cmap = ColourTable("three", ("#000000", "#ff0000", "#ffffff")).colormap()
    assert cmap(0.0)[:3] == (0.0, 0.0, 0.0) and cmap(1.0)[:3] == (1.0, 1.0, 1.0)
    assert cmap(0.5)[:3] == pytest.approx(to_rgb("#ff0000"), abs=0.01)
    assert ColourTable("viridis").colormap().name == "viridis"


def test_limits_are_percentiles_of_all_fields_together() -> None:
    fields = np.arange(0.0, 101.0), np.array([np.nan, np.inf])
    assert ColourTable("viridis").span(*fields) == pytest.approx((1.0, 99.0))
    assert ColourTable("x", is_symmetric=True).span(-fields[0]) == pytest.approx((-99.0, 99.0))
    assert ColourTable("x", is_from_zero=True).span(fields[0]) == pytest.approx((0.0, 99.0))


def test_without_values_limits_are_0_and_1_and_around_one_value_half_a_unit() -> None:
    assert ColourTable("viridis").span() == (0.0, 1.0)
    assert ColourTable("viridis").span(np.full(3, 7.0)) == (6.5, 7.5)
    assert ColourTable("x", is_symmetric=True).span(np.zeros(3)) == (-0.5, 0.5)
