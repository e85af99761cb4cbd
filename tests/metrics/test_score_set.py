import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from py4cast.errors import SettingsError
from py4cast.metrics.categorical import CSI
from py4cast.metrics.deterministic import MAE, RMSE, Mu, WindRMSE
from py4cast.metrics.ensemble import Brier, RankHistogram
from py4cast.metrics.neighbourhood import FSS
from py4cast.metrics.score_set import ScoreArray, ScoreSet
from py4cast.metrics.spectral import SpectralRatio
from tests.metrics.layouts import HOUR, layout

UNITS = {"u": "m s-1", "v": "m s-1", "tp": "kg m-2", "wind": "m s-1"}
NAN = math.nan


def empty(systems: Sequence[str] = ("model", "persistence"), steps: int = 1) -> ScoreSet:
    return ScoreSet(systems, [HOUR * (i + 1) for i in range(steps)], UNITS, 3, num_forecasts=5)


def test_lead_times_in_hours() -> None:
    scores = ScoreSet((), [np.timedelta64(600, "s"), np.timedelta64(90, "m"), np.timedelta64(2, "D")], UNITS, 3)
    assert scores.lead_hours == [0.166667, 1.5, 48.0] and scores.variables == list(UNITS)


def test_values_stand_at_the_places_of_their_features() -> None:
    scores = empty(steps=2)
    scores.put("wind_rmse", WindRMSE(layout()), [torch.tensor([[1.0], [2.0]]), None])
    array = scores.arrays["wind_rmse"]
    assert array.dims == ("system", "lead_time", "variable") and array.values.shape == (2, 2, 4)
    assert array.values[0, :, 3].tolist() == [1.0, 2.0]
    assert np.isnan(array.values[0, :, :3]).all() and np.isnan(array.values[1]).all()
    assert array.attrs == {
        "long_name": "root mean square vector error",
        "units": "m s-1",
        "orientation": "low",
    }


def test_units_are_told_where_all_features_share_them() -> None:
    scores, values = empty(("model",)), torch.zeros(1, 3)
    scores.put("rmse", RMSE(layout()), [values])
    scores.put("mu", Mu(layout()), [values])
    assert scores.arrays["rmse"].attrs["units"] == "" and scores.arrays["mu"].attrs["units"] == "1"


def test_bounds_and_gains_are_no_metrics_of_their_own() -> None:
    scores, metric = empty(), RMSE(layout())
    scores.put("rmse", metric, [torch.zeros(1, 3)] * 2)
    scores.put("rmse_low", metric, [torch.zeros(1, 3)] * 2)
    scores.put("rmse_gain", metric, [torch.zeros(1, 3)], "reference")
    scores.arrays["rmse_map"] = ScoreArray(("lead_time", "feature", "row", "column"), np.zeros((1, 3, 2, 2)))
    assert scores.metrics == ["rmse"] and scores.arrays["rmse_low"].attrs["of"] == "rmse"
    assert scores.arrays["rmse_gain"].dims[0] == "reference" and scores.arrays["rmse_gain"].values.shape == (1, 1, 4)


def test_a_reference_with_fewer_members_has_fewer_ranks() -> None:
    scores = empty()
    scores.put("rank_histogram", RankHistogram(layout(3)), [torch.full((1, 3, 4), 0.25), torch.full((1, 3, 2), 0.5)])
    values = scores.arrays["rank_histogram"].values
    assert values.shape == (2, 1, 4, 4) and values[0, 0, 0].tolist() == [0.25] * 4
    np.testing.assert_array_equal(values[1, 0, 2], [0.5, 0.5, NAN, NAN])
    assert scores.coordinates["rank"].values.tolist() == [0, 1, 2, 3] and scores.coordinates["rank"].dims == ("rank",)


def test_metrics_that_share_a_dimension_each_tell_its_values_for_their_features() -> None:
    fields_of = layout(shape=(3, 4), scales=(1,))
    scores = empty(("model",))
    scores.put("fss", FSS(fields_of), [torch.zeros(1, 1, 4, 1)])
    limits = scores.coordinates["threshold"]
    assert limits.dims == ("variable", "threshold") and limits.values[2].tolist() == [0.1, 1.0, 5.0, 10.0]
    assert np.isnan(limits.values[3]).all(), "no wind yet"
    scores.put("csi", CSI(fields_of), [torch.zeros(1, 2, 4)])
    np.testing.assert_array_equal(scores.coordinates["threshold"].values[3], [5.0, 10.0, 15.0, NAN])
    assert scores.coordinates["threshold"].values[2].tolist() == [0.1, 1.0, 5.0, 10.0]


def test_a_table_is_that_of_one_system() -> None:
    scores = empty()
    scores.put("rmse", RMSE(layout()), [torch.zeros(1, 3), torch.ones(1, 3)])
    assert scores.table("rmse", "persistence")[0, :3].tolist() == [1.0] * 3
    with pytest.raises(SettingsError, match="no metric 'rsme' in these scores; did you mean 'rmse'"):
        scores.table("rsme", "model")
    with pytest.raises(SettingsError, match="no system 'modell' in these scores; did you mean 'model'"):
        scores.table("rmse", "modell")


def test_a_document_of_plain_values() -> None:
    scores, fields_of = empty(("model",), steps=2), layout(2)
    scores.put("rmse", RMSE(fields_of), [torch.tensor([[1.0, NAN, 3.0], [2.0, NAN, NAN]])])
    scores.put("mu", Mu(fields_of), [torch.tensor([[0.5, NAN, math.inf], [0.25, NAN, NAN]])])
    scores.put("wind_rmse", WindRMSE(fields_of), [torch.tensor([[4.0], [5.0]])])
    scores.put("rank_histogram", RankHistogram(fields_of), [torch.ones(2, 3, 3)])
    assert scores.to_dict() == {
        "lead_times_h": [1.0, 2.0],
        "model": {
            "u": {"rmse": [1.0, 2.0], "mu": [0.5, 0.25]},
            "v": {"rmse": [None, None]},
            "tp": {"rmse": [3.0, None]},
            "wind": {"wind_rmse": [4.0, 5.0]},
        },
        "units": UNITS,
        "num_forecasts": 5,
    }


def test_rows_of_a_table_with_their_bounds() -> None:
    scores, metric = empty(), MAE(layout())
    scores.put("mae", metric, [torch.tensor([[0.5, NAN, 1.5]]), torch.tensor([[2.0, NAN, NAN]])])
    scores.put("mae_low", metric, [torch.tensor([[0.25, NAN, NAN]]), None])
    scores.put("mae_high", metric, [torch.tensor([[0.75, NAN, 1.75]]), None])
    assert scores.to_csv() == (
        "system,variable,units,metric,at,lead_time_h,value,low,high\n"
        "model,u,m s-1,mae,,1.0,0.5,0.25,0.75\n"
        "model,v,m s-1,mae,,1.0,,,\n"
        "model,tp,kg m-2,mae,,1.0,1.5,,1.75\n"
        "persistence,u,m s-1,mae,,1.0,2.0,,\n"
    )


def test_a_table_tells_the_place_along_further_dimensions() -> None:
    scores, fields_of = empty(("model",)), layout(2)
    scores.put("brier", Brier(fields_of), [torch.arange(16.0).reshape(1, 2, 4, 2)])
    rows = [line.split(",") for line in scores.to_csv().splitlines()[1:]]
    assert len(rows) == 2 * 8 and rows[0] == ["model", "tp", "1", "brier", "threshold=0.1;form=plain", "1.0", "0.0", "", ""]  # fmt: skip
    assert [rows[9][1], rows[9][4], rows[9][6]] == ["wind", "threshold=5;form=fair", "9.0"]
    del scores.coordinates["form"]
    assert "threshold=0.1;form=1" in scores.to_csv(), "the number of the place where nothing is known of it"


def test_spectra_are_no_rows() -> None:
    scores, metric = empty(("model",)), SpectralRatio(layout())
    scores.put("spectral_ratio", metric, [torch.ones(1, 3, len(metric.dimensions[0].values))])
    assert scores.to_csv().splitlines() == ["system,variable,units,metric,at,lead_time_h,value,low,high"]
