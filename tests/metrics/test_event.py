import numpy as np
import torch

from py4cast.metrics.case import Case
from py4cast.metrics.event import Events
from tests.metrics.layouts import layout

CELLS = (2, 2)
LAYOUT = layout(2, CELLS, torch.tensor([[1.0, 2.0], [3.0, 4.0]]).double(), scales=(1,), thresholds={"v": (-1.0,)})


def field_of(east: float = 0.0, north: float = 0.0, rain: float = 0.0) -> torch.Tensor:
    return torch.tensor([east, north, rain], dtype=torch.float32).expand(*CELLS, 3).clone()


def test_names_in_the_order_of_the_features_and_pairs_last() -> None:
    events = Events(LAYOUT)
    assert events.names == ["v", "tp", "wind"]
    limits = events.thresholds
    assert limits[0, :1].tolist() == [-1.0] and limits[1].tolist() == [0.1, 1.0, 5.0, 10.0]
    assert events.valid(torch.device("cpu")).sum(1).tolist() == [1.0, 4.0, 3.0]
    dimension = events.dimension()
    assert dimension.name == "threshold" and dimension.values[1] == [0.1, 1.0, 5.0, 10.0]


def test_some_events_are_as_wide_as_all() -> None:
    events = Events(LAYOUT, {"wind": (3.0,)})
    assert events.names == ["wind"] and events.thresholds.shape == (1, 4) and float(events.thresholds[0, 0]) == 3.0
    nothing = Events(LAYOUT, {})
    assert nothing.names == [] and nothing.thresholds.shape == (0, 4)


def test_forecast_and_truth_reach_each_threshold() -> None:
    case = Case(LAYOUT, field_of(3, 4, 5), field_of(-6, 8, 0))
    happened = {
        n: mask[..., 0, 0].tolist() for n, mask in zip(Events(LAYOUT).names, Events(LAYOUT).happened(case), strict=True)
    }
    assert happened["tp"] == [[True, True, True, False], [False] * 4]
    assert happened["wind"] == [[True, False, False, False], [True, True, False, False]], "speeds 5 and 10"
    assert happened["v"] == [[True, False, False, False]] * 2, "thresholds that lack are never reached"


def test_missing_values_reach_no_threshold_and_have_no_weight() -> None:
    truth = field_of(3, 4, 5)
    truth[0, 0, 0], truth[1, 1, 2] = torch.nan, torch.nan
    case, events = Case(LAYOUT, field_of(3, 4, 5), truth), Events(LAYOUT)
    of_v, of_rain, of_wind = events.weights(case)
    assert of_v.tolist() == [[1.0, 2.0], [3.0, 4.0]] and of_rain.tolist() == [[1.0, 2.0], [3.0, 0.0]]
    assert of_wind.tolist() == [[0.0, 2.0], [3.0, 4.0]], "a wind lacks where a component does"
    assert not bool(events.happened(case)[2][1, :, 0, 0].any()) and not bool(events.happened(case)[1][1, :, 1, 1].any())


def test_events_of_one_kind_are_looked_for_once() -> None:
    case = Case(LAYOUT, field_of(), field_of())
    first = Events(LAYOUT).happened(case)
    assert Events(LAYOUT).happened(case) is first
    assert Events(LAYOUT, {"v": (0.0,), "tp": (9.0,), "wind": (1.0,)}).happened(case) is not first


def test_members_and_truth_of_each_name() -> None:
    members = torch.stack([field_of(3, 4, 5), field_of(0, 0, 1)])
    case, events = Case(LAYOUT, members, field_of(5, 12, 2)), Events(LAYOUT)
    assert [m[:, 0, 0].tolist() for m in events.members(case)] == [[4.0, 0.0], [5.0, 1.0], [5.0, 0.0]]
    assert [float(t[1, 1]) for t in events.truths(case)] == [12.0, 2.0, 13.0]
    happened = events.happened(case)
    assert happened[1][0, :, 0, 0].tolist() == [True, True, False, False], "of the mean of the members, 3"


def test_products_are_weighted_sums() -> None:
    rng = np.random.default_rng(0)
    fields, weights = rng.standard_normal((2, 3, 7)), rng.random(7)
    products = Events.products(torch.from_numpy(fields), torch.from_numpy(weights))
    first, second = fields
    expected = np.stack([(weights * x).sum(-1) for x in (first**2, second**2, first * second)], -1)
    np.testing.assert_allclose(products, expected, rtol=1e-12)
