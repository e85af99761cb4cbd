"""Radar mosaics in small: counts of 10⁻² kg m-2 in 5 minutes, negative out of reach, north first."""

from pathlib import Path

import numpy as np

SHAPE = (24, 24)
STEP = np.timedelta64(300, "s")


def field(when: np.datetime64) -> np.ndarray:
    minutes = float((when - np.datetime64("2024-01-01T00", "s")) / np.timedelta64(60, "s"))
    rows, columns = np.mgrid[0 : SHAPE[0], 0 : SHAPE[1]]
    cell = np.exp(-(((rows - 10) / 4) ** 2 + ((columns - 5 - 0.05 * minutes) / 4) ** 2))
    counts = np.round(60 * cell).astype(np.int16)
    counts[(rows - 11.5) ** 2 + (columns - 11.5) ** 2 > 12**2] = -9
    return counts


def write_mosaics(root: Path, start: np.datetime64, count: int) -> None:
    for i in range(count):
        when = start + i * STEP
        folder = root / "Hexagone" / f"{when.item().year}"
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(folder / f"{when.item().strftime('%Y%m%d%H%M')}.npz", field(when))
