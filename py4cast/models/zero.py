"""zero: the network that says nothing, which leaves a strategy to itself."""

from typing import Any, ClassVar

from torch import Tensor

from py4cast.models.base import GridModel
from py4cast.models.image import NoSettings

__all__ = ["Zero"]


class Zero(GridModel):
    """Creates y = 0: persistence with `diff_ar`, the physics alone with `hybrid`. It has nothing to train."""

    settings_kls: ClassVar[Any] = NoSettings
    onnx_supported = True
    grids: ClassVar[frozenset[str]] = frozenset({"rectangle", "points"})

    def __init__(self, num_input_features: int, num_output_features: int, settings: Any) -> None:
        super().__init__()
        self.num_output_features = num_output_features

    def forward(self, x: Tensor) -> Tensor:
        """`(batch, lat, lon, features)` → zeros `(batch, lat, lon, features)`."""
        return x.new_zeros((*x.shape[:-1], self.num_output_features))
