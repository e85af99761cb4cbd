"""The file of a saved Forecaster: one safetensors file, tensors by name and one JSON header; nothing in it is executed.

The header lies under the metadata key `py4cast`, with the digest of the tensors (`sha256`) and of itself
(`header_sha256`), so that a flipped bit shows. doc/forecaster_file.md describes it for other programs.
"""

import hashlib
import json
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from py4cast.atomic import atomic_path
from py4cast.errors import DataError, SettingsError
from py4cast.remote import as_local
from py4cast.settings import parse_json

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = [
    "FORMAT",
    "bounded_parameters",
    "check_header",
    "check_tensors",
    "damaged_as_errors",
    "file_of",
    "identity_of",
    "is_saved",
    "load_weights",
    "read_info",
    "read_plain_tensors",
    "read_saved",
    "write_saved",
]

FORMAT = 1
KEY = "py4cast"
_NEEDED = ("model", "strategy", "model_settings", "strategy_settings", "num_input_steps", "info", "lineage")
_FURTHER = ("calibration", "format", "forces_border", "further_inputs", "noise", "num_members", "sha256")


def write_saved(path: str | os.PathLike[str], header: Mapping[str, Any], tensors: Mapping[str, "Tensor"]) -> None:
    """Writes tensors and header, whole or not at all."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    whole = {**header, "sha256": _digest(tensors)}
    whole["header_sha256"] = _header_digest(whole)
    with atomic_path(path) as temporary:
        try:
            save_file(dict(tensors), temporary, metadata={KEY: json.dumps(whole, allow_nan=False)})
        except SafetensorError as error:
            # it names the number of an error of the system
            if (number := re.search(r"os error (\d+)", str(error))) is None:
                raise
            raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from error


def read_saved(path: Path) -> tuple[dict[str, Any], dict[str, "Tensor"]]:
    """The header and the tensors of a saved Forecaster.

    Raises:
        DataError: the file is missing, damaged, no saved Forecaster, or of a later format.
    """
    with _opened(path, "pt") as file:
        header = _header(path, file.metadata())
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    if header.get("sha256") != _digest(tensors):
        raise DataError(f"{path}: damaged: its tensors fail the checksum of the header")
    return header, tensors


def is_saved(path: Path) -> bool:
    """Whether a file of tensors says that it is a saved Forecaster, of whatever format, damaged or not."""
    with _opened(path, "np") as file:
        return KEY in (file.metadata() or {})


def read_plain_tensors(path: Path) -> dict[str, "Tensor"]:
    """All tensors of a file by name, whoever wrote it; DataError where it is missing or damaged."""
    with _opened(path, "pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118


def read_info(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]], int]:
    """Header, the arrays of the data's description (`grid.*`, ...), and the number of weights; without torch.

    Raises:
        DataError: as `read_saved`; the tensors are not checked.
    """
    with _opened(path, "np") as file:
        header = _header(path, file.metadata())
        names = list(file.keys())
        arrays = {k.removeprefix("info."): file.get_tensor(k) for k in names if k.startswith("info.")}
        shapes = [file.get_slice(k).get_shape() for k in names if k.startswith("network.")]
    return header, arrays, sum(map(math.prod, shapes))


def check_tensors(path: Path) -> None:
    """Compares the tensors of a saved Forecaster with the checksum of its header; without torch.

    Raises:
        DataError: as `read_saved`.
    """
    with _opened(path, "np") as file:
        header = _header(path, file.metadata())
        arrays = ((name, file.get_tensor(name)) for name in sorted(file.keys()))
        digest = _digest_of((name, f"torch.{a.dtype}", a.shape, a.tobytes()) for name, a in arrays)
    if header.get("sha256") != digest:
        raise DataError(f"{path}: damaged: its tensors fail the checksum of the header")


def identity_of(header: Mapping[str, Any]) -> str:
    """The fingerprint of a saved Forecaster, by which its exports and a catalogue know it."""
    return str(header.get("header_sha256") or header["sha256"])


def file_of(path: Path) -> Path:
    """The file of a saved Forecaster, where a path may be the folder of its run; DataError for a folder without one."""
    path = as_local(path)
    if not path.is_dir():
        return path
    inside = path / "forecaster.safetensors"
    if not inside.is_file():
        raise DataError(
            f"{path}: a folder without a forecaster.safetensors; expected a saved Forecaster, or the folder of its run"
        )
    return inside


@contextmanager
def _opened(path: Path, framework: str) -> Iterator[Any]:
    from safetensors import SafetensorError, safe_open

    path = file_of(path)
    try:
        with safe_open(path, framework=framework) as file:
            yield file
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (SafetensorError, OSError, TypeError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: damaged, or no saved Forecaster: {str(error)[:200]}") from None


def _header(path: Path, metadata: Mapping[str, str] | None) -> dict[str, Any]:
    if not metadata or KEY not in metadata:
        raise DataError(f"{path}: a safetensors file, but no Forecaster of py4cast")
    try:
        document = parse_json(metadata[KEY], str(path))
    except SettingsError as error:
        raise DataError(f"{error}") from None
    header = check_header(document, str(path))
    # the first files had no checksum of the header; a key that nobody knows is a flipped bit, maybe of that one
    is_bare = "header_sha256" not in header and not set(header) - {*_NEEDED, *_FURTHER}
    if not is_bare and header.get("header_sha256") != _header_digest(header):
        raise DataError(f"{path}: damaged: its header fails its checksum")
    return header


def check_header(document: Any, where: str) -> dict[str, Any]:
    """The header of a saved Forecaster or of an export; DataError when it is none, or of another format."""
    if not isinstance(document, dict) or not isinstance(document.get("info"), dict):
        raise DataError(f"{where}: no Forecaster of py4cast: its header says nothing of the data")
    if document.get("format") != FORMAT:
        raise DataError(f"{where}: Forecaster of format {document.get('format')}; this py4cast reads format {FORMAT}")
    lacking = [key for key in _NEEDED if key not in document]
    if lacking:
        raise DataError(f"{where}: damaged: its header lacks {', '.join(lacking)}")
    return document


def _header_digest(header: Mapping[str, Any]) -> str:
    rest = {k: v for k, v in header.items() if k != "header_sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _digest(tensors: Mapping[str, "Tensor"]) -> str:
    import torch

    def parts() -> Iterator[tuple[str, str, tuple[int, ...], bytes]]:
        for name in sorted(tensors):
            tensor = tensors[name].contiguous()
            content = tensor.view(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() else b""
            yield name, str(tensor.dtype), tuple(tensor.shape), content

    return _digest_of(parts())


def _digest_of(parts: Iterable[tuple[str, str, tuple[int, ...], bytes]]) -> str:
    """The digest of tensors: name, type, shape and bytes of each, by name."""
    digest = hashlib.sha256()
    for name, kind, shape, content in parts:
        digest.update(f"{name} {kind} {tuple(shape)}".encode())
        digest.update(content)
    return digest.hexdigest()


@contextmanager
def damaged_as_errors(where: str) -> Iterator[None]:
    """Whatever a header of odd values makes the code below raise becomes a DataError that names the file."""
    try:
        yield
    except (DataError, SettingsError):
        raise
    except (
        KeyError, TypeError, ValueError, AttributeError, IndexError, RuntimeError, ArithmeticError, AssertionError, MemoryError,
    ) as error:  # fmt: skip
        reason = " ".join(str(error).split())[:300]
        raise DataError(f"{where}: damaged, or no Forecaster of py4cast: {type(error).__name__}: {reason}") from None


@contextmanager
def bounded_parameters(most: int) -> Iterator[None]:
    """Within, networks of far more than `most` numbers are refused before they are filled; DataError.

    A header may ask for a network of any size; only one that the file's own weights can fill is built. Twice as many
    are let through, since a network may replace some of its parts while it is made.
    """
    from torch.nn.modules.module import register_module_parameter_registration_hook

    seen: dict[int, int] = {}

    def count(module: Any, name: str, parameter: Any) -> None:
        if parameter is not None:
            seen[id(parameter)] = parameter.numel()
            if sum(seen.values()) > 2 * most:
                raise DataError(f"its settings ask for a network of more than the {most} weights that it holds")

    handle = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        handle.remove()


def load_weights(modules: Mapping[str, "nn.Module"], parts: Mapping[str, Mapping[str, "Tensor"]], told: str) -> None:
    """Gives modules their tensors, by the name of their part.

    Raises:
        DataError: names or shapes that do not fit; begins with `told`.
    """
    for part, module in modules.items():
        try:
            module.load_state_dict(parts[part])
        except RuntimeError as error:
            raise DataError(f"{told}: {' '.join(str(error).split())}") from None
