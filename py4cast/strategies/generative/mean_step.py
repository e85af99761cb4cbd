"""MeanStep: a deterministic Forecaster's step inside a generative strategy, which then draws what that step leaves open."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from py4cast.dataset_info import DatasetInfo
from py4cast.errors import DataError, SettingsError
from py4cast.learned import transforms_of
from py4cast.models import build_network
from py4cast.saved import read_saved
from py4cast.settings import Settings, setting

__all__ = ["MeanSettings", "MeanStep", "read_mean"]

# the strategy whose network gives a change in the units that generative strategies draw in
_STRATEGY = "scaled_ar"
_CLOSE = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanSettings(Settings):
    """Settings of the deterministic step, taken from its Forecaster: its network, and how far it errs."""

    model: str = setting(help="its network, by name")
    model_settings: dict[str, Any] = setting(factory=dict, help="of the network")
    num_input_steps: int = setting(2, "past states that it is given")
    errors: tuple[float, ...] = setting((), "of one step by predicted feature, in units of what changes in one step")


class MeanStep(nn.Module):
    """Creates the step: z̄ = f(x) of the deterministic network, which no longer learns.

    Args:
        settings: of its Forecaster.
        info: of the data.
    """

    errors: Tensor

    def __init__(self, settings: MeanSettings, info: DatasetInfo) -> None:
        super().__init__()
        width = len(info.predicted)
        if len(settings.errors) != width or not all(0 < error < float("inf") for error in settings.errors):
            raise SettingsError(f"strategy.mean.errors: {list(settings.errors)}; expected {width} numbers above 0")
        self.network, _ = build_network(
            settings.model,
            info.num_input_features(settings.num_input_steps),
            width,
            settings.model_settings,
            info.grid,
            info.statics,
        )
        self.register_buffer("errors", torch.tensor(settings.errors), persistent=False)
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> "MeanStep":
        """Stays as it forecasts, whatever is trained around it."""
        return super().train(False)

    def forward(self, given: Tensor) -> Tensor:
        """Its change of past states, statics and forcings `(batch, lat, lon, features)`, in units of what changes in one step."""
        with torch.no_grad():
            change: Tensor = self.network(given)
        return change


def read_mean(path: str, info: DatasetInfo) -> tuple[MeanSettings, dict[str, Tensor]]:
    """The settings and the weights of the step of a saved Forecaster.

    Args:
        path: of the Forecaster.
        info: of the data that it must be of.

    Raises:
        DataError: it cannot be read, is of other data or of another strategy, or does not say how far it errs.
        SettingsError: variables that are learned as something else.
    """
    where = f"strategy.residual_of {path}"
    header, tensors = read_saved(Path(path))
    if header["strategy"] != _STRATEGY:
        raise DataError(f"{where}: strategy {header['strategy']!r}; expected one of {_STRATEGY}")
    theirs = DatasetInfo.unpack(
        header["info"], {k.removeprefix("info."): v for k, v in tensors.items() if k.startswith("info.")}
    )
    # of either: what one of them learns is no state of the other
    if transforms_of(info.variables) or transforms_of(theirs.variables):
        raise SettingsError(f"{where}: with variables that are learned as something else its errors have no units")
    theirs.check_same(info)
    _check_statistics(where, theirs, info)
    if header.get("further_inputs"):
        raise DataError(f"{where}: its network asks for further inputs; expected one that takes the states alone")
    settings = MeanSettings(
        model=header["model"],
        model_settings=header["model_settings"],
        num_input_steps=header["num_input_steps"],
        errors=_errors(where, header["lineage"], info),
    )
    weights = {f"network.model.{k.removeprefix('network.')}": v for k, v in tensors.items() if k.startswith("network.")}
    return settings, weights


def _check_statistics(where: str, theirs: DatasetInfo, ours: DatasetInfo) -> None:
    """Refuses a Forecaster whose standardised units are others; DataError."""
    for name in (*ours.predicted, *ours.forcing):
        for stat in ("mean", "std"):
            a, b = theirs.stats[name][stat], ours.stats[name][stat]
            if abs(a - b) > _CLOSE * max(ours.stats[name]["std"], 1e-30):
                raise DataError(
                    f"{where}: it was trained where the {stat} of {name} is {a:g}, here it is {b:g}; expected the same training period"
                )


def _errors(where: str, lineage: Mapping[str, Any], info: DatasetInfo) -> tuple[float, ...]:
    """The root mean square error of one step on the validation split, in units of what changes in one step."""
    table = lineage.get("validation_rmse") or {}
    errors = []
    for name in info.predicted:
        row = table.get(name)
        if not row:
            raise DataError(
                f"{where}: it does not say its errors on the validation split; train it anew with this version"
            )
        change = info.diff_stats[name]["std"] if name in info.prognostic else 1.0
        errors.append(float(row[0]) / ((info.stats[name]["std"] or 1.0) * (change or 1.0)))
    return tuple(errors)
