"""What several ranks saw is drawn as one process would have drawn it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from py4cast.namedtensor import NamedTensor
from py4cast.observers.base import ErrorObserver, finish_epoch
from py4cast.observers.error import ErrorPlot
from py4cast.observers.spatial_error import SpatialErrorPlot
from py4cast.observers.spectra import SpectraPlot
from py4cast.observers.spread import SpreadPlot
from py4cast.observers.state_error import StateErrorPlot
from tests.observers.watching import DIMS, caught, fields, watched


def numbers(figure: Any) -> list[np.ndarray]:
    """All that a figure shows in numbers, and its title."""
    shown = []
    for axes in figure.axes:
        shown += [np.asarray(line.get_xydata(), dtype=float) for line in axes.lines]
        shown += [
            np.ma.filled(np.ma.masked_invalid(c.get_array()), -1.0)
            for c in (*axes.collections, *axes.images)
            if c.get_array() is not None
        ]
        written = [text.get_text() for text in axes.texts if text.get_text().replace(".", "").isdigit()]
        shown += [np.array(written, dtype=float)]
    return shown


@pytest.mark.parametrize(
    ("module", "make"),
    [
        ("state_error", StateErrorPlot),
        ("spatial_error", SpatialErrorPlot),
        ("spectra", SpectraPlot),
        ("spread", SpreadPlot),
    ],
    ids=["state_error", "spatial_error", "spectra", "spread"],
)
def test_the_first_rank_draws_what_all_saw(
    module: str, make: Callable[[], ErrorObserver], monkeypatch: pytest.MonkeyPatch
) -> None:
    figures, seen = caught(monkeypatch, module), watched()

    def batch(number: int) -> tuple[NamedTensor, NamedTensor]:
        truth = fields(seen.info, seed=number)
        members = [fields(seen.info, seed=10 * number + i).tensor for i in (1, 2, 3)]
        if module == "spread":
            return NamedTensor(torch.stack(members, 1), [DIMS[0], "member", *DIMS[1:]], truth.feature_names), truth
        return truth.like(members[0]), truth

    alone, ranks = make(), [make(), make()]
    for number in range(3):
        alone.update(seen, *batch(number))
        # uneven: the second rank has one batch
        ranks[number % 2].update(seen, *batch(number))
    finish_epoch([alone], seen)
    expected = figures.popitem()[1]
    packs = [rank.pack() for rank in ranks]
    finish_epoch(ranks[:1], seen, lambda mine: packs)
    drawn = figures.popitem()[1]
    assert drawn.get_suptitle() == expected.get_suptitle() and "6 forecasts" in drawn.get_suptitle()
    for ours, theirs in zip(numbers(drawn), numbers(expected), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_what_shows_a_sample_shows_that_of_the_first_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    figures, seen, observer = caught(monkeypatch, "error"), watched(), ErrorPlot()
    truth = fields(seen.info)
    observer.update(seen, truth.like(truth.tensor + 1), truth)
    finish_epoch([observer], seen, lambda mine: [mine, None])
    assert len(figures) == 1
