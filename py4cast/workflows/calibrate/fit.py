"""Fit: the sums over forecasts and truths that a calibration is made of."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from py4cast.calibration import Calibration
from py4cast.variables import shorter_arc

__all__ = ["CalibrationFit"]

Array = NDArray[np.float32]
# of the sum of squares: what the coefficients are drawn towards 1 and 0 by, where forecasts hardly vary
_RIDGE = 1e-3
_DAYS = 10.0  # forecasts that reach an hour of the day, at which half of the bias found there is believed


class CalibrationFit:
    """Creates the sums of forecasts from many starts.

    Args:
        features: that are predicted.
        mean: of the training, `(lat, lon, features)`.
        weights: of the cells, `(lat, lon)`, 0 where they do not count.
        is_positive: whether a feature never is below 0.
        num_steps: lead times.
        num_members: of each forecast.
        turns: a whole turn of features that are directions, where there is nothing to damp or to stretch; NaN of others.
        is_left: features that are left as they are, directions too; by default directions alone.
    """

    def __init__(
        self,
        features: tuple[str, ...],
        mean: Array,
        weights: NDArray[np.float64],
        is_positive: NDArray[np.bool_],
        num_steps: int,
        num_members: int = 1,
        turns: NDArray[np.float64] | None = None,
        is_left: NDArray[np.bool_] | None = None,
    ) -> None:
        self._turns = np.full(len(features), np.nan) if turns is None else turns
        self._is_direction = np.isfinite(self._turns)
        self._is_left = self._is_direction if is_left is None else self._is_direction | is_left
        self._features, self._mean, self._weights = features, mean, weights[..., None]
        self._is_positive, self._num_members = is_positive, num_members
        count = len(features)
        # of f − x₀, m − x₀ and y − x₀: products of each two, and means by the hour of the day
        self._products = np.zeros((num_steps, 3, 3, count))
        self._means = np.zeros((num_steps, 24, 3, count))
        self._shares = np.zeros((num_steps, 24, count))
        self._variance = np.zeros((num_steps, count))
        self._days = np.zeros(24)
        self.num_forecasts = 0

    def add(self, forecast: Array, truth: Array, first: Array, hours: NDArray[np.int64]) -> None:
        """Adds the forecast of one start.

        Args:
            forecast: `(member, timestep, lat, lon, features)`.
            truth: `(timestep, lat, lon, features)`; NaN where it is missing.
            first: the last known state, prognostic features, `(lat, lon, features)`.
            hours: of the day, of each valid time.
        """
        known = np.broadcast_to(self._mean, truth.shape[1:]).astype(np.float64)
        known[..., : first.shape[-1]] = first
        if self._is_direction.any():
            forecast = forecast.copy()
        for place in np.flatnonzero(self._is_direction):
            turn, of_truth = self._turns[place], truth[..., place]
            forecast[..., place] = of_truth + shorter_arc(forecast[..., place] - of_truth, turn)
        middle = forecast.mean(axis=0, dtype=np.float64)
        for step in range(truth.shape[0]):
            parts = np.stack([middle[step] - known, self._mean - known, truth[step] - known])
            counted = np.isfinite(parts).all(axis=0) * self._weights
            parts = np.where(counted > 0, parts, 0.0)
            self._products[step] += np.einsum("pxyf,qxyf,xyf->pqf", parts, parts, counted)
            self._means[step, hours[step]] += np.einsum("pxyf,xyf->pf", parts, counted)
            self._shares[step, hours[step]] += counted.sum((0, 1))
            if self._num_members > 1:
                spread = np.nan_to_num(forecast[:, step].var(axis=0, ddof=1, dtype=np.float64))
                self._variance[step] += (spread * counted).sum((0, 1))
        self._days += np.bincount(hours, minlength=24) > 0
        self.num_forecasts += 1

    def result(self, source: Mapping[str, Any]) -> Calibration:
        """The calibration of all that was added."""
        steps, count = self._variance.shape
        change, towards_mean, stretch = np.ones((steps, count)), np.zeros((steps, count)), np.ones((steps, count))
        centred = self._centred()
        for step in range(steps):
            for feature in np.flatnonzero(~self._is_left):
                products = centred[step, :, :, feature]
                # with x₀ = m there is nothing to tell damping and mean apart
                alpha, beta = _least_squares(products)
                change[step, feature], towards_mean[step, feature] = alpha, beta
                shares = self._shares[step, :, feature].sum()
                combined = np.array([-alpha, -beta, 1.0])
                error = combined @ products @ combined
                spread = alpha**2 * self._variance[step, feature]
                if self._num_members > 1 and shares > 0 and spread > 0:
                    m = self._num_members
                    stretch[step, feature] = np.sqrt(max(error, 0.0) * m / (m + 1) / spread)
        bias, share = self._bias(change, towards_mean)
        bias[:, self._is_left] = 0.0
        rmse = self._rmse(change, towards_mean, share[:, None] * bias[None])
        known = {"rmse": {name: rmse[:, place].tolist() for place, name in enumerate(self._features)}}
        return Calibration(
            self._features,
            change,
            towards_mean,
            bias,
            stretch,
            self._is_positive,
            self._mean,
            {**source, **known},
            share,
        )

    def _rmse(
        self, change: NDArray[np.float64], towards_mean: NDArray[np.float64], taken: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Root mean square error of the calibrated forecasts (of their mean), `(lead, features)`.

        Args:
            change: α.
            towards_mean: β.
            taken: the bias that is taken away, by lead time and hour of the day, `(lead, 24, features)`.
        """
        combined = np.stack([change, towards_mean, -np.ones_like(change)], axis=1)
        squares = np.einsum("kpf,kpqf,kqf->kf", combined, self._products, combined)
        remaining = np.einsum("khpf,kpf->khf", self._means, combined)
        squares += (taken**2 * self._shares - 2 * taken * remaining).sum(axis=1)
        shares = self._shares.sum(axis=1)
        return np.asarray(np.sqrt(np.maximum(squares, 0.0) / np.where(shares > 0, shares, 1.0)))

    def _centred(self) -> NDArray[np.float64]:
        """The products about the means of the hours, as far as those are believed: a bias is no reason to damp a change."""
        shares = np.where(self._shares > 0, self._shares, 1.0)
        belief = (self._days / (self._days + _DAYS))[None, :, None] / shares
        of_means: NDArray[np.float64] = np.einsum("khpf,khqf,khf->kpqf", self._means, self._means, belief)
        return self._products - of_means

    def _bias(
        self, change: NDArray[np.float64], towards_mean: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What remains in the mean of each hour of the day, over all lead times, and how much of it at each of them.

        It is 0 at hours that were not seen.
        """
        coefficients = np.stack([change, towards_mean, -np.ones_like(change)], axis=1)
        remaining = np.einsum("khpf,kpf->khf", self._means, coefficients)
        shares = self._shares.sum(axis=0)
        mean = np.where(shares > 0, remaining.sum(axis=0) / np.where(shares > 0, shares, 1.0), 0.0)
        # least squares of what remains at a lead time in the shape of the day that all have
        square = (self._shares * np.square(mean)).sum(axis=1)
        share = (remaining * mean).sum(axis=1) / np.where(square > 0, square, 1.0)
        share = np.where(square > 0, share.clip(min=0.0), 1.0)
        # the mean of a few days is mostly their weather
        return mean * (self._days / (self._days + _DAYS))[:, None], share


def _least_squares(products: NDArray[np.float64]) -> tuple[float, float]:
    """α and β of y − x₀ = α·(f − x₀) + β·(m − x₀), drawn a little towards 1 and 0."""
    left, right = products[:2, :2].copy(), products[:2, 2].copy()
    # a little of the forecast as it is
    least = _RIDGE * (products[0, 0] + products[1, 1] + products[2, 2])
    if least <= 0:
        return 1.0, 0.0
    left += least * np.eye(2)
    right += least * np.array([1.0, 0.0])
    alpha, beta = np.linalg.solve(left, right)
    return float(alpha), float(beta)
