"""Networks that lie in pieces on two ranks give the results and gradients of whole ones."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.distributed.tensor import DTensor

from py4cast.batch import Statics
from py4cast.errors import SettingsError
from py4cast.grid import Grid
from py4cast.job import Placement
from py4cast.models import GriddedNetwork, build_network
from py4cast.namedtensor import NamedTensor
from py4cast.shards import put_whole_state, shard
from py4cast.workflows.config import TrainSettings
from py4cast.workflows.train.limits import check_shards
from tests.gloo import met, on_ranks

CASES: dict[str, dict[str, Any]] = {
    "unet": {"init_features": 4, "norm": "group"},
    "segformer": {"dims": [4, 4, 8, 8], "heads": [1, 1, 2, 2], "num_layers": 1, "decoder_dim": 8, "norm": "group"},
    "unetrpp": {"hidden_size": 32, "num_heads": 2, "depths": [1, 1, 1, 1]},
    "swinunetr": {"feature_size": 12, "depths": [1, 1, 1, 1], "num_heads": [1, 1, 2, 2]},
    "halfunet": {"num_filters": 4, "norm": "group"},
    "graphlam": {"hidden_dims": 8, "processor_layers": 2},
    "transformer": {"hidden_dims": 8, "processor_layers": 2, "num_heads": 2},
}


def network_of(name: str) -> GriddedNetwork:
    torch.manual_seed(0)
    grid = Grid(torch.linspace(40, 50, 32).numpy(), torch.linspace(0, 9, 32).numpy())
    features = NamedTensor(torch.zeros(*grid.shape, 1), ["lat", "lon", "features"], ["z"])
    network, _ = build_network(name, 4, 2, CASES[name], grid, Statics.build(grid, features))
    return network.double()


def learned(network: GriddedNetwork) -> dict[str, torch.Tensor]:
    x = torch.randn(2, 32, 32, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    step = network.for_rollout()
    first = step(x)
    y = step(torch.cat([x[..., 2:], first], dim=-1))
    y.square().mean().backward()
    gradients = {name: weight.grad for name, weight in network.named_parameters()}
    return {"": y.detach(), **{k: g.full_tensor() if isinstance(g, DTensor) else g for k, g in gradients.items()}}


def one_of_two(rank: int, size: int, folder: str) -> None:
    with met(rank, size, folder):
        results = {}
        for name in CASES:
            network = network_of(name)
            state = {k: v + 0.01 if v.is_floating_point() else v for k, v in network.state_dict().items()}
            shard(network)
            shard(network)  # as a test after a training does
            weights = [w for w in network.parameters() if isinstance(w, DTensor)]
            assert len(weights) == len(list(network.parameters())), name
            assert sum(w.to_local().numel() for w in weights) < 0.6 * sum(w.numel() for w in weights), name
            put_whole_state(network, state)
            results[name] = learned(network)
        if rank == 0:
            torch.save(results, f"{folder}/result.pt")


def test_two_ranks_with_pieces_learn_what_one_learns(tmp_path: Path) -> None:
    on_ranks(one_of_two, 2, tmp_path)
    results = torch.load(tmp_path / "result.pt", weights_only=True)
    for name in CASES:
        network = network_of(name)
        put_whole_state(network, {k: v + 0.01 if v.is_floating_point() else v for k, v in network.state_dict().items()})
        for key, values in learned(network).items():
            torch.testing.assert_close(
                results[name][key], values, rtol=1e-9, atol=1e-12, msg=lambda m, w=(name, key): f"{w}: {m}"
            )


def test_a_state_that_does_not_fit_is_refused() -> None:
    network = network_of("halfunet")
    with pytest.raises(RuntimeError, match="Unexpected key"):
        put_whole_state(network, {**network.state_dict(), "other": torch.zeros(1)})


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"ema": 0.9}, "--ema"),
        ({"use_checkpoint": True}, "--checkpoint_rollout"),
        ({"on_nan": "rollback"}, "--on_nan rollback"),
        ({"precision": "16-mixed"}, "--precision 16-mixed"),
    ],
    ids=["ema", "recomputed", "rollback", "float16"],
)
def test_what_needs_the_whole_network_is_refused(settings: dict[str, Any], told: str) -> None:
    check_shards(TrainSettings(**settings), Placement())
    with pytest.raises(SettingsError, match=f"--distributed fsdp: {told} needs the whole network on every rank"):
        check_shards(TrainSettings(**settings), Placement(distributed="fsdp"))


def test_parts_are_modules_of_the_network() -> None:
    for name in CASES:
        network = network_of(name)
        assert set(network.shards()) <= set(network.modules()), name
