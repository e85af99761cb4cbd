"""Half-UNet against its formula, y = W·D(Σ up(E))."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from py4cast.grid import Grid
from py4cast.models.blocks import GhostConv
from py4cast.models.halfunet import HalfUNet, HalfUNetSettings

GRID = Grid(np.linspace(50, 49, 32), np.linspace(0, 1, 32))


def halved(image: Tensor) -> Tensor:
    batch, features, rows, columns = image.shape
    return image.reshape(batch, features, rows // 2, 2, columns // 2, 2).amax((3, 5))


@pytest.mark.parametrize("last", ["Identity", "Tanh"])
def test_scales_are_brought_to_full_size_and_summed(last: str) -> None:
    settings = HalfUNetSettings(num_filters=3, norm="none", last_activation=last)  # type: ignore[arg-type]
    network = HalfUNet(2, 1, settings, GRID).double()
    x = torch.randn(1, 32, 32, 2, dtype=torch.float64)
    level = network.encoders[0](x.permute(0, 3, 1, 2))
    total = level
    for encoder in list(network.encoders)[1:]:
        level = encoder(halved(level))
        total = total + F.interpolate(level, scale_factor=32 / level.shape[-1], mode="bilinear", align_corners=False)
    assert level.shape == (1, 3, 2, 2), "five scales"
    y = torch.einsum("of,bfij->bijo", network.output.weight[..., 0, 0], network.decoder(total))
    torch.testing.assert_close(network(x), y.tanh() if last == "Tanh" else y)


def test_ghosts_are_in_every_block_and_bias_where_it_is_asked_for() -> None:
    network = HalfUNet(2, 1, HalfUNetSettings(num_filters=4, use_ghost=True, bias=True, dilation=2), GRID)
    ghosts = [m for m in network.modules() if isinstance(m, GhostConv)]
    assert len(ghosts) == 12, "two in each of five encoders and the decoder"
    convolutions = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d)]
    assert all(m.bias is not None for m in convolutions)
    assert all(g.primary[0].dilation == (2, 2) for g in ghosts)
    without = HalfUNet(2, 1, HalfUNetSettings(num_filters=4), GRID)
    assert all(m.bias is None for m in without.modules() if isinstance(m, torch.nn.Conv2d))


@pytest.mark.parametrize("settings", [{"num_filters": 1}, {"dilation": 0}])
def test_too_small_settings_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="num_filters must be at least 2, dilation at least 1"):
        HalfUNetSettings(**settings)  # type: ignore[arg-type]
