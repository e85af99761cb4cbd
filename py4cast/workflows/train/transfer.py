"""Transfer: a training that begins from the network of another Forecaster, whatever of it can be carried over."""

import fnmatch
import logging
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from py4cast.errors import DataError, SettingsError, nearest
from py4cast.forecaster import Forecaster
from py4cast.models.other_names import renamed
from py4cast.saved import is_saved
from py4cast.settings import read_json
from py4cast.tensor_file import is_foreign, read_weights
from py4cast.workflows.train.channels import Channels, Ends, Names, channels_of, check_widths, ends_of, named_channels

__all__ = ["Transfer", "freeze", "transfer"]

logger = logging.getLogger(__name__)
_TOLD = 8  # names
# strategies that read the network's output alike
_OUTPUTS_ALIKE = (("scaled_ar", "ensemble"),)


class Transfer(NamedTuple):
    """What became of the weights, by name.

    Args:
        kept: as they were.
        enlarged: carried over by the names of inputs and outputs; zero for inputs that are new, so that they change nothing
            at the start.
        new: drawn afresh; the source has none such, or of another shape.
        ends: what became of inputs and outputs, by name.
    """

    kept: list[str]
    enlarged: list[str]
    new: list[str]
    ends: list[str]

    def __str__(self) -> str:
        parts = [f"{len(self.kept)} weights carried over"]
        parts += (
            [f"{len(self.enlarged)} fitted to other inputs or outputs ({', '.join(self.enlarged[:3])})"]
            if self.enlarged
            else []
        )
        parts += [f"{len(self.new)} new ({', '.join(self.new[:3])})"] if self.new else []
        return "; ".join([", ".join(parts), *self.ends])


def transfer(forecaster: Forecaster, path: Path) -> Transfer:
    """Gives the network of a Forecaster the weights of another one of the same model, or those of another package's network.

    Variables, levels, input steps, grid, data and strategy may differ. Inputs and outputs are found again by their names; inputs
    that are new begin with weights of zero, so that a strategy with noise begins with the forecast of the deterministic one.
    Outputs that are new, or that the strategy reads in another way, are drawn afresh. What stands at the ends of another package's
    network is told by a JSON beside its weights; without it both ends are drawn afresh.

    Args:
        forecaster: that is trained.
        path: of the other, or of a state of `neural-lam`, `mfai` or the same network in a file of torch or safetensors.

    Raises:
        DataError: another model, or nothing that fits.
    """
    mine, ends = channels_of(forecaster), ends_of(forecaster)
    is_other = is_foreign(path) or not is_saved(path)
    source = _foreign(forecaster, path, mine, ends) if is_other else _saved(forecaster, path)
    given, weights = source.channels, source.weights
    told, state = Transfer([], [], [], _of_ends(mine, given)), forecaster.network.state_dict()
    learned = _learned(forecaster.network)
    for name, fresh in state.items():
        if name not in learned:
            continue  # made of the grid and the settings, such as a mesh
        carried = _carried(weights.get(name), fresh, ends[name], mine, given)
        if carried is None:
            told.new.append(name)
            continue
        is_same = weights[name].shape == fresh.shape and torch.equal(carried, weights[name].to(carried.dtype))
        (told.kept if is_same else told.enlarged).append(name)
        state[name] = carried
    if not any(state[name].ndim > 1 for name in (*told.kept, *told.enlarged)):
        raise DataError(f"--init_from {path}: nothing of it fits this network: {source.difference}")
    forecaster.network.load_state_dict(state)
    return told


def _of_ends(mine: Channels, given: Channels | None) -> list[str]:
    """Inputs and outputs that are new or left out, where both sides say what theirs are."""
    if given is None or None in given.outputs:
        return []
    pairs = (
        ("new inputs, which begin with zero", mine.inputs, given.inputs),
        ("inputs left out", given.inputs, mine.inputs),
        ("new outputs, drawn afresh", mine.outputs, given.outputs),
        ("outputs left out", given.outputs, mine.outputs),
    )
    lines = []
    for what, names, others in pairs:
        different = [_told(name) for name in names if name not in set(others)]
        more = f" and {len(different) - _TOLD} more" if len(different) > _TOLD else ""
        lines += [f"{what}: {', '.join(different[:_TOLD])}{more}"] if different else []
    return lines


def _told(name: Hashable) -> str:
    """An input or output as the JSON beside weights names it."""
    if not isinstance(name, tuple):
        return str(name)
    return (
        f"{name[2]}@{name[1]}"
        if name[0] == "state"
        else " ".join(map(str, name[1:] if name[0] in ("static", "forcing") else name))
    )


class _Source(NamedTuple):
    """Weights by the names of the network that is trained, and what stands at their ends; None for what nobody says."""

    weights: Mapping[str, Tensor]
    channels: Channels | None
    difference: str


def _saved(forecaster: Forecaster, path: Path) -> _Source:
    source = Forecaster.load(path)
    ours, theirs = forecaster.names["model"], source.names["model"]
    if ours != theirs:
        raise DataError(f"--init_from {path}: its model is {theirs}, that of the training {ours}; expected the same")
    given = _as_read(channels_of(source), source.names["strategy"], forecaster)
    is_alike = source.model_settings == forecaster.model_settings
    return _Source(source.network.state_dict(), given, "another network" if is_alike else "other settings of the model")


def _foreign(forecaster: Forecaster, path: Path, mine: Channels, ends: Mapping[str, Ends]) -> _Source:
    names = forecaster.network.state_dict().keys()
    package, weights = renamed(read_weights(path), names, f"--init_from {path}")
    beside = path.with_suffix(".json")
    channels = None
    if beside.exists():
        document = read_json(beside)
        channels = named_channels(document, mine, str(beside))
        check_widths(weights, channels, ends, str(beside))
        channels = _as_read(channels, str(document.get("strategy", "scaled_ar")), forecaster)
    logger.info(
        "weights of %s%s", package, "" if channels else f"; no {beside.name} says what its inputs and outputs are"
    )
    return _Source(weights, channels, "other settings of the model")


def _learned(network: nn.Module) -> set[str]:
    """Names of what training changes: weights, and the statistics of norms."""
    norms = {name for name, module in network.named_modules() if getattr(module, "track_running_stats", False)}
    counted = {name for name, _ in network.named_buffers() if name.rpartition(".")[0] in norms}
    return {name for name, _ in network.named_parameters()} | counted


def _as_read(channels: Channels, strategy: str, forecaster: Forecaster) -> Channels:
    """The channels of a strategy, whose outputs are others where this Forecaster's reads them in another way."""
    if _reads_alike(strategy, forecaster.names["strategy"]):
        return channels
    return Channels(channels.inputs, [None] * len(channels.outputs))


def _reads_alike(one: str, other: str) -> bool:
    """Whether two strategies make the same of a network's output."""
    return one == other or any({one, other} <= set(names) for names in _OUTPUTS_ALIKE)


def _carried(weight: Tensor | None, fresh: Tensor, ends: Ends, mine: Channels, given: Channels | None) -> Tensor | None:
    """A weight with its inputs and outputs where the network has them now; None where it cannot be carried over."""
    if weight is None or weight.ndim != fresh.ndim:
        return None
    if given is None:
        is_within = ends.is_plain and ends.inputs is None and ends.outputs is None and weight.shape == fresh.shape
        return weight.to(fresh.dtype) if is_within else None
    if not ends.is_plain:
        is_same = mine == given and weight.shape == fresh.shape
        return weight.to(fresh.dtype) if is_same else None
    free = (ends.inputs, ends.outputs)
    if any(a != b for i, (a, b) in enumerate(zip(weight.shape, fresh.shape, strict=True)) if i not in free):
        return None
    carried = weight.to(fresh.dtype)
    if ends.inputs is not None:
        carried = _moved(carried, ends.inputs, given.inputs, mine.inputs, None)
    if ends.outputs is not None:
        if not any(name is not None and name in mine.outputs for name in given.outputs):
            return None
        # what is new of the outputs is as it was drawn, of the inputs zero
        carried = _moved(carried, ends.outputs, given.outputs, mine.outputs, fresh)
    return carried


def _moved(weight: Tensor, axis: int, given: Names, mine: Names, fresh: Tensor | None) -> Tensor:
    """A weight whose places along an axis are those of `mine`; of what is new those of `fresh`, else zero."""
    places = {name: place for place, name in enumerate(given) if name is not None}
    pairs = [(place, places[name]) for place, name in enumerate(mine) if name in places]
    shape = list(weight.shape)
    shape[axis] = len(mine)
    whole = weight.new_zeros(shape) if fresh is None else fresh.clone()
    if pairs:
        to, of = (torch.tensor(indices) for indices in zip(*pairs, strict=True))
        whole.index_copy_(axis, to, weight.index_select(axis, of))
    return whole


def freeze(network: nn.Module, patterns: Sequence[str]) -> int:
    """Keeps the weights of a network whose names fit as they are, and what their norms have counted; how many there are.

    Args:
        network: that is trained.
        patterns: of names, such as `encoder.*`.

    Raises:
        SettingsError: a pattern that no weight fits, or nothing left to learn.
    """
    names = [name for name, _ in network.named_parameters()]
    frozen = set[str]()
    for pattern in patterns:
        fitting = fnmatch.filter(names, pattern)
        if not fitting:
            raise SettingsError(f"--freeze {pattern!r}: no weight has such a name{nearest(pattern, names)}")
        frozen |= set(fitting)
    if patterns and len(frozen) == len(names):
        raise SettingsError(f"--freeze {' '.join(patterns)}: all weights, so that there is nothing to learn")
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name not in frozen and parameter.requires_grad)
    for module in network.modules():
        scales = list(module.parameters(recurse=False))
        if getattr(module, "track_running_stats", False) and scales and not any(p.requires_grad for p in scales):
            # its statistics are part of what is frozen
            module.register_forward_pre_hook(lambda norm, _: norm.eval() and None)
    if frozen:
        logger.info("%d of %d weights stay as they are (--freeze)", len(frozen), len(names))
    return len(frozen)
