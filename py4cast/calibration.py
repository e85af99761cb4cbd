"""Calibration: what the errors of past forecasts say of the next ones, put right after a forecast and never fed back.

Of every predicted feature, at lead time k:

    x̂′ = x₀ + α_k·(x̂ − x₀) + β_k·(m − x₀) − s_k·b(hour),

x₀ the last known state, m the mean field of the training, α and β by least squares: with β = 0 a damping of what has changed,
with α + β = 1 one of the anomaly. b is what remains in the mean of each hour of the day, over all lead
times, and s the part of it that is there at lead time k: a bias grows with the lead time. The deviations of members from their
mean are stretched by one factor more, so that their spread tells the error and their structure stays.

References: H. R. Glahn and D. A. Lowry (1972), doi 10.1175/1520-0450(1972)011<1203:TUOMOS>2.0.CO;2; T. Gneiting et al. (2005),
Calibrated probabilistic forecasting using ensemble model output statistics, doi 10.1175/MWR2904.1; B. Van Schaeybroeck and
S. Vannitsem (2015), Ensemble post-processing using member-by-member approaches, doi 10.1002/qj.2397.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from py4cast.errors import SettingsError

__all__ = ["Calibration", "hours_of"]

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Calibration:
    """What is put right in forecasts.

    Args:
        features: that are predicted, prognostic ones first.
        change: α, `(lead, features)`.
        towards_mean: β, `(lead, features)`.
        bias: b, in the units of the features, `(24, features)`.
        stretch: factor of the members' deviations, `(lead, features)`; 1 for single forecasts.
        is_positive: whether a feature never is below 0, `(features,)`.
        mean: m, `(lat, lon, features)`.
        source: what it was fitted on, plain JSON values.
        bias_share: s, `(lead, features)`; 1 where none is given.
    """

    features: tuple[str, ...]
    change: NDArray[np.float64]
    towards_mean: NDArray[np.float64]
    bias: NDArray[np.float64]
    stretch: NDArray[np.float64]
    is_positive: NDArray[np.bool_]
    mean: Array
    source: Mapping[str, Any]
    bias_share: NDArray[np.float64] | None = None

    @property
    def num_steps(self) -> int:
        """Lead times that it knows."""
        return len(self.change)

    def check(self, num_steps: int) -> None:
        """Refuses lead times beyond those that it was fitted on; SettingsError."""
        if num_steps > self.num_steps:
            raise SettingsError(
                f"{num_steps} steps asked for, the calibration was fitted on {self.num_steps}: calibrate with --num_steps {num_steps}, or "
                f"forecast without it, --no_calibration"
            )

    def apply(
        self,
        prediction: Array,
        first: Array,
        step: int,
        hours: NDArray[np.int64],
        num_members: int = 1,
        imposed: NDArray[np.bool_] | None = None,
    ) -> Array:
        """A prediction at one lead time, put right.

        Args:
            prediction: `(batch·member, lat, lon, features)`, the members of a start one behind the other.
            first: the last known state, prognostic features, of the same length.
            step: of the lead time, 0 for the first.
            hours: of the day of the valid times, `(batch,)`.
            num_members: of each start.
            imposed: cells that are left as they are, since they are known, `(lat, lon)`; None for none.
        """
        # where a value was never known, as of a diagnostic, the mean stands for it
        known = np.broadcast_to(self.mean, prediction.shape).copy()
        known[..., : first.shape[-1]] = first
        change, towards_mean = self.change[step], self.towards_mean[step]
        value = known + change * (prediction - known) + towards_mean * (self.mean - known)
        share = 1.0 if self.bias_share is None else self.bias_share[step]
        value = value - np.repeat(share * self.bias[hours], num_members, axis=0)[:, None, None, :]
        if num_members > 1:
            members = value.reshape(-1, num_members, *value.shape[1:])
            middle = members.mean(axis=1, keepdims=True)
            value = (middle + self.stretch[step] * (members - middle)).reshape(value.shape)
        value = np.where(self.is_positive, np.maximum(value, 0.0), value)
        kept = value if imposed is None else np.where(imposed[..., None], prediction, value)
        return kept.astype(np.float32)

    def to_dict(self) -> dict[str, Any]:
        """All but the mean field, as plain JSON values."""
        tables = ("change", "towards_mean", "bias", "stretch", "is_positive")
        return {
            "features": list(self.features),
            **{name: getattr(self, name).tolist() for name in tables},
            **({} if self.bias_share is None else {"bias_share": self.bias_share.tolist()}),
            "source": dict(self.source),
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], mean: Array) -> Self:
        """The calibration of a document that `to_dict` made, and its mean field.

        Raises:
            ValueError: tables that do not fit the features.
        """
        features = tuple(document["features"])
        tables = [
            np.asarray(document[name], dtype=np.float64) for name in ("change", "towards_mean", "bias", "stretch")
        ]
        steps = tables[0].shape[0]
        shapes = [(steps, len(features)), (steps, len(features)), (24, len(features)), (steps, len(features))]
        if (
            [t.shape for t in tables] != shapes
            or mean.shape[-1:] != (len(features),)
            or not all(map(_is_finite, tables))
        ):
            raise ValueError(f"calibration: tables of {[t.shape for t in tables]}, expected {shapes} of finite numbers")
        share = document.get("bias_share")
        bias_share = None if share is None else np.asarray(share, dtype=np.float64)
        if bias_share is not None and (bias_share.shape != shapes[0] or not _is_finite(bias_share)):
            raise ValueError(f"calibration: bias_share of {bias_share.shape}, expected {shapes[0]} of finite numbers")
        positive = np.asarray(document["is_positive"], dtype=bool).reshape(len(features))
        change, towards_mean, bias, stretch = tables
        field = np.asarray(mean, dtype=np.float32)
        return cls(features, change, towards_mean, bias, stretch, positive, field, dict(document["source"]), bias_share)


def _is_finite(table: NDArray[np.float64]) -> bool:
    return bool(np.isfinite(table).all())


def hours_of(times: NDArray[np.datetime64]) -> NDArray[np.int64]:
    """The hour of the day of each time, 0 to 23."""
    return np.asarray(times.astype("datetime64[h]").astype(np.int64) % 24)
