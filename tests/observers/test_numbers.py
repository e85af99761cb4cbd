import pytest

from py4cast.observers.numbers import decimals_of, label_of


@pytest.mark.parametrize(
    ("value", "span", "text"),
    [
        (5411.6, 170.0, "5412"), (15.66, 31.4, "15.7"), (0.0, 31.4, "0"), (-15.66, 31.4, "-15.7"), (101325.0, 3000.0, "101325"),
        (0.51234, 0.5, "0.512"), (2.0e-5, 4.0e-5, "2e-05"), (-0.001, 100.0, "0"), (3.2e7, 1e6, "3.2e+07"),
        (273.15, 0.0, "273"), (float("nan"), 1.0, "nan"), (0.0, 0.0, "0"), (1.0, 1.0, "1"),
    ],
    ids=lambda x: str(x),
)  # fmt: skip
def test_a_number_is_written_as_people_write_it(value: float, span: float, text: str) -> None:
    assert label_of(value, span) == text


@pytest.mark.parametrize(
    ("step", "decimals"),
    [(4.0, 0), (2.5, 1), (0.5, 1), (0.25, 2), (10.0, 0), (0.1, 1), (1 / 3, 1), (0.0, 0), (float("nan"), 0)],
)
def test_numbers_a_step_apart_need_so_many_decimals(step: float, decimals: int) -> None:
    assert decimals_of(step) == decimals
