"""Pictures of maps: what was seen, the truth, and how far each method is from it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from py4cast.observers import mapping
from py4cast.observers.mapping import draw_maps

NAN = float("nan")
TRUTH = torch.tensor([[1.0, -2.0], [3.0, 4.0]])
OBSERVED = torch.tensor([[[1.0, 1.0], [1.0, NAN]], [[NAN, 2.0], [NAN, NAN]], [[3.0, 3.0], [3.0, NAN]]])
MAPS = {"climatology": torch.zeros(2, 2), "half": TRUTH / 2}


@pytest.fixture
def panels(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
    figures: list[Figure] = []

    def keep(figure: Figure, path: Path, dpi: int) -> None:
        figures.append(figure)
        Path(path).write_bytes(b"a picture")

    monkeypatch.setattr(Figure, "savefig", keep)
    draw_maps(OBSERVED, TRUTH, MAPS, tmp_path / "maps.png")
    assert [p.name for p in tmp_path.iterdir()] == ["maps.png"]
    return figures[0].axes


def test_every_method_has_its_map_and_its_error_in_percent_of_the_field(panels: list[Any]) -> None:
    assert [axes.get_title() for axes in panels] == [
        "truth", "climatology", "half", "observed, nearest in time", "error, 100.0 % of the field", "error, 50.0 % of the field",
    ]  # fmt: skip
    for axes, field in zip(panels[:3], (TRUTH, *MAPS.values()), strict=True):
        assert np.array_equal(axes.images[0].get_array(), field)
    assert np.array_equal(panels[4].images[0].get_array(), -TRUTH)
    assert np.array_equal(panels[5].images[0].get_array(), -TRUTH / 2)


def test_fields_share_the_truths_limits_and_errors_those_of_the_widest_method(panels: list[Any]) -> None:
    assert [axes.images[0].get_clim() for axes in panels[:4]] == [(-4.0, 4.0)] * 4
    # the climatology, which errs most, sets no limits
    widest = np.quantile(TRUTH.abs().numpy() / 2, 0.99)
    for axes in panels[4:]:
        assert axes.images[0].get_clim() == pytest.approx((-widest, widest))


def test_of_each_place_what_was_seen_nearest_in_time_is_shown(panels: list[Any]) -> None:
    nearest = mapping._nearest(OBSERVED)
    assert torch.equal(nearest.nan_to_num(-1.0), torch.tensor([[1.0, 2.0], [1.0, -1.0]]))
    shown = np.ma.filled(panels[3].images[0].get_array(), np.nan)
    np.testing.assert_array_equal(shown, nearest.numpy())
