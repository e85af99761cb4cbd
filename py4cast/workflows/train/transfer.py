"""Transfer: a training that begins from the network of another Forecaster, to which inputs such as noise are added."""

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from py4cast.errors import DataError
from py4cast.forecaster import Forecaster

__all__ = ["Transfer", "transfer"]

_OUTPUTS_ALIKE = ("scaled_ar", "ensemble")


class Transfer(NamedTuple):
    """What became of the weights, by name.

    Args:
        kept: as they were.
        enlarged: with zeros for the inputs that are new, so that they change nothing at the start.
        new: drawn afresh; the source has none such.
    """

    kept: list[str]
    enlarged: list[str]
    new: list[str]

    def __str__(self) -> str:
        parts = [f"{len(self.kept)} weights carried over"]
        parts += (
            [f"{len(self.enlarged)} enlarged for new inputs ({', '.join(self.enlarged[:3])})"] if self.enlarged else []
        )
        parts += [f"{len(self.new)} new ({', '.join(self.new[:3])})"] if self.new else []
        return ", ".join(parts)


def transfer(forecaster: Forecaster, path: Path) -> Transfer:
    """Gives the network of a Forecaster the weights of another one of the same data and model.

    New inputs stand behind those that the source knows: a strategy with noise begins with the forecast of the deterministic one.

    Args:
        forecaster: that is trained.
        path: of the other.

    Raises:
        DataError: other data, another model, or weights that do not fit even so.
    """
    source = Forecaster.load(path)
    source.info.check_same(forecaster.info)
    for what, ours, theirs in (
        ("model", forecaster.names["model"], source.names["model"]),
        ("num_input_steps", forecaster.num_input_steps, source.num_input_steps),
    ):
        if ours != theirs:
            raise DataError(
                f"--init_from {path}: its {what} is {theirs}, that of the training {ours}; expected the same"
            )
    names = {source.names["strategy"], forecaster.names["strategy"]}
    if len(names) > 1 and not names <= set(_OUTPUTS_ALIKE):
        raise DataError(
            f"--init_from {path}: strategy {source.names['strategy']!r} reads the network's output in another way than "
            f"{forecaster.names['strategy']!r}; the weights of one are nothing for the other (expected {' or '.join(_OUTPUTS_ALIKE)})"
        )
    given, told = source.network.state_dict(), Transfer([], [], [])
    state = forecaster.network.state_dict()
    for name, fresh in state.items():
        if name not in given:
            told.new.append(name)
            continue
        state[name] = _enlarged(given[name], fresh, f"{path}: {name}")
        (told.kept if given[name].shape == fresh.shape else told.enlarged).append(name)
    forecaster.network.load_state_dict(state)
    return told


def _enlarged(weight: Tensor, like: Tensor, where: str) -> Tensor:
    """A weight with zeros behind its inputs, where there are more of them; DataError where anything else differs."""
    if weight.shape == like.shape:
        return weight
    differing = [i for i, (a, b) in enumerate(zip(weight.shape, like.shape, strict=False)) if a != b]
    if weight.ndim != like.ndim or differing != [1] or weight.shape[1] > like.shape[1]:
        raise DataError(
            f"--init_from {where} is of shape {list(weight.shape)}, the network's of {list(like.shape)}; expected the same but for "
            f"further inputs"
        )
    wide = torch.zeros_like(like)
    wide[:, : weight.shape[1]] = weight
    return wide
