"""verify: forecasts of xarray against their truth, scored as the command line scores files."""

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import xarray as xr

from py4cast.errors import DataError, SettingsError
from py4cast.regrid import Method
from py4cast.workflows.python.copies import as_file, in_words_of_python
from py4cast.workflows.verify.file_case import VerifyFiles
from py4cast.workflows.verify.files import verify_files
from py4cast.workflows.verify.score_files import netcdf_parts
from py4cast.workflows.verify.split import score_settings

__all__ = ["verify"]

_WORDS = {
    "--forecast": "forecast",
    "--truth": "truth",
    "--reference": "references",
    "--regrid": "regrid",
    "--rename": "rename",
    "--variables": "variables",
}
Fields = xr.Dataset | str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


def verify(
    forecast: Fields,
    truth: Fields,
    *,
    metrics: Sequence[str] = (),
    variables: Sequence[str] = (),
    rename: Mapping[str, str] | None = None,
    accumulated: Sequence[str] = (),
    references: Mapping[str, Fields] | None = None,
    regrid: Method | None = None,
    climatology: str = "truth",
    settings: Sequence[str] = (),
) -> xr.Dataset:
    """The scores of forecasts, as a Dataset: `rmse(system, lead_time, variable)` and all others, with their bounds.

    Args:
        forecast: with starts and lead times, and members where there are any; or its files: a path, a pattern, or several.
        truth: analyses; or their files.
        metrics: by name; by default those of `py4cast verify`.
        variables: names in the truth; by default all that both have.
        rename: name in the truth by name in the forecast.
        accumulated: forecast variables that are sums since the start.
        references: further forecasts by name.
        regrid: how forecasts come to the truth's grid: linear, nearest, mean; None refuses another grid.
        climatology: file of normals, `truth` or `none`.
        settings: dotted settings of the scores, such as `confidence=0.9`.

    Raises:
        DataError: a Dataset that lacks a time, a variable, or fits the other nowhere.
        SettingsError: names that are not there.
    """
    # one name stands for itself
    metrics, variables, accumulated = ([v] if isinstance(v, str) else v for v in (metrics, variables, accumulated))
    asked = [f"metrics={list(metrics)!r}".replace("'", '"')] if metrics else []
    with ExitStack() as stack:
        given = {"forecast": forecast, "truth": truth}
        files = {name: _files(data, name, stack) for name, data in given.items()}
        others = {name: _files(data, name, stack) for name, data in (references or {}).items()}
        # a path of the user's own stays as it is
        made = {n: files[n][0] for n, data in given.items() if isinstance(data, xr.Dataset | xr.DataArray)}
        try:
            wanted = VerifyFiles(
                forecast=files["forecast"], truth=files["truth"], references=others, variables=variables,
                renamed={truth_name: ours for ours, truth_name in (rename or {}).items()}, accumulated=accumulated, regrid=regrid,
                climatology=climatology, scores=score_settings([*asked, *settings]),
            )  # fmt: skip
            scores, case = verify_files(wanted, num_workers=1)
            case.close()
        except (DataError, SettingsError) as error:
            raise type(error)(in_words_of_python(str(error), _WORDS, made)) from None
    arrays, coordinates, attributes = netcdf_parts(scores, has_rows=False)
    told = {name: in_words_of_python(str(value), {}, made) for name, value in attributes.items()}
    return xr.Dataset(arrays, coordinates, told)


def _files(data: Any, what: str, stack: ExitStack) -> list[str]:
    """The files of what is given; DataError where it is neither a Dataset nor paths."""
    if isinstance(data, str | os.PathLike):
        return [str(data)]
    if isinstance(data, Sequence) and data and all(isinstance(path, str | os.PathLike) for path in data):
        return [str(path) for path in data]
    return [stack.enter_context(as_file(data, what))]
