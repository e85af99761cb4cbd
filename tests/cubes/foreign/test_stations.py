"""Tables of stations as a cube on points, as the grid that is predicted and as a further input."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from py4cast.cubes.foreign import open_cube
from py4cast.cubes.source_settings import SourceSettings
from py4cast.cubes.sources import open_source
from py4cast.errors import DataError
from py4cast.testing import check_cube
from tests.cubes.numbered import planes_of

START = np.datetime64("2020-01-01T00", "s")
PLACES = {f"s{k}": (45.0 + 0.7 * k, 3.0 + (k * 5) % 7) for k in range(6)}


def value(hour: int, station: int) -> float:
    return 280.0 + hour + station / 10


def table(path: Path, hours: list[int], stations: list[int], minutes: int = 60) -> Path:
    """Rows of stations at some hours; station 2 is silent at even ones, none reports at hour 4."""
    rows = [
        (f"s{k}", *PLACES[f"s{k}"], 100.0 * k, str(START + np.timedelta64(hour * minutes, "m")), value(hour, k))
        for hour in hours
        for k in stations
        if hour != 4 and not (k == 2 and hour % 2 == 0)
    ]
    frame = pd.DataFrame(rows, columns=["station", "latitude", "longitude", "elevation", "time", "t2m [K]"])
    frame.to_csv(path, index=False) if path.suffix == ".csv" else frame.to_parquet(path)
    return path


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_table_is_a_series_on_points_with_gaps(tmp_path: Path, ending: str) -> None:
    cube = open_cube(table(tmp_path / f"obs.{ending}", list(range(7)), [0, 1, 2, 3]))
    assert cube.names == ["t2m"] and cube.shape == (1, 4) and cube.axis.size == 7
    assert cube.variables[0].units == "K" and cube.variables[0].nan == "mask"
    # station 2 stands last: it first reports at hour 1
    order = [0, 1, 3, 2]
    np.testing.assert_allclose(cube.grid.latitude[0], [45.0 + 0.7 * k for k in order])
    wanted = np.array([[value(h, k) for k in order] for h in range(7)])
    wanted[[0, 2, 6], 3] = np.nan
    wanted[4] = np.nan
    np.testing.assert_allclose(planes_of(cube, ["t2m"])[0, :, 0], wanted, rtol=1e-6)
    assert cube.available(["t2m"]).tolist() == [True] * 4 + [False] + [True] * 2
    np.testing.assert_allclose(cube.static_fields()["elevation"][0], [100.0 * k for k in order])
    check_cube(cube)


def test_a_table_is_a_source_that_is_cut_and_renamed(tmp_path: Path) -> None:
    table(tmp_path / "obs.csv", [0, 1, 2, 3], [0, 1, 2, 3, 4, 5])
    source = {"store": "obs.csv", "rename": {"t2m": "seen"}, "box": {"south": 44, "north": 46.5, "west": 0, "east": 10}}
    cube = open_source(SourceSettings.from_dict(source), root=tmp_path)
    assert cube.names == ["seen"] and cube.shape == (1, 3)


def test_reports_at_odd_times_are_told(tmp_path: Path) -> None:
    path = table(tmp_path / "obs.csv", [0, 60, 61, 180, 1237], [0, 1, 3], minutes=1)
    with pytest.raises(DataError, match=r"obs\.csv: reports at odd times \(every 1min would hold them all"):
        open_cube(path)
    assert open_cube(table(tmp_path / "one.csv", [3], [0, 1, 3])).axis.size == 1
