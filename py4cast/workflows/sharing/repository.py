"""push, pull: a Forecaster or a step as a repository: the file, its description, a card for people, and a list with checksums.

The layout is that of model hubs: `config.json`, `README.md` with a head that their pages read, and the weights beside them. A
repository is a folder, or an address of one (`s3://…`, `hf://USER/NAME`, `https://…` to pull from). Nothing in it is executed: weights
are safetensors or ONNX, all else is text, and a list that names anything else is refused.
"""

import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from py4cast.atomic import atomic_path, check_name, sha256_of, write_json, write_text
from py4cast.errors import DataError, SettingsError
from py4cast.remote import fetch, is_remote, put_files, url_of
from py4cast.saved import file_of, read_saved
from py4cast.settings import read_json
from py4cast.text import visible
from py4cast.version import __version__

__all__ = ["pull", "push"]

_LIST = "py4cast.json"
_FORMAT = 1
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SUFFIXES = (".safetensors", ".onnx", ".json", ".md")
_WEIGHTS = (".safetensors", ".onnx")


def push(file: str | os.PathLike[str], target: str, note: str = "") -> str:
    """Puts a Forecaster, or an exported step, into a repository, and returns its place.

    Args:
        file: a saved Forecaster, the folder of its run, or a step (`.onnx`).
        target: a folder, or an address that can be written.
        note: for people, in the card.

    Raises:
        SettingsError: another kind of file, or a place that holds another repository.
        DataError: the file is damaged, or the place cannot be written.
    """
    path = file_of(Path(file))
    if path.suffix not in _WEIGHTS:
        raise SettingsError(f"{path}: expected a Forecaster (.safetensors) or an exported step (.onnx)")
    header = _header(path)
    with tempfile.TemporaryDirectory(prefix="py4cast-push-") as name:
        folder = Path(name)
        weights = folder / check_name(
            "forecaster.safetensors" if path.suffix == ".safetensors" else "step.onnx", "file"
        )
        shutil.copyfile(path, weights)
        write_json(folder / "config.json", header)
        write_text(folder / "README.md", _card(weights.name, header, note))
        files = {p.name: {"bytes": p.stat().st_size, "sha256": sha256_of(p)} for p in sorted(folder.iterdir())}
        write_json(folder / _LIST, {"format": _FORMAT, "version": __version__, "weights": weights.name, "files": files})
        if is_remote(target):
            # the list last, so that who reads it finds all that it names
            put_files([folder / check_name(n, "file") for n in (*files, _LIST)], url_of(target))
            return url_of(target)
        return str(_put(folder, [*files, _LIST], Path(target)))


def _put(folder: Path, names: list[str], target: Path) -> Path:
    """Copies the files to a folder; the list last."""
    if target.exists() and not target.is_dir():
        raise SettingsError(f"{target}: a file; expected a folder")
    if target.is_dir() and any(target.iterdir()) and not (target / _LIST).exists():
        raise SettingsError(f"{target}: holds other things than a repository of py4cast; choose another folder")
    target.mkdir(parents=True, exist_ok=True)
    for name in names:
        with atomic_path(target / check_name(name, "file")) as temporary:
            shutil.copyfile(folder / check_name(name, "file"), temporary)
    return target


def pull(source: str, output: Path) -> Path:
    """Takes the weights of a repository, once all of them are checked, and returns their file.

    Args:
        source: a folder, or an address.
        output: a folder, which is made.

    Raises:
        DataError: no repository, one that names other files than it may, or a file whose checksum is another.
    """
    place = url_of(source).rstrip("/") if is_remote(source) else Path(source)
    described = _listed(place)
    files: Mapping[str, Any] = described["files"]
    with tempfile.TemporaryDirectory(prefix="py4cast-pull-") as name:
        folder = Path(name)
        for file, told in files.items():
            taken = _file(place, file)
            if taken.stat().st_size != told.get("bytes") or sha256_of(taken) != told.get("sha256"):
                raise DataError(
                    f"{place}: {file} is not what its list says (checksum); pull it again, or ask who pushed it"
                )
            shutil.copyfile(taken, folder / check_name(file, "file", DataError))
        weights = folder / check_name(described["weights"], "file", DataError)
        header = _header(weights)  # it can be read
        if header.get("format") is None:
            raise DataError(f"{place}: {weights.name} is no Forecaster and no step of py4cast")
        output.mkdir(parents=True, exist_ok=True)
        for file in files:
            with atomic_path(output / check_name(file, "file", DataError)) as temporary:
                shutil.copyfile(folder / check_name(file, "file", DataError), temporary)
        write_json(output / _LIST, dict(described))
    return output / check_name(weights.name, "file", DataError)


def _listed(place: str | Path) -> Mapping[str, Any]:
    """The list of a repository, in which every name is that of a file of its own, of a kind that is never executed."""
    try:
        document = read_json(_file(place, _LIST))
    except (SettingsError, DataError) as error:
        raise DataError(f"{place}: no repository of py4cast: {error}") from None
    files, weights = document.get("files"), document.get("weights")
    if document.get("format") != _FORMAT or not isinstance(files, dict) or weights not in files:
        raise DataError(f"{place}: no repository that this version reads; found format {document.get('format')!r}")
    for name, told in files.items():
        is_plain = bool(_NAME.fullmatch(name)) and name.endswith(_SUFFIXES) and isinstance(told, dict)
        if not is_plain or (name == weights and not name.endswith(_WEIGHTS)):
            raise DataError(f"{place}: its list names {visible(name)!r}; expected safetensors, ONNX, JSON or Markdown")
    return document


def _file(place: str | Path, name: str) -> Path:
    """A file of a repository, fetched where it is behind an address."""
    if isinstance(place, str):
        return fetch(f"{place}/{name}")
    path = place / check_name(name, "file", DataError)
    if not path.is_file() or path.is_symlink():
        raise DataError(f"{path}: no such file")
    return path


def _header(path: Path) -> dict[str, Any]:
    if path.suffix == ".safetensors":
        return read_saved(path)[0]
    from py4cast.steppers import open_stepper

    return dict(open_stepper(str(path)).info.header)


def _card(weights: str, header: Mapping[str, Any], note: str) -> str:
    """What people read first; its head is what model hubs read."""
    lineage, info = header.get("lineage") or {}, header.get("info") or {}
    variables = [v for v in info.get("variables", []) if v.get("role") in ("prognostic", "diagnostic")]
    scores = (lineage.get("scores") or {}).get("model") or {}
    rows = "".join(
        f"| {_cell(v['name'])} | {_cell(v.get('units', ''))} | {_score(scores.get(v['name'], {}))} |\n"
        for v in variables
    )
    use = f"py4cast pull PLACE --output here\npy4cast forecast --forecaster here/{weights} --input 'analyses/*.grib' --num_steps 12 --output fc.nc"
    return f"""---
library_name: py4cast
pipeline_tag: other
tags: [weather, forecasting, {json.dumps(str(header.get("model", "")))}, {json.dumps(str(header.get("strategy", "")))}]
---

# {_cell(header.get("model", ""))} ({_cell(header.get("strategy", ""))}), trained on {_cell(info.get("name", ""))}

{_cell(note)}

Made by py4cast {_cell(lineage.get("version", ""))} on {_cell(lineage.get("created", ""))}; `config.json` holds its configuration and lineage.

```sh
{use}
```

| variable | units | RMSE of the test by lead time |
|---|---|---|
{rows}"""


def _cell(text: object) -> str:
    return visible(text).replace("|", "\\|").replace("<", "&lt;")


def _score(scores: Mapping[str, Any]) -> str:
    values = [v for v in scores.get("rmse", []) if v is not None]
    return ", ".join(f"{v:.3g}" for v in values[:6]) or "–"
