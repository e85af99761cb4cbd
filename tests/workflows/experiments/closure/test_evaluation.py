import pytest
import torch

from py4cast.workflows.experiments.closure.evaluation import Climate, _correlation


def test_a_climate_is_the_mean_of_what_was_added() -> None:
    climate = Climate()
    assert climate.mean() == {}
    for value in (1.0, 2.0, 6.0):
        climate.add({"energy": torch.tensor(value), "spectrum": torch.tensor([value, 2 * value])})
    assert climate.mean() == {"energy": 3.0, "spectrum": [3.0, 6.0]}


def test_correlations_are_of_each_start_about_its_mean() -> None:
    truth = torch.randn(3, 6, 6, generator=torch.Generator().manual_seed(0))
    field = torch.stack([2 * truth[0] + 5, -truth[1], truth[2].roll(1, 0)])
    expected = torch.corrcoef(torch.stack([field[2].flatten(), truth[2].flatten()]))[0, 1]
    assert _correlation(field, truth).tolist() == pytest.approx([1.0, -1.0, float(expected)], abs=1e-6)
