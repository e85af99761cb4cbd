"""Fields as a page holds them: 8 bits a value, packed; what is told of a value is right to half a step.

    q = round((x − low) / step),  step = (high − low) / 254 of each frame,  255 for what is missing

Differences of neighbours along both axes follow, modulo 256, and deflate. Decoding sums them up again.
"""

import base64
import zlib
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["MISSING", "Layer", "encoded", "encoded_vectors", "packed"]

MISSING = 255
_STEPS = 254
Frames = NDArray[np.float32]


class Layer(NamedTuple):
    """Packed frames of one size.

    Args:
        scales: low and step of every frame, in the units that are shown.
        data: base64 of deflated bytes.
    """

    scales: list[tuple[float, float]]
    data: str


def packed(values: NDArray[np.uint8]) -> str:
    """Bytes `(..., lat, lon)` as differences of neighbours, deflated, in base64."""
    differences = np.diff(values, axis=-1, prepend=np.uint8(0))
    differences = np.diff(differences, axis=-2, prepend=np.uint8(0))
    return base64.b64encode(zlib.compress(differences.tobytes(), 9)).decode()


def encoded(frames: NDArray[Any]) -> Layer:
    """The layer of frames `(frame, lat, lon)`; NaN is missing."""
    scales, whole = [], np.full(frames.shape, MISSING, np.uint8)
    for row, frame in zip(whole, frames, strict=True):
        held = np.isfinite(frame)
        low, high = (float(frame[held].min()), float(frame[held].max())) if held.any() else (0.0, 0.0)
        # as the page reads them: rounded first, so that no rounding comes on top
        low = float(f"{low:.7g}")
        step = float(f"{max(high - low, 0.0) / _STEPS:.7g}")
        if step > 0:
            row[held] = np.clip(np.rint((frame[held] - low) / step), 0, _STEPS).astype(np.uint8)
        else:
            row[held] = 0
        scales.append((low, step))
    return Layer(scales, packed(whole))


def encoded_vectors(u: NDArray[Any], v: NDArray[Any]) -> Layer:
    """The layer of both components `(frame, lat, lon)` behind each other, of one scale that is even about 0."""
    both = np.stack([u, v], axis=1)
    held = np.isfinite(both)
    largest = float(np.abs(both[held]).max()) if held.any() else 0.0
    step = float(f"{max(largest, 1e-6) / (_STEPS / 2):.7g}")
    whole = np.full(both.shape, MISSING, np.uint8)
    whole[held] = np.clip(np.rint(both[held] / step) + _STEPS // 2, 0, _STEPS).astype(np.uint8)
    return Layer([(-step * (_STEPS // 2), step)], packed(whole))
