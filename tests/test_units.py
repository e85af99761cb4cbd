import pytest

from py4cast.errors import DataError
from py4cast.units import conversion, normalise, same_units


@pytest.mark.parametrize(
    ("found", "spelling"),
    [("m s**-1", "m s-1"), ("m/s", "m s-1"), ("meter second-1", "m s-1"), ("m.s-1", "m s-1"), ("degK", "K"), ("kelvin", "K"),
     ("METERS", "m"), ("(0 - 1)", "1"), ("", "1"), ("kg m**-2 s**-1", "kg m-2 s-1"), ("W/m2", "W m-2"), ("degrees_north", "degree")],
)  # fmt: skip
def test_one_spelling(found: str, spelling: str) -> None:
    assert normalise(found) == spelling and normalise(spelling) == spelling


@pytest.mark.parametrize(
    ("source", "target", "x", "y"),
    [("degC", "K", 20, 293.15), ("hPa", "Pa", 1013.25, 101325), ("g kg-1", "kg kg**-1", 8, 0.008), ("%", "1", 50, 0.5),
     ("m", "kg m-2", 0.002, 2), ("mm", "m", 3, 0.003), ("J m**-2", "W s m-2", 7, 7), ("km/h", "m s-1", 36, 10), ("K", "degC", 0, -273.15)],
)  # fmt: skip
def test_converts(source: str, target: str, x: float, y: float) -> None:
    scale, offset = conversion(source, target)
    assert scale * x + offset == pytest.approx(y, rel=1e-12)


def test_other_dimensions_are_refused() -> None:
    with pytest.raises(DataError, match="units 'K' cannot be converted to 'Pa'"):
        conversion("K", "Pa")
    with pytest.raises(DataError, match="'parsnips'"):
        conversion("parsnips", "K")
    assert not same_units("K", "degC") and same_units("m2 s-2", "J kg**-1") and not same_units("K", "Pa")


def test_octas_are_eighths() -> None:
    assert conversion("octas", "1") == (pytest.approx(0.125), 0.0) and conversion("okta", "%") == (
        pytest.approx(12.5),
        0.0,
    )
