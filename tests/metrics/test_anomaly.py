import math

import numpy as np
import torch
from torch import Tensor

from py4cast.metrics.aggregator import Aggregator
from py4cast.metrics.anomaly import ACC, Activity
from py4cast.metrics.layout import Layout
from py4cast.testing import make_info
from tests.metrics.layouts import layout

CELLS = (1, 4)
WEIGHTS = torch.tensor([[1.0, 1.0, 2.0, 0.0]]).double()


def values_of(forecast: list[float], truth: list[float], normal: list[float]) -> dict[str, Tensor]:
    fields_of = layout(1, CELLS, WEIGHTS, scales=(1,))
    aggregator = Aggregator([ACC(fields_of), Activity(fields_of)], fields_of)
    fields = [torch.tensor(x).reshape(1, 1, *CELLS, 1).expand(1, 1, *CELLS, 3) for x in (forecast, truth, normal)]
    aggregator.update(*fields)
    return aggregator.values()


def test_correlation_and_activity_by_hand() -> None:
    """Anomalies 1, −2, 3 and 2, 1, 1 of weights 1, 1, 2."""
    values = values_of([11.0, 18.0, 33.0, 0.0], [12.0, 21.0, 31.0, 9e9], [10.0, 20.0, 30.0, 0.0])
    products, forecast, truth = 2 - 2 + 2 * 3, 1 + 4 + 2 * 9, 4 + 1 + 2 * 1
    np.testing.assert_allclose(values["acc"], products / math.sqrt(forecast * truth), rtol=1e-6)
    deviations = [math.sqrt(total / 4 - mean**2) for total, mean in ((forecast, (1 - 2 + 6) / 4), (truth, 5 / 4))]
    np.testing.assert_allclose(values["activity"], deviations[0] / deviations[1], rtol=1e-6)


def test_the_correlation_is_not_centred() -> None:
    """A common offset correlates perfectly, and has no activity."""
    values = values_of([2.0, 2.0, 2.0, 2.0], [3.0, 3.0, 3.0, 3.0], [1.0, 1.0, 1.0, 1.0])
    assert (values["acc"] == 1.0).all() and values["activity"].isnan().all()


def test_the_opposite_of_the_truth_has_correlation_minus_one() -> None:
    values = values_of([-1.0, 2.0, -3.0, 4.0], [1.0, -2.0, 3.0, -4.0], [0.0] * 4)
    np.testing.assert_allclose(values["acc"], -1.0, rtol=1e-12)
    np.testing.assert_allclose(values["activity"], 1.0, rtol=1e-12)


def test_the_climatology_itself_has_no_correlation() -> None:
    values = values_of([1.0, 2.0, 3.0, 4.0], [5.0, 1.0, 2.0, 2.0], [1.0, 2.0, 3.0, 4.0])
    assert values["acc"].isnan().all() and (values["activity"] == 0).all()


def test_units_and_what_is_lacking() -> None:
    assert ACC.lacking(Layout.of(make_info())) == Activity.lacking(Layout.of(make_info())) == "a climatology"
    assert ACC.lacking(layout()) == "" and ACC(layout()).units("tp") == Activity(layout()).units("u") == "1"
