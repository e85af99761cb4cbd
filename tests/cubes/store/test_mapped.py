import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from py4cast.cubes.store.mapped import groups


@given(st.lists(st.integers(0, 9), min_size=1, max_size=8))
def test_stretches_copy_every_row_to_its_place(rows: list[int]) -> None:
    source, out = np.arange(10) * 11, np.full(len(rows), -1)
    for to, origin in groups(rows):
        out[to] = source[origin]
    assert out.tolist() == [11 * row for row in rows]


def test_neighbours_are_one_stretch() -> None:
    assert groups([2, 3, 4]) == [(slice(0, 3), slice(2, 5))]
    assert groups([4, 3]) == [(slice(0, 1), slice(4, 5)), (slice(1, 2), slice(3, 4))]
