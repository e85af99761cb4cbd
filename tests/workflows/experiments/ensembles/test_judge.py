import numpy as np
import pytest
import torch

from py4cast.datasets import get_datasets
from py4cast.datasets.stochastic.systems import AdvectedPlane
from py4cast.workflows.experiments.ensembles.judge import Judge, rank_p_value

SYSTEM = AdvectedPlane(16)


@pytest.fixture(scope="module")
def judge() -> Judge:
    small = ["size=16", "num_train=10", "num_valid=8", "num_test=80"]
    data = get_datasets("stochastic", 1, 1, 3, overrides=small)[2]
    return Judge(SYSTEM, data, 8, 60, (1, 3))


def drawn(factor: float, seed: int = 7):
    """Members of the system itself, their deviations from their mean stretched by a factor."""
    rng = np.random.default_rng(seed)

    def forecast(batch):
        states = batch.inputs.tensor[:, -1, ..., 0].double().numpy()
        members = np.stack([SYSTEM.ensemble(x, 8, 3, rng) for x in states])
        middle = members.mean(1, keepdims=True)
        return torch.from_numpy(middle + factor * (members - middle)).float().unsqueeze(-1)

    return forecast


def test_the_system_itself_is_right_in_everything(judge: Judge) -> None:
    row = judge.row(drawn(1.0))
    for name in ("crps_ratio", "energy_ratio"):
        assert row[name] == pytest.approx([1.0, 1.0], abs=0.02), name
    assert row["spread_skill"] == pytest.approx([1.0, 1.0], abs=0.05)
    assert row["pooled_spread_skill"] == pytest.approx([1.0, 1.0], abs=0.12)
    assert row["correlation_ratio"] == pytest.approx(1.0, abs=0.03) and row["rank_p"] > 0.01


def test_members_that_are_too_alike_are_told(judge: Judge) -> None:
    row = judge.row(drawn(0.5))
    assert row["spread_skill"] == pytest.approx([0.5, 0.5], abs=0.05) and row["rank_p"] < 1e-6
    assert min(row["crps_ratio"]) > 1.05


def test_white_members_are_told_by_their_neighbours(judge: Judge) -> None:
    generator = torch.Generator().manual_seed(0)

    def white(batch):
        state = batch.inputs.tensor[:, -1, ..., 0].double().numpy()
        mean, deviation = (torch.from_numpy(f(state)).float()[:, None, None] for f in (SYSTEM.mean, SYSTEM.deviation))
        noise = torch.randn(len(state), 8, 3, 16, 16, generator=generator)
        return (mean + deviation * noise).unsqueeze(-1)

    row = judge.row(white)
    assert row["crps_ratio"][0] == pytest.approx(1.0, abs=0.03), "every cell has its law"
    assert abs(row["correlation_ratio"]) < 0.1 and row["pooled_spread_skill"][0] < 0.6


def test_even_ranks_are_even() -> None:
    generator = torch.Generator().manual_seed(0)
    members, truth = torch.randn(400, 9, 16, 16, generator=generator), torch.randn(400, 16, 16, generator=generator)
    assert rank_p_value(members, truth) > 0.01 and rank_p_value(members, truth + 0.5) < 1e-6
