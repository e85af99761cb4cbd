"""verify, of forecast files: any forecasts against analyses or stations, whoever made them."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from py4cast.metrics.score_set import ScoreSet
from py4cast.metrics.verification import Verification
from py4cast.settings import encode
from py4cast.workflows.file_case import FileCase, VerifyFiles
from py4cast.workflows.report import Bar

__all__ = ["verify_files"]

logger = logging.getLogger(__name__)
_BLOCK_BYTES = 48_000_000


class _Block(NamedTuple):
    """Some lead times of one forecast, read."""

    init_time: np.datetime64
    first_step: int
    is_last: bool
    forecasts: Mapping[str, Tensor]
    target: Sequence[Tensor]
    climatology: Sequence[Tensor] | None


def verify_files(asked: VerifyFiles, has_maps: bool = True, bar: Bar | None = None) -> tuple[ScoreSet, FileCase]:
    """The scores of forecast files beside persistence, climatology and references, and the opened files.

    One forecast is in memory at a time (of a large one some lead times), read while the one before is scored.

    Raises:
        SettingsError: names that are not there.
        DataError: files that cannot be read or do not fit together.
    """
    case = FileCase(asked)
    further = ["persistence", *(["climatology"] if case.climatology is not None else [])]
    further = further if asked.has_normal_systems else []
    systems = ("forecast", *(n for n in case.systems if n != "forecast"), *further)
    counts = {name: system.num_members for name, system in case.systems.items()}
    verification = Verification(
        case.layout, systems, True, has_maps and case.grid is not None, counts, list(case.lead_times)
    )
    if bar is not None:
        bar.start("verifying", case.init_times.size)
    steps: list[Any] = []
    for block in _ahead(_blocks(case)):
        steps += verification.compute(block.forecasts, block.target, block.climatology, block.first_step)
        if block.is_last:
            verification.finish(block.init_time, steps)
            steps = []
            if bar is not None:
                bar.step()
    return verification.scores(_document(case)), case


def _document(case: FileCase) -> dict[str, Any]:
    """What was verified, as plain JSON values."""
    asked = case.asked
    return {
        "forecast": list(asked.forecast),
        "asked": asked.described(),
        "truth": list(asked.truth) if asked.stations is None else asked.stations,
        "references": {name: list(files) for name, files in asked.references.items()},
        "climatology": getattr(case.climatology, "description", ""),
        "settings": encode(asked.scores),
        "variables": [v.to_dict() for v in case.variables],
        "num_members": case.layout.num_members,
        "grid": None if case.grid is None else case.grid.describe(),
    }


def _blocks(case: FileCase) -> Iterator[_Block]:
    """Every forecast in the order of the starts, in blocks of lead times that fit into memory."""
    asked = case.asked
    planes = len(case.variables) * int(np.prod(case.truth_shape)) * 4
    members = sum(system.num_members for system in case.systems.values())
    size = max(1, _BLOCK_BYTES // (planes * (members + 2)))
    for start in case.init_times:
        initial = case.truth.read(np.array([start]))[0]
        for first in range(0, case.lead_times.size, size):
            leads: NDArray[np.timedelta64] = case.lead_times[first : first + size]
            target = case.truth.read(start + leads)
            forecasts = {name: system.read(start, leads) for name, system in case.systems.items()}
            normal = None if case.climatology is None else list(case.climatology(start + leads))
            if asked.has_normal_systems:
                forecasts["persistence"] = initial.expand(leads.size, *initial.shape)
                forecasts |= {} if normal is None else {"climatology": torch.stack(normal)}
            is_last = first + size >= case.lead_times.size
            yield _Block(start, first, is_last, forecasts, target, normal)


def _ahead(blocks: Iterator[_Block]) -> Iterator[_Block]:
    """The same blocks, the next one being read by a thread meanwhile."""
    with ThreadPoolExecutor(1, "py4cast-read") as reader:
        coming = reader.submit(next, blocks, None)
        while (block := coming.result()) is not None:
            coming = reader.submit(next, blocks, None)
            yield block
