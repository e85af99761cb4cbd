"""Metrics on areas are those of a grid of the area's cells alone."""

from dataclasses import replace

import pytest
import torch

from py4cast.areas import AreaSettings
from py4cast.errors import SettingsError
from py4cast.metrics import Aggregator, Case, Layout, ScoreSettings, make_metrics
from py4cast.testing import make_info

INFO = make_info((17, 23), border_size=0)
AREAS = {"north": AreaSettings(box=(50.1, 56, -6, 10)), "corner": AreaSettings(box=(44, 47, -6, -2))}


def values(layout: Layout, prediction: torch.Tensor, target: torch.Tensor, names: list[str]) -> dict[str, torch.Tensor]:
    metrics = make_metrics(layout, names)
    aggregator = Aggregator(metrics, layout)
    case = Case(layout, prediction, target)
    means = {n: s / w for n, (s, w) in aggregator.compute(case).statistics.items()}
    return {m.name: m.value(means) for m in metrics}


@pytest.mark.parametrize("has_holes", [False, True])
def test_an_area_is_scored_as_if_it_were_alone(has_holes: bool) -> None:
    torch.manual_seed(0)
    layout = Layout.of(INFO, ScoreSettings(areas=AREAS))
    shape = (*INFO.grid.shape, len(INFO.predicted))
    prediction, target = torch.randn(shape), torch.randn(shape)
    if has_holes:
        target[3, 4, 1] = target[-2, 2, 0] = torch.nan
    scores = values(layout, prediction, target, ["rmse", "mae", "bias"])
    assert list(scores) == ["rmse", "mae", "bias", *(f"{m}_{a}" for m in ("rmse", "mae", "bias") for a in AREAS)]
    for name, mask in layout.areas.items():
        alone = replace(layout, weights=layout.weights * mask, areas={})
        expected = values(alone, prediction, target, ["rmse", "mae", "bias"])
        for metric, value in expected.items():
            torch.testing.assert_close(scores[f"{metric}_{name}"], value)


def test_what_is_no_mean_over_cells_has_no_areas() -> None:
    layout = Layout.of(INFO, ScoreSettings(areas=AREAS))
    names = {m.name for m in make_metrics(layout)}
    assert {"rmse_north", "bias_corner"} <= names
    assert not {n for n in names if n.startswith(("spectrum_", "gradient_error_"))}


def test_an_area_where_nothing_is_scored_is_refused() -> None:
    info = make_info((17, 23), border_size=3)
    with pytest.raises(SettingsError, match="area 'edge': none of its cells is scored"):
        Layout.of(info, ScoreSettings(areas={"edge": AreaSettings(box=(54.5, 56, -6, 10))}))
