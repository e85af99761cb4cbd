"""NamedTensor: a tensor that knows the names of its dimensions and of its features.

`.tensor` is the way out to torch and `.like(tensor)` the way back; nothing of torch is wrapped beyond that.
It is a node of torch's pytree registry, so `torch.compile`, `torch.func`, checkpointing and Lightning's
transfers see through it. All operations return a new object (a view where torch gives one); the three whose
name ends with an underscore change the object itself and are kept for older plugins.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor
from torch.utils import _pytree

from py4cast.errors import nearest
from py4cast.html import facts

if TYPE_CHECKING:
    import xarray

__all__ = ["SPATIAL_DIMS", "NamedTensor"]

SPATIAL_DIMS = ("lat", "lon", "ngrid")
FEATURES = "features"


class NamedTensor:
    """Creates a tensor with dimension names and feature names.

    Args:
        tensor: the values.
        names: one name per dimension, such as `["batch", "timestep", "lat", "lon", "features"]`.
        feature_names: one name per index along the dimension `features`.

    Raises:
        ValueError: the names do not fit the tensor.
    """

    SPATIAL_DIM_NAMES = SPATIAL_DIMS
    __slots__ = ("feature_names", "names", "tensor")

    tensor: Tensor
    names: list[str]
    feature_names: list[str]

    def __init__(self, tensor: Tensor, names: Sequence[str], feature_names: Sequence[str]) -> None:
        self.tensor, self.names, self.feature_names = tensor, list(names), list(feature_names)
        if tensor.ndim != len(self.names):
            raise ValueError(
                f"names {self.names} has {len(self.names)} entries but the tensor of shape "
                f"{tuple(tensor.shape)} has {tensor.ndim} dimensions"
            )
        if len(set(self.names)) != len(self.names):
            raise ValueError(f"names {self.names} repeats a dimension; every name must be unique")
        if len(set(self.feature_names)) != len(self.feature_names):
            repeated = sorted({n for n in self.feature_names if self.feature_names.count(n) > 1})
            raise ValueError(f"feature_names repeats {repeated}; every feature must be unique")
        size = tensor.shape[self.names.index(FEATURES)] if FEATURES in self.names else 0
        if size != len(self.feature_names):
            where = (
                f"the dimension 'features' has size {size}" if FEATURES in self.names else "no dimension is 'features'"
            )
            raise ValueError(f"{len(self.feature_names)} feature_names {self.feature_names} but {where}")

    @classmethod
    def _trusted(cls, tensor: Tensor, names: list[str], feature_names: list[str]) -> Self:
        """Creates one from names that are known to fit; saves the checks in the inner loops."""
        new = cls.__new__(cls)
        new.tensor, new.names, new.feature_names = tensor, names, feature_names
        return new

    # Reads ---------------------------------------------------------------------------------------------

    @property
    def ndims(self) -> int:
        """The number of dimensions of the tensor."""
        return len(self.names)

    @property
    def shape(self) -> torch.Size:
        """The shape of the tensor, in the order of its names."""
        return self.tensor.shape

    @property
    def device(self) -> torch.device:
        """The device on which the tensor is."""
        return self.tensor.device

    @property
    def dtype(self) -> torch.dtype:
        """Element type of the tensor."""
        return self.tensor.dtype

    @property
    def spatial_dim_index(self) -> list[int]:
        """Positions of the spatial dimensions (`lat`, `lon`, `ngrid`), in order."""
        return [i for i, name in enumerate(self.names) if name in SPATIAL_DIMS]

    @property
    def num_spatial_dims(self) -> int:
        """The number of spatial dimensions: 2 on a grid, 1 of nodes."""
        return len(self.spatial_dim_index)

    @property
    def feature_names_to_idx(self) -> dict[str, int]:
        """The index of every feature, by name."""
        return {name: i for i, name in enumerate(self.feature_names)}

    def dim_index(self, name: str) -> int:
        """Position of the dimension `name`; ValueError when it is absent."""
        try:
            return self.names.index(name)
        except ValueError:
            raise ValueError(f"no dimension {name!r}{nearest(name, self.names)}") from None

    def dim_size(self, name: str) -> int:
        """Size of the dimension `name`; ValueError when it is absent."""
        return self.tensor.shape[self.dim_index(name)]

    def feature_index(self, feature: str) -> int:
        """Index of `feature`; ValueError when it is absent."""
        try:
            return self.feature_names.index(feature)
        except ValueError:
            raise ValueError(f"no feature {feature!r}{nearest(feature, self.feature_names)}") from None

    def __getitem__(self, key: str | Sequence[str]) -> Any:
        """`nt["t2m"]`: its tensor, `features` kept with size 1. `nt[["u", "v"]]`: a NamedTensor of those."""
        if isinstance(key, str):
            return self.tensor.narrow(self.dim_index(FEATURES), self.feature_index(key), 1)
        wanted = list(key)
        index = [self.feature_index(name) for name in wanted]
        dim = self.dim_index(FEATURES)
        if index and index == list(range(index[0], index[0] + len(index))):
            chosen = self.tensor.narrow(dim, index[0], len(index))
        else:
            chosen = self.tensor.index_select(dim, torch.tensor(index, dtype=torch.long, device=self.device))
        return NamedTensor(chosen, self.names, wanted)

    def __str__(self) -> str:
        """Table of minimum, mean and maximum per feature."""
        sizes = ", ".join(f"{name}: {size}" for name, size in zip(self.names, self.shape, strict=True))
        lines = [f"NamedTensor ({sizes}) {str(self.dtype).removeprefix('torch.')} on {self.device}"]
        width = max([len("feature"), *map(len, self.feature_names)])
        lines.append(f"{'feature':<{width}} {'min':>12} {'mean':>12} {'max':>12}")
        for name in self.feature_names:
            values = self[name].detach().double()
            values = values[~values.isnan()]
            cells = (values.min(), values.mean(), values.max()) if values.numel() else (torch.nan,) * 3
            lines.append(f"{name:<{width}} " + " ".join(f"{float(cell):>12.6g}" for cell in cells))
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"NamedTensor(shape={tuple(self.shape)}, names={self.names}, feature_names={self.feature_names})"

    def _repr_html_(self) -> str:
        sizes = zip(self.names, self.shape, strict=True)
        known = [
            ("dimensions", ", ".join(f"{name} {size}" for name, size in sizes)),
            ("features", ", ".join(self.feature_names)),
            ("device", self.device),
        ]
        return facts("NamedTensor", known)

    # Joining -------------------------------------------------------------------------------------------

    def __or__(self, other: "NamedTensor | None") -> "NamedTensor":
        """Features of both, in order: `(..., features_a + features_b)`; the features must be distinct."""
        return self if other is None else self.concat([self, other])

    def __ror__(self, other: None) -> "NamedTensor":
        """`None | nt` is `nt`, so that a loop may start from nothing."""
        return self

    @staticmethod
    def concat(tensors: "Sequence[NamedTensor]") -> "NamedTensor":
        """One NamedTensor with the features of all, in order.

        Raises:
            ValueError: no tensors, different dimension names or sizes, or a feature that stands twice.
        """
        if not tensors:
            raise ValueError("concat needs at least one NamedTensor, found none")
        first = tensors[0]
        if len(tensors) == 1:
            return first.clone()
        features: list[str] = []
        dim = first.dim_index(FEATURES)
        for i, other in enumerate(tensors):
            if other.names != first.names:
                raise ValueError(f"concat of different dimensions: {first.names} and {other.names} (argument {i})")
            sizes = [s for j, s in enumerate(other.shape) if j != dim]
            if sizes != [s for j, s in enumerate(first.shape) if j != dim]:
                raise ValueError(
                    f"concat of different sizes: {tuple(first.shape)} and {tuple(other.shape)} (argument {i}); "
                    f"only 'features' may differ"
                )
            shared = sorted(set(features) & set(other.feature_names))
            if shared:
                raise ValueError(f"concat of tensors that share the features {shared}; rename one of them")
            features += other.feature_names
        return NamedTensor._trusted(torch.cat([t.tensor for t in tensors], dim), list(first.names), features)

    @staticmethod
    def stack(tensors: "Sequence[NamedTensor]", dim_name: str, dim: int = 0) -> "NamedTensor":
        """Stacks tensors of equal names and features along a new dimension `dim_name` at position `dim`."""
        if not tensors:
            raise ValueError("stack needs at least one NamedTensor, found none")
        first = tensors[0]
        for i, other in enumerate(tensors):
            if other.names != first.names or other.feature_names != first.feature_names:
                raise ValueError(
                    f"stack of different tensors: {first!r} and {other!r} (argument {i}); "
                    f"names and features must be the same"
                )
        names = list(first.names)
        names.insert(dim if dim >= 0 else len(names) + 1 + dim, dim_name)
        return NamedTensor(torch.stack([t.tensor for t in tensors], dim), names, first.feature_names)

    # Copies with other values --------------------------------------------------------------------------

    def like(self, tensor: Tensor) -> "NamedTensor":
        """`tensor` under the names and features of this one."""
        return NamedTensor(tensor, self.names, self.feature_names)

    @staticmethod
    def new_like(tensor: Tensor, other: "NamedTensor") -> "NamedTensor":
        """`tensor` under the names and features of `other`."""
        return NamedTensor(tensor, other.names, other.feature_names)

    @staticmethod
    def expand_to_batch_like(tensor: Tensor, other: "NamedTensor") -> "NamedTensor":
        """`tensor`, which has a leading batch dimension more than `other`, under `other`'s names."""
        if "batch" in other.names:
            raise ValueError(f"expand_to_batch_like: {other.names} already has a dimension 'batch'")
        return NamedTensor(tensor, ["batch", *other.names], other.feature_names)

    def clone(self) -> "NamedTensor":
        """A copy of the values that keeps the gradients' path."""
        return NamedTensor._trusted(self.tensor.clone(), list(self.names), list(self.feature_names))

    def to(self, *args: Any, **kwargs: Any) -> "NamedTensor":
        """Moved or converted, with the arguments of `torch.Tensor.to`."""
        return NamedTensor._trusted(self.tensor.to(*args, **kwargs), list(self.names), list(self.feature_names))

    def pin_memory(self) -> "NamedTensor":
        """In page-locked memory, for fast copies to an accelerator."""
        return NamedTensor._trusted(self.tensor.pin_memory(), list(self.names), list(self.feature_names))

    def __deepcopy__(self, memo: dict[int, Any]) -> "NamedTensor":
        tensor = self.tensor
        # torch refuses to deep-copy what autograd made; a clone keeps the graph
        copied = tensor.__deepcopy__(memo) if tensor.is_leaf else tensor.clone()  # type: ignore[no-untyped-call]
        return NamedTensor._trusted(copied, list(self.names), list(self.feature_names))

    # Views ---------------------------------------------------------------------------------------------

    def select(self, **index: int) -> "NamedTensor":
        """One position along each named dimension, which goes: `nt.select(timestep=-1)`.

        Raises:
            ValueError: an unknown dimension, `features` (use `nt["name"]`), or an index out of range.
        """
        tensor, names = self.tensor, list(self.names)
        for name, i in index.items():
            if name == FEATURES:
                raise ValueError("select does not drop 'features'; use nt[\"name\"] or isel(features=...)")
            size = self.dim_size(name)
            if not -size <= i < size:
                raise ValueError(f"index {i} is out of range for {name!r} of size {size}")
            tensor = tensor.select(names.index(name), i)
            names.remove(name)
        return NamedTensor._trusted(tensor, names, list(self.feature_names))

    def isel(self, **index: slice | Sequence[int]) -> "NamedTensor":
        """A slice or a list of positions along each named dimension, which stays: `nt.isel(lat=slice(0, 8))`."""
        tensor, features = self.tensor, list(self.feature_names)
        for name, chosen in index.items():
            dim = self.dim_index(name)
            if isinstance(chosen, slice):
                positions: Sequence[int] = range(*chosen.indices(tensor.shape[dim]))
                steps = (slice(None),) * dim + (chosen,)
                is_forward = chosen.step is None or chosen.step > 0
                tensor = tensor[steps] if is_forward else tensor.index_select(dim, self._positions(positions))
            else:
                positions = chosen
                tensor = tensor.index_select(dim, self._positions(positions))
            if name == FEATURES:
                features = [features[i] for i in positions]
        return NamedTensor(tensor, self.names, features)

    def _positions(self, positions: Iterable[int]) -> Tensor:
        return torch.tensor(list(positions), dtype=torch.long, device=self.device)

    def iter_dim(self, name: str) -> "Iterator[NamedTensor]":
        """The slices along `name`, one after another, without that dimension."""
        for i in range(self.dim_size(name)):
            yield self.select(**{name: i})

    def flatten(self, to: str, *dims: str) -> "NamedTensor":
        """`dims`, neighbours in this order, merged to one dimension `to`: `nt.flatten("ngrid", "lat", "lon")`."""
        if not dims:
            raise ValueError(f"flatten to {to!r} needs the dimensions to merge, such as 'lat', 'lon'")
        start = self.dim_index(dims[0])
        for dim in dims:
            self.dim_index(dim)
        if self.names[start : start + len(dims)] != list(dims):
            raise ValueError(f"flatten needs neighbours in order: found {list(dims)} in {self.names}; transpose first")
        if FEATURES in dims:
            raise ValueError("flatten does not merge 'features'; their names would be lost")
        names = self.names[:start] + [to] + self.names[start + len(dims) :]
        return NamedTensor(self.tensor.flatten(start, start + len(dims) - 1), names, self.feature_names)

    def unflatten(self, dim: str, names: Sequence[str], sizes: Sequence[int]) -> "NamedTensor":
        """`dim` split into `names` of `sizes`: `nt.unflatten("ngrid", ("lat", "lon"), (64, 64))`."""
        index = self.dim_index(dim)
        if len(names) != len(sizes):
            raise ValueError(f"unflatten needs one size per name: found {list(names)} and {list(sizes)}")
        product = 1
        for size in sizes:
            product *= size
        if product != self.shape[index]:
            raise ValueError(
                f"unflatten of {dim!r} of size {self.shape[index]} to {tuple(sizes)}, which holds {product}"
            )
        new_names = self.names[:index] + list(names) + self.names[index + 1 :]
        split: Tensor = self.tensor.unflatten(index, tuple(sizes))  # type: ignore[no-untyped-call]
        return NamedTensor(split, new_names, self.feature_names)

    def transpose(self, *names: str) -> "NamedTensor":
        """The dimensions in the order of `names`, which must be all of them."""
        if sorted(names) != sorted(self.names):
            raise ValueError(f"transpose needs each of {self.names} once, found {list(names)}")
        order = [self.names.index(name) for name in names]
        return NamedTensor._trusted(self.tensor.permute(order), list(names), list(self.feature_names))

    # In place, for older plugins -----------------------------------------------------------------------

    def flatten_(self, name: str, start: int = 0, end: int = -1) -> None:
        """Merges the dimensions `start` to `end` (included) of this object to one dimension `name`."""
        end = end if end >= 0 else self.ndims + end
        dims = self.names[start : end + 1]
        flat = self.flatten(name, *dims)
        self.tensor, self.names = flat.tensor, flat.names

    def type_(self, dtype: torch.dtype) -> None:
        """Converts the values of this object."""
        self.tensor = self.tensor.type(dtype)

    def unsqueeze_and_expand_from_(self, other: "NamedTensor") -> None:
        """Gives this object the spatial dimensions of `other` that it lacks, broadcast to their sizes."""
        missing = [name for name in other.names if name in SPATIAL_DIMS and name not in self.names]
        for name in missing:
            position = other.names.index(name)
            self.tensor = self.tensor.unsqueeze(position)
            self.names = [*self.names[:position], name, *self.names[position:]]
        sizes = [other.dim_size(n) if n in missing else self.dim_size(n) for n in self.names]
        self.tensor = self.tensor.expand(*sizes)

    # xarray --------------------------------------------------------------------------------------------

    def to_xarray(self, coords: Mapping[str, Any] | None = None) -> "xarray.DataArray":
        """An `xarray.DataArray` with the same dimensions, the features as a coordinate, and `coords`."""
        import xarray

        coordinates = {FEATURES: self.feature_names} if FEATURES in self.names else {}
        values = self.tensor.detach().cpu().numpy()
        return xarray.DataArray(values, dims=self.names, coords={**coordinates, **(coords or {})})

    @staticmethod
    def from_xarray(array: "xarray.DataArray") -> "NamedTensor":
        """The NamedTensor of a DataArray; its coordinate `features` gives the feature names."""
        names = [str(dim) for dim in array.dims]
        features = [str(name) for name in array[FEATURES].values] if FEATURES in names else []
        return NamedTensor(torch.as_tensor(array.values), names, features)


def _unpack(nt: NamedTensor) -> tuple[list[Tensor], tuple[tuple[str, ...], tuple[str, ...]]]:
    return [nt.tensor], (tuple(nt.names), tuple(nt.feature_names))


def _pack(children: Iterable[Any], context: tuple[tuple[str, ...], tuple[str, ...]]) -> NamedTensor:
    # transformations put placeholders in the leaves, so nothing is checked here
    (tensor,) = children
    return NamedTensor._trusted(tensor, list(context[0]), list(context[1]))


_pytree.register_pytree_node(NamedTensor, _unpack, _pack, serialized_type_name="py4cast.namedtensor.NamedTensor")
