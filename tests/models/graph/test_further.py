"""What cells hear of points of their own: who hears whom, gaps, and nothing at the start."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from py4cast.dataset_info import InputInfo
from py4cast.errors import SettingsError
from py4cast.grid import Grid
from py4cast.models import GriddedNetwork, build_network
from py4cast.models.graph.further import FurtherInput, heard
from py4cast.statistics import Stats
from py4cast.testing import make_info
from py4cast.variables import Variable

NETWORKS = ("graphlam", "hilam", "hilamparallel", "graphtransformer", "transformer")


def stations(count: int = 3, features: int = 2) -> InputInfo:
    place = np.arange(count)
    grid = Grid.points(47.0 + 0.7 * place, -3.0 + 1.1 * place, np.ones(count))
    names = [f"o{k}" for k in range(features)]
    stats = Stats({n: {"mean": 0.0, "std": 1.0, "min": -3.0, "max": 3.0, "count": 9.0} for n in names})
    return InputInfo(grid, [Variable(name=n, role="prognostic", units="K") for n in names], stats)


def network(name: str, keys: tuple[str, ...], inputs: dict[str, InputInfo], seed: int = 0, **further: Any) -> GriddedNetwork:  # fmt: skip
    torch.manual_seed(seed)
    info = make_info((12, 12))
    document = {"hidden_dims": 8, "processor_layers": 1, "further_inputs": list(keys)}
    document |= {"num_heads": 2} if "transformer" in name else {}
    made, _ = build_network(name, 3, 2, document, info.grid, info.statics, inputs=inputs, **further)
    return made


def awake(made: GriddedNetwork, seed: int = 5) -> GriddedNetwork:
    """With what begins as nothing at work."""
    generator = torch.Generator().manual_seed(seed)
    for listener in made.model.further.values():  # type: ignore[union-attr,operator]
        listener.gnn.aggr_mlp[-1].weight.data.normal_(generator=generator)
    return made


def test_each_point_is_heard_by_the_cells_nearest_to_it() -> None:
    cells = Grid(np.array([1.0, 0.0]), np.array([0.0, 1.0, 2.0]))
    # on the equator at 0.1 and 1.95 east, and one far away
    points = Grid.points(np.array([0.0, 0.0, 40.0]), np.array([0.1, 1.95, 0.0]), np.ones(3))
    connections = heard(points, cells, 1)
    assert list(zip(connections.senders, connections.receivers, strict=True)) == [(2, 0), (0, 3), (1, 5)]
    connections = heard(points, cells, 2)
    assert list(zip(connections.senders, connections.receivers, strict=True)) == [(2, 0), (2, 1), (0, 3), (0, 4), (1, 4), (1, 5)]  # fmt: skip
    # from cell 4 at 1 east to the point at 0.1 east: westwards, 0.9 degrees, over the median length
    chords = _chords(points, cells, connections)
    length, east, north = connections.features[3]
    unit = 2 * math.sin(math.radians(0.9) / 2) / np.median(chords)
    assert (length, east) == pytest.approx((unit, -unit), rel=1e-3) and north == pytest.approx(0.0, abs=1e-6)
    assert heard(points, cells, 9).num_edges == 18, "as many as there are"


def _chords(points: Grid, cells: Grid, connections: Any) -> Any:
    a, b = points.xyz().reshape(-1, 3)[connections.senders], cells.xyz().reshape(-1, 3)[connections.receivers]
    return np.linalg.norm(a - b, axis=1)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_begins_as_the_one_that_hears_nothing(name: str) -> None:
    inputs = {"buoys": stations()}
    plain, hearing = network(name, (), inputs), network(name, ("buoys",), inputs)
    missing = hearing.load_state_dict(plain.state_dict(), strict=False)
    assert missing.unexpected_keys == [] and all(key.startswith("model.further.buoys.") for key in missing.missing_keys)
    x = torch.randn(2, 12, 12, 3)
    given = torch.cat([torch.randn(2, 1, 3, 2), torch.ones(2, 1, 3, 2)], dim=-1).requires_grad_()
    assert torch.equal(hearing(x, inputs={"buoys": given}), plain(x))
    changed = awake(hearing)(x, inputs={"buoys": given})
    assert not torch.allclose(changed, plain(x), atol=1e-3), "and then it listens"
    (gradient,) = torch.autograd.grad(changed.sum(), given)
    assert bool((gradient[..., :2].abs().amax(-1) > 0).all()), "to every point"
    shared = hearing.for_rollout()(x, inputs={"buoys": given})
    torch.testing.assert_close(shared, changed)


def test_a_silent_point_says_nothing_and_a_missing_value_is_told_from_the_mean() -> None:
    made = awake(network("graphlam", ("buoys",), {"buoys": stations()}))
    x = torch.randn(1, 12, 12, 3)
    values, known = torch.randn(1, 1, 3, 2), torch.ones(1, 1, 3, 2)
    known[..., 1, :] = 0.0
    first = made(x, inputs={"buoys": torch.cat([values, known], -1)})
    values[..., 1, :] = 100.0
    torch.testing.assert_close(made(x, inputs={"buoys": torch.cat([values, known], -1)}), first)
    # one of two values is missing: the point still speaks, and 0 for a gap is not 0 that was measured
    values, known = torch.zeros(1, 1, 3, 2), torch.ones(1, 1, 3, 2)
    measured = made(x, inputs={"buoys": torch.cat([values, known], -1)})
    known[..., 0, 1] = 0.0
    assert not torch.allclose(made(x, inputs={"buoys": torch.cat([values, known], -1)}), measured, atol=1e-4)


def test_gradients_are_those_of_differences() -> None:
    torch.manual_seed(0)
    listener = FurtherInput(stations(4), Grid(np.arange(48.0, 45.0, -1.0), np.arange(-3.0, 1.0)), 4, 1, 2).double()
    listener.gnn.aggr_mlp[-1].weight.data.normal_()
    cells, given = torch.randn(12, 2, 4, dtype=torch.float64), torch.rand(2, 1, 4, 4, dtype=torch.float64)

    def hear(cells: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        return listener(cells, torch.cat([values, given[..., 2:].round()], -1), listener.precompute())

    assert torch.autograd.gradcheck(hear, (cells.requires_grad_(), given[..., :2].clone().requires_grad_()))


def test_a_rectangle_is_heard_as_points_are() -> None:
    coarse = Grid(np.arange(50.0, 44.0, -2.0), np.arange(-4.0, 4.0, 2.0))
    info = InputInfo(coarse, stations().variables, stations().stats)
    made = awake(network("hilam", ("coarse", "buoys"), {"coarse": info, "buoys": stations()}))
    given = {"coarse": torch.ones(2, 3, 4, 4), "buoys": torch.ones(2, 1, 3, 4)}
    assert made(torch.randn(2, 12, 12, 3), inputs=given).shape == (2, 12, 12, 2)


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({"further_inputs": ["buoy"]}, "asks for the input 'buoy'; did you mean 'buoys'"),
        ({"further_inputs": ["buoys", "buoys"]}, "one stands twice"),
        ({"further_inputs": ["terms"]}, "'terms' cannot be told from the network's own arguments"),
        ({"further_inputs": ["a.b"]}, "'a.b' cannot be told"),
    ],
)
def test_wrong_keys_are_named(document: dict[str, Any], told: str) -> None:
    info = make_info((12, 12))
    with pytest.raises(SettingsError, match=told):
        build_network("graphlam", 3, 2, document, info.grid, info.statics, inputs={"buoys": stations()})


def test_it_is_not_cut_into_parts() -> None:
    made = network("graphlam", ("buoys",), {"buoys": stations()})
    with pytest.raises(SettingsError, match="further inputs of a mesh are not cut into parts; expected ddp"):
        made.model.part(None)  # type: ignore[operator]
