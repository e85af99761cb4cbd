"""A network over several ranks gives the whole network's result, its gradients by input and by weight, and its statistics."""

from pathlib import Path
from typing import Any

import pytest
import torch

from py4cast.grid import Grid
from py4cast.models import GriddedNetwork
from py4cast.models.split.group import ModelGroup
from py4cast.models.synchronised import synchronise
from tests.gloo import met, on_ranks
from tests.models.split.networks import CASES, network_of


def learned(network: GriddedNetwork, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """Two steps of a rollout, and what a loss of both teaches."""
    network.zero_grad()
    step = network.for_rollout()
    first = step(x)
    second = step(torch.cat([x[..., first.shape[-1] :], first], dim=-1))
    weights = torch.linspace(0, 1, x.shape[1], dtype=x.dtype)[None, :, None, None] ** 2
    ((first + second) * weights).square().mean().backward()
    gradients = {f"grad {name}": weight.grad.clone() for name, weight in network.named_parameters()}
    statistics = {name: value.clone() for name, value in network.named_buffers() if "running" in name}
    return {"first": first.detach(), "second": second.detach(), "x": x.grad.clone(), **gradients, **statistics}


def inputs(grid: Grid) -> torch.Tensor:
    x = torch.randn(2, *grid.shape, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    return x.requires_grad_()


def one_of_many(rank: int, size: int, folder: str, names: tuple[str, ...]) -> None:
    with met(rank, size, folder):
        group = ModelGroup.of_world(size)
        results = {}
        for name in names:
            network, grid = network_of(name)
            synchronise(network)
            network.split(group)
            results[name] = learned(network, inputs(grid))
            for key, values in results[name].items():
                if key.startswith("grad"):
                    torch.distributed.all_reduce(values)
                    values /= size  # as DDP does
            network.unsplit()
        torch.save(results, f"{folder}/result_{rank}.pt")


@pytest.mark.parametrize("size", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_the_parts_make_the_whole(size: int, tmp_path: Path) -> None:
    names = tuple(name for name, case in CASES.items() if size <= case.most and (size == 2 or case.is_tried_on_four))
    on_ranks(one_of_many, size, tmp_path, names)
    parts: list[Any] = [torch.load(tmp_path / f"result_{rank}.pt", weights_only=True) for rank in range(size)]
    for name in names:
        network, grid = network_of(name)
        whole = learned(network, inputs(grid))
        for rank, part in enumerate(parts):
            assert part[name].keys() == whole.keys()
            for key, values in whole.items():
                torch.testing.assert_close(
                    part[name][key], values, rtol=1e-9, atol=1e-11 * (1 + float(values.abs().max())),
                    msg=lambda m, what=(name, rank, key): f"{what}: {m}",
                )  # fmt: skip
