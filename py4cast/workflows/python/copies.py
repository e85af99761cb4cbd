"""A Dataset of xarray as a file that lasts as long as it is needed, so that all that reads files reads it too."""

import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from py4cast.errors import DataError
from py4cast.formats.cf_axes import kind_of

__all__ = ["as_file", "in_words_of_python", "within"]


def within(data: xr.Dataset, first: np.datetime64, last: np.datetime64) -> xr.Dataset:
    """The instants of a series between two times; a Dataset of forecasts, or of one instant, stays as it is."""
    times = [c for c in data.coords.values() if c.ndim == 1 and c.dims == (c.name,) and kind_of(c) in ("time", "init")]
    leads = [c for c in data.coords.values() if c.ndim == 1 and kind_of(c) == "lead" and c.size > 1]
    if len(times) != 1 or leads or times[0].dtype.kind != "M":
        return data
    values = times[0].values.astype("datetime64[s]")
    return data.isel({times[0].name: np.flatnonzero((values >= first) & (values <= last))})


@contextmanager
def as_file(data: Any, what: str) -> Iterator[str]:
    """The path of a NetCDF file of a Dataset, which goes when the block ends.

    Args:
        data: of xarray, in memory or lazy.
        what: it is, for messages.

    Raises:
        DataError: it is no Dataset, or cannot be written.
    """
    if isinstance(data, xr.DataArray):
        data = data.to_dataset(name=data.name or "field")
    if not isinstance(data, xr.Dataset):
        raise DataError(f"{what}: found {type(data).__name__}; expected an xarray.Dataset")
    with tempfile.TemporaryDirectory(prefix="py4cast-") as folder:
        path = Path(folder) / "dataset.nc"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # encodings of other formats
                _plain(data).to_netcdf(path, engine="netcdf4")
        except (ValueError, TypeError, RuntimeError, NotImplementedError, KeyError) as error:
            raise DataError(f"{what}: cannot be read whole: {' '.join(str(error).split())[:300]}") from None
        yield str(path)


def in_words_of_python(text: str, words: Mapping[str, str], files: Mapping[str, str]) -> str:
    """A message of the command line as it is said in Python.

    Args:
        text: the message.
        words: of the command line, and what they are here; longer ones first.
        files: what the Datasets are called, and the temporary files that they became.
    """
    for flag, word in words.items():
        text = text.replace(flag, word)
    for name, path in files.items():
        text = text.replace(path, name) if path else text
    return text


def _plain(data: xr.Dataset) -> xr.Dataset:
    """Without what a file cannot hold: encodings of where it came from, indexes of several levels, attributes of no plain kind."""
    several = [name for name, index in data.xindexes.items() if type(index).__name__ == "PandasMultiIndex"]
    plain = data.reset_index(several) if several else data.copy()
    plain.encoding = {}
    for variable in plain.variables.values():
        variable.encoding = {
            k: v for k, v in variable.encoding.items() if k == "coordinates" and "coordinates" not in variable.attrs
        }
        variable.attrs = {str(k): _attribute(v) for k, v in variable.attrs.items() if _attribute(v) is not None}
        if variable.dtype.kind == "M":
            for key in ("units", "calendar"):
                variable.attrs.pop(key, None)
    plain.attrs = {}
    return plain


def _attribute(value: Any) -> Any:
    if isinstance(value, bool | np.bool_):
        return int(value)
    if isinstance(value, str | int | float | np.ndarray | np.generic | list | tuple):
        return value
    return None
