"""verify, of forecast files: any forecasts against analyses or stations, whoever made them."""

import os
import sys
from typing import Any

from py4cast.errors import SettingsError
from py4cast.metrics.score_set import ScoreSet
from py4cast.settings import encode
from py4cast.workflows.terminal import Bar
from py4cast.workflows.verify.file_case import FileCase, VerifyFiles
from py4cast.workflows.verify.shares import BLOCK_BYTES, lead_bytes, score_alone, score_shared

__all__ = ["verify_files"]

_FORECASTS_EACH = 8  # that a process is worth


def verify_files(
    asked: VerifyFiles, has_maps: bool = True, bar: Bar | None = None, num_workers: int | None = None
) -> tuple[ScoreSet, FileCase]:
    """The scores of forecast files beside persistence, climatology and references, and the opened files.

    One forecast is in memory at a time (of a large one some lead times); several processes hold as much together.

    Args:
        asked: what is verified against what.
        has_maps: whether the error is summed up in every cell.
        bar: told of every forecast.
        num_workers: processes that read and score, each a share of the starts; by default as many as there are cores
            and work for.

    Raises:
        SettingsError: names that are not there.
        DataError: files that cannot be read or do not fit together.
    """
    if num_workers is not None and num_workers < 1:
        raise SettingsError(f"--num_workers {num_workers}: expected at least 1")
    case = FileCase(asked)
    try:
        count = _num_workers(case) if num_workers is None else min(num_workers, case.init_times.size)
        verification = score_alone(case, has_maps, bar) if count == 1 else score_shared(case, has_maps, count, bar)
    except BaseException:
        case.close()
        raise
    return verification.scores(_document(case)), case


def _num_workers(case: FileCase) -> int:
    """Processes that the work is worth; one where a lead time is so large that threads share it."""
    if not sys.platform.startswith("linux"):
        return 1  # elsewhere a process does not start as a copy of this one
    cores = len(os.sched_getaffinity(0))
    return max(1, min(cores, case.init_times.size // _FORECASTS_EACH, BLOCK_BYTES // lead_bytes(case)))


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
