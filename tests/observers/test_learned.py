"""Maps of what is learned: a chart, the side of the land-sea mask and that of the border."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from py4cast.batch import Statics
from py4cast.border import Border
from py4cast.grid import Grid
from py4cast.namedtensor import NamedTensor
from py4cast.observers.learned import draw_learned
from py4cast.testing import make_info
from py4cast.variables import Variable
from tests.observers.watching import mesh_of

GRID = Grid(np.linspace(62, 50, 7), np.linspace(1, 8, 8))
WARMTH = Variable(name="t2m", short_name="2t", units="K", level=2, type_of_level="heightAboveGround")


def sides_of(statics: Statics) -> tuple[Any, list[Any]]:
    axes = Figure().subplots()
    info = replace(make_info(GRID.shape), grid=GRID, statics=statics)
    draw_learned(axes, info, WARMTH, np.full(GRID.shape, 280.0), "truth")
    return axes, [c for c in axes.collections if type(c).__name__ == "QuadContourSet"]


@pytest.mark.parametrize("name", ["lsm", "orography"])
def test_the_side_of_a_land_sea_mask_is_drawn(name: str) -> None:
    land = torch.zeros(*GRID.shape, 1)
    land[:, 4:] = 1.0
    axes, sides = sides_of(Statics.build(GRID, NamedTensor(land, ["lat", "lon", "features"], [name])))
    assert len(sides) == (name == "lsm") and axes.get_title() == "truth"
    for side in sides:
        np.testing.assert_allclose(np.concatenate([p.vertices for p in side.get_paths()])[:, 0], 4.5)
    np.testing.assert_allclose(mesh_of(axes), 6.85, rtol=1e-5)


def test_the_border_is_drawn_as_one() -> None:
    empty = NamedTensor(torch.zeros(*GRID.shape, 1), ["lat", "lon", "features"], ["orography"])
    _, (side,) = sides_of(Statics.build(GRID, empty, Border(2)))
    vertices = np.concatenate([p.vertices for p in side.get_paths()])
    assert vertices[:, 0].min() == pytest.approx(2.5) and vertices[:, 0].max() == pytest.approx(6.5)
    assert side.get_linestyles()[0][1] is not None, "dashed"
