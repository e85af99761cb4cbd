import logging

import numpy as np
import pytest
import torch

from py4cast.metrics.batches import BatchVerification
from py4cast.metrics.climatology import Climatology
from py4cast.metrics.verification import Verification
from py4cast.testing import make_batch, make_info
from tests.metrics.layouts import HOUR, SHAPE, START, fields, layout


def test_references() -> None:
    info = make_info()
    batch = make_batch(info)
    normal = Climatology(HOUR, {0: np.zeros((1, 17, 23, 3), np.float32)}, "nothing")
    check = BatchVerification(info, normal)
    check.update(batch, batch.outputs.tensor + 2.0)
    scores = check.scores().to_dict()
    assert (
        scores["lead_times_h"] == [1.0, 2.0, 3.0] and scores["num_forecasts"] == 2 and scores["units"]["b"] == "m s-1"
    )
    assert scores["model"]["a"]["bias"] == pytest.approx([2.0] * 3, rel=1e-5)
    assert scores["persistence"]["d"]["rmse"] == [None] * 3, "no past value of a diagnostic is known"
    assert scores["climatology"]["a"]["bias"] == pytest.approx(
        [-x for x in _interior_mean(info, batch.outputs.tensor[..., 0])], rel=1e-4
    )


def _interior_mean(info, values) -> list[float]:
    weights = info.statics.cell_weights.squeeze(-1)
    return [float((weights * values[:, i]).sum() / (2 * weights.sum())) for i in range(values.shape[1])]


def test_all_systems_are_scored_on_the_same_cells() -> None:
    own = layout(metrics=("rmse", "bias"))
    prediction, truth, _ = fields(0, 1)
    other = truth[0] + 1.0
    other[:, :6] = torch.nan  # the reference knows the southern half alone
    check = Verification(own, ("model", "reference"), is_compared=False)
    check.add(START, {"model": prediction[0], "reference": other}, truth[0])
    found = check.scores()
    weights = own.weights[6:].unsqueeze(-1)
    error = (prediction - truth)[0, :, 6:]
    expected = ((weights * error.square()).sum((1, 2)) / weights.sum()).sqrt()
    np.testing.assert_allclose(found.table("rmse", "model")[:, :3], expected, rtol=1e-9)
    np.testing.assert_allclose(found.table("bias", "reference")[:, :3], 1.0, rtol=1e-9)


def test_a_reference_without_a_feature_hides_nothing() -> None:
    own = layout(metrics=("rmse",))
    prediction, truth, _ = fields(0, 1)
    other = truth[0] + 1.0
    other[..., 2] = torch.nan
    check = Verification(own, ("model", "reference"), is_compared=False)
    check.add(START, {"model": prediction[0], "reference": other}, truth[0])
    found = check.scores()
    assert np.isfinite(found.table("rmse", "model")[:, 2]).all()
    assert np.isnan(found.table("rmse", "reference")[:, 2]).all()


def test_packs_of_processes_make_the_whole() -> None:
    own = layout(metrics=("rmse", "acc", "lambda_t"))
    prediction, truth, normal = fields(0, 10, missing=0.2)
    parts = [Verification(own, ("model", "none"), True, True) for _ in range(3)]
    whole = Verification(own, ("model", "none"), True, True)
    for i in range(10):
        systems = {"model": prediction[i], "none": normal[i]}
        for check in (whole, parts[i % 2]):
            check.add(START + i * HOUR, systems, truth[i], normal[i])
    together = whole.gathered([p.pack() for p in parts])
    first, second = together.scores(), whole.scores()
    assert first.num_forecasts == 10 and (first.init_times == second.init_times).all()
    for name, array in second.arrays.items():
        np.testing.assert_allclose(first.arrays[name].values, array.values, rtol=1e-9, atol=1e-12, err_msg=name)


def test_maps_show_where_the_error_is() -> None:
    own = layout(metrics=("rmse",))
    _, truth, _ = fields(0, 4, missing=0.1)
    error = torch.zeros(SHAPE)
    error[3, 5] = 2.0
    check = Verification(own, ("model",), has_maps=True)
    for i in range(4):
        sign = 1.0 if i % 2 else -1.0
        check.add(START + i * HOUR, {"model": torch.nan_to_num(truth[i]) + sign * error[..., None]}, truth[i])
    found = check.scores()
    rmse, bias = found.arrays["rmse_map"].values, found.arrays["bias_map"].values
    assert rmse.shape == (2, 3, *SHAPE)
    held = np.isfinite(truth.numpy()[:, :, 3, 5]).all(0)
    assert np.allclose(rmse[..., 3, 5][held], 2.0) and np.allclose(bias[..., 3, 5][held], 0.0)
    rmse[..., 3, 5] = 0
    assert np.nanmax(rmse) == 0


def test_what_cannot_be_scored_is_named(caplog: pytest.LogCaptureFixture) -> None:
    own = layout(metrics=("rmse", "acc"))
    prediction, truth, normal = fields(0, 3)
    truth[..., 1] = torch.nan
    truth[..., 2] = normal[..., 2]
    check = Verification(own, ("model",))
    with caplog.at_level(logging.WARNING):
        for i in range(3):
            check.add(START + i * HOUR, {"model": prediction[i]}, truth[i], normal[i])
        check.scores()
    assert "no value of v could be scored" in caplog.text
    assert "acc of tp is undefined: the truth has no variance" in caplog.text


def test_tables(tmp_path) -> None:
    own = layout()
    prediction, truth, normal = fields(0, 9)
    check = Verification(own, ("model", "climatology"))
    for i in range(9):
        check.add(START + i * HOUR, {"model": prediction[i], "climatology": normal[i]}, truth[i], normal[i])
    found = check.scores()
    lines = found.to_csv().splitlines()
    assert lines[0] == "system,variable,units,metric,at,lead_time_h,value,low,high"
    rows = [line.split(",") for line in lines[1:]]
    rmse = [r for r in rows if r[:2] == ["model", "tp"] and r[3] == "rmse"]
    assert [float(r[5]) for r in rmse] == [1.0, 2.0] and rmse[0][2] == "kg m-2"
    assert float(rmse[0][6]) == found.table("rmse", "model")[0, 2]
    assert float(rmse[0][7]) < float(rmse[0][6]) < float(rmse[0][8])
    fss = {r[4] for r in rows if r[3] == "fss"}
    assert "threshold=0.1;scale=3" in fss and "threshold=10;scale=7" in fss
    assert {r[2] for r in rows if r[3] == "csi"} == {"1"}
    document = found.to_dict()
    assert set(document["model"]["wind"]) == {"wind_rmse"} and "csi" not in document["model"]["tp"]


def test_metrics_of_events_share_one_dimension() -> None:
    """FSS is of fewer names than CSI; neither loses its thresholds to the other."""
    own = layout(metrics=("csi", "fss"), thresholds={"u": (0.0, 1.0, 2.0, 3.0, 4.0)})
    prediction, truth, _ = fields(0, 9)
    check = Verification(own, ("model",))
    for i in range(9):
        check.add(START + i * HOUR, {"model": prediction[i]}, truth[i])
    found = check.scores()
    limits = found.coordinates["threshold"].values
    assert limits.shape == (4, 5) and limits[3, :3].tolist() == [5.0, 10.0, 15.0] and limits[2, 0] == 0.1
    assert found.arrays["csi"].values.shape[3] == found.arrays["fss"].values.shape[3] == 5
    assert np.isnan(found.table("fss", "model")[:, 3]).all() and np.isfinite(found.table("csi", "model")[:, 3, 0]).all()
