"""λ_t: the period down to which a series of forecasts is right."""

import logging
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from py4cast.metrics.base import MetricABC
from py4cast.metrics.case import Case
from py4cast.metrics.layout import Layout
from py4cast.scores.spectral import crossing_wavelength

__all__ = ["LambdaT"]

logger = logging.getLogger(__name__)
_MAX_CELLS = 100
_MIN_TIMES = 8


class LambdaT(MetricABC):
    """λ_t: the shortest period [h] down to which the error has at most half the power of the truth, at a lead time.

    Power spectra in time of forecasts that start at even distances, windowed (Hann) and averaged over (at most 100)
    cells, evenly chosen. NaN where even the longest period is not resolved, or the starts are not evenly spaced.

    Reference: M. Ballarotta et al. (2019), doi 10.5194/os-15-1091-2019.
    """

    name, long_name, orientation = "lambda_t", "effective resolution in time", "low"
    is_compared, is_default, samples = False, False, True

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        inside = torch.nonzero(layout.weights.flatten() > 0).flatten()
        chosen = torch.linspace(0, len(inside) - 1, min(_MAX_CELLS, len(inside))).round().long()
        self._cells = inside[chosen]

    def units(self, feature: str) -> str:
        return "h"

    def value(self, means: Mapping[str, Tensor]) -> Tensor:
        raise NotImplementedError("lambda_t is made of samples")

    def sample(self, case: Case) -> Tensor:
        """Forecast and truth at the chosen cells, `(features, 2, cell)`; NaN where a cell does not count."""
        cells = self._cells.to(case.device)
        pair = torch.stack([x.movedim(-1, 0).flatten(1)[:, cells] for x in (case.prediction, case.target)], 1)
        if case.counted is None:
            return pair
        counted = case.counted.movedim(-1, 0).flatten(1)[:, cells].unsqueeze(1)
        return torch.where(counted, pair, torch.full_like(pair, torch.nan))

    def value_of_samples(self, init_times: NDArray[np.datetime64], samples: Tensor) -> Tensor:
        nothing = torch.full(samples.shape[1:3], torch.nan, dtype=torch.float64)
        gaps = np.unique(np.diff(init_times))
        if len(init_times) < _MIN_TIMES or gaps.size != 1:
            logger.warning(
                "lambda_t: %d forecasts %s; expected at least %d, evenly spaced",
                len(init_times), "at uneven distances" if gaps.size > 1 else "alone", _MIN_TIMES,
            )  # fmt: skip
            return nothing
        whole = torch.isfinite(samples).all(0).all(2, keepdim=True)
        filled = torch.where(whole, samples, torch.zeros_like(samples))
        forecast, truth = filled.unbind(3)
        n = len(init_times)
        window = torch.hann_window(n, periodic=True, dtype=torch.float64)[:, None, None, None]

        def power(field: Tensor) -> Tensor:
            spectrum: Tensor = torch.fft.rfft((field - field.mean(0)) * window, dim=0).abs().square()
            return spectrum[1 : (n + 1) // 2].sum(-1)

        reference = power(truth)
        score = torch.where(
            reference > 0, 1 - power(forecast - truth) / reference, torch.full_like(reference, torch.nan)
        )
        hours = float(gaps[0] / np.timedelta64(1, "s")) / 3600
        periods = n * hours / torch.arange(1, (n + 1) // 2, dtype=torch.float64)
        return crossing_wavelength(score.movedim(0, -1), periods)
