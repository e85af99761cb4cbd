"""PredictionPlot: truth, forecast and error of the first samples at the last lead time."""

import numpy as np
import pytest

from py4cast.observers.prediction import PredictionPlot
from tests.observers.watching import caught, fields, limits_of, mesh_of, titles, watched


def test_a_row_shows_truth_forecast_and_their_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    figures, seen, observer = caught(monkeypatch, "prediction"), watched(), PredictionPlot()
    truth = fields(seen.info)
    forecast = truth.like(truth.tensor * 3)
    observer.update(seen, forecast, truth)
    observer.on_step_end(seen)
    panels = [axes for axes in figures["test_prediction_0"].axes if axes.get_title()]
    assert [axes.get_title() for axes in panels[3:6]] == [
        "b: truth", "b: forecast", "b: forecast - truth",
    ]  # fmt: skip
    field = truth.tensor[0, -1, ..., 1].numpy()
    for axes, factor in zip(panels[3:6], (1, 3, 2), strict=True):
        np.testing.assert_allclose(mesh_of(axes), factor * field, rtol=1e-6)
    low, high = np.quantile(field, (0.01, 0.99))
    assert limits_of(panels[3]) == limits_of(panels[4]) == pytest.approx((low, high), rel=1e-5), "those of the truth"
    widest = np.abs(np.quantile(2 * field, (0.01, 0.99))).max()
    assert limits_of(panels[5]) == pytest.approx((-widest, widest), rel=1e-5)


@pytest.mark.parametrize(("num_samples", "expected"), [(1, [1.0]), (3, [1.0, 2.0, 3.0]), (9, [1.0, 2.0, 3.0, 4.0])])
def test_samples_are_the_first_of_the_epoch_over_batches(
    monkeypatch: pytest.MonkeyPatch, num_samples: int, expected: list[float]
) -> None:
    figures, seen = caught(monkeypatch, "prediction"), watched()
    observer = PredictionPlot(num_samples, num_features_to_plot=1, prefix="valid")
    field = fields(seen.info, 1)
    for start in (1.0, 3.0):
        for row in range(2):
            field.tensor[row] = start + row
        observer.update(seen, field.like(field.tensor.clone()), field.like(field.tensor.clone()))
    observer.on_step_end(seen)
    assert list(figures) == [f"valid_prediction_{k}" for k in range(len(expected))]
    assert [float(mesh_of(figure.axes[0]).mean()) for figure in figures.values()] == expected
    assert all(titles(figure)[0] == "a: truth" and len(titles(figure)) == 3 for figure in figures.values())
    figures.clear()
    observer.on_step_end(seen)
    assert not figures
