"""Outputs: the files of a forecast, each written as its lead times are ready."""

import string
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from py4cast.errors import SettingsError, nearest
from py4cast.formats import Heading, Put, WriterABC, writer_for

__all__ = ["Outputs", "check_pattern"]

_HOUR = np.timedelta64(3600, "s")
_PLACES = ("init_time", "lead_time")


def check_pattern(text: str) -> None:
    """SettingsError when a path has a place for something else than `{init_time}` and `{lead_time}`."""
    try:
        places = [place for _, place, _, _ in string.Formatter().parse(text) if place is not None]
    except ValueError as error:
        raise SettingsError(f"--output {text!r}: {error}") from None
    for place in places:
        if place not in _PLACES:
            raise SettingsError(f"--output {text!r}: unknown place {{{place}}}{nearest(place, _PLACES)}")


def _named(text: str, init_time: np.datetime64, lead_time: np.timedelta64) -> Path:
    """The path of a lead time: `{init_time}` as 20190330T00, `{lead_time}` as hours 006, with minutes 000h30."""
    hours, rest = divmod(lead_time, _HOUR)
    lead = f"{int(hours):03d}" + (f"h{int(rest / np.timedelta64(60, 's')):02d}" if rest else "")
    start = np.datetime_as_string(init_time, "m").replace("-", "").replace(":", "").removesuffix("00")
    return Path(text.format(init_time=start, lead_time=lead))


class Outputs:
    """Creates the files of a forecast; they stand at their names when they are whole.

    A path with `{lead_time}` becomes a file per lead time, which stands as soon as it is written; any other path one
    file of all lead times, which stands at the end.

    Args:
        paths: of the files; their endings choose the formats.
        heading: of the forecast.

    Raises:
        SettingsError: an unknown ending or place.
    """

    def __init__(self, paths: Sequence[str], heading: Heading) -> None:
        self.heading, self.written = heading, list[Path]()
        self._stack, self._step = ExitStack(), 0
        self._wholes: list[Put] = []
        self._each: list[tuple[str, WriterABC]] = []
        self._plans = [(path, writer_for(path)) for path in paths]
        for path in paths:
            check_pattern(path)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for text, writer in self._plans:
                if "{lead_time" in text:
                    self._each.append((text, writer))
                    continue
                path = _named(text, self.heading.init_time, self.heading.lead_times[0])
                self._wholes.append(stack.enter_context(writer.open(path, self.heading)))
                self.written.append(path)
            self._stack = stack.pop_all()
        return self

    def put(self, values: NDArray[np.float32]) -> None:
        """Writes the next lead time, `heading.shape`."""
        for put in self._wholes:
            put(values)
        leads = [self.heading.since, *self.heading.lead_times]
        for text, writer in self._each:
            before, lead = leads[self._step : self._step + 2]
            path = _named(text, self.heading.init_time, lead)
            with writer.open(path, replace(self.heading, lead_times=[lead], since=before)) as put:
                put(values)
            self.written.append(path)
        self._step += 1

    def __exit__(self, *error: object) -> None:
        self._stack.__exit__(*error)  # type: ignore[arg-type]
