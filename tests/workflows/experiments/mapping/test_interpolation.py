import math

import pytest
import torch

from py4cast.workflows.experiments.mapping.interpolation import OptimalInterpolation


def test_a_map_moves_with_its_observations_round_the_square() -> None:
    method = OptimalInterpolation(mean=3.0, std=2.0, noise=0.1, length=2.0, duration=1.5)
    observed = torch.full((3, 12, 12), torch.nan).double()
    seen = torch.rand(3, 12, 12, generator=torch.Generator().manual_seed(0)) < 0.1
    observed[seen] = torch.randn(int(seen.sum()), generator=torch.Generator().manual_seed(1)).double()
    moved = method(observed.roll((5, 9), (1, 2)))
    torch.testing.assert_close(moved, method(observed).roll((5, 9), (0, 1)), atol=1e-9, rtol=0)


@pytest.mark.parametrize(("instant", "noise"), [(1, 0.5), (0, 0.5), (1, 0.0)])
def test_of_one_observation_the_map_is_a_bell(instant: int, noise: float) -> None:
    method = OptimalInterpolation(mean=3.0, std=2.0, noise=noise, length=2.0, duration=1.5)
    observed = torch.full((3, 16, 16), torch.nan).double()
    observed[instant, 4, 6] = 4.0
    found = method(observed)
    weight = math.exp(-(((instant - 1) / 1.5) ** 2)) / (1 + max(noise, 1e-3) ** 2)
    for row, column in ((4, 6), (5, 6), (4, 8)):
        bell = math.exp(-((row - 4) ** 2 + (column - 6) ** 2) / 4)
        assert float(found[row, column]) == pytest.approx(3 + weight * bell, abs=1e-6)
