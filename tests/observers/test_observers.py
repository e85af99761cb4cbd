from pathlib import Path
from types import SimpleNamespace

import matplotlib.image
import numpy as np
import pytest
import torch

from py4cast.forecaster import Forecaster
from py4cast.lightning import AutoRegressiveLightning
from py4cast.losses import registry as losses
from py4cast.namedtensor import NamedTensor
from py4cast.observers import registry
from py4cast.observers.clock import PlotClock
from py4cast.optim import OptimSettings
from py4cast.testing import make_batch, make_info


class Board:
    def __init__(self) -> None:
        self.figures: dict = {}

    def add_figure(self, name, figure, step, close) -> None:
        self.figures[name] = (figure, step)


def watched(tmp_path: Path, valid=None) -> tuple[SimpleNamespace, AutoRegressiveLightning]:
    info = make_info(valid=valid)
    torch.manual_seed(0)
    forecaster = Forecaster.build(info, "halfunet", "diff_ar", 2, {"num_filters": 4})
    module = AutoRegressiveLightning(forecaster, losses.get("mse")(info), OptimSettings())
    board = Board()
    obj = SimpleNamespace(info=info, loss=module.loss, grid_shape=info.grid.shape, model=module.model, plots=tmp_path / "plots",
                          logger=SimpleNamespace(experiment=board), current_epoch=3)  # fmt: skip
    return obj, board


@pytest.mark.parametrize("name", registry.builtin_names)
@pytest.mark.parametrize("has_holes", [False, True])
def test_every_observer_draws_offline_to_both_places(name: str, has_holes: bool, tmp_path: Path) -> None:
    valid = np.ones((17, 23), dtype=bool)
    valid[:4, :4] = not has_holes
    obj, board = watched(tmp_path, valid)
    batch = make_batch(obj.info)
    truth = batch.outputs.tensor.masked_fill(~torch.from_numpy(valid)[None, None, ..., None], torch.nan)
    observer = registry.get(name)()
    prediction = batch.outputs.like(truth + 1)
    if name == "spread":
        members = torch.stack([truth + 1, truth - 1, truth + 0.3], 1)
        prediction = NamedTensor(
            members, ["batch", "member", "timestep", "lat", "lon", "features"], prediction.feature_names
        )
    for _ in range(2):
        observer.update(obj, prediction, batch.outputs.like(truth))
    observer.on_step_end(obj)
    pictures = sorted((tmp_path / "plots").glob("*.png"))
    assert len(pictures) == 1 and list(board.figures) == [pictures[0].stem]
    assert board.figures[pictures[0].stem][1] == 3
    pixels = matplotlib.image.imread(pictures[0])
    assert pixels.std() > 0.05, "something is drawn"
    observer.on_step_end(obj)
    assert len(list((tmp_path / "plots").glob("*.png"))) == 1, "it starts anew each epoch"


def test_the_error_card_shows_the_metric(tmp_path: Path) -> None:
    obj, board = watched(tmp_path)
    batch = make_batch(obj.info)
    observer = registry.get("state_error")()
    observer.update(obj, batch.outputs.like(batch.outputs.tensor + 2), batch.outputs)
    observer.on_step_end(obj)
    figure, _ = board.figures["test_state_error_rmse"]
    texts = [t.get_text() for t in figure.axes[0].texts]
    assert texts == ["2"] * 9 and figure.axes[0].get_xlabel() == "lead time [h]"
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == ["a [K]", "b [m s⁻¹]", "d [mm]"]


def test_without_logger_and_folder_nothing_is_written(tmp_path: Path) -> None:
    obj, _ = watched(tmp_path)
    obj.logger, obj.plots = None, None
    batch = make_batch(obj.info)
    for name in registry.builtin_names:
        observer = registry.get(name)()
        observer.update(obj, batch.outputs, batch.outputs)
        observer.on_step_end(obj)
    assert not list(tmp_path.iterdir())


def test_spectra_show_what_a_smooth_forecast_lacks(tmp_path: Path) -> None:
    obj, board = watched(tmp_path)
    batch = make_batch(obj.info)
    truth = batch.outputs.tensor
    smooth = truth.mean((2, 3), keepdim=True).expand_as(truth)
    observer = registry.get("spectra")()
    observer.update(obj, batch.outputs.like(smooth), batch.outputs.like(truth))
    observer.on_step_end(obj)
    figure, _ = board.figures["test_spectra"]
    forecast, target, error = (np.asarray(line.get_ydata()) for line in figure.axes[0].lines)
    assert np.nanmax(np.nan_to_num(forecast)) < 1e-6 * np.nanmax(target), "a flat forecast has no power"
    np.testing.assert_allclose(error, target, rtol=1e-4)


def test_spread_draws_nothing_without_members(tmp_path: Path) -> None:
    obj, board = watched(tmp_path)
    batch = make_batch(obj.info)
    observer = registry.get("spread")()
    observer.update(obj, batch.outputs, batch.outputs)
    observer.on_step_end(obj)
    assert not board.figures


def test_in_validation_the_names_say_so(tmp_path: Path) -> None:
    obj, board = watched(tmp_path)
    batch = make_batch(obj.info)
    observer = registry.get("error")()
    observer.prefix = "valid"
    observer.update(obj, batch.outputs, batch.outputs)
    observer.on_step_end(obj)
    assert list(board.figures) == ["valid_error"]


def test_the_clock_keeps_pictures_within_their_share(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("py4cast.observers.clock.time.perf_counter", lambda: now[0])
    clock = PlotClock(most=0.03, first_cost=2.0)
    clock.start()
    drawn = 0
    for _ in range(2000):
        now[0] += 1.0
        before = clock.spent_s
        if clock.allows():
            with clock.counting():
                now[0] += 1.5
            clock.finish(before)
            drawn += 1
        assert clock.share <= 0.03
    assert drawn >= 35, "and uses it"


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("prediction", "2020-01-01 06:00 UTC +3 h, valid 2020-01-01 09:00 UTC"),
        ("error", "forecast - truth, from 2020-01-01 06:00 UTC"),
        ("spatial_error", "mean loss of 2 forecasts, 2020-01-01 06:00 UTC to 2020-01-01 18:00 UTC"),
        ("spectra", "spectra at +3 h of 2 forecasts, 2020-01-01 06:00 UTC to 2020-01-01 18:00 UTC"),
        ("state_error", "errors of 2 forecasts, 2020-01-01 06:00 UTC to 2020-01-01 18:00 UTC"),
    ],
)
def test_charts_say_of_when_they_are(name: str, title: str, tmp_path: Path) -> None:
    obj, board = watched(tmp_path)
    obj.init_times = np.array(["2020-01-01T06", "2020-01-01T18"], "datetime64[s]")
    batch = make_batch(obj.info)
    observer = registry.get(name)()
    observer.update(obj, batch.outputs.like(batch.outputs.tensor + 1), batch.outputs)
    observer.on_step_end(obj)
    ((figure, _),) = board.figures.values()
    assert title in (figure.get_suptitle(), figure.axes[0].get_title())
