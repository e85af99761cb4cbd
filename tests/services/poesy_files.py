"""Poesy in small: cropped NumPy arrays of the ensemble, 45 lead times and 16 members."""

from pathlib import Path

import numpy as np

SHAPE = (9, 11)
NUM_LEADS, NUM_MEMBERS = 45, 16


def write_fixed(root: Path) -> np.ndarray:
    """Coordinates and the height of the ground, which is returned."""
    root.mkdir(parents=True, exist_ok=True)
    lat, lon = 51.0 - 0.025 * np.arange(SHAPE[0]), 1.0 + 0.025 * np.arange(SHAPE[1])
    np.save(root / "latlon_crop.npy", np.stack(np.meshgrid(lon, lat)[:1] + np.meshgrid(lon, lat)[1:]))
    height = (100.0 * np.add.outer(np.arange(SHAPE[0]), np.arange(SHAPE[1]))).astype(np.float32)
    np.save(root / "PEARO_EURW1S40_Orography_crop.npy", height)
    return height


def field(word: str, start: np.datetime64) -> np.ndarray:
    """`(lat, lon, lead_time, member)`."""
    rows, columns, leads, members = np.ogrid[0 : SHAPE[0], 0 : SHAPE[1], 1 : NUM_LEADS + 1, 0:NUM_MEMBERS]
    day = float((start - np.datetime64("2020-09-24T21", "s")) / np.timedelta64(86400, "s"))
    wave = np.sin(0.3 * rows + 0.2 * columns + 0.25 * leads + 0.1 * members + day)
    mean, size = {"t2m": (285.0, 6.0), "u": (2.0, 5.0), "v": (0.0, 5.0), "rr": (1.0, 0.9)}[word]
    return (mean + size * wave).astype(np.float32)


def write_start(root: Path, start: np.datetime64, words: tuple[str, ...] = ("t2m", "u", "rr")) -> None:
    for word in words:
        stamp = start.item().strftime("%Y-%m-%dT%H:%M:%SZ")
        np.save(root / f"{stamp}_{word}_lt1-45_crop.npy", field(word, start))
