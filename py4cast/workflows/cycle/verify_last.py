"""Scores of the last forecasts of a cycle, against the analyses that have come since."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from py4cast.errors import DataError
from py4cast.metrics import ScoreSettings
from py4cast.workflows.page.score_page import write_page
from py4cast.workflows.verify.file_case import VerifyFiles
from py4cast.workflows.verify.files import verify_files
from py4cast.workflows.verify.score_files import write_scores

__all__ = ["verify_last"]

_PLACE = re.compile(r"\{(init_time|lead_time)[^}]*\}")
_FORMATS = (".nc", ".grib", ".grib2", ".zarr")


def verify_last(outputs: Sequence[str], analyses: Sequence[str], first: np.datetime64, folder: str) -> Path:
    """Writes scores and page of the forecasts from `first` on to a folder.

    Args:
        outputs: paths with `{init_time}`; the first of a format that can be read is taken.
        analyses: paths with `%Y %m %d %H %M`.
        first: start of the first forecast.
        folder: of the results.

    Raises:
        DataError: no forecast or no analysis that fit together.
    """
    readable = [text for text in outputs if text.endswith(_FORMATS)]
    if not readable:
        raise DataError("no output of a format that verification reads (.nc, .grib2, .zarr)")
    asked = VerifyFiles(
        forecast=[_PLACE.sub("*", readable[0])], truth=list(analyses), climatology="none", first=first,
        scores=ScoreSettings(metrics=("rmse", "mae", "bias"), num_samples=200),
    )  # fmt: skip
    scores, case = verify_files(asked)
    try:
        write_page(Path(folder) / "report.html", scores, case, "The last forecasts")
        return write_scores(folder, scores)
    finally:
        case.close()
