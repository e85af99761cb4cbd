from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from py4cast.errors import DataError
from py4cast.formats import Record
from py4cast.planes.reader import FieldPlace
from py4cast.planes.rivals import differences, merged, preference, preferred
from py4cast.variables import Variable

START = np.datetime64("2020-01-01", "s")
T = Variable(name="t", short_name="t")
RAIN = Variable(name="tp", short_name="tp", accumulated=True)


def place(
    name: str = "t", level: float | None = None, kind: str | None = None, lead: int = 0,
    member: int | None = None, **keys: Any,
) -> FieldPlace:  # fmt: skip
    """A field in `a.grib`."""
    record = Record(name, level, kind, START, np.timedelta64(lead, "h"), member, "K", (0,), keys=keys)
    return FieldPlace(Path("a.grib"), record)


def test_the_same_field_twice_is_a_twin_to_be_compared() -> None:
    first, again = place(expver="0001"), replace(place(expver=1), path=Path("b.grib"))
    assert differences(first.record, again.record) == {}
    assert merged(first, again, T).twins == (again,)


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (place(level=850, kind="isobaricInhPa"), place(level=300, kind="isobaricInhPa"), "level: 850 in a.grib, 300 .* choose by level"),
        (place(level=2, kind="heightAboveGround"), place(level=2, kind="depthBelowLand"), 'choose by "type_of_level": "depthBelowLand"'),
        (place(stepRange="0-5"), place(stepRange="4-5"), r'stepRange: 0-5 .* 4-5 .* choose by "grib": {"stepRange": "4-5"}'),
        (place(dataType="an"), place(dataType="fc"), 'choose by "grib": {"dataType": "fc"}'),
        (place(ensemble=0), place(ensemble=1), r'ensemble: 0 in a.grib, 1 .* {"ensemble": 1}'),
        (place("t2m"), place("skt"), 'choose by "file_name": "skt"'),
    ],
)  # fmt: skip
def test_different_fields_are_refused_with_what_chooses(first: FieldPlace, second: FieldPlace, message: str) -> None:
    with pytest.raises(
        DataError, match=f"variable t: two fields at 2020-01-01T00:00:00 differ in .*{message}|{message}"
    ):
        merged(first, second, T)


def test_pressures_in_pascals_are_the_same_level() -> None:
    assert (
        differences(place(level=85000, kind="isobaricInPa").record, place(level=850, kind="isobaricInhPa").record) == {}
    )


def test_the_preliminary_completes_the_final() -> None:
    final, preliminary = place(expver=1), place(expver=5)
    for one, other in ((final, preliminary), (preliminary, final)):
        assert merged(one, other, T) == replace(final, rest=preliminary)


def test_sums_over_other_spans_stand_beside_each_other() -> None:
    short, long = place("tp", stepRange="6-12", lead=12), place("tp", stepRange="0-12", lead=12)
    assert merged(short, long, RAIN).spans == (long,)


def test_the_field_of_that_very_name_comes_first_then_the_shortest_forecast() -> None:
    exact, other = place("t", lead=6), place("air_temperature")
    assert preference(exact, T) < preference(other, T)
    assert preference(place(lead=3), T) < preference(exact, T)


def test_a_mean_is_not_the_first_of_the_members() -> None:
    mean, first, second = (place(member=m) for m in (None, 1, 2))
    assert preferred(second, first, T, False) is first and preferred(first, second, T, False) is first
    for known, other in ((mean, first), (first, mean)):
        assert preferred(known, other, T, wants_members=False) is None
        assert preferred(known, other, T, wants_members=True) is first
    with pytest.raises(DataError, match='differ in member: none in .*choose by "member", or by "grib"'):
        merged(mean, first, T)
    assert preferred(place(lead=6), place(lead=3, member=1), T, False).record.member == 1, "a shorter lead time is better"  # type: ignore[union-attr]  # fmt: skip
