"""SourceABC: where data come from, what it takes to have them, and how they become files."""

import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from py4cast.atomic import atomic_path, check_name
from py4cast.errors import DataError, SettingsError
from py4cast.progress import Progress
from py4cast.remote import fetch
from py4cast.workflows.get.asked import Asked

__all__ = ["Piece", "SourceABC", "WholeFiles", "client"]


class Piece(NamedTuple):
    """A file that is to come.

    Args:
        name: of the file.
        told: how the source makes it: an address, or a request.
    """

    name: str
    told: Any


class SourceABC(ABC):
    """Abstract source of data over the network.

    Attributes:
        title: what it holds, in a line.
        place: its address, where it has one that can be another.
        needs: account, licence and size, in a line each.
        every: between two instants, by default.
    """

    title: ClassVar[str]
    place: ClassVar[str] = ""
    needs: ClassVar[tuple[str, str, str]]
    every: ClassVar[str] = "6h"

    @abstractmethod
    def pieces(self, asked: Asked) -> list[Piece]:
        """The files that make up what is asked for; SettingsError for what the source does not have."""

    @abstractmethod
    def make(self, piece: Piece, asked: Asked, path: Path) -> None:
        """Writes one file; raises DataError where it cannot be had."""

    def files(self, asked: Asked, folder: Path, progress: Progress) -> Iterator[Path]:
        """The files, one after the other; those that stand are not fetched again.

        Args:
            asked: what is wanted.
            folder: that they go to.
            progress: told of every file.
        """
        pieces = self.pieces(asked)
        progress.start("fetching", len(pieces))
        folder.mkdir(parents=True, exist_ok=True)
        for piece in pieces:
            path = folder / check_name(piece.name, "the file", DataError)
            if not path.exists():
                with atomic_path(path) as temporary:
                    self.make(piece, asked, temporary)
            progress.step()
            yield path


class WholeFiles(SourceABC):
    """Abstract source of files that are given whole, each by its address."""

    def make(self, piece: Piece, asked: Asked, path: Path) -> None:
        held = fetch(piece.told)
        try:
            os.link(held, path)  # the cache and the folder share the bytes
        except OSError:  # another disk, or no links
            shutil.copyfile(held, path)


def client(name: str, extra: str, what: str) -> Any:
    """A package that a source needs; SettingsError says how to get it."""
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError:
        raise SettingsError(f"get: {what} needs the package {name}: pip install 'py4cast[{extra}]'") from None
