import math
from typing import Any

import numpy as np
import pytest
import torch

from py4cast.constraint import Constraint
from py4cast.grid import Grid
from py4cast.metrics.aggregator import Aggregator
from py4cast.metrics.case import Case
from py4cast.metrics.categorical import CSI
from py4cast.metrics.deterministic import MAE, RMSE, Bias, GradientError, WindRMSE
from py4cast.metrics.ensemble import Brier, Spread, SpreadSkill
from py4cast.metrics.layout import Layout
from py4cast.metrics.resolution import LambdaT
from py4cast.metrics.spectral import LambdaX, Spectrum
from py4cast.variables import Variable
from tests.metrics.layouts import HOUR, START, layout

CELLS = (2, 3)
ZERO = torch.zeros(1, 2, *CELLS, 3)


def small() -> Layout:
    return layout(1, CELLS, torch.ones(CELLS).double(), scales=(1,))


def filled(*errors: float, keeps_rows: bool = False) -> Aggregator:
    """RMSE, bias and wind of forecasts that err by so much at the first lead time, by twice as much at the second."""
    fields_of = small()
    aggregator = Aggregator([RMSE(fields_of), Bias(fields_of), WindRMSE(fields_of)], fields_of, keeps_rows)
    for error in errors:
        aggregator.update(torch.tensor([error, 2 * error]).reshape(1, 2, 1, 1, 1).expand_as(ZERO), ZERO)
    return aggregator


def test_a_statistic_that_metrics_share_is_computed_once() -> None:
    aggregator = filled(1.0)
    assert list(aggregator.statistics) == ["squared_error", "error"] and aggregator.sums["error"].shape == (2, 3)


def test_sums_and_means_by_lead_time() -> None:
    aggregator = filled(1.0, 3.0)
    assert aggregator.num_forecasts == 2
    assert aggregator.sums["squared_error"][:, 0].tolist() == [6 * (1 + 9), 6 * 4 * (1 + 9)]
    assert (aggregator.totals["squared_error"] == 12.0).all()
    assert aggregator.means()["error"][:, 2].tolist() == [2.0, 4.0]
    np.testing.assert_allclose(aggregator.values()["rmse"][:, 1], [math.sqrt(5), 2 * math.sqrt(5)], rtol=1e-12)


def test_what_was_never_counted_has_no_mean() -> None:
    fields_of, truth = small(), torch.full_like(ZERO, torch.nan)
    aggregator = Aggregator([MAE(fields_of)], fields_of)
    aggregator.update(ZERO, truth)
    assert aggregator.values()["mae"].isnan().all() and aggregator.num_forecasts == 1
    assert filled().values() == {} and filled().means() == {}


def test_rows_are_kept_of_metrics_that_are_compared() -> None:
    fields_of = layout(2, CELLS, torch.ones(CELLS).double(), scales=(1,))
    aggregator = Aggregator([Spread(fields_of), RMSE(fields_of)], fields_of, keeps_rows=True)
    members = torch.tensor([1.0, 5.0]).reshape(1, 2, 1, 1, 1, 1).expand(1, 2, 2, *CELLS, 3)
    for hour in (4, 2):
        aggregator.update(members, ZERO + hour, init_times=np.array([START + hour * HOUR]))
    assert list(aggregator.rows.shapes) == ["squared_error.sum", "squared_error.weight"]
    assert (aggregator.rows.init_times == START + np.array([2, 4]) * HOUR).all()
    assert aggregator.rows.read("squared_error.sum")[:, 0, 0].tolist() == [6 * (3 - 2) ** 2, 6 * (3 - 4) ** 2]
    both = Aggregator([Spread(fields_of), SpreadSkill(fields_of)], fields_of, keeps_rows=True)
    both.update(members, ZERO)
    assert "variance.sum" in both.rows.shapes, "the ratio is compared, and needs it"


def test_no_row_is_kept_where_nothing_is_compared() -> None:
    assert filled(1.0).rows.count == 0 and filled(1.0, keeps_rows=True).rows.count == 1


def test_a_start_that_is_not_told_is_the_number_of_the_forecast() -> None:
    aggregator = filled(1.0, 3.0, keeps_rows=True)
    assert aggregator.rows.init_times.astype(np.int64).tolist() == [0, 1]
    assert aggregator.rows.read("error.sum")[:, 0, 0].tolist() == [6.0, 18.0]


def test_merged_aggregators_are_those_of_all_forecasts() -> None:
    merged = filled(1.0, keeps_rows=True).merge(filled(3.0, 5.0, keeps_rows=True)).merge(filled())
    whole = filled(1.0, 3.0, 5.0)
    assert merged.num_forecasts == 3 and merged.rows.count == 3
    for name, values in whole.values().items():
        np.testing.assert_allclose(merged.values()[name], values, rtol=1e-12)
    empty = filled().merge(filled(2.0))
    np.testing.assert_allclose(empty.values()["rmse"], filled(2.0).values()["rmse"], rtol=1e-12)


def test_what_processes_pass_is_no_tensor() -> None:
    packed = filled(1.0, keeps_rows=True).pack()
    assert {type(x) for pair in packed["sums"].values() for x in pair} == {np.ndarray}
    assert list(packed["rows"]) == [""] and packed["num_forecasts"] == 1


@pytest.mark.parametrize("is_features_last", [True, False])
def test_many_features_are_computed_part_by_part(is_features_last: bool) -> None:
    """Nineteen features, which make three parts where the cells of a feature lie together."""
    variables = [Variable(name=f"x{i}", units="1") for i in range(19)]
    grid = layout(shape=(4, 5)).grid
    fields_of = Layout(variables, torch.ones(4, 5).double(), grid, HOUR)
    prediction, truth = torch.randn(2, 1, 1, 4, 5, 19).unbind(0)
    truth[..., 1, 2, 17] = torch.nan
    if not is_features_last:
        prediction, truth = (x.movedim(-1, 2).contiguous().movedim(2, -1) for x in (prediction, truth))
    aggregator = Aggregator([RMSE(fields_of), GradientError(fields_of)], fields_of)
    aggregator.update(prediction, truth)
    error = (prediction - truth)[0, 0].double().numpy()
    np.testing.assert_allclose(aggregator.values()["rmse"][0], np.sqrt(np.nanmean(error**2, (0, 1))), rtol=1e-6)
    one_by_one = [
        GradientError(fields_of).statistics[0].compute(Case(fields_of, prediction[0, 0], truth[0, 0]).part(i, i + 1))
        for i in range(19)
    ]
    np.testing.assert_allclose(aggregator.sums["gradient_square"][0], torch.cat([s for s, _ in one_by_one]), rtol=1e-9)


def test_events_of_a_wind_see_both_components() -> None:
    """They stand in different parts of ten features, of which a wind of 5 m s-1 is made all the same."""
    names = ["u", *(f"x{i}" for i in range(8)), "v"]
    standard_names = {"u": "eastward_wind", "v": "northward_wind"}
    variables = [Variable(name=n, units="m s-1", standard_name=standard_names.get(n, "")) for n in names]
    fields_of = Layout(variables, torch.ones(CELLS).double(), None, HOUR, num_members=2)
    truth = torch.zeros(10, *CELLS)
    truth[0], truth[9] = 3.0, 4.0
    truth = truth.movedim(0, -1)[None, None]
    aggregator = Aggregator([CSI(fields_of), Brier(fields_of)], fields_of)
    aggregator.update(truth[:, None].expand(1, 2, 1, *CELLS, 10), truth)
    assert float(aggregator.values()["csi"][0, 0, 0]) == 1.0 and float(aggregator.values()["brier"][0, 0, 0, 0]) == 0.0


def test_transforms_are_heavy() -> None:
    fields_of = layout()
    assert Aggregator([LambdaX(fields_of), Spectrum(fields_of)], fields_of).is_heavy
    assert not Aggregator([RMSE(fields_of)], fields_of).is_heavy


def test_samples_are_kept_apart_from_rows() -> None:
    fields_of = small()
    aggregator = Aggregator([LambdaT(fields_of)], fields_of)
    aggregator.update(ZERO + 2.0, ZERO, init_times=np.array([START]))
    assert aggregator.rows.count == 0 and aggregator.samples["lambda_t"].count == 1
    sample = aggregator.samples["lambda_t"].read("sample")
    assert sample.shape == (1, 2, 3, 2, 6) and sample[0, 0, 0, :, 0].tolist() == [2.0, 0.0]
    assert list(aggregator.pack()["rows"]) == ["", "lambda_t"]


@pytest.mark.parametrize(
    ("units", "angle"), [("degree", {"standard_name": "wind_from_direction"}), ("radian", {"constraint": Constraint(transform="angle")})]
)  # fmt: skip
def test_a_direction_errs_by_the_shorter_arc(units: str, angle: dict[str, Any]) -> None:
    turn = 360.0 if units == "degree" else 2 * np.pi
    variables = [Variable(name="dd", units=units, **angle), Variable(name="t", units="K")]
    assert variables[0].turn == pytest.approx(turn) and variables[1].turn is None
    places = Layout(variables, torch.ones(2, 2).double(), Grid(np.array([1.0, 0.0]), np.array([0.0, 1.0])), np.timedelta64(1, "h"))  # fmt: skip
    truth = torch.tensor([0.99, 350.0], dtype=torch.float64).expand(1, 1, 2, 2, 2) * torch.tensor([turn, 1.0])
    guess = torch.tensor([0.02, 355.0], dtype=torch.float64).expand(1, 1, 2, 2, 2) * torch.tensor([turn, 1.0])
    torch.testing.assert_close(places.beside(guess, truth)[0, 0, 0, 0], torch.tensor([1.02 * turn, 355.0], dtype=torch.float64))  # fmt: skip
    members = torch.stack([guess, truth], dim=1)
    beside = places.beside(members[0, :, 0], truth[0, 0])
    assert float(beside[..., 0].mean()) == pytest.approx(1.005 * turn), "of members about the truth"
    aggregator = Aggregator([RMSE(places)], places)
    aggregator.update(guess, truth)
    assert float(aggregator.values()["rmse"].flatten()[0]) == pytest.approx(0.03 * turn)
