"""Three processors, one settings file, every kind of grid: the name of the model is all that changes."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from py4cast.forecaster import Forecaster
from py4cast.formats.reduced import healpix, octahedral
from py4cast.grid import Grid
from py4cast.losses import registry as losses
from py4cast.testing import make_batch, make_info
from py4cast.testing.models import check_onnx

PROCESSORS = ("graphlam", "graphtransformer", "transformer")
SETTINGS = {"hidden_dims": 16, "processor_layers": 2, "hidden_layers": 1, "mesh": "auto", "mesh_levels": 1}


def map_of(rows: int, columns: int) -> Grid:
    """On a Lambert projection."""
    x, y = 50e3 * np.arange(columns), 50e3 * np.arange(rows)
    lat = 45 + np.rad2deg(y / 6.371e6)
    lon, lat = np.meshgrid(np.rad2deg(x / 4.5e6), lat)
    return Grid(lat, lon, x, y, {"grid_mapping_name": "lambert_conformal_conic", "standard_parallel": 45.0,
                                 "longitude_of_central_meridian": 0.0, "latitude_of_projection_origin": 45.0})  # fmt: skip


def crowded() -> Grid:
    """A dense box within a coarse globe."""
    globe = octahedral(10)
    lat, lon = (a.ravel() for a in np.meshgrid(np.linspace(40, 60, 15), np.linspace(0, 30, 15), indexing="ij"))
    beside = (globe.longitude[0] - 15 + 180) % 360 - 180
    far = (np.abs(globe.latitude[0] - 50) > 14) | (np.abs(beside) > 22)
    return Grid.points(
        np.concatenate([lat, globe.latitude[0][far]]), np.concatenate([lon, globe.longitude[0][far]]), name="crowded"
    )


def region() -> Grid:
    rng = np.random.default_rng(0)
    lat, lon = np.meshgrid(np.linspace(50, 60, 20), np.linspace(170, 190, 22), indexing="ij")
    return Grid.points((lat + 0.1 * rng.random(lat.shape)).ravel(), (lon + 0.2 * rng.random(lat.shape)).ravel())


GRIDS: dict[str, Callable[[], Grid]] = {
    "latitudes and longitudes": lambda: Grid(np.linspace(55, 45, 17), np.linspace(-5, 9, 23)),
    "a map": lambda: map_of(18, 25),
    "a globe": lambda: Grid(np.linspace(87.5, -87.5, 18), np.arange(0, 360, 10.0)),
    "reduced Gaussian": lambda: octahedral(9),
    "HEALPix": lambda: healpix(7),
    "a stretched grid": crowded,
    "points of a region": region,
}


@pytest.mark.parametrize("kind", GRIDS)
def test_the_model_is_all_that_changes(kind: str, tmp_path: Path) -> None:
    info = make_info(GRIDS[kind]())
    document = json.loads(json.dumps(SETTINGS))
    batch, loss = make_batch(info, num_pred_steps=2), losses.get("mse")(info)
    for model in PROCESSORS:
        torch.manual_seed(0)
        forecaster = Forecaster.build(info, model, "diff_ar", 2, document)
        optimizer = torch.optim.AdamW(forecaster.parameters(), lr=3e-3)
        history = []
        for _ in range(8):
            optimizer.zero_grad()
            objective = forecaster.training_loss(batch, loss).mean()
            objective.backward()
            optimizer.step()
            history.append(float(objective.detach()))
        assert history[-1] < 0.95 * history[0], f"{model} learns nothing on {kind}: {history}"
        forecaster.save(tmp_path / "f.safetensors")
        again = Forecaster.load(tmp_path / "f.safetensors").eval()
        ours, theirs = (f.forecast(batch, 2).tensor for f in (forecaster.eval(), again))
        assert torch.equal(ours, theirs) and bool(torch.isfinite(ours).all())


@pytest.mark.slow
def test_points_are_exported() -> None:
    """Nodes that hear more and fewer cells than others, and a window: what rectangles do not have."""
    check_onnx("transformer", {"hidden_dims": 8, "processor_layers": 1, "window": 8}, crowded())
