"""Every kind of chart beside the picture of it that somebody looked at."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.picture_files import FOLDER, KINDS, distance

_MOST = 1.2  # of 255, on the mean; another font or hinting stays below


@pytest.mark.parametrize("kind", KINDS)
def test_a_chart_is_the_picture_that_was_looked_at(tmp_path: Path, kind: str) -> None:
    drawn = KINDS[kind](tmp_path, tmp_path / "drawn.png")
    assert distance(drawn, FOLDER / f"{kind}.png") < _MOST


def test_another_picture_is_told_apart(tmp_path: Path) -> None:
    with Image.open(FOLDER / "meteogram.png") as picture:
        pixels = np.asarray(picture.convert("RGB")).copy()
    pixels[100:200] = pixels[100:200][:, ::-1]  # the first course backwards
    Image.fromarray(pixels).save(tmp_path / "turned.png")
    assert distance(tmp_path / "turned.png", FOLDER / "meteogram.png") > _MOST
    assert distance(FOLDER / "map.png", FOLDER / "profile.png") == float("inf")
