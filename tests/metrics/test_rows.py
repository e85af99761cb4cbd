import numpy as np
import pytest
import torch

from py4cast.metrics.rows import Rows
from tests.metrics.layouts import HOUR, START


def filled(hours: list[int]) -> Rows:
    """Rows whose values tell their hour."""
    rows = Rows()
    for hour in hours:
        rows.append(START + hour * HOUR, {"error": torch.full((2, 3), float(hour)), "count": torch.tensor(10.0 + hour)})
    return rows


def test_rows_are_read_in_the_order_of_their_starts() -> None:
    rows = filled([3, 0, 2])
    assert rows.count == 3 and rows.width == 1 + 6 + 1 and rows.order.tolist() == [1, 2, 0]
    assert (rows.init_times == START + np.array([0, 2, 3]) * HOUR).all() and rows.init_times.dtype == "datetime64[s]"
    assert rows.read("error").shape == (3, 2, 3) and rows.read("error")[:, 1, 2].tolist() == [0.0, 2.0, 3.0]
    assert rows.read("count").tolist() == [10.0, 12.0, 13.0]


def test_some_rows_by_their_places_in_time() -> None:
    rows = filled([3, 0, 2])
    assert rows.read("count", [2, 0, 0]).tolist() == [13.0, 10.0, 10.0]
    assert (rows.read("error", np.array([1])) == 2.0).all()


def test_forecasts_of_one_start_keep_their_order() -> None:
    rows = Rows()
    for value in (1.0, 2.0, 3.0):
        rows.append(START, {"x": torch.tensor([value])})
    assert rows.read("x").flatten().tolist() == [1.0, 2.0, 3.0]


def test_rows_can_be_added_after_they_were_read() -> None:
    rows = filled([1])
    assert rows.read("count").tolist() == [11.0]
    rows.append(START, {"error": torch.zeros(2, 3), "count": torch.tensor(10.0)})
    assert rows.read("count").tolist() == [10.0, 11.0]


def test_numbers_are_kept_to_the_last_bit() -> None:
    rows, value = Rows(), torch.tensor([1 / 3, -1e-300, torch.nan, torch.inf], dtype=torch.float64)
    rows.append(START, {"x": value})
    torch.testing.assert_close(rows.read("x")[0], value, rtol=0, atol=0, equal_nan=True)


def test_packs_make_the_whole() -> None:
    rows, other = filled([3, 0]), filled([2])
    rows.extend(*other.pack())
    assert rows.count == 3 and rows.read("count").tolist() == [10.0, 12.0, 13.0]
    taken = Rows()
    taken.extend(*rows.pack())
    assert taken.shapes == {"error": (2, 3), "count": ()} and torch.equal(taken.read("error"), rows.read("error"))


def test_an_empty_table_changes_nothing() -> None:
    nothing = Rows()
    assert nothing.count == 0 and nothing.order.size == 0 and nothing.init_times.size == 0 and nothing.width == 1
    rows = filled([1])
    rows.extend(*nothing.pack())
    assert rows.count == 1
    with pytest.raises(ValueError, match="no rows of 'error'; there are none"):
        nothing.read("error")


def test_rows_of_other_shapes_are_refused() -> None:
    rows, other = filled([1]), Rows()
    with pytest.raises(ValueError, match=r"a row of \{'error': \(3,\)\} beside rows of .*'count': \(\)"):
        rows.append(START, {"error": torch.zeros(3)})
    other.append(START, {"error": torch.zeros(3)})
    with pytest.raises(ValueError, match=r"rows of \{'error': \(3,\)\} beside rows of"):
        rows.extend(*other.pack())
    with pytest.raises(ValueError, match="no rows of 'eror'; there are error, count"):
        rows.read("eror")
    assert rows.count == 1
