"""Networks of images on a grid: padded, run, cropped."""

from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from py4cast.errors import SettingsError
from py4cast.grid import Grid
from py4cast.models.image import ImageModel, NoSettings
from py4cast.settings import decode


class Neighbours(nn.Module):
    """Each cell's western neighbour, and nothing at the western side of the image."""

    def forward(self, x: Tensor) -> Tensor:
        assert x.is_contiguous()
        return torch.cat([torch.zeros_like(x[..., :1]), x[..., :-1]], -1)


class Western(ImageModel):
    """The western neighbour of every cell."""

    multiple: ClassVar[int] = 4
    seen: ClassVar[list[tuple[Any, ...]]] = []

    @classmethod
    def make(cls, num_inputs: int, num_outputs: int, settings: Any, shape: tuple[int, int]) -> nn.Module:
        cls.seen.append((num_inputs, num_outputs, settings, shape))
        return Neighbours()


def regional() -> Grid:
    return Grid(np.linspace(50, 49, 9), np.linspace(0, 1, 7))


def test_the_network_is_made_for_padded_images() -> None:
    Western(2, 5, "some", regional())
    assert Western.seen.pop() == (2, 5, "some", (12, 8))


def test_features_come_last_outside_and_padding_comes_off() -> None:
    x = torch.randn(2, 9, 7, 3)
    y = Western(3, 3, None, regional())(x)
    assert torch.equal(y[:, :, 1:], x[:, :, :-1])


def test_round_the_globe_the_first_column_neighbours_the_last() -> None:
    globe = Grid(np.linspace(60, -60, 8), np.arange(0.0, 360.0, 30.0))
    x = torch.randn(1, 8, 12, 1)
    assert torch.equal(Western(1, 1, None, globe)(x), torch.roll(x, 1, 2))


def test_no_settings_take_none() -> None:
    assert decode(NoSettings, {}) == NoSettings()
    with pytest.raises(SettingsError, match="width: unknown setting"):
        decode(NoSettings, {"width": 3})
