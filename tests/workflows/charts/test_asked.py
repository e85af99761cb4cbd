import numpy as np
import pytest

from py4cast.errors import SettingsError
from py4cast.grid import Grid
from py4cast.workflows.charts.asked import place_on

GRID = Grid(np.linspace(90, -90, 19), np.arange(0, 360, 10.0))


@pytest.mark.parametrize("text", ["nan,2", "45,nan", "45,inf", "45", "a,b"])
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="expected LATITUDE,LONGITUDE, such as 48.85,2.35"):
        place_on(GRID, text)


def test_the_nearest_cell_is_found_over_the_date_line() -> None:
    assert place_on(GRID, "-41,183").name == "40.00°S 180.00°E" or place_on(GRID, "-41,183").name == "40.00°S 180.00°W"
