"""Points, each with what a source has at the same place."""

import logging
from pathlib import Path

import numpy as np
import pytest

from py4cast.cubes.foreign import open_cube
from py4cast.cubes.views import PlacesCube
from py4cast.errors import DataError
from tests.cubes.foreign.test_stations import PLACES, table, value
from tests.cubes.numbered import planes_of


def test_stations_that_went_are_missing_and_new_ones_are_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trained = open_cube(table(tmp_path / "old.csv", [1, 3], [0, 1, 3, 4]))
    today = open_cube(table(tmp_path / "new.csv", [1, 3], [5, 4, 1, 0]))
    with caplog.at_level(logging.WARNING):
        cube = PlacesCube(today, trained.grid)
    assert cube.grid.same_as(trained.grid) and cube.shape == (1, 4)
    wanted = np.array([[value(h, k) for k in (0, 1, 3, 4)] for h in (1, 3)])
    wanted[:, 2] = np.nan
    np.testing.assert_allclose(planes_of(cube, ["t2m"])[0, :, 0], wanted, rtol=1e-6)
    north = PLACES["s3"][0]
    assert f"1 of 4 points have no data, such as that at {north:.3f} N" in caplog.text
    np.testing.assert_allclose(cube.static_fields()["elevation"][0], [0, 100, np.nan, 400])
    assert cube.fingerprint != today.fingerprint


def test_other_stations_are_refused(tmp_path: Path) -> None:
    trained = open_cube(table(tmp_path / "old.csv", [1, 3], [0, 1, 3]))
    with pytest.raises(DataError, match="none of the 3 points of .* is among those of"):
        PlacesCube(open_cube(table(tmp_path / "new.csv", [1, 3], [4, 5])), trained.grid)
