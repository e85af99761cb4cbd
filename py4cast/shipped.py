"""Shipped: the files of `config/` that came with the package, where the current folder has none of that name."""

from pathlib import Path

__all__ = ["shipped"]

_FOLDER = Path(__file__).parent / "config"


def shipped(path: Path) -> Path:
    """The path as it is; of `config/...` that is not there, the file of that name in the package, where it has one.

    So `config/datasets/era5_uk.json` names the same settings in the repository and beside an installed package.
    """
    if path.exists() or path.is_absolute() or path.parts[:1] != ("config",) or ".." in path.parts:
        return path
    inside = _FOLDER.joinpath(*path.parts[1:])
    return inside if inside.is_file() else path
