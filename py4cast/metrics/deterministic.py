"""RMSE, MAE, bias, gradient error, wind-vector RMSE, and the normalised RMSE of the ocean's data challenges."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from py4cast.grid import EARTH_RADIUS, Grid
from py4cast.metrics.base import CellStatisticABC, MetricABC, StatisticABC
from py4cast.metrics.case import Case
from py4cast.metrics.layout import Layout
from py4cast.scores.deterministic import gradient_square

__all__ = ["MAE", "RMSE", "Bias", "GradientError", "Mu", "Sigma", "SquaredError", "WindRMSE"]


class SquaredError(CellStatisticABC):
    """The squared error of a cell, (ŷ − y)²."""

    name = "squared_error"

    def cells(self, case: Case) -> Tensor:
        return case.squared_error


class AbsoluteError(CellStatisticABC):
    """The absolute error of a cell, |ŷ − y|."""

    name = "absolute_error"

    def cells(self, case: Case) -> Tensor:
        return case.error.abs()


class Error(CellStatisticABC):
    """The error of a cell, ŷ − y."""

    name = "error"

    def cells(self, case: Case) -> Tensor:
        return case.error


class RMSE(MetricABC):
    """Root of the mean over all forecasts and cells: √⟨(ŷ − y)²⟩."""

    name, long_name, orientation = "rmse", "root mean square error", "low"

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.statistics = (SquaredError(layout),)

    def value(self, means: Mapping[str, Tensor]) -> Tensor:
        return means["squared_error"].sqrt()


class MAE(MetricABC):
    """Mean absolute error, ⟨|ŷ − y|⟩."""

    name, long_name, orientation = "mae", "mean absolute error", "low"

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.statistics = (AbsoluteError(layout),)

    def value(self, means: Mapping[str, Tensor]) -> Tensor:
        return means["absolute_error"]


class Bias(MetricABC):
    """Mean error of the forecast, ⟨ŷ − y⟩."""

    name, long_name, orientation = "bias", "mean error", "zero"

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.statistics = (Error(layout),)

    def value(self, means: Mapping[str, Tensor]) -> Tensor:
        return means["error"]


class WindRMSE(MetricABC):
    """√⟨(Δu)² + (Δv)²⟩ of every pair of components.

    Reference: WMO (2019), Manual on the Global Data-processing and Forecasting System, WMO-No. 485, appendix 2.2.34.
    """

    name, long_name, orientation = "wind_rmse", "root mean square vector error", "low"

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.statistics = (SquaredError(layout),)

    @classmethod
    def lacking(cls, layout: Layout) -> str:
        return "" if layout.pairs else "both components of a wind or a current"

    @property
    def features(self) -> list[str]:
        return [p.name for p in self.layout.pairs]

    def units(self, feature: str) -> str:
        pair = next(p for p in self.layout.pairs if p.name == feature)
        return self.layout.variables[pair.eastward].units

    def value(self, means: Mapping[str, Tensor]) -> Tensor:
        squares = means["squared_error"]
        east, north = ([getattr(p, side) for p in self.layout.pairs] for side in ("eastward", "northward"))
        return (squares[..., east] + squares[..., north]).sqrt()


def _distances(grid: Grid) -> tuple[Tensor, Tensor]:
    """Between rows `(lat − 1, lon)` and between columns `(lat, lon − 1)` [m]."""
    r = grid.xyz()
    distances = []
    for axis in (0, 1):
        chord = np.linalg.norm(np.diff(r, axis=axis), axis=-1)
        # rows that meet at a pole have no distance along them
        arc = np.maximum(2 * EARTH_RADIUS * np.arcsin(np.clip(chord / 2, 0, 1)), 1.0)
        distances.append(torch.from_numpy(arc))
    return distances[0], distances[1]


class GradientStatistic(StatisticABC):
    """|∇(ŷ − y)|² between neighbouring cells, weighted by the mean of their weights [per km²]."""

    name = "gradient_square"

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        assert layout.grid is not None, "lacking() asks for one"
        rows, columns = _distances(layout.grid)
        w = layout.weights.cpu()
        # a neighbour without weight (border, land) makes no gradient
        self._weights = [
            (w[1:] + w[:-1]) / 2 * ((w[1:] > 0) & (w[:-1] > 0)),
            (w[:, 1:] + w[:, :-1]) / 2 * ((w[:, 1:] > 0) & (w[:, :-1] > 0)),
        ]
        self._spacing = [rows / 1000, columns / 1000]

    def compute(self, case: Case) -> tuple[Tensor, Tensor]:
        squares = gradient_square(case.error.movedim(-1, 0))
        counted = None if case.counted is None else case.counted.movedim(-1, 0)
        sums, totals = [], []
        for axis, (square, axis_weights, spacing) in enumerate(zip(squares, self._weights, self._spacing, strict=True)):
            weights = axis_weights.to(square)
            if counted is None:
                sums.append(square.flatten(1) @ (weights / spacing.to(square).square()).flatten())
                totals.append(weights.sum().expand(square.shape[0]))
                continue
            both = counted[:, 1:] & counted[:, :-1] if axis == 0 else counted[:, :, 1:] & counted[:, :, :-1]
            sums.append((square * both * weights / spacing.to(square).square()).sum((1, 2)))
            totals.append((weights * both).sum((1, 2)))
        # the mean of each direction stands for its own half of the vector; their mean weight is the field's
        total = (totals[0] + totals[1]) / 2
        mean = torch.where(total > 0, sums[0] / totals[0] + sums[1] / totals[1], torch.zeros_like(total))
        return mean * total, total


class GradientError(MetricABC):
    """√⟨|∇(ŷ − y)|²⟩ in units of the field per km: how sharp, and where, the fronts are.

    Errors of gradients go back to S. Teweles and H. B. Wobus (1954), doi 10.1175/1520-0477-35.10.455 (their S1 is relative).
    """

    name, long_name, orientation = "gradient_error", "root mean square error of the gradient", "low"
    is_for_fields = True

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.statistics = (GradientStatistic(layout),)

    def units(self, feature: str) -> str:
        units = super().units(feature)
        return "km-1" if units == "1" else f"{units} km-1"

    def value(self, means: Mapping[str, Tensor]) -> Tensor:
        return means["gradient_square"].sqrt()


class TargetSquare(CellStatisticABC):
    """The square of the truth, y²."""

    name = "target_square"

    def cells(self, case: Case) -> Tensor:
        return case.target.square()


class Target(CellStatisticABC):
    """The truth of a cell itself, y."""

    name = "target"

    def cells(self, case: Case) -> Tensor:
        return case.target


class NormalisedRMSE(StatisticABC):
    """r = RMSE/RMS(y) of one forecast over its cells, and r², `(features, 2)`; every forecast counts alike."""

    name = "normalised_rmse"

    def compute(self, case: Case) -> tuple[Tensor, Tensor]:
        squares = case.sums(case.squared_error)[0] / case.sums(case.target.square())[0]
        counts = torch.isfinite(squares)
        ratio = torch.where(counts, squares, torch.zeros_like(squares))
        values = torch.stack([ratio.sqrt(), ratio], -1)
        return values, counts.double().unsqueeze(-1).expand_as(values)


class Mu(MetricABC):
    """μ = 1 − RMSE/RMS(y) over all times and cells: 1 is perfect, 0 what a field of zeros gets.

    Reference: M. Ballarotta et al. (2020), ocean data challenge 2020a, doi 10.24400/527896/a01-2020.002.
    """

    name, long_name, orientation = "mu", "1 - normalised RMSE", "high"

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        # the mean of the truth is no part of it: with that of its square it tells truths apart when runs are compared
        self.statistics = (SquaredError(layout), TargetSquare(layout), Target(layout))

    def units(self, feature: str) -> str:
        return "1"

    def value(self, means: Mapping[str, Tensor]) -> Tensor:
        return 1 - (means["squared_error"] / means["target_square"]).sqrt()


class Sigma(MetricABC):
    """σ: standard deviation over time of 1 − RMSE(t)/RMS(y(t)); low is steady.

    Reference: M. Ballarotta et al. (2020), ocean data challenge 2020a, doi 10.24400/527896/a01-2020.002.
    """

    name, long_name, orientation = "sigma", "deviation in time of the normalised RMSE", "low"

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.statistics = (NormalisedRMSE(layout),)

    def units(self, feature: str) -> str:
        return "1"

    def value(self, means: Mapping[str, Tensor]) -> Tensor:
        first, second = means["normalised_rmse"].unbind(-1)
        # equal values leave a rounding of 1e-16 of their square
        return (second - first.square()).clamp(min=0).sqrt()
