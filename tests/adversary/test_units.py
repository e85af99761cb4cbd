"""Campaign: whatever spelling a unit comes in, it converts rightly or is refused; never another number."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from py4cast.errors import DataError
from py4cast.units import conversion, normalise, same_units

# one noun in SI, by spellings that services use
SPELLINGS = {
    "m s-1": {"m s-1": 1, "m s**-1": 1, "m/s": 1, "m s^-1": 1, "meter second-1": 1, "metres per second": 1, "km/h": 1 / 3.6, "km h-1": 1 / 3.6,
              "knot": 0.514444, "kt": 0.514444, "knots": 0.514444, "cm s-1": 0.01, "cm/s": 0.01, "mm s-1": 1e-3},
    "K": {"K": 1, "kelvin": 1, "Kelvin": 1, "degK": 1, "deg K": 1},
    "Pa": {"Pa": 1, "pascal": 1, "hPa": 100, "mbar": 100, "mb": 100, "millibars": 100, "kPa": 1000, "bar": 1e5},
    "kg m-2": {"kg m-2": 1, "kg m**-2": 1, "kg/m2": 1, "kg/m^2": 1, "mm": 1, "m": 1000, "cm": 10},
    "kg m-2 s-1": {"kg m-2 s-1": 1, "kg m**-2 s**-1": 1, "kg/(m2 s)": 1, "mm/s": 1, "mm s-1": 1, "mm/h": 1 / 3600, "mm h-1": 1 / 3600,
                   "m s-1": 1000, "mm/day": 1 / 86400, "mm day-1": 1 / 86400},
    "W m-2": {"W m-2": 1, "W m**-2": 1, "W/m2": 1, "W/m^2": 1, "kW m-2": 1000, "J s-1 m-2": 1},
    "J m-2": {"J m-2": 1, "J m**-2": 1, "J/m2": 1, "W s m-2": 1, "kJ m-2": 1000, "MJ m-2": 1e6, "Wh m-2": 3600},
    "kg kg-1": {"kg kg-1": 1, "kg kg**-1": 1, "kg/kg": 1, "1": 1, "g kg-1": 1e-3, "g/kg": 1e-3, "%": 0.01, "percent": 0.01, "": 1, "fraction": 1,
                "10^-3 kg/kg": 1e-3, "1e-3": 1e-3, "psu": 1e-3},
    "m2 s-2": {"m2 s-2": 1, "m**2 s**-2": 1, "m^2/s^2": 1, "J kg-1": 1, "J/kg": 1, "J kg**-1": 1},
    "s-1": {"s-1": 1, "s**-1": 1, "1/s": 1, "hertz": 1, "Hz": 1, "1e-5 s-1": 1e-5, "10^-5 s-1": 1e-5},
    "m": {"m": 1, "meter": 1, "metres": 1, "km": 1000, "cm": 0.01, "mm": 1e-3, "gpm": 1, "gpdm": 10, "dam": 10, "ft": 0.3048},
}  # fmt: skip
PAIRS = [(noun, a, b) for noun, table in SPELLINGS.items() for a in table for b in table]


@settings(max_examples=600, derandomize=True, deadline=None)
@given(st.sampled_from(PAIRS), st.sampled_from(["{}", " {}", "{} ", "  {}  "]))
def test_spellings_of_one_noun_convert_or_are_refused(pair: tuple[str, str, str], frame: str) -> None:
    noun, source, target = pair
    expected = SPELLINGS[noun][source] / SPELLINGS[noun][target]
    try:
        scale, offset = conversion(frame.format(source), target)
    except DataError as error:
        assert source.strip() in str(error) or normalise(source) in str(error), "the message names the unit"
        return
    assert scale == pytest.approx(expected, rel=2e-4) and offset == pytest.approx(0.0), pair
    back = conversion(target, source)
    assert back[0] * scale == pytest.approx(1.0, rel=1e-9)


@pytest.mark.parametrize("noun", sorted(SPELLINGS))
def test_the_spellings_of_services_are_known(noun: str) -> None:
    """A refusal is right, but none of these deserves one."""
    for source, factor in SPELLINGS[noun].items():
        assert conversion(source, noun) == (pytest.approx(factor, rel=2e-4), pytest.approx(0.0)), source


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.sampled_from(sorted(SPELLINGS)), st.sampled_from(sorted(SPELLINGS)))
def test_other_nouns_are_refused(first: str, second: str) -> None:
    water = {"kg m-2", "m", "kg m-2 s-1", "m s-1"}
    if first == second or {first, second} <= water:
        return
    assert not same_units(first, second)
    with pytest.raises(DataError):
        conversion(first, second)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.text("kgmsWJPaKh0123456789-*/^ .()°%", max_size=14))
def test_nonsense_is_no_traceback(text: str) -> None:
    try:
        scale, offset = conversion(text, "K")
    except DataError as error:
        assert "\n" not in str(error)
        return
    assert scale == scale and offset == offset and scale != 0.0
