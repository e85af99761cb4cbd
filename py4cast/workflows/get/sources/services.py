"""Open files of national services: packages of Météo-France's AROME and ARPEGE, analyses of MET Norway; whole files."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from py4cast.errors import SettingsError, nearest
from py4cast.workflows.get.asked import Asked
from py4cast.workflows.get.sources.base import Piece, WholeFiles

__all__ = ["MetNorway", "MeteoFrance"]

_SIX_HOURS = tuple(
    f"{first:02d}H{last:02d}H" for first, last in ((0, 6), *((h, h + 5) for h in range(7, 44, 6)), (49, 51))
)
_TWELVE_HOURS = (
    "000H012H",
    "013H024H",
    "025H036H",
    "037H048H",
    "049H060H",
    "061H072H",
    "073H084H",
    "085H096H",
    "097H102H",
)
_DAYS = ("000H024H", "025H048H", "049H072H", "073H102H")


class MeteoFrance(WholeFiles):
    """Creates the source of Météo-France's packages of forecasts."""

    title = "Météo-France open data: AROME 0.025° and 0.01° over France, ARPEGE 0.1° over Europe and 0.25° global"
    place: ClassVar[str] = "https://object.data.gouv.fr/meteofrance-pnt/pnt"
    needs = (
        "no account",
        "Licence Ouverte 2.0 (Etalab), by Météo-France",
        "50 to 300 MB a package and group of hours; the last two weeks",
    )
    models: ClassVar[Mapping[str, tuple[str, str, tuple[str, ...]]]] = {
        "arome0025": ("arome", "0025", _SIX_HOURS), "arome001": ("arome", "001", tuple(f"{h:02d}H" for h in range(52))),
        "arpege01": ("arpege", "01", _TWELVE_HOURS), "arpege025": ("arpege", "025", _DAYS),
    }  # fmt: skip
    packages: ClassVar[tuple[str, ...]] = ("SP1", "SP2", "SP3", "IP1", "IP2", "IP3", "IP4", "IP5", "HP1", "HP2", "HP3")

    def pieces(self, asked: Asked) -> list[Piece]:
        dataset = asked.dataset or "arome0025"
        if dataset not in self.models:
            raise SettingsError(f"get meteofrance: --dataset {dataset!r}{nearest(dataset, self.models)}")
        model, grid, groups = self.models[dataset]
        for name in asked.variables or ("SP1",):
            if name not in self.packages:
                raise SettingsError(
                    f"get meteofrance: its --variables are packages of several: {name!r}{nearest(name, self.packages)} (SP1: t2m, wind at 10 m, pressure, rain)"
                )
        if asked.box is not None:
            raise SettingsError(
                "get meteofrance: gives whole files; leave --box out, and cut in the dataset's JSON (grid.box)"
            )
        pieces = []
        for start in asked.times:
            run = f"{np.datetime_as_string(start, 's')}Z"
            for package in asked.variables or ("SP1",):
                for group in [g for g in groups if _is_wanted(g, asked)]:
                    name = f"{model}__{grid}__{package}__{group}__{run}.grib2"
                    url = f"{asked.address or self.place}/{run}/{model}/{grid}/{package}/{name}"
                    pieces.append(Piece(name.replace(":", ""), url))
        return pieces


def _is_wanted(group: str, asked: Asked) -> bool:
    """Whether a group of hours such as 07H12H holds a lead time that is asked for."""
    hours = [int(part) for part in group.split("H") if part]
    return not asked.lead_times or any(hours[0] <= lead <= hours[-1] for lead in asked.lead_times)


class MetNorway(WholeFiles):
    """Creates the source of MET Norway's analyses at 1 km."""

    title = "MET Norway open data: MET Nordic analyses every hour, 1 km, Lambert, since 2012"
    place: ClassVar[str] = "https://thredds.met.no/thredds/fileServer/metpparchivev3"
    needs = ("no account", "CC-BY-4.0 (NLOD), by MET Norway", "some 80 MB an hour, all variables")
    every = "1h"

    def pieces(self, asked: Asked) -> list[Piece]:
        if asked.variables or asked.box is not None or asked.lead_times:
            raise SettingsError(
                "get metnorway: gives whole files of analyses; leave --variables, --box and --lead_times out, and choose in the dataset's JSON"
            )
        pieces = []
        for time in asked.times:
            day, hour = np.datetime_as_string(time, "h").split("T")
            name = f"met_analysis_1_0km_nordic_{day.replace('-', '')}T{hour}Z.nc"
            pieces.append(Piece(name, f"{asked.address or self.place}/{day.replace('-', '/')}/{name}"))
        return pieces
