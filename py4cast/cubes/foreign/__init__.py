"""PLUG POINT: stores of other tools, opened as they are. A new kind is one file here and one line below, or an entry
point in `py4cast.cubes`.
"""

from pathlib import Path

from py4cast.cubes.base import CubeABC
from py4cast.cubes.foreign.base import ForeignCube
from py4cast.cubes.store.store import MARKER, PreparedStore
from py4cast.errors import DataError, SettingsError, nearest
from py4cast.formats.zarr_address import is_remote_zarr
from py4cast.registry import Registry
from py4cast.remote import as_local, is_remote

__all__ = ["ForeignCube", "open_cube", "registry"]

_AT = "py4cast.cubes.foreign"
registry: Registry[ForeignCube] = Registry(
    "cube",
    f"{_AT}.base:ForeignCube",
    {
        "anemoi": f"{_AT}.anemoi:AnemoiCube",
        "mllam": f"{_AT}.mllam:MllamCube",
        "stations": f"{_AT}.stations:StationsCube",
        "cf": f"{_AT}.cf:CfCube",
    },
    mark="ForeignCube",
)


def open_cube(path: Path, kind: str | None = None) -> CubeABC:
    """The cube of a store or file: a prepared store, or the first kind whose marks it bears.

    Raises:
        SettingsError: an unknown kind.
        DataError: nothing there, or nothing that any kind can open.
    """
    if is_remote(path):
        if not is_remote_zarr(path):
            return open_cube(as_local(path), kind)
        if kind is None:
            marks = [name for name in registry.names() if name != "cf" and registry.get(name).fits(path)]
            kind = next(iter(marks), "cf")
        return registry.get(kind)(path)
    if kind == "prepared" or (kind is None and (path / MARKER).is_file()):
        return PreparedStore(path)
    if not path.exists():
        beside = [p.name for p in path.parent.iterdir() if not p.name.startswith(".")] if path.parent.is_dir() else []
        raise DataError(f"{path}: no such file or store{nearest(path.name, beside) if beside else ''}")
    if kind is not None:
        if kind not in registry.names():
            raise SettingsError(f"kind {kind!r}{nearest(kind, ['prepared', *registry.names()])}")
        return registry.get(kind)(path)
    if (path / "recipe.json").is_file() and (path / "zarr.json").is_file():
        return PreparedStore(path)  # says that it is unfinished
    # the kind without marks of its own comes last
    fitting = [name for name in registry.names() if registry.get(name).fits(path)]
    marked = [name for name in fitting if name != "cf"]
    if len(marked) > 1:
        raise SettingsError(f"{path}: bears the marks of {' and of '.join(marked)}; set kind to one of them")
    if fitting:
        return registry.get((marked or fitting)[0])(path)
    raise DataError(f"{path}: no store that is known; expected a prepared one, or {', '.join(registry.names())}")
