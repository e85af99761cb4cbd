import base64
import zlib

import numpy as np
import pytest

from py4cast.workflows.view.layers import MISSING, encoded, encoded_vectors


def decoded(data: str, shape: tuple[int, ...]) -> np.ndarray:
    """As the page does it."""
    differences = np.frombuffer(zlib.decompress(base64.b64decode(data)), np.uint8).reshape(shape)
    return np.cumsum(np.cumsum(differences, -2, dtype=np.uint8), -1, dtype=np.uint8)


def test_a_value_is_right_to_half_a_step_and_what_is_missing_stays_so() -> None:
    rng = np.random.default_rng(0)
    frames = (rng.normal(size=(3, 7, 9)) * np.array([1.0, 1e5, 1e-7])[:, None, None]).astype(np.float32)
    frames[1, 2, 3:5] = np.nan
    layer = encoded(frames)
    q = decoded(layer.data, frames.shape)
    for frame, values, (low, step) in zip(frames, q, layer.scales, strict=True):
        held = np.isfinite(frame)
        assert (values[~held] == MISSING).all() and (values[held] != MISSING).all()
        np.testing.assert_allclose(low + values[held] * step, frame[held], rtol=0, atol=0.505 * step + 2e-6 * abs(low))
        assert step == pytest.approx((np.nanmax(frame) - np.nanmin(frame)) / 254, rel=1e-5)


def test_frames_without_a_spread_or_without_a_value() -> None:
    frames = np.stack([np.full((4, 5), 273.15), np.full((4, 5), np.nan)]).astype(np.float32)
    layer = encoded(frames)
    q = decoded(layer.data, frames.shape)
    assert (q[0] == 0).all() and layer.scales[0] == (pytest.approx(273.15, rel=1e-6), 0.0) and (q[1] == MISSING).all()


def test_both_components_of_a_wind_have_one_scale() -> None:
    u, v = np.full((2, 3, 3), 10.0), np.full((2, 3, 3), -5.0)
    v[0, 0, 0] = np.nan
    layer = encoded_vectors(u, v)
    q = decoded(layer.data, (2, 2, 3, 3))
    ((low, step),) = layer.scales
    assert low + q[1, 0, 1, 1] * step == pytest.approx(10.0) and q[0, 1, 0, 0] == MISSING
    assert low + float(q[1, 1, 1, 1]) * step == pytest.approx(-5.0, abs=step / 2)


def test_smooth_fields_take_less_than_four_tenths_of_their_half_floats() -> None:
    rows, columns = np.mgrid[0:128, 0:128] / 128
    frames = np.stack([280 + 20 * np.sin(3 * rows + t) * np.cos(5 * columns - t) for t in range(6)])
    assert len(encoded(frames).data) < 0.4 * frames.size * 2
