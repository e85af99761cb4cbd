"""register: what a file or folder is, and what it was made from, as an item of a catalogue."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from py4cast.cubes.store.store import MANIFEST, MARKER
from py4cast.errors import DataError
from py4cast.formats.netcdf import read_arrays
from py4cast.saved import check_tensors, identity_of, read_info
from py4cast.settings import read_json
from py4cast.workflows.catalogue.catalogue import Item, sha256_of

__all__ = ["item_of"]


def item_of(path: str | Path) -> Item:
    """The item of a saved Forecaster, an exported step, a prepared store, or the scores of a folder.

    Raises:
        DataError: nothing there, damaged, or none of these.
    """
    file = Path(path).expanduser().absolute()
    if file.suffix == ".safetensors":
        return _forecaster(file)
    if file.suffix == ".onnx":
        return _step(file)
    if (file / MARKER).is_file():
        return _store(file)
    scores = file / "scores.nc" if file.is_dir() else file
    if scores.name.endswith(".nc") and scores.is_file():
        return _scores(scores)
    if not file.exists():
        raise DataError(f"{file}: no such file or folder")
    raise DataError(
        f"{file}: expected a Forecaster (.safetensors), an exported step (.onnx), a prepared store, or scores"
    )


def _forecaster(file: Path) -> Item:
    check_tensors(file)
    header, _, count = read_info(file)
    facts = {**_facts(header), "weights": count}
    return Item(
        identity_of(header),
        "forecaster",
        str(file),
        facts,
        _of_data(header),
        header["lineage"].get("created", ""),
        True,
    )


def _step(file: Path) -> Item:
    from py4cast.steppers.onnx import OnnxStepper

    header = OnnxStepper(file).info.header
    export = header.get("export", {})
    facts = {**_facts(header), "export": {k: v for k, v in export.items() if k != "drift"}}
    parents = ((str(export["forecaster"]), "exported from"),) if export.get("forecaster") else ()
    return Item(sha256_of(file), "step", str(file), facts, parents, header["lineage"].get("created", ""), True)


def _store(folder: Path) -> Item:
    meta, manifest = read_json(folder / MARKER), read_json(folder / MANIFEST, max_bytes=None)
    files = manifest.get("inputs", [])
    facts = {
        "variables": [v.get("name") for v in meta.get("variables", [])],
        "files": len(files),
        "period": meta.get("axis"),
    }
    inputs = (str(meta["inputs_digest"]), "prepared from files")
    return Item(str(meta["digest"]), "dataset", str(folder), facts, (inputs,) if files else ())


def _scores(file: Path) -> Item:
    _, attributes = read_arrays(file)
    if "py4cast" not in attributes:
        raise DataError(f"{file}: a NetCDF file, but no scores of py4cast")
    document: dict[str, Any] = json.loads(attributes["py4cast"])
    parents: tuple[tuple[str, str], ...] = ()
    source = Path(document.get("forecaster", ""))
    if source.suffix == ".safetensors" and source.is_file():
        parents = ((_forecaster(source).id, "scores of"),)
    facts: dict[str, Any] = {
        k: document[k] for k in ("model", "strategy", "dataset", "split", "num_forecasts") if k in document
    }
    return Item(sha256_of(file), "scores", str(file), facts, parents, "", True)


def _facts(header: Mapping[str, Any]) -> dict[str, Any]:
    lineage = header["lineage"]
    state = (lineage.get("git") or {}).get("py4cast") or {}
    return {
        "model": header["model"],
        "strategy": header["strategy"],
        "dataset": header["info"]["name"],
        "predicts": [v["name"] for v in header["info"]["variables"] if v.get("role", "prognostic") in ("prognostic", "diagnostic")],
        "version": lineage.get("version", ""),
        "commit": state.get("commit", ""),
    }  # fmt: skip


def _of_data(header: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """The store that a Forecaster was trained on; of data made in memory the digest of what made them."""
    lineage = header["info"].get("lineage", {})
    if "store" in lineage:
        return ((str(lineage["store"]), "trained on"),)
    text = json.dumps(lineage, sort_keys=True)
    return ((hashlib.sha256(text.encode()).hexdigest(), "trained on"),) if lineage else ()
