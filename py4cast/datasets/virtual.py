"""virtual: stores opened as they are and combined, described by one JSON; nothing is prepared or copied.

The source is a prepared store, a Zarr of another tool, any CF-NetCDF or Zarr, or several of them joined, concatenated,
cut and regridded. Statistics are those of the values that come out, over the training period; where no part has
them they are made in one pass and kept in the cache.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

from py4cast.cubes.base import CubeABC
from py4cast.cubes.source_settings import SourceSettings
from py4cast.cubes.sources import open_source
from py4cast.cubes.views import WindowCube
from py4cast.datasets.base import WindowDataset
from py4cast.datasets.describe import describe, open_drivers
from py4cast.datasets.series_settings import SeriesSettings
from py4cast.errors import SettingsError, nearest
from py4cast.settings import Settings, setting
from py4cast.variables import Variable, role_of

__all__ = ["Virtual", "VirtualSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleSettings(Settings):
    """What a variable of the source is in the dataset."""

    role: str = setting("prognostic", "prognostic, diagnostic or forcing (older: input_output, output, input)")
    weight: float | None = setting(
        None, "factor in the loss; by default 1 + p/1000 on a pressure level p [hPa], else 2"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualSettings(SeriesSettings):
    """Settings of a dataset of stores that are opened as they are."""

    root: Path | None = setting(None, "folder of the stores that are given without one")
    source: SourceSettings = setting(help="the store, or what is combined of several")
    variables: dict[str, RoleSettings] | None = setting(
        None, "variables to use and their roles; by default all of the source, in the roles it gives them"
    )


def _roles(settings: VirtualSettings, cube: CubeABC) -> list[Variable]:
    if settings.variables is None:
        return list(cube.variables)
    chosen = []
    for name, described in settings.variables.items():
        if name not in cube.names:
            raise SettingsError(f"variables.{name}: not in the source{nearest(name, cube.names)}")
        role = role_of(described.role)
        if role == "static":
            raise SettingsError(f"variables.{name}: static fields come with the source; they need no role")
        chosen.append(replace(cube.variable(name), role=role, weight=described.weight))
    return chosen


class Virtual(WindowDataset):
    """Creates the samples of one split of combined stores."""

    settings_kls: ClassVar[type] = VirtualSettings

    @classmethod
    def open(cls, settings: VirtualSettings) -> CubeABC:
        """The cube of the settings, cut to the grid's window."""
        source = settings.source
        cube = open_source(source, None, settings.root)
        if settings.grid.subgrid is not None or settings.grid.box is not None:
            cube = WindowCube.choose(cube, settings.grid.subgrid, settings.grid.box, 1)
        return cube

    @classmethod
    def splits(
        cls, settings: Any, num_input_steps: int, num_pred_steps_train: int, num_pred_steps_val_test: int
    ) -> tuple[Self, Self, Self]:
        cube = cls.open(settings)
        variables: Sequence[Variable] = _roles(settings, cube)
        lineage = {"source": settings.to_dict()["source"], "fingerprint": cube.fingerprint}
        shared = describe(settings, cube, variables, lineage, open_drivers(settings, cube.grid))
        periods = settings.periods.in_order
        return cls.of_periods([shared] * 3, periods, num_input_steps, num_pred_steps_train, num_pred_steps_val_test)
