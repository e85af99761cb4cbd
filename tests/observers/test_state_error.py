"""StateErrorPlot: a card of one metric, feature by lead time."""

import numpy as np
import pytest
import torch

from py4cast.observers.colours import ink_on
from py4cast.observers.state_error import StateErrorPlot
from tests.observers.watching import caught, fields, watched


@pytest.mark.parametrize(("metric", "expected"), [("mae", 2.0), ("rmse", 5**0.5)])
def test_the_card_shows_the_metric_over_all_batches(
    monkeypatch: pytest.MonkeyPatch, metric: str, expected: float
) -> None:
    figures, seen, observer = caught(monkeypatch, "state_error"), watched(), StateErrorPlot(metric, "valid")
    truth = fields(seen.info, 2)
    growth = torch.tensor([0.5, 1.0]).view(1, 2, 1, 1, 1)
    # errors of 1 and 3 in two batches: mean 2, mean square 5
    for error in (1.0, 3.0):
        observer.update(seen, truth.like(truth.tensor - error * growth), truth)
    observer.on_step_end(seen)
    (axes,) = figures[f"valid_state_error_{metric}"].axes
    assert axes.get_title() == metric.upper() and [t.get_text() for t in axes.get_xticklabels()] == ["1", "2"]
    card = np.array([float(text.get_text()) for text in axes.texts]).reshape(2, 3)
    np.testing.assert_allclose(card, [[expected / 2] * 3, [expected] * 3], rtol=5e-3)
    np.testing.assert_allclose(np.asarray(axes.images[0].get_array()), np.array([[0.5, 1.0]] * 3), rtol=1e-5)
    figures.clear()
    observer.on_step_end(seen)
    assert not figures


def test_numbers_are_read_on_their_colour() -> None:
    assert [ink_on(colour) for colour in ((1, 1, 0.8), (0.5, 0.0, 0.15), (0, 0, 0), (0.99, 0.55, 0.24, 1))] == [
        "black", "white", "white", "black",
    ]  # fmt: skip
