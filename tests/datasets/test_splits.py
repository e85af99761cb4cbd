import numpy as np
import pytest
import torch

from py4cast.datasets.splits import CubePart
from py4cast.errors import SettingsError
from tests.cubes.test_memory import cube


def test_a_part_is_the_same_cells_of_the_whole() -> None:
    held = cube()
    whole, part = CubePart(held, None), CubePart(held, (slice(1, 3), slice(2, None)))
    assert whole.shape == (4, 5) and part.shape == (2, 3)
    all_cells, some = np.empty((2, 3, 4, 5), dtype=np.float32), np.empty((2, 3, 2, 3), dtype=np.float32)
    whole.read(["b", "a"], 1, 4, all_cells)
    part.read(["b", "a"], 1, 4, some)
    np.testing.assert_array_equal(some, all_cells[:, :, 1:3, 2:])


@pytest.mark.parametrize(
    ("window", "message"),
    [
        ((slice(0, 5), slice(0, 2)), r"window: rows slice\(0, 5, None\) of a grid of 4 x 5 cells"),
        ((slice(0, 2), slice(3, 3)), "window: columns"),
        ((slice(-2, 3), slice(0, 2)), "window: rows"),
        ((slice(0, 4, 2), slice(0, 2)), "window: rows"),
    ],
)
def test_a_window_that_leaves_the_grid_is_refused(window: tuple[slice, slice], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        CubePart(cube(), window)


def test_a_batch_of_a_part_is_that_part_of_the_batch(small) -> None:
    data, rows, columns = small[0], slice(3, 9), slice(5, 16)
    whole, part = data.read_batch([4, 0]), data.read_batch([4, 0], (rows, columns))
    assert part["inputs"].shape[2:4] == (6, 11) and np.array_equal(part.init_time, whole.init_time)
    for key in ("inputs", "forcing", "outputs"):
        assert torch.equal(part[key].tensor, whole[key].isel(lat=rows, lon=columns).tensor), key
