"""Pictures of maps: what was observed, the truth, and the map and error of every method."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from py4cast.atomic import atomic_path
from py4cast.observers.style import DPI, FAINT, PANEL

__all__ = ["draw_maps"]


def draw_maps(observed: Tensor, truth: Tensor, maps: Mapping[str, Tensor], path: Path) -> None:
    """Draws the maps of one instant, of every method beside the truth.

    Args:
        observed: around it, `(instant, lat, lon)`, NaN where nothing was seen; the nearest in time is shown.
        truth: `(lat, lon)`.
        maps: `(lat, lon)` by method.
        path: of the picture.
    """
    from matplotlib.figure import Figure

    columns = 1 + len(maps)
    figure = Figure(figsize=(3.2 * columns, 6.4), layout="constrained")
    panels = figure.subplots(2, columns)
    limit = float(truth.abs().max())
    _draw(panels[0, 0], truth, "truth", limit)
    _draw(panels[1, 0], _nearest(observed), "observed, nearest in time", limit)
    widest = max(float((m - truth).abs().quantile(0.99)) for name, m in maps.items() if name != "climatology")
    for place, (name, field) in enumerate(maps.items(), 1):
        _draw(panels[0, place], field, name, limit)
        rmse = float((field - truth).square().mean().sqrt() / truth.square().mean().sqrt())
        _draw(panels[1, place], field - truth, f"error, {100 * rmse:.1f} % of the field", widest)
    with atomic_path(path, path.suffix) as temporary:
        figure.savefig(temporary, dpi=DPI)


def _nearest(observed: Tensor) -> Tensor:
    middle = observed.shape[0] // 2
    order = sorted(range(observed.shape[0]), key=lambda i: abs(i - middle))
    nearest = torch.full_like(observed[0], torch.nan)
    for index in order:
        nearest = torch.where(torch.isnan(nearest), observed[index], nearest)
    return nearest


def _draw(panel: Any, field: Tensor, title: str, limit: float) -> None:
    panel.imshow(field.numpy(), origin="lower", cmap="RdBu_r", vmin=-limit, vmax=limit)
    panel.set_title(title, fontsize=PANEL)
    panel.set_facecolor(FAINT)
    panel.set_xticks([])
    panel.set_yticks([])
