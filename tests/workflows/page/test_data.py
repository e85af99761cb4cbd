import base64
import io
import json
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from py4cast.grid import Grid
from py4cast.metrics.rows import Rows
from py4cast.metrics.score_set import ScoreArray, ScoreSet
from py4cast.variables import Variable
from py4cast.workflows.page.data import page_data
from py4cast.workflows.page.numbers import rounded
from tests.metrics.layouts import HOUR, START

GRID = Grid(np.array([51.0, 50.0]), np.array([0.0, 1.0, 2.0]))
TABLE = ("system", "lead_time", "variable")


class Source:
    """Forecasts that are the truth and the number of their start, everywhere."""

    grid: Grid | None = GRID
    features = ("a", "b")

    def __init__(self, num_steps: int = 2) -> None:
        self.lead_times, self.asked = [HOUR] * num_steps, list[np.datetime64]()

    def fields(self, init_time: np.datetime64) -> tuple[torch.Tensor, torch.Tensor]:
        self.asked.append(init_time)
        truth = torch.arange(12.0).reshape(1, 2, 3, 2).expand(len(self.lead_times), -1, -1, -1)
        return truth + 1 + float((init_time - START) / HOUR), truth

    def close(self) -> None:
        """Nothing is open."""


def scores(num_steps: int = 2, systems: tuple[str, ...] = ("f", "p"), **arrays: ScoreArray) -> ScoreSet:
    values = np.arange(len(systems) * num_steps * 3, dtype=np.float64).reshape(len(systems), num_steps, 3)
    rows = Rows()
    for start in range(3):
        squares = torch.full((num_steps, 2), float(start + 1) ** 2).double()
        rows.append(
            START + start * HOUR, {"squared_error.sum": squares, "squared_error.weight": torch.ones_like(squares)}
        )
    attrs = {"long_name": "root", "units": "", "orientation": "low"}
    return ScoreSet(
        systems, [HOUR * (i + 1) for i in range(num_steps)], {"a": "K", "b": "1", "pair": "1"}, 2,
        {"rmse": ScoreArray(TABLE, values, attrs), **arrays}, num_forecasts=3, init_times=rows.init_times,
        rows={"f": rows}, document={"variables": [Variable(name="a", units="K", standard_name="air_temperature").to_dict()]},
        grid=GRID,
    )  # fmt: skip


def pixels(address: str) -> NDArray[Any]:
    head, _, text = address.partition(",")
    assert head == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))).convert("RGBA"))


def test_numbers_have_five_digits_and_nothing_where_there_is_none() -> None:
    values = np.array([[1.2345678, np.nan], [np.inf, -98765.43]])
    assert rounded(values) == [[1.2346, None], [None, -98765.0]]
    assert rounded([0.1 + 0.2, "text"]) == [0.3, None] and rounded(float("nan")) is None


def test_metrics_come_with_their_bounds_and_gains() -> None:
    bound = ScoreArray(TABLE, np.full((2, 2, 3), 0.5), {"of": "rmse"})
    gain = ScoreArray(("reference", *TABLE[1:]), np.full((1, 2, 3), np.nan), {"of": "rmse"})
    plain = ScoreArray(TABLE, np.zeros((2, 2, 3)))
    data = page_data(scores(rmse_low=bound, rmse_gain=gain, bias=plain), None)
    assert set(data["metrics"]) == {"rmse", "bias"} and data["first_metric"] == "rmse"
    rmse = data["metrics"]["rmse"]
    assert (rmse["long_name"], rmse["orientation"], rmse["relative"]) == ("root", "low", True)
    assert rmse["values"] == np.arange(12.0).reshape(2, 2, 3).tolist()
    assert rmse["low"] == np.full((2, 2, 3), 0.5).tolist() and rmse["gain"] == [[[None] * 3] * 2]
    assert "high" not in rmse and data["metrics"]["bias"]["long_name"] == "bias" and not data["metrics"]["bias"]["relative"]  # fmt: skip
    assert data["leads"] == [1.0, 2.0] and data["variables"] == ["a", "b", "pair"] and data["units"] == ["K", "1", "1"]
    assert [data[k] for k in ("maps", "cases", "spectra", "events", "ensemble")] == [None, [], None, None, None]
    json.dumps(data, allow_nan=False)


def test_another_metric_is_first_without_the_root_mean_square() -> None:
    board = scores(mae=ScoreArray(TABLE, np.zeros((2, 2, 3))))
    del board.arrays["rmse"]
    assert page_data(board, None)["first_metric"] == "mae"


def test_spectra_are_thinned_to_what_a_page_shows() -> None:
    table = np.arange(2 * 3 * 200 * 3, dtype=np.float64).reshape(1, 2, 3, 200, 3)
    table[0, 1, 2] = np.nan
    board = scores(systems=("f",), spectrum=ScoreArray((*TABLE, "wavelength", "part"), table))
    board.coordinates["wavelength"] = ScoreArray(("wavelength",), np.arange(200.0, 0, -1))
    spectra = page_data(board, None)["spectra"]
    assert spectra["wavelengths"] == list(range(200, 0, -3))
    assert spectra["values"][1][2] is None and list(spectra["values"][0][0]) == ["forecast", "truth", "error"]
    assert spectra["values"][0][1]["truth"][:2] == [601.0, 610.0]


def test_events_are_those_of_the_variables_that_have_thresholds() -> None:
    shares = np.arange(12.0).reshape(1, 2, 3, 2) / 10
    squares = np.arange(24.0).reshape(1, 2, 3, 2, 2)
    board = scores(
        systems=("f",), csi=ScoreArray((*TABLE, "threshold"), shares), far=ScoreArray((*TABLE, "threshold"), shares + 5),
        fss=ScoreArray((*TABLE, "threshold", "scale"), squares),
    )  # fmt: skip
    limits = np.array([[np.nan, np.nan], [0.1, 1.0], [5.0, np.nan]])
    board.coordinates |= {
        "threshold": ScoreArray(("variable", "threshold"), limits),
        "scale": ScoreArray(("scale",), np.array([1, 9])),
    }
    events = page_data(board, None)["events"]
    assert events["names"] == ["b", "pair"] and events["thresholds"] == [[0.1, 1.0], [5.0, None]]
    assert list(events["rows"]) == [
        "false alarm ratio", "critical success index", "fractions skill score, 1 cells", "fractions skill score, 9 cells",
    ]  # fmt: skip
    assert events["rows"]["critical success index"] == [[[0.2, 0.3], [0.4, 0.5]], [[0.8, 0.9], [1.0, 1.1]]]
    assert events["rows"]["fractions skill score, 9 cells"][0] == [[5.0, 7.0], [9.0, 11.0]]


def test_ensembles_have_ranks_and_where_there_are_events_reliability() -> None:
    ranks = np.arange(18.0).reshape(1, 2, 3, 3)
    board = scores(systems=("f",), rank_histogram=ScoreArray((*TABLE, "rank"), ranks))
    assert page_data(board, None)["ensemble"] == {"ranks": ranks[0].tolist(), "reliability": None}
    table = np.full((1, 2, 3, 1, 2, 3), np.nan)
    table[0, :, 1] = np.arange(12.0).reshape(2, 1, 2, 3)
    board.arrays["reliability"] = ScoreArray((*TABLE, "threshold", "bin", "part"), table)
    board.coordinates["threshold"] = ScoreArray(("variable", "threshold"), np.array([[np.nan], [2.0], [np.nan]]))
    reliability = page_data(board, None)["ensemble"]["reliability"]
    assert reliability["names"] == ["b"] and reliability["thresholds"] == [[2.0]]
    assert reliability["values"] == [[[[[1.0, 2.0], [4.0, 5.0]]]], [[[[7.0, 8.0], [10.0, 11.0]]]]]


@pytest.mark.parametrize(("num_steps", "leads"), [(1, [0]), (2, [0, 1]), (23, list(range(0, 23, 2)))])
def test_at_most_twelve_lead_times_have_maps_the_first_and_the_last_among_them(
    num_steps: int, leads: list[int]
) -> None:
    fields = np.broadcast_to(np.arange(6.0).reshape(2, 3) - 2.5, (num_steps, 2, 2, 3))
    of_cells = ScoreArray(("lead_time", "feature", "row", "column"), fields)
    board = scores(num_steps, bias_map=of_cells, rmse_map=of_cells)
    maps = page_data(board, Source(num_steps))["maps"]
    assert maps["leads"] == leads and list(maps["fields"]) == ["a", "b"] and (maps["rows"], maps["columns"]) == (2, 3)
    images = maps["fields"]["a"]["bias"]["images"]
    assert len(images) == len(leads)
    picture = pixels(images[0]).astype(int)
    assert picture.shape == (2, 3, 4) and (picture[..., 3] == 255).all()
    blue_over_red = picture[..., 2] - picture[..., 0]
    assert (blue_over_red[0] > 0).all() and (blue_over_red[1] < 0).all(), "below 0 blue, above it red"


def test_the_worst_cases_are_shown_and_each_start_is_read_once() -> None:
    source = Source()
    cases = page_data(scores(), source, num_cases=2)["cases"]
    assert [(c["variable"], c["init_time"], c["lead"], c["rmse"]) for c in cases] == [
        ("a", "2020-01-01 02:00", 2.0, 3.0),
        ("a", "2020-01-01 01:00", 2.0, 2.0),
        ("b", "2020-01-01 02:00", 2.0, 3.0),
        ("b", "2020-01-01 01:00", 2.0, 2.0),
    ]
    assert source.asked == [START + HOUR, START + 2 * HOUR]
    images = cases[0]["images"]
    error = pixels(images["error"])
    assert (error == error[0, 0]).all(), "the same error everywhere"
    assert not np.array_equal(pixels(images["truth"]), pixels(images["forecast"]))


def test_stations_have_neither_maps_nor_cases() -> None:
    source = Source()
    source.grid = None
    data = page_data(scores(), source)
    assert data["maps"] is None and data["cases"] == [] and source.asked == []


def test_an_imposed_border_is_left_blank() -> None:
    maps = {
        n: ScoreArray(("lead_time", "feature", "row", "column"), np.full((2, 2, 2, 3), 0.5), {})
        for n in ("bias_map", "rmse_map")
    }
    known, source = scores(**maps), Source()
    source.border = np.array([[True, True, True], [True, False, True]])  # type: ignore[attr-defined]
    document = page_data(known, source)
    for kind in ("bias", "rmse"):
        alpha = pixels(document["maps"]["fields"]["a"][kind]["images"][0])[..., 3]
        assert ((alpha > 0) == ~source.border).all(), kind  # type: ignore[attr-defined]


def test_stations_show_the_course_where_a_forecast_was_most_wrong() -> None:
    class AtStations(Source):
        grid = None
        stations = (["one", "two", "three", "four", "five", "six"], Grid(np.linspace(50, 51, 6)[None], np.arange(6.0)[None]))  # fmt: skip

        def fields(self, init_time: np.datetime64) -> tuple[torch.Tensor, torch.Tensor]:
            truth = torch.zeros(2, 1, 6, 2)
            forecast = truth.clone()
            forecast[:, 0, 2] = torch.tensor([[3.0, 0.0], [7.0, 1.0]])
            return forecast, truth

    data = page_data(scores(), AtStations(), num_cases=1)
    assert data["maps"] is None and len(data["cases"]) == 2
    case = data["cases"][0]
    assert case["meteogram"] == {"place": "three (50.40°N 2.00°E)", "truth": [0.0, 0.0], "forecast": [3.0, 7.0]}
    assert "images" not in case


def test_members_bring_stamps_and_probabilities() -> None:
    class WithMembers(Source):
        def members(self, init_time: np.datetime64) -> tuple[torch.Tensor, torch.Tensor]:
            forecast, truth = self.fields(init_time)
            return torch.stack([forecast - 1, forecast + 1]), truth

    case = page_data(scores(), WithMembers(), num_cases=1)["cases"][0]
    assert len(case["stamps"]["images"]) == 2 and case["probability"]["is_percentile"]
    assert len(case["meteogram"]["quantiles"]) == 2 and case["meteogram"]["quantiles"][0][2] == 3.0
