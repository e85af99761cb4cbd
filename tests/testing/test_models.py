"""Checks of models: what they accept, and what they refuse by name."""

import importlib.util
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from py4cast.errors import SettingsError
from py4cast.models import registry
from py4cast.models.base import GridModel
from py4cast.models.image import NoSettings
from py4cast.models.zero import Zero
from py4cast.testing import models as module
from py4cast.testing.models import check_model, check_onnx
from tests.testing.registering import registered

GRIDS = ((4, 5), (3, 7))


class Pointwise(GridModel):
    """A layer of every cell by itself."""

    settings_kls: ClassVar[Any] = NoSettings

    def __init__(self, num_input_features: int, num_output_features: int, settings: Any) -> None:
        super().__init__()
        self.layer = nn.Linear(num_input_features, num_output_features)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layer(x)
        return y


class Narrow(Pointwise):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)[..., :2]


class Endless(Pointwise):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) / 0.0


class Random(Pointwise):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + torch.rand(())


class Sociable(Pointwise):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x - x.mean(0))


class Idle(Pointwise):
    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.unused = nn.Parameter(torch.zeros(3))


class Deaf(Pointwise):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(0.0 * x) * 1e-6


class Biased(Pointwise):
    """Learns the mean of the truth and hears nothing of its input."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(0.0 * x)


class Slow(Pointwise):
    """Hears its input behind a large offset, which takes the first steps."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        nn.init.zeros_(self.layer.weight)
        nn.init.constant_(self.layer.bias, 3.0)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(0.05 * x)


class Nervous(Pointwise):
    """Overshoots at any rate but a small one."""

    def forward(self, x: Tensor) -> Tensor:
        return 100 * super().forward(x)


@pytest.mark.parametrize("kind", [Pointwise, Slow, Nervous, type("Nothing", (Zero,), {"onnx_supported": False})])
def test_a_good_model_is_accepted(kind: type[GridModel]) -> None:
    with registered(registry, kind) as name:
        check_model(name, {}, GRIDS)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Narrow, r"tried: \(2, 4, 5, 5\) gave \(2, 4, 5, 2\), expected \(2, 4, 5, 3\)"),
        (Endless, r"tried: output is not finite on \(4, 5\)"),
        (Random, r"tried: two calls on \(4, 5\) differ"),
        (Sociable, "tried: a sample depends on its neighbours in the batch"),
        (Idle, r"tried: no gradient reaches \['model.unused'\]"),
        (
            Biased,
            "tried: 12 steps took the loss from .* only, which is .* with the input of another sample; 60 steps at other",
        ),
        (Deaf, "tried: 12 steps took the loss from .* only"),
    ],
)
def test_a_bad_model_is_refused(kind: type[GridModel], message: str) -> None:
    with registered(registry, kind) as name, pytest.raises(AssertionError, match=message):
        check_model(name, {}, GRIDS)


@pytest.mark.parametrize("error", [0.0, 1e-2])
def test_an_export_that_differs_is_refused(monkeypatch: pytest.MonkeyPatch, error: float) -> None:
    def session(network: nn.Module, x: Tensor, optimize: bool = True) -> Any:
        def run(_: None, given: dict[str, np.ndarray]) -> list[np.ndarray]:
            with torch.no_grad():
                return [network(torch.from_numpy(given["x"])).numpy() + error]

        return SimpleNamespace(get_inputs=lambda: [SimpleNamespace(name="x")], run=run)

    monkeypatch.setattr(module, "onnx_session", session)
    with registered(registry, Pointwise) as name:
        if not error:
            check_onnx(name, {}, (4, 5))
            return
        with pytest.raises(AssertionError, match=r"tried: onnxruntime differs by .* deviations on \(4, 5\), batch 1"):
            check_onnx(name, {}, (4, 5))


def test_a_model_that_says_that_it_exports_is_exported_for_the_second_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    exported: list[Any] = []
    monkeypatch.setattr(module, "check_onnx", lambda *given: exported.append(given))
    with registered(registry, type("Exported", (Pointwise,), {"onnx_supported": True})) as name:
        check_model(name, {}, GRIDS)
        check_model(name, {}, GRIDS[:1])
    assert exported == [("tried", {}, (3, 7)), ("tried", {}, (4, 5))]


def test_without_onnx_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    look_up = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnxscript" else look_up(name))
    with pytest.raises(
        SettingsError, match=r"model 'zero': its ONNX export is checked with `pip install py4cast\[onnx\]`"
    ):
        check_onnx("zero", {}, (4, 5))
