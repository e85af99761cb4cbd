import numpy as np
import pytest
import torch

from py4cast.errors import SettingsError
from py4cast.grid import Grid
from py4cast.neighbours import differences_of, groups_of, means_of
from tests.formats.test_grib_points import octahedral

FLAT = Grid(np.linspace(50, 40, 6), np.linspace(0, 10, 8))
ONES = torch.ones(6, 8)


def test_differences_are_along_columns_and_rows() -> None:
    x = torch.arange(48.0).reshape(6, 8, 1)
    down, along = (view(x) for view in differences_of(FLAT, ONES, (2,)))
    assert down.shape == (4, 8, 1) and along.shape == (6, 6, 1)
    assert bool((down == 16).all()) and bool((along == 2).all())


def test_differences_on_a_plane_go_round() -> None:
    plane = Grid.plane(8, 8e4)
    x = torch.arange(8.0).expand(8, 8).unsqueeze(-1)
    _, along = (view(x) for view in differences_of(plane, torch.ones(8, 8), (1,)))
    assert along[0, :, 0].tolist() == [1.0] * 7 + [-7.0]


def test_a_difference_counts_where_both_cells_do() -> None:
    counted = torch.ones(6, 8, 1, dtype=torch.bool)
    counted[2, 3] = False
    down, along = (view.counted(counted) for view in differences_of(FLAT, ONES, (1,)))
    assert (~down).nonzero()[:, :2].tolist() == [[1, 3], [2, 3]]
    assert (~along).nonzero()[:, :2].tolist() == [[2, 2], [2, 3]]


def test_means_are_weighted() -> None:
    weights = torch.zeros(6, 8)
    weights[0, 0], weights[1, 1] = 1.0, 3.0
    (view,) = means_of(FLAT, weights, (2,))
    x = torch.arange(48.0).reshape(6, 8, 1)
    assert view(x).shape == (3, 4, 1)
    assert float(view(x)[0, 0, 0]) == pytest.approx((0 + 3 * 9) / 4) and float(view.weights[0, 0]) == 4.0
    assert float(view(x)[1, 1, 0]) == 0.0, "nothing weighs there"


def test_a_box_counts_where_it_is_whole() -> None:
    counted = torch.ones(6, 8, 1, dtype=torch.bool)
    counted[3, 5] = False
    (view,) = means_of(FLAT, ONES, (2,))
    assert (~view.counted(counted)).nonzero()[:, :2].tolist() == [[1, 2]]


def test_members_and_steps_stand_before() -> None:
    x = torch.randn(2, 3, 4, 6, 8, 5)
    for view in (*differences_of(FLAT, ONES, (1,)), *means_of(FLAT, ONES, (2,))):
        torch.testing.assert_close(view(x)[1, 2, 3], view(x[1, 2, 3]))


def test_points_have_pairs_and_groups() -> None:
    grid = octahedral(16)
    areas = torch.tensor(grid.cell_areas()).float()
    (pairs,) = differences_of(grid, areas, (1,))
    height = torch.tensor(np.sin(np.deg2rad(grid.latitude))).float().unsqueeze(-1)
    assert float(pairs(height).abs().max()) < 0.15, "the nearest point is near"
    (groups,) = means_of(grid, areas, (4,))
    assert 80 < groups(height).shape[1] < 110 and groups.weights.sum() == pytest.approx(float(areas.sum()), rel=1e-5)
    whole = (groups(height)[..., 0] * groups.weights).sum() / areas.sum()
    assert float(whole) == pytest.approx(float((height[..., 0] * areas).sum() / areas.sum()), abs=1e-5)
    assert float(groups(torch.ones_like(height)).std()) == pytest.approx(0.0, abs=1e-6)


def test_groups_are_of_neighbours_and_of_one_size() -> None:
    line = np.random.default_rng(0).permutation(64).astype(float)[:, None]
    group = groups_of(line, 16)
    assert np.bincount(group).tolist() == [16] * 4
    assert sorted(np.ptp(line[group == g]) for g in range(4)) == [15.0] * 4


@pytest.mark.parametrize("make", [differences_of, means_of])
def test_what_is_wider_than_the_grid_is_refused(make) -> None:
    with pytest.raises(SettingsError, match="has no .*cells"):
        make(FLAT, ONES, (40,)) if make is differences_of else make(Grid([0.0], [0.0, 1.0]), torch.ones(1, 2), (2,))
    with pytest.raises(SettingsError):
        make(Grid.points([0.0, 1.0], [0.0, 1.0], [1.0, 1.0]), torch.ones(1, 2), (30,))
