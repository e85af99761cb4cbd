"""The contract of models: a network from `(batch, lat, lon, features)` to `(batch, lat, lon, features)`.

Features come last and sizes are the model's own affair: any grid works. A model that wants another layout says
so in its two transforms, as the older interface has it; `GriddedNetwork` tries them once and does the same to
every input, so that nothing outside the model ever sees anything but the grid.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from py4cast.batch import ItemBatch, Statics
from py4cast.errors import SettingsError
from py4cast.models.recomputed import recomputation, recomputed
from py4cast.models.split.group import ModelGroup
from py4cast.models.split.part import PartABC
from py4cast.namedtensor import NamedTensor

__all__ = ["GridModel", "GriddedNetwork", "ModelABC", "ModelInfo", "NodeModel", "recomputation"]


class ModelInfo(NamedTuple):
    """What observers of the older interface read of a model: its number of output spatial dimensions."""

    output_dim: int


class ModelABC(ABC):
    """Abstract model; a concrete one is also an `nn.Module`.

    `__init__(num_input_features, num_output_features, settings, ...)`; the builder passes `grid`, `grid_shape`,
    `statics` (the model's own copy) or `inputs` only to a constructor that names them.

    Attributes:
        settings_kls: its settings.
        onnx_supported: whether it exports.
        reference: its paper.
        further_inputs: keys of inputs on other grids that `forward` takes by keyword beside x, standardised,
            `(batch, lat, lon, features)` on their own grid; `inputs` in the constructor tells their grids and features.
        hears_gaps: whether behind the features of a further input there is 1 where each is known and 0 where it is missing.
        grids: kinds of grids that it takes, `rectangle` and `points`.
        conditioned: whether `forward` takes a vector `condition`, `(batch, num_conditions)`, by keyword: noise of a member,
            the noise level of a diffusion, a lead time. `num_conditions` in the constructor tells its size.
        takes_latent: whether it has a latent variable for a strategy that asks for one, by `num_latent` in the constructor; its
            noise then is the `condition`, `(batch, lat, lon, latent)`.
        keeps_skill_in_bf16: whether it was shown to learn as well in bf16-mixed as in float32, so that `--precision auto` takes it.
    """

    settings_kls: ClassVar[Any]
    onnx_supported: ClassVar[bool] = False
    reference: ClassVar[str] = ""
    further_inputs: ClassVar[tuple[str, ...]] = ()
    hears_gaps: ClassVar[bool] = False
    grids: ClassVar[frozenset[str]] = frozenset({"rectangle"})
    conditioned: ClassVar[bool] = False
    takes_latent: ClassVar[bool] = False
    keeps_skill_in_bf16: ClassVar[bool] = False

    @classmethod
    def inputs_of(cls, settings: Any) -> tuple[str, ...]:
        """Keys of the further inputs that a model of these settings takes; by default those of its kind."""
        return cls.further_inputs

    @abstractmethod
    def transform_statics(self, statics: Statics) -> Statics:
        """The statics in the model's layout."""

    @abstractmethod
    def transform_batch(self, batch: ItemBatch) -> ItemBatch:
        """The batch in the model's layout."""

    def precompute(self) -> Any:
        """What `forward` would make anew at every step though it depends on weights alone; None for nothing.

        It is made once per rollout and given to `forward` as a second argument.
        """
        return None

    def part(self, group: ModelGroup) -> PartABC:
        """What this rank computes of the model where several share a sample.

        Args:
            group: the ranks.

        Raises:
            SettingsError: the model cannot be cut, or not into so many parts.
        """
        raise SettingsError(
            f"--distributed domain: {type(self).__name__} looks at all cells at once and is not cut into parts; expected a network of "
            "convolutions or messages (cnn, halfunet, unet, segformer, graphlam, hilam, hilamparallel), or --distributed ddp"
        )

    def shards(self) -> list[nn.Module]:
        """Parts of the model whose weights are gathered one after the other, where they lie in pieces on several ranks.

        Only modules that are called as such, with tensors in and out; none for a small model, which is gathered whole.
        """
        return []

    @classmethod
    def rank_zero_setup(cls, settings: Any, statics: Statics) -> None:
        """Builds artefacts that all ranks share; called on one rank before the model is made."""


class GridModel(ModelABC, nn.Module):
    """Abstract model on the grid: `forward(x)` takes and gives `(batch, lat, lon, features)`."""

    def transform_statics(self, statics: Statics) -> Statics:
        return statics

    def transform_batch(self, batch: ItemBatch) -> ItemBatch:
        return batch


class NodeModel(ModelABC, nn.Module):
    """Abstract model on nodes: `forward(x)` takes and gives `(batch, ngrid, features)`."""

    def transform_statics(self, statics: Statics) -> Statics:
        statics.grid_static_features.flatten_("ngrid", 0, 1)
        statics.border_mask = statics.border_mask.flatten(0, 1)
        statics.interior_mask = statics.interior_mask.flatten(0, 1)
        return statics

    def transform_batch(self, batch: ItemBatch) -> ItemBatch:
        for field in batch.fields.values():
            field.flatten_("ngrid", 2, 3)
        return batch


def _flattens(model: ModelABC, grid_shape: tuple[int, int]) -> bool:
    """Whether the model's transform merges `lat, lon` to `ngrid`; it is tried on a tiny batch.

    Raises:
        SettingsError: it does something else.
    """
    rows, columns = grid_shape
    names = ["batch", "timestep", "lat", "lon", "features"]
    probe = torch.arange(rows * columns, dtype=torch.float32).reshape(1, 1, rows, columns, 1)
    # the three fields are separate objects: an in-place transform of one must not meet another twice
    fields = {key: NamedTensor(probe.clone(), names, ["probe"]) for key in ("inputs", "forcing", "outputs")}
    result = model.transform_batch(ItemBatch(fields)).inputs
    if result.names == names and torch.equal(result.tensor, probe):
        return False
    if result.names == ["batch", "timestep", "ngrid", "features"] and torch.equal(
        result.tensor.flatten(), probe.flatten()
    ):
        return True
    raise SettingsError(
        f"model {type(model).__name__}: transform_batch gives {result.names} of shape {tuple(result.shape)}; expected the grid as it "
        f"is, or lat and lon merged to ngrid"
    )


class GriddedNetwork(nn.Module):
    """Creates the one place where a model meets the grid: gridded in, gridded out.

    Args:
        model: any ModelABC.
        grid_shape: `(lat, lon)`.
        use_checkpoint: whether activations are computed again in the backward pass instead of kept.
        further_inputs: keys of the inputs on other grids that the model takes; by default those of its kind.

    Attributes:
        computes_terms_inside: whether every step of a rollout computes what it could share with the others.
    """

    def __init__(
        self, model: nn.Module, grid_shape: tuple[int, int], use_checkpoint: bool = False,
        further_inputs: tuple[str, ...] | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.model = model
        self.grid_shape = grid_shape
        self.use_checkpoint = use_checkpoint
        assert isinstance(model, ModelABC), "the builder makes only models"
        self.further_inputs = model.further_inputs if further_inputs is None else further_inputs
        self._is_flat = _flattens(model, grid_shape)
        self.computes_terms_inside = False
        # not a submodule: its weights are the model's
        self._part: list[PartABC] = []

    def split(self, group: ModelGroup) -> None:
        """From now on this rank computes its part of the model, until `unsplit`; SettingsError where it has none."""
        assert isinstance(self.model, ModelABC), "the builder makes only models"
        self._part = [self.model.part(group)]

    def shards(self) -> list[nn.Module]:
        """Parts of the model whose weights are gathered one after the other."""
        assert isinstance(self.model, ModelABC), "the builder makes only models"
        return self.model.shards()

    def unsplit(self) -> None:
        """From now on the model is computed whole."""
        self._part = []

    @property
    def info(self) -> ModelInfo:
        """Two spatial dimensions, whatever the model's own layout."""
        return ModelInfo(output_dim=2)

    def _call(
        self,
        x: Tensor,
        terms: Any = None,
        inputs: Mapping[str, Tensor] | None = None,
        condition: Tensor | None = None,
    ) -> Tensor:
        further = () if terms is None else (terms,)
        assert isinstance(self.model, ModelABC), "the builder makes only models"
        named = {key: (inputs or {})[key] for key in self.further_inputs}
        if condition is not None:
            named["condition"] = condition
        if self._part:
            return self._part[0](x, *further, **named)
        if not self._is_flat:
            return self.model(x, *further, **named)  # type: ignore[no-any-return]
        return self.model(x.flatten(1, 2), *further, **named).unflatten(1, self.grid_shape)  # type: ignore[no-any-return]

    def forward(
        self,
        x: Tensor,
        terms: Any = None,
        inputs: Mapping[str, Tensor] | None = None,
        condition: Tensor | None = None,
    ) -> Tensor:
        """`(batch, lat, lon, features)` → `(batch, lat, lon, features)`.

        Args:
            x: the input.
            terms: of the model's `precompute`, where several steps share them.
            inputs: further inputs by key; those that the model asks for reach it.
            condition: a vector for a model that is conditioned, `(batch, num_conditions)`.
        """
        if self.use_checkpoint and torch.is_grad_enabled() and self.training:
            return recomputed(self._call, self, x, terms, inputs, condition)
        return self._call(x, terms, inputs, condition)

    def for_rollout(self) -> Callable[..., Tensor]:
        """The network with what its steps share computed once; for one rollout, as it goes stale with the weights."""
        assert isinstance(self.model, ModelABC), "the builder makes only models"
        if self.computes_terms_inside:  # its weights are there in `forward` alone
            return self
        terms = (self._part[0] if self._part else self.model).precompute()
        return self if terms is None else partial(self, terms=terms)
