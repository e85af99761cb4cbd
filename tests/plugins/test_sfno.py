"""The spherical Fourier neural operator through its plugin; without torch-harmonics, nothing."""

import importlib.util
import sys

import numpy as np
import pytest
import torch

from py4cast.errors import SettingsError
from py4cast.formats.reduced import gaussian_rows, octahedral
from py4cast.grid import Grid
from py4cast.models import build_network, registry
from py4cast.testing import make_info
from py4cast_plugin_sfno import network_class, rows_of

WITH_POLES = Grid(np.linspace(90, -90, 19), np.arange(0, 360, 10.0))


def test_rows_have_their_names() -> None:
    assert rows_of(WITH_POLES) == ("equiangular", False)
    assert rows_of(Grid(WITH_POLES.latitude[::-1], WITH_POLES.longitude)) == ("equiangular", True)
    assert rows_of(Grid(gaussian_rows(16)[0], np.arange(0, 360, 10.0))) == ("legendre-gauss", False)
    for grid in (
        Grid(np.linspace(85, -85, 18), WITH_POLES.longitude),
        Grid(np.linspace(60, 40, 5), np.arange(0, 360, 10.0)),
    ):
        with pytest.raises(SettingsError, match="rows equally spaced from pole to pole or Gaussian ones"):
            rows_of(grid)
    with pytest.raises(SettingsError, match="round the whole globe; the grid is"):
        rows_of(octahedral(8))


@pytest.mark.skipif(importlib.util.find_spec("torch_harmonics") is not None, reason="torch-harmonics is installed")
def test_without_torch_harmonics_there_is_no_sfno() -> None:
    assert "sfno" not in registry.names()
    with pytest.raises(SettingsError, match=r"unknown model 'sfno'; it comes with pip install 'py4cast\[sfno\]'"):
        registry.get("sfno")


def test_one_that_does_not_load_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch_harmonics", None)
    monkeypatch.delitem(sys.modules, "torch_harmonics.examples.models.sfno", raising=False)
    with pytest.raises(SettingsError, match="model 'sfno' needs a torch-harmonics that loads beside this torch: "):
        network_class()


@pytest.mark.skipif(importlib.util.find_spec("torch_harmonics") is None, reason="torch-harmonics is not installed: pip install py4cast[sfno]")  # fmt: skip
def test_sfno_is_a_model() -> None:
    info = make_info(WITH_POLES)
    network, _ = build_network("sfno", 5, 3, {"embed_dim": 8, "num_layers": 2}, info.grid, info.statics)
    y = network(torch.randn(2, 19, 36, 5))
    assert y.shape == (2, 19, 36, 3)
    y.square().mean().backward()
