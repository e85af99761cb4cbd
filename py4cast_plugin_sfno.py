"""The spherical Fourier neural operator of `torch-harmonics` as a model of py4cast, for grids round the whole globe: sfno.

    pip install py4cast[sfno]
    py4cast train --dataset_conf globe.json --model sfno --set model.embed_dim=64

Nothing of torch-harmonics is imported before the model is asked for; without it the name does not exist, and who
asks for it is told what to install.

Reference: B. Bonev et al. (2023), Spherical Fourier Neural Operators, arXiv 2306.03838.
"""

import importlib.util
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from py4cast.errors import SettingsError
from py4cast.grid import Grid
from py4cast.settings import Settings, setting

MODELS: dict[str, type] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class SFNOSettings(Settings):
    """Settings of the network, as torch-harmonics has them."""

    embed_dim: int = setting(64, "features inside")
    num_layers: int = setting(4, "layers")
    scale_factor: int = setting(1, "how many times fewer rows and columns there are inside")
    mlp_ratio: float = setting(2.0, "width of the hidden layer of each block, over embed_dim")

    def __post_init__(self) -> None:
        for name in ("embed_dim", "num_layers", "scale_factor"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, found {getattr(self, name)}")


def rows_of(grid: Grid) -> tuple[str, bool]:
    """What torch-harmonics calls the rows, and whether they run northward.

    Raises:
        SettingsError: rows that are neither equally spaced from pole to pole nor Gaussian, or not round the globe.
    """
    from py4cast.formats.reduced import NEAR, gaussian_rows

    if grid.is_projected or not grid.is_periodic:
        raise SettingsError(
            f"model 'sfno' is for latitudes and longitudes round the whole globe; the grid is {grid.describe()}"
        )
    is_northward = bool(grid.latitude[0] < grid.latitude[-1])
    southward = grid.latitude[::-1] if is_northward else grid.latitude
    if np.abs(southward - np.linspace(90, -90, southward.size)).max() < 1e-3:
        return "equiangular", is_northward
    if np.abs(southward - gaussian_rows(southward.size)[0]).max() < NEAR:
        return "legendre-gauss", is_northward
    raise SettingsError(
        f"model 'sfno' takes rows equally spaced from pole to pole or Gaussian ones; the grid is {grid.describe()}"
    )


def network_class() -> Any:
    """The network of torch-harmonics.

    Raises:
        SettingsError: torch-harmonics does not load, as one that was built for another torch.
    """
    try:
        from torch_harmonics.examples.models.sfno import SphericalFourierNeuralOperator
    except (ImportError, OSError) as error:
        cause = str(error).splitlines()[0]
        raise SettingsError(f"model 'sfno' needs a torch-harmonics that loads beside this torch: {cause}") from error
    return SphericalFourierNeuralOperator


if importlib.util.find_spec("torch_harmonics") is not None:
    import torch
    from torch import Tensor

    from py4cast.models import GridModel

    class SFNO(GridModel):
        """Creates a spherical Fourier neural operator.

        Reference: B. Bonev et al. (2023), arXiv 2306.03838.
        """

        settings_kls: ClassVar[Any] = SFNOSettings
        reference = "Bonev et al. (2023), arXiv 2306.03838"

        def __init__(
            self, num_input_features: int, num_output_features: int, settings: SFNOSettings, grid: Grid
        ) -> None:
            super().__init__()
            rows, self.is_northward = rows_of(grid)
            import warnings

            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what torch says of itself while it is asked what it can compile
                self.network = network_class()(
                    img_size=grid.shape, grid=rows, in_chans=num_input_features, out_chans=num_output_features,
                    embed_dim=settings.embed_dim, num_layers=settings.num_layers, scale_factor=settings.scale_factor,
                    mlp_ratio=settings.mlp_ratio,
                )  # fmt: skip

        def forward(self, x: Tensor) -> Tensor:
            """`(batch, lat, lon, features)` → `(batch, lat, lon, features)`."""
            image = x.permute(0, 3, 1, 2)
            image = torch.flip(image, [2]) if self.is_northward else image
            y = self.network(image.contiguous())
            return (torch.flip(y, [2]) if self.is_northward else y).permute(0, 2, 3, 1)

    MODELS = {"sfno": SFNO}
