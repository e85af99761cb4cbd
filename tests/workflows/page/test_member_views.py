import numpy as np
import pytest

from py4cast.grid import Grid
from py4cast.observers.colours import ColourTable
from py4cast.workflows.page.member_views import QUANTILES, meteogram, place_name, probability_map, stamps
from tests.workflows.page.test_data import pixels

GRID = Grid(np.array([51.0, 50.0]), np.array([0.0, 1.0, 2.0]))


@pytest.mark.parametrize(
    ("latitude", "longitude", "text"),
    [(48.25, 2.3, "48.25°N 2.30°E"), (-33.9, 300.0, "33.90°S 60.00°W"), (0.0, -180.0, "0.00°N 180.00°W")],
    ids=["north_east", "south_west", "date_line"],
)
def test_a_place_is_written_as_people_write_it(latitude: float, longitude: float, text: str) -> None:
    assert place_name(latitude, longitude) == text


def test_a_meteogram_of_members_has_their_quantiles_at_each_lead_time() -> None:
    members = np.arange(11.0)[:, None, None, None] * np.array([1.0, 10.0])[None, :, None, None] * np.ones((1, 1, 2, 3))
    truth = np.arange(12.0).reshape(2, 2, 3)
    shown = meteogram(members, truth, GRID, (1, 2))
    assert shown["place"] == "50.00°N 2.00°E" and shown["truth"] == [5.0, 11.0] and "forecast" not in shown
    assert shown["quantiles"] == [[10 * q for q in QUANTILES], [100 * q for q in QUANTILES]]
    single = meteogram(members[:1] + 4, truth, GRID, (0, 0), "Brest")
    assert single["forecast"] == [4.0, 4.0] and single["place"] == "Brest (51.00°N 0.00°E)"


def test_stamps_stop_at_twelve_and_say_how_many_there_are() -> None:
    shown = stamps(np.random.default_rng(0).normal(size=(15, 2, 3)), GRID, ColourTable("viridis"), (-1.0, 1.0))
    assert len(shown["images"]) == 12 and shown["num_members"] == 15
    assert pixels(shown["images"][0]).shape == (2, 3, 4)


def test_a_probability_is_the_share_of_members_and_stands_beside_what_happened() -> None:
    truth = np.array([[0.0, 1.0, 2.0], [3.0, 4.0, np.nan]])
    members = np.stack([np.full((2, 3), v) for v in (0.5, 2.5, 2.5, 9.0)])
    members[0, 0, 0] = np.nan
    shown = probability_map(members, truth, GRID, [2.0, 3.0, 50.0, np.nan])
    assert shown is not None and shown["threshold"] == 3.0 and not shown["is_percentile"], "50 was reached nowhere"
    share, occurred = (pixels(i) for i in shown["images"])
    assert share[0, 0, 3] == 0 and (share[..., 3] > 0).sum() == 5, "a missing member makes no probability"
    same = {tuple(p) for p in share[share[..., 3] > 0].tolist()}
    assert len(same) == 1, "a quarter of the members everywhere"
    assert occurred[1, 2, 3] == 0 and (occurred[0, :, :3] == occurred[0, 0, :3]).all()
    assert (occurred[1, 0, :3] == occurred[1, 1, :3]).all() and (occurred[1, 0] != occurred[0, 0]).any()


def test_without_thresholds_the_event_is_the_truths_highest_tenth() -> None:
    truth = np.arange(6.0).reshape(2, 3)
    shown = probability_map(np.zeros((2, 2, 3)), truth, GRID, [])
    assert shown is not None and shown["is_percentile"] and shown["threshold"] == 4.5
    assert probability_map(np.zeros((2, 2, 3)), np.full((2, 3), np.nan), GRID, [1.0]) is None
