"""A complete model of a third party, as an outsider would write it: `py4cast train --model convnext`.

A top-level module whose name starts with `py4cast_plugin_` is found wherever Python can import it; the class is
known by its lower-cased name. A package would rather declare an entry point:

    [project.entry-points."py4cast.models"]
    convnext = "my_package:ConvNext"
"""

from dataclasses import dataclass

from torch import Tensor, nn

from py4cast.models import GridModel
from py4cast.settings import Settings, setting


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvNextSettings(Settings):
    """Settings of ConvNext; each line of help is shown to users."""

    width: int = setting(32, "features inside the network")
    num_blocks: int = setting(3, "residual blocks")
    kernel: int = setting(7, "width of the depthwise convolutions [cells], odd")

    def __post_init__(self) -> None:
        if self.kernel % 2 == 0:
            raise ValueError("kernel must be odd, so that the grid keeps its size")


class _Block(nn.Module):
    """x + W₂·GELU(W₁·depthwise(x))."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(width, width, kernel, padding=kernel // 2, groups=width),
            nn.GroupNorm(1, width),
            nn.Conv2d(width, 4 * width, 1),
            nn.GELU(),
            nn.Conv2d(4 * width, width, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class ConvNext(GridModel):
    """A few ConvNeXt blocks at full resolution.

    Reference: Z. Liu et al. (2022), A ConvNet for the 2020s, arXiv 2201.03545.
    """

    settings_kls = ConvNextSettings
    onnx_supported = True
    reference = "Liu et al. (2022), arXiv 2201.03545"

    def __init__(self, num_input_features: int, num_output_features: int, settings: ConvNextSettings) -> None:
        super().__init__()
        blocks = [_Block(settings.width, settings.kernel) for _ in range(settings.num_blocks)]
        self.network = nn.Sequential(
            nn.Conv2d(num_input_features, settings.width, 1), *blocks, nn.Conv2d(settings.width, num_output_features, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """`(batch, lat, lon, features)` → `(batch, lat, lon, features)`; any grid fits a convolution."""
        return self.network(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
