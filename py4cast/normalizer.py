"""Normalizer: physical units ↔ standardised, x̂ = (x − μ)/σ per feature."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from py4cast.errors import nearest
from py4cast.namedtensor import NamedTensor
from py4cast.statistics import Stats

__all__ = ["Normalizer"]


class Normalizer(nn.Module):
    """Creates a map between physical and standardised units of named features.

    A feature that is constant over the training period has σ = 1, so that it becomes 0 and comes back.

    Args:
        features: names of the features.
        stats: their statistics in physical units.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, features: Sequence[str], stats: Stats) -> None:
        super().__init__()
        self.features = list(features)
        # float64: geopotential of 5e4 with a deviation of 1 keeps its digits until the subtraction is done
        self.register_buffer("mean", stats.to_list("mean", self.features, torch.float64), persistent=False)
        std = stats.to_list("std", self.features, torch.float64)
        self.register_buffer("std", torch.where(std > 0, std, torch.ones_like(std)), persistent=False)

    def standardise(self, values: Tensor) -> Tensor:
        """x̂ = (x − μ)/σ of `(..., features)` in the order of `features`."""
        return (values - self.mean.to(values.dtype)).div_(self.std.to(values.dtype))

    def physical(self, values: Tensor) -> Tensor:
        """X = x̂·σ + μ of `(..., features)` in the order of `features`."""
        return values * self.std.to(values.dtype) + self.mean.to(values.dtype)

    def _index(self, names: Sequence[str]) -> Tensor:
        unknown = [n for n in names if n not in self.features]
        if unknown:
            raise ValueError(f"no statistics of {unknown[0]!r}{nearest(unknown[0], self.features)}")
        return torch.tensor([self.features.index(n) for n in names], device=self.mean.device)

    def standardise_named(self, values: NamedTensor) -> NamedTensor:
        """Standardised NamedTensor; any order and subset of the features."""
        index = self._index(values.feature_names)
        mean, std = self.mean[index].to(values.dtype), self.std[index].to(values.dtype)
        return values.like((values.tensor - mean) / std)

    def physical_named(self, values: NamedTensor) -> NamedTensor:
        """NamedTensor in physical units; any order and subset of the features."""
        index = self._index(values.feature_names)
        mean, std = self.mean[index].to(values.dtype), self.std[index].to(values.dtype)
        return values.like(values.tensor * std + mean)
