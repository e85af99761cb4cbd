"""ErrorPlot: forecast less truth of the first sample of an epoch."""

import numpy as np
import pytest

from py4cast.observers.error import ErrorPlot
from tests.observers.watching import caught, fields, limits_of, mesh_of, watched


def test_a_row_shows_the_error_of_the_first_sample_over_lead_time(monkeypatch: pytest.MonkeyPatch) -> None:
    figures, seen, observer = caught(monkeypatch, "error"), watched(), ErrorPlot()
    forecast, truth = fields(seen.info, 7, seed=1), fields(seen.info, 7, seed=2)
    observer.update(seen, forecast, truth)
    observer.update(seen, truth, truth)
    observer.on_step_end(seen)
    panels = [axes for axes in figures["test_error"].axes if axes.get_title()]
    hours = (1, 3, 5, 7)
    assert [axes.get_title() for axes in panels] == [f"{name}, +{h} h" for name in "abd" for h in hours]
    error = (forecast.tensor - truth.tensor)[0].numpy()
    for place, axes in enumerate(panels):
        expected = error[hours[place % 4] - 1, ..., place // 4]
        np.testing.assert_allclose(mesh_of(axes), expected, rtol=1e-6)
    second = error[[h - 1 for h in hours], ..., 1]
    widest = np.abs(np.quantile(second, (0.01, 0.99))).max()
    assert all(limits_of(axes) == pytest.approx((-widest, widest), rel=1e-5) for axes in panels[4:8]), "one scale a row"


def test_every_epoch_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    figures, seen, observer = caught(monkeypatch, "error"), watched(), ErrorPlot()
    truth = fields(seen.info, 1)
    for error in (1.0, 4.0):
        observer.update(seen, truth.like(truth.tensor + error), truth)
        observer.on_step_end(seen)
        assert float(mesh_of(figures["test_error"].axes[0]).mean()) == pytest.approx(error, rel=1e-5)
    figures.clear()
    observer.on_step_end(seen)
    assert not figures
