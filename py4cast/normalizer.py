"""Normalizer: physical units ↔ standardised, x̂ = (x − μ)/σ per feature."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from py4cast.errors import nearest
from py4cast.namedtensor import NamedTensor
from py4cast.statistics import Stats
from py4cast.transforms import FieldTransforms, TransformABC, identity

__all__ = ["Normalizer"]


class Normalizer(nn.Module):
    """Creates a map between physical and standardised units of named features.

    A feature that is constant over the training period has σ = 1, so that it becomes 0 and comes back.

    Args:
        features: names of the features.
        stats: their statistics in physical units; of a feature with a transform, those of what it becomes.
        transforms: of features that are learned as something else, by name.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, features: Sequence[str], stats: Stats, transforms: Mapping[str, TransformABC] | None = None
    ) -> None:
        super().__init__()
        self.features = list(features)
        self.transforms = FieldTransforms([(transforms or {}).get(name, identity()) for name in self.features])
        self.learned = [
            f"{name}{part}"
            for name, of in zip(self.features, self.transforms.transforms, strict=True)
            for part in of.parts
        ]
        # float64: geopotential of 5e4 with a deviation of 1 keeps its digits until the subtraction is done
        self.register_buffer("mean", stats.to_list("mean", self.learned, torch.float64), persistent=False)
        std = stats.to_list("std", self.learned, torch.float64)
        self.register_buffer("std", torch.where(std > 0, std, torch.ones_like(std)), persistent=False)

    def standardise(self, values: Tensor) -> Tensor:
        """x̂ = (T(x) − μ)/σ of `(..., features)` in the order of `features`; `(..., learned)`."""
        if self.transforms.changes:
            values = self.transforms.forward(values)
        return (values - self.mean.to(values.dtype)).div_(self.std.to(values.dtype))

    def physical(self, values: Tensor) -> Tensor:
        """X = T⁻¹(x̂·σ + μ) of `(..., learned)`; `(..., features)` in the order of `features`."""
        learned = values * self.std.to(values.dtype) + self.mean.to(values.dtype)
        return self.transforms.inverse(learned) if self.transforms.changes else learned

    def of(self, names: Sequence[str]) -> "Normalizer":
        """The map of some of the features, in any order; ValueError for a name that is not among them."""
        if list(names) == self.features:
            return self
        unknown = [n for n in names if n not in self.features]
        if unknown:
            raise ValueError(f"no statistics of {unknown[0]!r}{nearest(unknown[0], self.features)}")
        table = {
            learned: {"mean": mean, "std": std}
            for learned, mean, std in zip(self.learned, self.mean.tolist(), self.std.tolist(), strict=True)
        }
        kinds = dict(zip(self.features, self.transforms.transforms, strict=True))
        return Normalizer(names, Stats(table), kinds).to(self.mean.device)

    def standardise_named(self, values: NamedTensor) -> NamedTensor:
        """Standardised NamedTensor of what is learned; any order and subset of the features."""
        part = self.of(values.feature_names)
        return NamedTensor(part.standardise(values.tensor), values.names, part.learned)

    def physical_named(self, values: NamedTensor) -> NamedTensor:
        """NamedTensor in physical units, of what is learned of any order and subset of the features."""
        unknown = [n for n in values.feature_names if n not in self.learned]
        if unknown:
            raise ValueError(f"no statistics of {unknown[0]!r}{nearest(unknown[0], self.learned)}")
        learned_of = {
            name: [f"{name}{part}" for part in of.parts]
            for name, of in zip(self.features, self.transforms.transforms, strict=True)
        }
        first = {parts[0]: name for name, parts in learned_of.items()}
        part = self.of([first[n] for n in values.feature_names if n in first])
        ordered = values if part.learned == values.feature_names else values[part.learned]
        return NamedTensor(part.physical(ordered.tensor), values.names, part.features)
