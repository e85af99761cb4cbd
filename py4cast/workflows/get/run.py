"""get: fetches what is asked for, and writes beside it what was asked and how the files become a dataset."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from py4cast.atomic import lock, sha256_of, write_json, write_text
from py4cast.errors import DataError, SettingsError
from py4cast.progress import Progress, Silent
from py4cast.settings import read_json
from py4cast.version import __version__
from py4cast.workflows.get.asked import Asked
from py4cast.workflows.get.sources import source_of
from py4cast.workflows.new.dataset import propose

__all__ = ["Fetched", "get"]


class Fetched(NamedTuple):
    """What came of what was asked.

    Args:
        files: the data.
        recipe: what was asked for, and the checksums of what came.
        dataset: the JSON of a dataset of these files; None where none could be proposed.
        remarks: what is to be looked at in it.
    """

    files: list[Path]
    recipe: Path
    dataset: Path | None
    remarks: list[str]


def get(name: str, asked: Asked, folder: Path, progress: Progress | None = None) -> Fetched:
    """Fetches data of a source into a folder: the files, `recipe.json` and `dataset.json`; what stands is not fetched again.

    Args:
        name: of the source.
        asked: what is wanted.
        folder: that all goes to.
        progress: told of every file.

    Raises:
        SettingsError: an unknown source, what it does not have, or a folder with another recipe.
        DataError: what cannot be reached, is refused, or is not there.
        BusyError: another process fetches into the folder.
    """
    source = source_of(name)
    document = _document(name, asked)
    source.pieces(asked)  # what is wrong is told before a folder is made
    folder.mkdir(parents=True, exist_ok=True)
    recipe = folder / "recipe.json"
    with lock(folder / ".lock"):
        if recipe.exists() and {k: v for k, v in read_json(recipe).items() if k in document} != document:
            raise SettingsError(f"{recipe}: what was asked for there is something else; choose another --folder")
        write_json(recipe, document)
        files = list(source.files(asked, folder / "files", progress or Silent()))
        sums = {path.name: sha256_of(path) for path in files}
        account, licence, size = source.needs
        write_json(
            recipe,
            {**document, "title": source.title, "needs": {"account": account, "licence": licence, "size": size},
             "fetched": str(np.datetime64("now", "s")), "py4cast": __version__, "files": sums},
        )  # fmt: skip
        try:
            proposal = propose([str(path) for path in files], name)
        except (DataError, SettingsError, ValueError) as error:
            return Fetched(files, recipe, None, [f"no dataset.json: {' '.join(str(error).split())}"])
        path = folder / "dataset.json"
        write_text(path, json.dumps(proposal.document, indent=2, ensure_ascii=False) + "\n")
    return Fetched(files, recipe, path, proposal.remarks)


def _document(name: str, asked: Asked) -> dict[str, Any]:
    """What was asked for, as the recipe holds it."""
    return {
        "source": name, "variables": list(asked.variables), "start": str(asked.start), "end": str(asked.end),
        "every_h": float(asked.every / np.timedelta64(3600, "s")), "lead_times_h": list(asked.lead_times),
        "box": None if asked.box is None else list(asked.box), "address": asked.address, "dataset": asked.dataset,
    }  # fmt: skip
