import numpy as np
import pytest

from py4cast.errors import DataError
from py4cast.planes.checks import check_plane
from py4cast.variables import Variable

CHL = Variable(name="chl", units="mg m-3", nan="mask")


def plane(mark: float, count: int = 3) -> np.ndarray:
    values = np.linspace(0.1, 9.0, 20, dtype=np.float32).reshape(4, 5)
    values.ravel()[7 : 7 + count] = mark
    return values


@pytest.mark.parametrize("mark", [1e20, -1e30, 9.96921e36])
def test_a_size_that_nothing_on_earth_has_is_refused_with_its_place(mark: float) -> None:
    with pytest.raises(
        DataError, match=r"chl: .* stands in 3 of 20 cells, the first at row 1, column 2: no value of Earth"
    ):
        check_plane(CHL, lambda: "chl", plane(mark))
    with pytest.raises(DataError, match="stands in 1 of 20 cells"):
        check_plane(CHL, lambda: "chl", plane(mark, 1))


@pytest.mark.parametrize("mark", [-999.0, 9999.0, -9999.0, -32768.0, 99999.0])
def test_nines_in_several_cells_are_a_mark_unless_the_field_reaches_there(mark: float) -> None:
    with pytest.raises(DataError, match='a mark of missing values; .* set "nan": "mask" and "fill": .* for chl'):
        check_plane(CHL, lambda: "chl", plane(mark))
    check_plane(CHL, lambda: "chl", plane(mark, 1))
    near = plane(mark)
    near[0, 0] = -0.9 * mark
    check_plane(CHL, lambda: "chl", near)


def test_what_is_masked_is_no_mark() -> None:
    check_plane(CHL, lambda: "chl", plane(np.nan))
    with pytest.raises(DataError, match='3 of 20 values are missing; set "nan": "mask" for t if that is meant'):
        check_plane(Variable(name="t"), lambda: "t", plane(np.nan))
