import copy
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils import _pytree

from py4cast.namedtensor import NamedTensor

DIMS = ["batch", "timestep", "lat", "lon", "features"]


def make(shape: tuple[int, ...] = (2, 3, 4, 5, 3), names: list[str] | None = None) -> NamedTensor:
    tensor = torch.arange(float(np.prod(shape))).reshape(shape)
    names = names or DIMS[-len(shape) :]
    return NamedTensor(tensor, names, [f"f{i}" for i in range(shape[-1])])


named_tensors = st.builds(make, st.tuples(*[st.integers(1, 4)] * 5))


def test_reads() -> None:
    nt = make()
    assert nt.ndims == 5 and nt.shape == (2, 3, 4, 5, 3)
    assert nt.dim_size("lat") == 4 and nt.dim_index("lon") == 3
    assert nt.spatial_dim_index == [2, 3] and nt.num_spatial_dims == 2
    assert nt.device.type == "cpu" and nt.dtype == torch.float32
    assert nt.feature_names_to_idx == {"f0": 0, "f1": 1, "f2": 2}


def test_features_by_name_keep_their_dimension() -> None:
    nt = make()
    assert torch.equal(nt["f1"], nt.tensor[..., 1:2])
    assert nt[["f2", "f0"]].feature_names == ["f2", "f0"]
    assert torch.equal(nt[["f2", "f0"]].tensor, nt.tensor[..., [2, 0]])
    assert nt[["f1", "f2"]].tensor.data_ptr() == nt.tensor[..., 1:].data_ptr(), "neighbours are a view"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: NamedTensor(torch.zeros(2, 3), ["lat"], []), r"names \['lat'\] has 1 entries .* shape \(2, 3\) has 2"),
        (lambda: NamedTensor(torch.zeros(2, 3), ["lat", "lat"], []), "repeats a dimension"),
        (lambda: NamedTensor(torch.zeros(2, 2), ["lat", "features"], ["a"]), "1 feature_names .* has size 2"),
        (lambda: NamedTensor(torch.zeros(2, 2), ["lat", "features"], ["a", "a"]), r"repeats \['a'\]"),
        (lambda: NamedTensor(torch.zeros(2), ["lat"], ["a"]), "no dimension is 'features'"),
        (lambda: make()["f4"], "no feature 'f4'; did you mean"),
        (lambda: make().dim_size("latt"), "no dimension 'latt'; did you mean 'lat'"),
        (lambda: make() | make(), r"share the features \['f0', 'f1', 'f2'\]"),
        (lambda: make() | make((2, 3, 4, 6, 3)), "different sizes"),
        (lambda: NamedTensor.concat([]), "at least one"),
        (lambda: NamedTensor.stack([make(), make((2, 3, 4, 5, 2))], "time"), "different tensors"),
        (lambda: make().select(features=0), "does not drop 'features'"),
        (lambda: make().select(lat=4), "index 4 is out of range for 'lat' of size 4"),
        (lambda: make().flatten("ngrid", "lon", "lat"), "neighbours in order"),
        (lambda: make().flatten("ngrid", "lon", "features"), "does not merge 'features'"),
        (lambda: make().unflatten("lat", ("a", "b"), (3, 2)), "size 4 to .* holds 6"),
        (lambda: make().transpose("lat", "lon"), "needs each of"),
        (lambda: NamedTensor.expand_to_batch_like(torch.zeros(1), make()), "already has a dimension 'batch'"),
    ],
)
def test_wrong_use_names_the_offender(wrong, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        wrong()


@given(named_tensors)
def test_concat_undoes_choice(nt: NamedTensor) -> None:
    parts = [nt[[name]] for name in nt.feature_names]
    joined = parts[0]
    for part in parts[1:]:
        joined = joined | part
    assert torch.equal(joined.tensor, nt.tensor) and joined.feature_names == nt.feature_names
    assert (None | nt) is nt and (nt | None) is nt


@given(named_tensors)
def test_flatten_and_unflatten_are_inverse_views(nt: NamedTensor) -> None:
    flat = nt.flatten("ngrid", "lat", "lon")
    assert flat.names == ["batch", "timestep", "ngrid", "features"]
    assert flat.tensor.data_ptr() == nt.tensor.data_ptr()
    back = flat.unflatten("ngrid", ("lat", "lon"), (nt.dim_size("lat"), nt.dim_size("lon")))
    assert torch.equal(back.tensor, nt.tensor) and back.names == nt.names
    older = nt.clone()
    older.flatten_("ngrid", 2, 3)
    assert torch.equal(older.tensor, flat.tensor) and older.names == flat.names


@given(named_tensors, st.permutations(DIMS))
def test_transpose_and_back(nt: NamedTensor, order: list[str]) -> None:
    turned = nt.transpose(*order)
    assert list(turned.shape) == [nt.dim_size(n) for n in order]
    assert torch.equal(turned.transpose(*nt.names).tensor, nt.tensor)


@given(named_tensors)
def test_stack_undoes_iteration(nt: NamedTensor) -> None:
    stacked = NamedTensor.stack(list(nt.iter_dim("timestep")), "timestep", dim=1)
    assert torch.equal(stacked.tensor, nt.tensor) and stacked.names == nt.names


@given(named_tensors, st.integers(-5, 5), st.integers(-5, 5), st.sampled_from([1, 2, -1]))
def test_isel_is_numpy_indexing(nt: NamedTensor, start: int, stop: int, step: int) -> None:
    chosen = nt.isel(lat=slice(start, stop, step))
    assert np.array_equal(chosen.tensor.numpy(), nt.tensor.numpy()[:, :, start:stop:step])
    backwards = nt.isel(features=slice(None, None, -1))
    assert backwards.feature_names == nt.feature_names[::-1]
    assert np.array_equal(backwards.tensor.numpy(), nt.tensor.numpy()[..., ::-1])
    assert torch.equal(nt.isel(lon=[0, 0]).tensor, nt.tensor[:, :, :, [0, 0]])


def test_select_drops_dimensions() -> None:
    nt = make()
    last = nt.select(timestep=-1, batch=0)
    assert last.names == ["lat", "lon", "features"] and torch.equal(last.tensor, nt.tensor[0, -1])


def test_like_and_batches() -> None:
    nt = make((4, 5, 3))
    assert torch.equal(nt.like(nt.tensor + 1).tensor, nt.tensor + 1)
    assert NamedTensor.new_like(nt.tensor * 2, nt).feature_names == nt.feature_names
    assert NamedTensor.expand_to_batch_like(torch.zeros(7, 4, 5, 3), nt).names == ["batch", "lat", "lon", "features"]
    with pytest.raises(ValueError):
        nt.like(torch.zeros(4, 5, 2))


def test_older_in_place_methods() -> None:
    nt = make()
    nt.type_(torch.float64)
    assert nt.dtype == torch.float64
    scalar = NamedTensor(torch.ones(2, 3, 1), ["batch", "timestep", "features"], ["hour"])
    scalar.unsqueeze_and_expand_from_(make())
    assert scalar.names == DIMS and scalar.shape == (2, 3, 4, 5, 1)


def test_gradients_survive_clone_and_deepcopy() -> None:
    leaf = torch.ones(2, 2, requires_grad=True)
    nt = NamedTensor(leaf * 3, ["lat", "features"], ["a", "b"])
    for copied in (nt.clone(), copy.deepcopy(nt)):
        (grad,) = torch.autograd.grad(copied.tensor.sum(), leaf, retain_graph=True)
        assert torch.equal(grad, torch.full((2, 2), 3.0))
    plain = make()
    deep = copy.deepcopy(plain)
    deep.tensor.add_(1)
    assert not torch.equal(deep.tensor, plain.tensor)
    assert torch.equal(pickle.loads(pickle.dumps(plain)).tensor, plain.tensor)


def test_is_a_pytree_node() -> None:
    nt = make()
    leaves, spec = _pytree.tree_flatten({"x": nt})
    assert len(leaves) == 1
    doubled = _pytree.tree_unflatten([leaves[0] * 2], spec)["x"]
    assert torch.equal(doubled.tensor, nt.tensor * 2) and doubled.names == nt.names


def test_works_under_compile() -> None:
    def step(nt: NamedTensor) -> NamedTensor:
        doubled = NamedTensor(nt.tensor * 2, nt.names, [n + "_2" for n in nt.feature_names])
        return (nt | doubled).flatten("ngrid", "lat", "lon").isel(features=slice(1, 4))

    nt = make()
    compiled = torch.compile(step, backend="aot_eager", fullgraph=True)(nt)
    assert torch.equal(compiled.tensor, step(nt).tensor) and compiled.feature_names == step(nt).feature_names


def test_works_with_vmap_and_checkpoint() -> None:
    nt = make((2, 4, 5, 3), ["batch", "lat", "lon", "features"])
    summed = torch.func.vmap(lambda t: NamedTensor(t, ["lat", "lon", "features"], nt.feature_names)["f1"].sum())(
        nt.tensor
    )
    assert torch.allclose(summed, nt["f1"].sum((1, 2, 3)))


def test_moves_like_a_tensor_in_lightning() -> None:
    from pytorch_lightning.utilities import move_data_to_device

    moved = move_data_to_device({"batch": make()}, torch.device("meta"))
    assert moved["batch"].device.type == "meta" and moved["batch"].names == DIMS


def test_table_and_repr() -> None:
    table = str(make()).splitlines()
    assert table[1].split() == ["feature", "min", "mean", "max"] and table[2].split()[0] == "f0"
    assert float(table[2].split()[1]) == 0.0
    assert "feature_names=['f0', 'f1', 'f2']" in repr(make())


def test_xarray_round_trip() -> None:
    nt = make((3, 4, 2), ["lat", "lon", "features"])
    array = nt.to_xarray({"lat": [1.0, 2.0, 3.0]})
    assert array.sel(features="f1").shape == (3, 4) and list(array.lat) == [1, 2, 3]
    back = NamedTensor.from_xarray(array)
    assert torch.equal(back.tensor, nt.tensor) and back.feature_names == nt.feature_names


@pytest.mark.gpu
def test_pinning_and_device() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no accelerator")
    assert make().pin_memory().tensor.is_pinned()
    assert make().to("cuda", non_blocking=True).device.type == "cuda"
