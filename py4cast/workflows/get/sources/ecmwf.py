"""ECMWF open data: single fields of the IFS forecasts of the last days, read out of their files by the index beside each."""

import json
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from py4cast.errors import DataError
from py4cast.remote import fetch, fetch_parts
from py4cast.workflows.get.asked import Asked, Field, Names
from py4cast.workflows.get.sources.base import Piece, SourceABC

__all__ = ["EcmwfOpenData"]

_NAMES = Names(
    {"t2m": "2t", "d2m": "2d", "u10": "10u", "v10": "10v", "msl": "msl", "sp": "sp", "tp": "tp", "skt": "skt", "lsm": "lsm", "tcwv": "tcwv"},
    {"t": "t", "u": "u", "v": "v", "q": "q", "z": "gh", "gh": "gh", "r": "r", "w": "w", "vo": "vo", "d": "d"},
)  # fmt: skip
_STEPS = tuple(range(0, 145, 3))


class EcmwfOpenData(SourceABC):
    """Creates the source of ECMWF's open forecasts at 0.25°."""

    title = "ECMWF open data: IFS forecasts of the last days, 0.25°, global"
    place: ClassVar[str] = "https://data.ecmwf.int/forecasts"
    needs = (
        "no account",
        "CC-BY-4.0, by ECMWF",
        "some 0.6 MB a field; the last days only, older ones on its mirrors (--address)",
    )
    every = "12h"

    def pieces(self, asked: Asked) -> list[Piece]:
        fields = _NAMES.fields(asked.variables, "ecmwf")
        pieces = []
        for start in asked.times:
            day, hour = np.datetime_as_string(start, "h").replace("-", "").split("T")
            for step in asked.lead_times or _STEPS:
                name = f"{day}{hour}0000-{step}h-oper-fc"
                url = f"{asked.address or self.place}/{day}/{hour}z/ifs/0p25/oper/{name}"
                pieces.append(Piece(f"{name}.grib2", (url, fields)))
        return pieces

    def make(self, piece: Piece, asked: Asked, path: Path) -> None:
        url, fields = piece.told
        index = fetch(f"{url}.index")
        lines = [json.loads(line) for line in index.read_text().splitlines() if line.strip()]
        parts = [_part(lines, field, url) for field in fields]
        fetch_parts(f"{url}.grib2", parts, path)
        data = path.read_bytes()
        at = 0
        for _, length in parts:
            if data[at : at + 4] != b"GRIB" or data[at + length - 4 : at + length] != b"7777":
                raise DataError(
                    f"{url}.grib2: what its index tells is no GRIB message; it may be written anew just now, try again"
                )
            at += length


def _part(lines: list[dict[str, Any]], field: Field, url: str) -> tuple[int, int]:
    """Where a field lies, and how long it is; DataError where it lacks or several would be it."""
    level = "sfc" if field.level is None else "pl"
    hits = [
        line for line in lines
        if line.get("param") == field.there and line.get("levtype") == level
        and (field.level is None or line.get("levelist") == str(field.level)) and "number" not in line
    ]  # fmt: skip
    if len(hits) != 1:
        held = sorted({str(line.get("param")) for line in lines if line.get("levtype") == level})
        raise DataError(f"{url}: {len(hits)} fields are {field.name} ({field.there}); it holds {', '.join(held)}")
    return int(hits[0]["_offset"]), int(hits[0]["_length"])
