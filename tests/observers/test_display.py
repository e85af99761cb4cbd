import numpy as np
import pytest

from py4cast.observers.display import display_of
from py4cast.variables import Variable

HEIGHT = {"level": 2.0, "type_of_level": "heightAboveGround"}


@pytest.mark.parametrize(
    ("variable", "title", "value", "shown"),
    [
        (Variable(name="t2m", units="K", standard_name="air_temperature", **HEIGHT), "air temperature at 2 m [°C]", 273.15, 0.0),
        (Variable(name="msl", units="Pa", standard_name="air_pressure_at_mean_sea_level"), "air pressure at mean sea level [hPa]", 101325.0, 1013.25),
        (Variable(name="q", units="kg kg-1", standard_name="specific_humidity", level=850.0, type_of_level="isobaricInhPa"), "specific humidity at 850 hPa [g kg⁻¹]", 0.004, 4.0),
        (Variable(name="z", units="m2 s-2", standard_name="geopotential", level=500.0, type_of_level="isobaricInhPa"), "geopotential height at 500 hPa [m]", 54000.0, 5506.467),
        (Variable(name="tp", units="kg m-2", standard_name="precipitation_amount"), "precipitation amount [mm]", 3.0, 3.0),
        (Variable(name="vo", units="s-1", standard_name="atmosphere_relative_vorticity"), "atmosphere relative vorticity [10⁻⁵ s⁻¹]", 2e-5, 2.0),
        (Variable(name="tcc", units="1", standard_name="cloud_area_fraction"), "cloud area fraction", 0.5, 0.5),
        (Variable(name="tp", units="m", standard_name="precipitation_amount"), "precipitation amount [mm]", 0.003, 3.0),
        (Variable(name="pr", units="kg m-2 s-1", standard_name="precipitation_flux"), "precipitation flux [mm h⁻¹]", 0.001, 3.6),
        (Variable(name="t2m", units="degC", standard_name="air_temperature"), "air temperature [°C]", 3.0, 3.0),
        (Variable(name="ws", units="kt", standard_name="wind_speed"), "wind speed [kn]", 3.0, 3.0),
        (Variable(name="ssrd", units="J m-2", standard_name="surface_downwelling_shortwave_flux_in_air"), "surface downwelling shortwave flux in air [J m⁻²]", 3.0, 3.0),
        (Variable(name="depth", units="m"), "depth [m]", 3.0, 3.0),
        (Variable(name="odd", units="furlong"), "odd [furlong]", 3.0, 3.0),
        (Variable(name="odd", units=""), "odd", 3.0, 3.0),
    ],
    ids=lambda x: x.name if isinstance(x, Variable) else "",
)  # fmt: skip
def test_a_variable_is_shown_as_people_say_it(variable: Variable, title: str, value: float, shown: float) -> None:
    display = display_of(variable)
    assert display.title == title
    assert display.values(np.array([value], dtype=np.float32))[0] == pytest.approx(shown, rel=1e-5, abs=1e-4)
