"""Scores in the words of others: the same variable goes by one name, whatever the files of each run call it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch

from py4cast.cubes.views.aligned import match_variables
from py4cast.errors import DataError
from py4cast.metrics.layout import Layout, WindPair
from py4cast.metrics.score_set import ScoreSet
from py4cast.variables import Variable

__all__ = ["CALLED", "in_words_of"]

CALLED = "called"  # in a document: what the run itself calls a variable, by its name here


def in_words_of(first: ScoreSet, other: ScoreSet) -> ScoreSet:
    """Scores whose variables have the names that the first has for them, `t2m` for `2t`; what it does not have keeps its name."""
    names = _names(first, other)
    if not names:
        return other
    document = dict(other.document)
    before = [Variable.from_dict(v) for v in document["variables"]]
    after = [replace(v, name=names.get(v.name, v.name)) for v in before]
    document["variables"] = [v.to_dict() for v in after]
    # pairs are called after their components
    names = {**names, **{old.name: new.name for old, new in zip(_pairs(before), _pairs(after), strict=True)}}
    settings = dict(document.get("settings", {}))
    settings["thresholds"] = {names.get(n, n): amounts for n, amounts in settings.get("thresholds", {}).items()}
    document |= {"settings": settings, CALLED: {new: old for old, new in names.items()}}
    return replace(other, units={names.get(n, n): u for n, u in other.units.items()}, document=document)


def _pairs(variables: Sequence[Variable]) -> list[WindPair]:
    return Layout(variables, torch.ones(1, 1), None, np.timedelta64(1, "h")).pairs


def _names(first: ScoreSet, other: ScoreSet) -> Mapping[str, str]:
    """The names of the first by other names of the other."""
    ours, theirs = (
        [Variable.from_dict(v) for v in s.document.get("variables", []) if v["name"] in s.variables[: s.num_features]]
        for s in (first, other)
    )
    # a variable that stands in both by one name is that one
    held, missing = {v.name for v in theirs}, {v.name for v in ours}
    ours, theirs = [v for v in ours if v.name not in held], [v for v in theirs if v.name not in missing]
    try:
        matched = match_variables(theirs, ours)
    except DataError:
        return {}  # nothing in common, which is told where it matters
    return {m.name: m.variable.name for m in matched}
