"""ZIP archives: the one file of fields that a service has packed, as the Climate Data Store sends NetCDF."""

import hashlib
import zipfile
from pathlib import Path

from py4cast.atomic import atomic_path
from py4cast.errors import DataError
from py4cast.settings import cache_dir

__all__ = ["unpacked", "zip_members"]

_PIECE = 2**20


def zip_members(path: Path) -> list[str]:
    """The names of the files in an archive; DataError where it is damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            return [i.filename for i in archive.infolist() if not i.is_dir()]
    except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
        raise DataError(f"{path}: a damaged ZIP archive: {error}") from None


def unpacked(path: Path, names: list[str]) -> Path:
    """The only file of an archive, unpacked into the cache once.

    Raises:
        DataError: an archive of several files or none, damaged, or locked by a password.
    """
    if len(names) != 1:
        shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
        raise DataError(f"{path}: a ZIP archive of {len(names)} files ({shown}); unpack it first (unzip)")
    state = path.stat()
    identity = repr((str(path.absolute()), state.st_size, state.st_mtime_ns, names))
    target = cache_dir() / "unpacked" / hashlib.sha256(identity.encode()).hexdigest()[:32]
    if target.exists():
        return target
    try:
        # zipfile compares the checksum when it has read to the end
        with zipfile.ZipFile(path) as archive, archive.open(names[0]) as packed, atomic_path(target) as temporary:
            pieces = iter(lambda: packed.read(_PIECE), b"")
            with temporary.open("wb") as stream:
                stream.writelines(pieces)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise DataError(f"{path}: a ZIP archive that cannot be unpacked: {error}") from None
    return target
