"""The five lines of doc/extending.md, around a module of images that takes only the sizes it likes."""

import re
import sys
import types

import pytest
import torch
from torch import Tensor, nn

from py4cast.models import ImageModel, registry
from py4cast.testing import check_model
from tests.conftest import ROOT


class Unet(nn.Module):
    """Stands for the package's: sizes must be multiples of 32."""

    def __init__(self, encoder_name: str, encoder_weights: str | None, in_channels: int, classes: int) -> None:
        super().__init__()
        assert (encoder_name, encoder_weights) == ("resnet18", None)
        self.down, self.up = nn.Conv2d(in_channels, 16, 32, 32), nn.ConvTranspose2d(16, classes, 32, 32)
        self.skip = nn.Conv2d(in_channels, classes, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-2] % 32 or x.shape[-1] % 32 or not x.is_contiguous():
            raise RuntimeError(f"wrong input shape height={x.shape[-2]}, width={x.shape[-1]}")
        return self.skip(x) + self.up(torch.relu(self.down(x)))


@pytest.fixture
def name(monkeypatch: pytest.MonkeyPatch) -> str:
    page = (ROOT / "doc" / "extending.md").read_text()
    (block,) = (b for b in re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL) if "(ImageModel)" in b)
    assert len([line for line in block.splitlines() if line]) == 5
    smp = types.ModuleType("segmentation_models_pytorch")
    smp.Unet = Unet  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, smp.__name__, smp)
    found: dict = {}
    exec(compile(block, "extending.md", "exec"), found)
    monkeypatch.setattr(registry, "get", lambda _: found["SmpUnet"])
    return "smpunet"


def test_five_lines_make_a_model(name: str) -> None:
    assert issubclass(registry.get(name), ImageModel)
    check_model(name)
