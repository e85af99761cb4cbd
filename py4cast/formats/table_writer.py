"""Tables (CSV) of forecasts at stations: a row per station, lead time and member, a column per variable."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from py4cast.errors import SettingsError
from py4cast.formats.base import Heading, PutStep, WriterABC
from py4cast.text import csv_cell

__all__ = ["TableWriter"]

_HOUR = np.timedelta64(3600, "s")


class TableWriter(WriterABC):
    """Creates a writer of CSV, whose columns are those that stations are read from: `t2m [K]`, and so on."""

    suffixes: ClassVar[tuple[str, ...]] = (".csv",)

    @contextmanager
    def begin(self, temporary: Path, heading: Heading) -> Iterator[PutStep]:
        if not heading.stations:
            raise SettingsError("a .csv holds series at stations: give it by --series, with --stations FILE")
        lat, lon = (np.ravel(x) for x in (heading.grid.latitude, heading.grid.longitude))
        with temporary.open("x", newline="", encoding="utf-8") as stream:
            table = csv.writer(stream)
            names = [f"{v.name} [{v.units}]" if v.units else v.name for v in heading.variables]
            member = ["member"] if heading.members else []
            head = ["station", "latitude", "longitude", "time", "init_time", "lead_time_h", *member, *names]
            table.writerow([csv_cell(h) for h in head])

            def put(step: int, values: NDArray[np.float32]) -> None:
                lead = heading.lead_times[step]
                when = [f"{heading.init_time + lead}Z", f"{heading.init_time}Z", f"{lead / _HOUR:g}"]
                rows = values.reshape(max(1, len(heading.members)), len(heading.stations), len(heading.variables))
                for number, row in zip(heading.members or ("",), rows, strict=True):
                    for place, station in enumerate(heading.stations):
                        cells = ["" if np.isnan(x) else f"{x:.7g}" for x in row[place]]
                        which = [number] if heading.members else []
                        table.writerow([csv_cell(station), f"{lat[place]:g}", f"{lon[place]:g}", *when, *which, *cells])

            yield put
