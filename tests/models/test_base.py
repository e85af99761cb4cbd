"""Where a model meets the grid: layouts, what reaches it, and activations that are computed again."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from py4cast.batch import ItemBatch, Statics
from py4cast.errors import SettingsError
from py4cast.models.base import GriddedNetwork, GridModel, NodeModel, recomputation
from py4cast.models.image import NoSettings
from py4cast.testing import make_batch, make_info


class Sum(GridModel):
    """Adds up all that it is given, and counts its calls."""

    settings_kls = NoSettings
    further_inputs = ("radar",)

    def __init__(self, terms: Any = None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(2.0))
        self.terms, self.calls = terms, 0

    def precompute(self) -> Any:
        return self.terms

    def forward(self, x: Tensor, terms: Any = 0.0, *, radar: Tensor, condition: Any = 0.0) -> Tensor:
        self.calls += 1
        total: Tensor = self.weight * x + terms + radar.mean() + condition
        return total


class Nodes(NodeModel):
    """Gives each cell its number."""

    settings_kls = NoSettings

    def forward(self, x: Tensor) -> Tensor:
        return x + torch.arange(x.shape[1]).view(1, -1, 1)


RADAR = {"radar": torch.full((1, 2, 2, 1), 10.0), "lidar": torch.full((1, 2, 2, 1), 500.0)}


def test_node_models_flatten_cells_row_by_row() -> None:
    info, model = make_info((3, 4)), Nodes()
    static = info.statics.copy()
    before = static.grid_static_features.tensor.clone()
    assert model.transform_statics(static) is static
    assert static.grid_static_features.names == ["ngrid", "features"]
    assert torch.equal(static.grid_static_features.tensor, before.reshape(12, 2))
    assert torch.equal(static.border_mask, info.statics.border_mask.reshape(12, 1))
    assert torch.equal(static.interior_mask, info.statics.interior_mask.reshape(12, 1))
    batch = make_batch(info)
    cells = batch.inputs.tensor.clone()
    flat = model.transform_batch(batch)
    for field in flat.fields.values():
        assert field.names == ["batch", "timestep", "ngrid", "features"] and field.shape[2] == 12
    assert torch.equal(flat.inputs.tensor, cells.reshape(2, 2, 12, 2))


def test_grid_models_leave_layouts_as_they_are() -> None:
    info, model = make_info((3, 4)), Sum()
    batch = make_batch(info)
    assert model.transform_batch(batch) is batch and batch.inputs.names[2:4] == ["lat", "lon"]
    assert model.transform_statics(info.statics) is info.statics


def test_cells_of_a_node_model_come_back_to_their_place() -> None:
    network = GriddedNetwork(Nodes(), (2, 3))
    assert torch.equal(network(torch.zeros(1, 2, 3, 1))[0, ..., 0], torch.tensor([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]))
    assert network.info.output_dim == 2


@pytest.mark.parametrize("is_flat", [True, False])
def test_a_layout_with_cells_in_another_order_is_refused(is_flat: bool) -> None:
    class Turned(Sum):
        def transform_batch(self, batch: ItemBatch) -> ItemBatch:
            for field in batch.fields.values():
                field.tensor = field.tensor.flip(3)
                if is_flat:
                    field.flatten_("ngrid", 2, 3)
            return batch

    with pytest.raises(
        SettingsError, match="model Turned: transform_batch gives .*; expected the grid as it is, or lat"
    ):
        GriddedNetwork(Turned(), (2, 3))


def test_terms_inputs_that_are_asked_for_and_the_condition_reach_the_model() -> None:
    network = GriddedNetwork(Sum(), (2, 3))
    x = torch.ones(1, 2, 3, 1)
    assert bool((network(x, inputs=RADAR) == 12.0).all())
    assert bool((network(x, 3.0, RADAR) == 15.0).all())
    assert bool((network(x, 3.0, RADAR, torch.tensor(100.0)) == 115.0).all())


def test_what_depends_on_weights_alone_is_made_once_for_a_rollout() -> None:
    x, plain, network = torch.ones(1, 2, 3, 1), GriddedNetwork(Sum(), (2, 3)), GriddedNetwork(Sum(4.0), (2, 3))
    assert plain.for_rollout() is plain
    assert bool((network.for_rollout()(x, inputs=RADAR) == 16.0).all())


@pytest.mark.parametrize(
    ("use_checkpoint", "is_training", "calls"), [(True, True, 2), (True, False, 1), (False, True, 1)]
)
def test_activations_are_computed_again_in_training_alone(use_checkpoint: bool, is_training: bool, calls: int) -> None:
    model = Sum()
    network = GriddedNetwork(model, (2, 3), use_checkpoint).train(is_training)
    network(torch.ones(1, 2, 3, 1), inputs=RADAR).sum().backward()
    assert model.calls == calls and model.weight.grad == 6.0
    with torch.no_grad():
        network(torch.ones(1, 2, 3, 1), inputs=RADAR)
    assert model.calls == calls + 1


def test_the_second_pass_leaves_running_means_as_they_are_and_gives_momenta_back() -> None:
    norms: Any = nn.Sequential(nn.BatchNorm2d(2, momentum=0.25), nn.BatchNorm1d(2))
    first, second = recomputation(norms)()
    image = torch.full((2, 2, 2, 2), 8.0)
    with first:
        norms[0](image)
    assert norms[0].running_mean.tolist() == [2.0, 2.0]
    with pytest.raises(ZeroDivisionError), second:
        norms[0](image)
        raise ZeroDivisionError
    assert norms[0].running_mean.tolist() == [2.0, 2.0]
    assert [norm.momentum for norm in norms] == [0.25, 0.1]


def test_what_is_no_module_has_nothing_to_freeze() -> None:
    for context in recomputation(lambda x: x)():
        with context:
            pass


def test_a_model_has_nothing_to_set_up_by_default() -> None:
    info = make_info((3, 4))
    before = info.statics.grid_static_features.tensor.clone()
    Sum.rank_zero_setup(None, info.statics)
    assert isinstance(info.statics, Statics) and np.array_equal(info.statics.grid_static_features.tensor, before)
    assert Nodes().precompute() is None
