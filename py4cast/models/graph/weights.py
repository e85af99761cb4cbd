"""Weights of the package `neural-lam`, under the names that they have here.

The graph must be laid out as theirs (`mesh="neural_lam"`), and the input's features must come in the order in which
the weights were trained: [Xₜ, Xₜ₋₁, forcings, statics].
"""

import re
from collections.abc import Mapping

from torch import Tensor

__all__ = ["from_neural_lam"]

_PREFIX = re.compile(r"^(forecaster\.)?predictor\.")
_SPLIT = re.compile(r"^processor\.module_(\d+)\.(edge|aggr)_mlp\.mlps\.(\d+)\.(.+)$")
_PLAIN = re.compile(r"^processor\.module_(\d+)\.")
_LIMITS = re.compile(r"(_lims|_idx)$")


def from_neural_lam(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state of a `graphlam`, `hilam` or `hilamparallel` here from that of a network of `neural-lam` 0.4 to 0.7.

    Args:
        weights: its state, or a checkpoint's, whose names begin with `forecaster.predictor.`.
    """
    plain = {_PREFIX.sub("", name): value for name, value in weights.items()}
    levels = 1 + max((int(m[1]) for name in plain if (m := re.match(r"mesh_embedders\.(\d+)\.", name))), default=0)
    renamed = {}
    for name, value in plain.items():
        if _LIMITS.search(name):
            continue
        if match := _SPLIT.match(name):
            turn, kind, index, rest = match[1], match[2], int(match[3]), match[4]
            renamed[f"rounds.{turn}.{_place(kind, index, levels)}.{rest}"] = value
        else:
            renamed[_PLAIN.sub(r"processor.\1.", name)] = value
    return renamed


def _place(kind: str, index: int, levels: int) -> str:
    """Where the MLP `index` of a joint layer stands: one per set of edges (same, up, down), or one per level."""
    if kind == "aggr":
        return f"aggr_mlps.{index}"
    for name, count in (("same", levels), ("up", levels - 1), ("down", levels - 1)):
        if index < count:
            return f"{name}.{index}.edge_mlp"
        index -= count
    raise ValueError(f"{levels} levels have {3 * levels - 2} sets of edges")
