"""Graph networks in a rollout: what depends on weights alone is made once, and gradients are those of separate steps."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from py4cast.errors import DataError, SettingsError
from py4cast.forecaster import Forecaster
from py4cast.losses import registry as losses
from py4cast.models.graph.cache import cached_graph
from py4cast.models.graph.graph import Connections
from py4cast.models.graph.settings import GraphSettings
from py4cast.testing import make_batch, make_info

INFO = make_info((27, 30))
SMALL = {"hidden_dims": 8, "processor_layers": 2}
NAMES = ["graphlam", "hilam", "hilamparallel"]


def gradients(
    name: str, monkeypatch: pytest.MonkeyPatch | None, use_checkpoint: bool = False, **settings
) -> tuple[list, int]:
    torch.manual_seed(0)
    forecaster = Forecaster.build(INFO, name, "scaled_ar", 2, {**SMALL, **settings}, use_checkpoint=use_checkpoint)
    model, calls = forecaster.network.model, []
    make = model.precompute
    model.precompute = lambda: calls.append(1) or make()
    if monkeypatch is not None:
        monkeypatch.setattr(type(forecaster.network), "for_rollout", lambda self: self)
    batch = make_batch(INFO, num_pred_steps=3)
    forecaster.training_loss(batch, losses.get("mse")(INFO)).mean().backward()
    return [p.grad for p in forecaster.parameters()], len(calls)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("mesh_aggr", ["sum", "mean"])
def test_static_terms_are_made_once_per_rollout(name: str, mesh_aggr: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shared, count = gradients(name, None, mesh_aggr=mesh_aggr)
    assert count == 1
    separate, count = gradients(name, monkeypatch, mesh_aggr=mesh_aggr)
    assert count == 3
    for a, b in zip(shared, separate, strict=True):
        assert torch.allclose(a, b, rtol=1e-3, atol=1e-4 * float(b.abs().max()) + 1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_checkpointing_shares_them_too(name: str) -> None:
    plain, _ = gradients(name, None)
    checkpointed, count = gradients(name, None, use_checkpoint=True)
    assert count == 1
    for a, b in zip(plain, checkpointed, strict=True):
        assert torch.allclose(a, b, rtol=1e-4, atol=1e-6 * float(a.abs().max()) + 1e-12)


def test_a_cell_hears_far_ones_through_the_mesh() -> None:
    """Three rounds carry a change across nine nodes along long edges, and three nodes far without."""
    for name, levels in (("graphlam", None), ("hilam", None), ("graphlam", 1)):
        torch.manual_seed(0)
        settings = {**SMALL, "processor_layers": 3, "mesh_levels": levels}
        network = Forecaster.build(INFO, name, "diff_ar", 1, settings).network.eval()
        x = torch.randn(1, 27, 30, 6)
        changed = x.clone()
        changed[0, 0, 0] += 10
        with torch.no_grad():
            moved = (network(changed) - network(x)).abs().amax(-1)[0]
        assert (float(moved[-1, -1]) > 0) == (levels is None)


def test_weights_are_refused_on_another_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "f.safetensors"
    forecaster = Forecaster.build(INFO, "graphlam", "diff_ar", 1, SMALL)
    forecaster.save(path)
    again = Forecaster.load(path).network.model
    assert int(again.graph_digest) == int(forecaster.network.model.graph_digest)
    # another version that lays its meshes otherwise, with as many nodes and edges of each kind
    graph = cached_graph(INFO.grid, GraphSettings(**SMALL), False)
    turned = Connections(
        graph.mesh_to_grid.senders[::-1].copy(), graph.mesh_to_grid.receivers, graph.mesh_to_grid.features
    )
    monkeypatch.setattr("py4cast.models.graph.base.cached_graph", lambda *_: replace(graph, mesh_to_grid=turned))
    with pytest.raises(DataError, match="the mesh that this version lays over the grid is not the one"):
        Forecaster.load(path)


@pytest.mark.parametrize(("name", "expected"), [("graphlam", 8798305053071891436), ("hilam", 4049949694364867217)])
def test_meshes_stay_as_they_were(name: str, expected: int) -> None:
    """A change of these numbers takes the graph from every Forecaster that was saved before: better not."""
    network = Forecaster.build(INFO, name, "diff_ar", 1, SMALL).network.model
    assert int(network.graph_digest) == expected


def test_levels_beyond_the_grid_are_refused() -> None:
    with pytest.raises(SettingsError, match="mesh_levels 4: the grid of 27 x 30 cells carries 2"):
        Forecaster.build(INFO, "hilam", "diff_ar", 1, {"mesh_levels": 4})
