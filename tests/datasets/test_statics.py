import numpy as np
import pytest

from py4cast.datasets.statics import build_statics
from py4cast.errors import SettingsError
from py4cast.grid import Grid


def region() -> Grid:
    return Grid(np.linspace(56, 50, 7), np.linspace(-3, 5, 9))


def test_computed_features() -> None:
    valid = np.ones((7, 9), dtype=bool)
    valid[0, 0] = False
    statics = build_statics(region(), ["x", "y", "border_mask", "valid_mask", "sin_latitude"], {}, 2, valid)
    features = statics.grid_static_features
    assert features.feature_names == ["x", "y", "border_mask", "valid_mask", "sin_latitude"]
    assert features["x"][3, :, 0].tolist() == pytest.approx(np.linspace(0, 1, 9))
    assert features["y"][:, 3, 0].tolist() == pytest.approx(np.linspace(0, 1, 7))
    assert features["border_mask"].sum() == 63 - 3 * 5 and features["valid_mask"][0, 0, 0] == 0
    assert float(features["sin_latitude"][6, 0, 0]) == pytest.approx(np.sin(np.deg2rad(50)))
    with pytest.raises(SettingsError, match="statics: unknown 'border'; did you mean 'border_mask'"):
        build_statics(region(), ["border"], {}, 0)


def test_fields_are_standardised_and_masks_stay() -> None:
    height = np.random.default_rng(0).uniform(0, 2000, (7, 9)).astype(np.float32)
    height[2, 2] = np.nan
    land = (height > 500).astype(np.float32)
    features = build_statics(
        region(), [], {"height": height, "land": land, "flat": np.full((7, 9), 5.0)}, 0
    ).grid_static_features
    values = features["height"][..., 0].double()
    assert float(values.mean()) == pytest.approx(0, abs=1e-2) and float(values.std()) == pytest.approx(1, abs=0.02)
    assert float(values[2, 2]) == 0 and features["land"].unique().tolist() == [0, 1]
    assert features["flat"].abs().max() == 0, "a constant field is zero, not NaN"


def test_nothing_static_is_valid_too() -> None:
    assert build_statics(region(), [], {}, 0).grid_static_features.shape == (7, 9, 0)
