"""SpatialErrorPlot: the mean loss of every cell at a few lead times."""

import numpy as np
import pytest
import torch

from py4cast.namedtensor import NamedTensor
from py4cast.observers.spatial_error import SpatialErrorPlot
from tests.observers.watching import caught, fields, limits_of, mesh_of, titles, watched


def test_maps_are_the_mean_loss_over_all_forecasts(monkeypatch: pytest.MonkeyPatch) -> None:
    figures, seen, observer = caught(monkeypatch, "spatial_error"), watched(), SpatialErrorPlot("valid")
    losses = [torch.rand(n, 2, 9, 10, generator=torch.Generator().manual_seed(n)) for n in (1, 3)]
    losses[0][:, :, 4, 4] = losses[1][:, :, 4, 4] = 0.0
    given = iter(losses)
    seen.loss = lambda prediction, target, reduce_spatial_dim: next(given)
    for _ in losses:
        observer.update(seen, fields(seen.info), fields(seen.info))
    observer.on_step_end(seen)
    panels = [axes for axes in figures["valid_spatial_error"].axes if axes.get_title()]
    assert [axes.get_title() for axes in panels] == ["mean loss at +1 h", "mean loss at +2 h"]
    mean = torch.cat(losses).double().mean(0).numpy()
    for axes, expected in zip(panels, mean, strict=True):
        shown = mesh_of(axes)
        assert np.argwhere(np.ma.getmaskarray(shown)).tolist() == [[4, 4]], "a loss of 0 is no loss"
        np.testing.assert_allclose(shown.filled(0.0), expected, rtol=1e-6)
        assert limits_of(axes) == pytest.approx((0.0, np.quantile(mean, 0.99)))


def test_of_many_lead_times_six_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    figures, seen, observer = caught(monkeypatch, "spatial_error"), watched(), SpatialErrorPlot()
    field = fields(seen.info, 11)
    observer.update(seen, field.like(field.tensor + 1), field)
    observer.on_step_end(seen)
    hours = (1, 3, 5, 7, 9, 11)
    assert titles(figures["test_spatial_error"]) == [f"mean loss at +{h} h" for h in hours]


def test_every_epoch_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    figures, seen, observer = caught(monkeypatch, "spatial_error"), watched(), SpatialErrorPlot()

    def constant(prediction: NamedTensor, target: NamedTensor, reduce_spatial_dim: bool) -> torch.Tensor:
        assert not reduce_spatial_dim
        return prediction.tensor[..., 0]

    seen.loss, field = constant, fields(seen.info, 1)
    for value in (5.0, 2.0):
        observer.update(seen, field.like(torch.full(field.shape, value)), field)
        observer.on_step_end(seen)
        assert np.unique(mesh_of(figures["test_spatial_error"].axes[0])).tolist() == [value]
    figures.clear()
    observer.on_step_end(seen)
    assert not figures


def test_a_perfect_forecast_has_limits_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    figures, seen, observer = caught(monkeypatch, "spatial_error"), watched(), SpatialErrorPlot()
    observer.update(seen, fields(seen.info, 1), fields(seen.info, 1))
    observer.on_step_end(seen)
    assert limits_of(figures["test_spatial_error"].axes[0]) == (0.0, 1.0)
