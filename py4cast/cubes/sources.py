"""Opening sources: a store by what it is, and what the settings combine of several."""

from collections.abc import Callable, Sequence
from pathlib import Path

from py4cast.cubes.base import CubeABC
from py4cast.cubes.foreign import open_cube
from py4cast.cubes.source_settings import SourceSettings
from py4cast.cubes.views import (
    ConcatCube,
    CutoutCube,
    JoinCube,
    MembersCube,
    RegridCube,
    RenamedCube,
    StretchedCube,
    TimesCube,
    WindowCube,
)
from py4cast.errors import SettingsError
from py4cast.grid import Grid

__all__ = ["open_source"]


def open_source(settings: SourceSettings, target: Grid | None = None, root: Path | None = None) -> CubeABC:
    """The cube that the settings describe; nothing is read but what tells what is there.

    Args:
        settings: of the source.
        target: the grid that `regrid` means, when the source stands alone.
        root: folder of the stores that are given without one.

    Raises:
        SettingsError: selections that do not fit; DataError: stores that cannot be opened or do not fit together.
    """
    parts: Sequence[SourceSettings]
    if settings.store is not None:
        path = settings.store.expanduser()
        if ".." in path.parts:
            raise SettingsError(f"store {str(path)!r}: '..' is refused")
        cube = open_cube(path if root is None or path.is_absolute() else root / path, settings.kind)
    elif settings.join is not None:
        first = open_source(settings.join[0], target, root)
        cube = JoinCube([first, *(open_source(s, first.grid, root) for s in settings.join[1:])])
    elif settings.concat is not None:
        first = open_source(settings.concat[0], target, root)
        parts = settings.concat[1:]
        cube = ConcatCube([first, *(open_source(s, first.grid, root) for s in parts)], settings.fill_missing)
    else:
        assert settings.cutout is not None, "checked by the settings"
        cubes = [open_source(s, target, root) for s in settings.cutout]
        if settings.min_distance_km is not None:
            return _selected(settings, StretchedCube(cubes, settings.min_distance_km), target)
        onto = open_source(settings.onto, target, root).grid if settings.onto is not None else cubes[-1].grid
        cube = CutoutCube(cubes, onto, settings.method)
    return _selected(settings, cube, target)


def _selected(settings: SourceSettings, cube: CubeABC, target: Grid | None) -> CubeABC:
    steps: list[tuple[bool, Callable[[CubeABC], CubeABC]]] = [
        (
            settings.select is not None or settings.drop is not None or bool(settings.rename),
            lambda c: RenamedCube.choose(c, settings.select, settings.drop, settings.rename),
        ),
        (
            settings.start is not None or settings.end is not None or settings.frequency is not None,
            lambda c: TimesCube.choose(c, settings.start, settings.end, settings.frequency),
        ),
        (settings.members is not None, lambda c: MembersCube(c, settings.members or ())),
        (
            settings.subgrid is not None or settings.box is not None or settings.thinning is not None,
            lambda c: WindowCube.choose(c, settings.subgrid, settings.box, settings.thinning or 1),
        ),
    ]
    for is_asked, step in steps:
        if is_asked:
            cube = step(cube)
    if settings.regrid is not None:
        if target is None:
            raise SettingsError(
                "regrid: no grid to go to here; it is that of the first source of a join, or of the dataset"
            )
        cube = RegridCube(cube, target, settings.regrid)
    return cube
