"""Channels: what stands at every place of a network's input and output, by name, and which of its weights meet them."""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from py4cast.errors import DataError
from py4cast.forecaster import Forecaster
from py4cast.models import build_network

__all__ = ["Channels", "Ends", "channels_of", "check_widths", "ends_of", "named_channels"]

Names = Sequence[Hashable]


class Channels(NamedTuple):
    """What a network is given, and what it gives.

    Args:
        inputs: a name of every input: a state by its step and feature, a static field, a forcing, or a place among what the
            strategy adds.
        outputs: a name of every output.
    """

    inputs: Names
    outputs: Names


class Ends(NamedTuple):
    """The axes of a weight along which inputs and outputs of the network lie; None for none.

    Args:
        inputs: axis of the inputs.
        outputs: axis of the outputs.
        is_plain: whether it has one place for every input and output.
    """

    inputs: int | None
    outputs: int | None
    is_plain: bool = True


def channels_of(forecaster: Forecaster) -> Channels:
    """The names of a Forecaster's inputs and outputs, as its strategy puts them together."""
    info, plan = forecaster.entry.learned, forecaster.strategy
    steps = forecaster.num_input_steps if plan.uses_states else 0
    names: list[Hashable] = [("state", step - steps + 1, name) for step in range(steps) for name in info.prognostic]
    names += [("static", name) for name in info.static]
    names += [("forcing", name) for name in info.forcing]
    width = plan.num_input_features(info, forecaster.num_input_steps)
    if width < len(names):
        # a strategy that leaves some out orders the rest as it likes
        names = [(forecaster.names["strategy"], place) for place in range(width)]
    added = "noise" if plan.noise == "cells" else forecaster.names["strategy"]
    names += [(added, place) for place in range(width - len(names))]
    predicted: list[Hashable] = list(info.predicted)
    if plan.num_outputs(info) != len(predicted):
        predicted = [(forecaster.names["strategy"], place) for place in range(plan.num_outputs(info))]
    return Channels(names, predicted)


def named_channels(document: Mapping[str, Any], mine: Channels, told: str) -> Channels:
    """The channels that a JSON names: `{"inputs": ["t2m@0", "t2m@-1", "lsm", "toa"], "outputs": ["t2m"]}`.

    `NAME@K` is the state of K steps after the newest, so that `@0` is that one and `@-1` the one before; a name alone is a static field or a
    forcing.

    Args:
        document: of the JSON.
        mine: of the network that is trained, by which a field is known as static or forcing.
        told: where it lies, for errors.

    Raises:
        DataError: it is none, or names something twice.
    """
    parts: list[Any] = [document.get(key) for key in ("inputs", "outputs")]
    if not all(isinstance(part, list) and part and all(isinstance(name, str) for name in part) for part in parts):
        raise DataError(
            f'{told}: expected {{"inputs": ["t2m@0", "t2m@-1", "lsm"], "outputs": ["t2m"]}}, names in the order of the weights'
        )
    for part in parts:
        if twice := [name for name, count in Counter(part).items() if count > 1]:
            raise DataError(f"{told}: {twice[0]!r} stands {part.count(twice[0])} times; expected each once")
    return Channels([_name(name, mine, told) for name in parts[0]], list(parts[1]))


def _name(text: str, mine: Channels, told: str) -> Hashable:
    """The name of an input that a text says."""
    name, at, step = text.partition("@")
    if not at:
        return next((known for known in (("static", name), ("forcing", name)) if known in mine.inputs), name)
    if not step.lstrip("-").isdigit():
        raise DataError(f"{told}: {text!r}: expected NAME@0, NAME@-1, ...")
    return ("state", int(step), name)


def check_widths(weights: Mapping[str, Tensor], channels: Channels, ends: Mapping[str, Ends], told: str) -> None:
    """Refuses names of which there are more or fewer than weights have inputs or outputs; DataError."""
    for name, weight in weights.items():
        for axis, names, kind in (
            (ends[name].inputs, channels.inputs, "inputs"),
            (ends[name].outputs, channels.outputs, "outputs"),
        ):
            if axis is not None and weight.ndim > axis and weight.shape[axis] != len(names):
                raise DataError(f"{told}: {len(names)} {kind}; expected {weight.shape[axis]}, as {name} has")


def ends_of(forecaster: Forecaster) -> Mapping[str, Ends]:
    """Which weights of a network meet its inputs and outputs: those whose shape changes with one more of them."""
    info, plan = forecaster.entry.learned, forecaster.strategy
    width, outputs = plan.num_input_features(info, forecaster.num_input_steps), plan.num_outputs(info)
    shapes = _shapes(forecaster, width, outputs)
    wider, more = _shapes(forecaster, width + 1, outputs), _shapes(forecaster, width, outputs + 1)
    ends = {}
    for name, shape in shapes.items():
        first, first_is_plain = _axis(shape, wider.get(name))
        second, second_is_plain = _axis(shape, more.get(name))
        ends[name] = Ends(first, second, first_is_plain and second_is_plain)
    return ends


def _shapes(forecaster: Forecaster, num_inputs: int, num_outputs: int) -> dict[str, tuple[int, ...]]:
    """The shapes of a network's weights with other numbers of inputs and outputs; no random number is used up."""
    info, plan = forecaster.info, forecaster.strategy
    with torch.random.fork_rng(devices=[]):
        network, _ = build_network(
            forecaster.names["model"], num_inputs, num_outputs, forecaster.model_settings, info.grid, info.statics,
            inputs=info.inputs, num_conditions=plan.condition_size, num_latent=plan.num_latent,
        )  # fmt: skip
    return {name: tuple(value.shape) for name, value in network.state_dict().items()}


def _axis(shape: tuple[int, ...], other: tuple[int, ...] | None) -> tuple[int | None, bool]:
    """The axis along which a shape has grown by one, and whether it is the only change."""
    if other is None or len(shape) != len(other):
        return None, other == shape
    grown = [i for i, (a, b) in enumerate(zip(shape, other, strict=True)) if a != b]
    if not grown:
        return None, True
    return grown[0], len(grown) == 1 and other[grown[0]] == shape[grown[0]] + 1
