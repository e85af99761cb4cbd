import copy

import numpy as np
import pytest
import torch
from pytorch_lightning.utilities import move_data_to_device

from py4cast.batch import Item, ItemBatch, Statics, collate_fn
from py4cast.grid import Grid
from py4cast.namedtensor import NamedTensor

DIMS = ["timestep", "lat", "lon", "features"]


def item(value: float = 0.0, with_outputs: bool = True) -> Item:
    inputs = NamedTensor(torch.full((2, 3, 4, 1), value, dtype=torch.float64), DIMS, ["t"])
    outputs = NamedTensor(torch.full((5, 3, 4, 1), value), DIMS, ["t"])
    time = np.datetime64("2020-01-01T00", "s") + np.timedelta64(int(value), "h")
    return Item(inputs=inputs, outputs=outputs if with_outputs else None, init_time=time)


def test_standard_keys_and_free_ones() -> None:
    extra = NamedTensor(torch.zeros(1, 3, 4, 1), DIMS, ["border"])
    one = Item({"border": extra, **item().fields})
    assert one["border"] is extra and "border" in one and one.forcing is None
    assert (one.num_input_steps, one.num_pred_steps) == (2, 5)
    with pytest.raises(ValueError, match=r"no field 'bordr' in this sample; did you mean 'border'"):
        one["bordr"]


def test_operations_have_no_outputs() -> None:
    one = item(with_outputs=False)
    assert one.outputs is None and one.num_pred_steps == 0


def test_wrong_fields_are_refused() -> None:
    with pytest.raises(ValueError, match="field 'inputs': expected a NamedTensor, found Tensor"):
        Item(inputs=torch.zeros(1))
    with pytest.raises(ValueError, match="field 'inputs': expected a dimension 'timestep'"):
        Item(inputs=NamedTensor(torch.zeros(3, 1), ["lat", "features"], ["t"]))


def test_collate_stacks_in_float32_with_times() -> None:
    batch = collate_fn([item(0), item(1)])
    assert isinstance(batch, ItemBatch) and batch.batch_size == 2
    assert batch.inputs.names == ["batch", *DIMS] and batch.inputs.dtype == torch.float32
    assert torch.equal(batch.inputs.tensor[1], torch.ones(2, 3, 4, 1))
    assert list(batch.init_time.astype(str)) == ["2020-01-01T00:00:00", "2020-01-01T01:00:00"]
    with pytest.raises(ValueError, match="different fields"):
        collate_fn([item(), item(with_outputs=False)])
    with pytest.raises(ValueError, match="at least one"):
        collate_fn([])


def test_moves_through_lightning() -> None:
    moved = move_data_to_device(collate_fn([item(), item()]), torch.device("meta"))
    assert isinstance(moved, ItemBatch) and moved.outputs.device.type == "meta" and moved.init_time.shape == (2,)


def statics() -> Statics:
    features = NamedTensor(torch.zeros(6, 8, 2), ["lat", "lon", "features"], ["x", "y"])
    return Statics.build(Grid(np.linspace(50, 40, 6), np.linspace(0, 7, 8)), features, 1)


def test_statics_masks() -> None:
    s = statics()
    assert s.border_mask.shape == (6, 8, 1) and s.border_mask.sum() == 6 * 8 - 4 * 6
    assert torch.equal(s.interior_mask, 1 - s.border_mask) and s.meshgrid.shape == (2, 6, 8)
    assert s.meshgrid[0, 0].tolist() == [0, 1, 2, 3, 4, 5, 6, 7] and s.valid_mask.all()
    assert s.area_weights.mean() == pytest.approx(1)


def test_a_model_changes_its_own_copy_only() -> None:
    mine = statics()
    own = mine.copy()
    own.grid_static_features.flatten_("ngrid", 0, 1)
    own.border_mask = own.border_mask.flatten(0, 1)
    assert mine.grid_static_features.names == ["lat", "lon", "features"] and mine.border_mask.shape == (6, 8, 1)
    assert copy.deepcopy(own).border_mask.shape == (48, 1)
