"""Settings: strict, frozen dataclasses read from JSON, with dotted overrides and one report of every mistake.

A settings class is `@dataclass(frozen=True, slots=True, kw_only=True)` on `Settings`, with a line of help per
field through `setting(default, help)`. Reading refuses unknown keys, wrong types (2.7 is no int, true is no
int), values outside a `Literal`, NaN, duplicate keys and absurd nesting, at every depth, and names them all.
"""

import dataclasses
import functools
import hashlib
import json
import os
import sys
import types
import typing
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, Self, TypeVar, Union, cast, get_args, get_origin

from py4cast.errors import SettingsError, nearest
from py4cast.shipped import shipped

__all__ = [
    "Settings",
    "apply_overrides",
    "cache_dir",
    "decode",
    "digest",
    "encode",
    "read_json",
    "root_dir",
    "setting",
    "settings_of",
]

T = TypeVar("T")
_MAX_BYTES = 16_000_000
_MAX_DEPTH = 64


def root_dir() -> Path:
    """Folder of everything py4cast writes: `$PY4CAST_ROOTDIR`, else `./py4cast_runs`. Read when called."""
    return Path(os.environ.get("PY4CAST_ROOTDIR") or "py4cast_runs").expanduser().absolute()


def cache_dir() -> Path:
    """Folder of what can be made again (stores, graphs): `root_dir()/cache`."""
    return root_dir() / "cache"


def setting(default: Any = dataclasses.MISSING, help: str = "", *, factory: Any = dataclasses.MISSING) -> Any:
    """A field of a settings class, with its line of help; without a default it must be given."""
    metadata = {"help": help}
    if factory is not dataclasses.MISSING:
        return dataclasses.field(default_factory=factory, metadata=metadata)
    if default is dataclasses.MISSING:
        return dataclasses.field(metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


# Reading -----------------------------------------------------------------------------------------------


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for key, value in pairs:
        if key in document:
            raise SettingsError(f"the key {key!r} stands twice in one object")
        document[key] = value
    return document


def _no_constant(name: str) -> Any:
    raise SettingsError(f"{name} is not a number that settings may hold")


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level and depth <= _MAX_DEPTH + 1:
        depth += 1
        level = [c for v in level if isinstance(v, dict | list) for c in (v.values() if isinstance(v, dict) else v)]
    return depth


def parse_json(text: str, where: str) -> Any:
    """The value of a JSON text, read strictly; `where` names it in errors."""
    try:
        value = json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
    except SettingsError as error:
        raise SettingsError(f"{where}: {error}") from None
    except RecursionError:
        raise SettingsError(f"{where}: nested deeper than {_MAX_DEPTH} levels") from None
    except ValueError as error:
        raise SettingsError(f"{where}: not valid JSON: {error}") from None
    if _depth(value) > _MAX_DEPTH:
        raise SettingsError(f"{where}: nested deeper than {_MAX_DEPTH} levels")
    return value


def read_json(path: str | os.PathLike[str], max_bytes: int | None = _MAX_BYTES) -> dict[str, Any]:
    """The object in the JSON file `path`, of at most `max_bytes`.

    Raises:
        SettingsError: the file cannot be read or is not one JSON object.
    """
    file = shipped(Path(path))
    try:
        if max_bytes is not None and file.stat().st_size > max_bytes:
            raise SettingsError(f"{file}: larger than {max_bytes // 10**6} MB, which no settings file is")
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        beside = [p.name for p in file.parent.glob("*.json")] if file.parent.is_dir() else []
        raise SettingsError(f"{file}: no such file{nearest(file.name, beside) if beside else ''}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: cannot be read: {error}") from None
    value = parse_json(text, str(file))
    if not isinstance(value, dict):
        raise SettingsError(f"{file}: expected a JSON object {{...}}, found {_show(value)}")
    return value


def apply_overrides(document: Mapping[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """`document` with each `a.b.c=value` set; the value is JSON where it parses, else text.

    Raises:
        SettingsError: an override without `=` or through something that is not an object.
    """
    result = cast(dict[str, Any], json.loads(json.dumps(document)))
    for override in overrides:
        place, equals, text = override.partition("=")
        if not equals or not place.strip():
            raise SettingsError(f"--set {override!r}: expected PLACE=VALUE, such as model.num_filters=64")
        try:
            value = parse_json(text, f"--set {place}") if text[:1] in '{["-0123456789tfn' else text
        except SettingsError:
            if text[:1] in "{[":
                raise
            value = text
        node = result
        *parents, last = place.strip().split(".")
        for depth, key in enumerate(parents):
            node = node.setdefault(key, {})
            if not isinstance(node, dict):
                there = ".".join(parents[: depth + 1])
                raise SettingsError(f"--set {override!r}: {there} is {_show(node)}, not an object")
        node[last] = value
    return result


# Decoding ----------------------------------------------------------------------------------------------


def _show(value: Any) -> str:
    text = json.dumps(value, default=repr)
    return text if len(text) <= 60 else text[:57] + "..."


def _type_name(hint: Any) -> str:
    if hint is type(None):
        return "null"
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(_type_name(a) for a in args)
    if origin is Literal:
        return "one of " + ", ".join(map(repr, args))
    if origin in (list, tuple):
        inner = ", ".join("..." if a is Ellipsis else _type_name(a) for a in args)
        return f"list of [{inner}]"
    if origin in (dict, Mapping):
        return f"object of {_type_name(args[1])}" if args else "object"
    if dataclasses.is_dataclass(hint):
        return "object"
    return {Path: "path", str: "text", bool: "true or false", float: "number"}.get(
        hint, getattr(hint, "__name__", str(hint))
    )


class _Problems(list[str]):
    """Collects what is wrong, each with its dotted place."""

    def expected(self, where: str, hint: Any, value: Any) -> None:
        place = where or "settings"
        extra = nearest(value, get_args(hint)) if get_origin(hint) is Literal and isinstance(value, str) else ""
        self.append(f"{place}: expected {_type_name(hint)}, found {_show(value)}{extra if 'mean' in extra else ''}")


_FAILED = object()
_LARGEST = sys.float_info.max


def _decode_scalar(hint: Any, value: Any, where: str, problems: _Problems) -> Any:
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        if abs(value) <= _LARGEST:  # also false for NaN
            return float(value)
    elif hint is int and isinstance(value, int) and not isinstance(value, bool):
        if abs(value) < 2**63:
            return value
    elif (hint in (str, bool) and type(value) is hint) or (hint is type(None) and value is None):
        return value
    elif hint is Path and isinstance(value, str) and value and "\0" not in value:
        return Path(value)
    problems.expected(where, hint, value)
    return _FAILED


def _decode_union(hint: Any, value: Any, where: str, problems: _Problems) -> Any:
    best: _Problems | None = None
    for option in get_args(hint):
        trial = _Problems()
        decoded = _decode(option, value, where, trial)
        if not trial:
            return decoded
        # the option that got furthest (an object or a list whose inside is wrong) tells most
        origin = get_origin(option) or option
        is_object = dataclasses.is_dataclass(option) or origin in (dict, Mapping)
        if (is_object and isinstance(value, dict)) or (origin in (list, tuple) and isinstance(value, list | tuple)):
            best = trial
    if best is None:
        problems.expected(where, hint, value)
    problems.extend(best or ())
    return _FAILED


def _decode_sequence(hint: Any, value: Any, where: str, problems: _Problems) -> Any:
    origin, args = get_origin(hint) or hint, get_args(hint)
    if not isinstance(value, list | tuple):
        problems.expected(where, hint, value)
        return _FAILED
    if origin is tuple and args and args[-1] is not Ellipsis:
        if len(value) != len(args):
            problems.append(f"{where}: expected {len(args)} values, found {len(value)}: {_show(value)}")
            return _FAILED
        hints: Iterable[Any] = args
    else:
        hints = [args[0] if args else Any] * len(value)
    items = [_decode(h, v, f"{where}[{i}]", problems) for i, (h, v) in enumerate(zip(hints, value, strict=True))]
    return origin(items) if origin in (list, tuple) else tuple(items)


def _decode_mapping(hint: Any, value: Any, where: str, problems: _Problems) -> Any:
    if not isinstance(value, dict):
        problems.expected(where, hint, value)
        return _FAILED
    inner = get_args(hint)[1] if get_args(hint) else Any
    return {str(k): _decode(inner, v, f"{where}.{k}" if where else str(k), problems) for k, v in value.items()}


def _decode(hint: Any, value: Any, where: str, problems: _Problems) -> Any:
    origin = get_origin(hint)
    if hint is Any:
        return value
    if isinstance(hint, TypeVar):
        return value
    if origin in (Union, types.UnionType):
        return _decode_union(hint, value, where, problems)
    if origin is Literal:
        if any(value == option and type(value) is type(option) for option in get_args(hint)):
            return value
        problems.expected(where, hint, value)
        return _FAILED
    if origin in (list, tuple) or hint in (list, tuple):
        return _decode_sequence(hint, value, where, problems)
    if (isinstance(origin, type) and issubclass(origin, Mapping)) or hint is dict:
        return _decode_mapping(hint, value, where, problems)
    if dataclasses.is_dataclass(hint):
        return _decode_dataclass(cast(type, hint), value, where, problems)
    return _decode_scalar(hint, value, where, problems)


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _decode_dataclass(kind: type, value: Any, where: str, problems: _Problems) -> Any:
    value = kind.document_of_list(value) if isinstance(value, list) and hasattr(kind, "document_of_list") else value
    if not isinstance(value, dict):
        problems.expected(where, kind, value)
        return _FAILED
    before = len(problems)
    fields = {f.name: f for f in dataclasses.fields(kind) if f.init}
    hints = _hints(kind)
    prefix = f"{where}." if where else ""
    for key in value:
        if key not in fields:
            problems.append(f"{prefix}{key}: unknown setting{nearest(key, fields)}")
    arguments: dict[str, Any] = {}
    for name, field in fields.items():
        if name in value:
            arguments[name] = _decode(hints[name], value[name], f"{prefix}{name}", problems)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            problems.append(f"{prefix}{name}: missing; expected {_type_name(hints[name])}")
    if len(problems) > before:
        return _FAILED
    try:
        return kind(**arguments)
    except (ValueError, TypeError) as error:
        problems.append(f"{where or kind.__name__}: {error}")
        return _FAILED


def decode(kind: type[T], document: Any, where: str = "", source: str = "") -> T:
    """An object of the dataclass `kind` from plain JSON values.

    Args:
        kind: any dataclass; nested dataclasses, `Optional`, `Literal`, `Path`, lists, tuples and objects are read.
        document: the JSON object.
        where: the dotted place of `document` in a larger one, for messages.
        source: the file it came from, for messages.

    Raises:
        SettingsError: names every unknown key and wrong value with its place, what was expected and found.
    """
    problems = _Problems()
    result = _decode(kind, document, where, problems)
    if problems:
        prefix = f"{source}: " if source else ""
        raise SettingsError(prefix + "; ".join(problems))
    return cast(T, result)


def encode(value: Any) -> Any:
    """Plain JSON values of settings: the inverse of `decode`."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        left_out = getattr(value, "left_out", ())
        told = [f for f in dataclasses.fields(value) if f.name not in left_out or getattr(value, f.name) != f.default]
        return {f.name: encode(getattr(value, f.name)) for f in told if f.init}
    if isinstance(value, Mapping):
        return {str(k): encode(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [encode(v) for v in value]
    return str(value) if isinstance(value, Path) else value


def digest(document: Any) -> str:
    """SHA-256 of plain JSON values, whatever the order of keys."""
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


class Settings:
    """Abstract settings: a frozen, slotted, keyword-only dataclass that is read and written strictly."""

    __slots__ = ()

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], where: str = "", source: str = "") -> Self:
        """Settings from plain JSON values; SettingsError names every mistake."""
        return decode(cls, dict(document), where, source)

    @classmethod
    def from_json(cls, path: str | os.PathLike[str], overrides: Iterable[str] = ()) -> Self:
        """Settings from a JSON file, with dotted overrides such as `"grid.border_size=4"`."""
        return decode(cls, apply_overrides(read_json(path), overrides), source=str(path))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, from which `from_dict` makes equal settings."""
        return cast(dict[str, Any], encode(self))

    @classmethod
    def help(cls, prefix: str = "") -> list[tuple[str, str, str, str]]:
        """Rows of `(place, type, default, help)` for every field, nested ones included."""
        rows: list[tuple[str, str, str, str]] = []
        for field in dataclasses.fields(cast(Any, cls)):
            hint = _hints(cast(Any, cls))[field.name]
            nested = [h for h in (hint, *get_args(hint)) if isinstance(h, type) and issubclass(h, Settings)]
            default = ""
            if field.default is not dataclasses.MISSING:
                default = _show(encode(field.default))
            elif field.default_factory is not dataclasses.MISSING and not nested:
                default = _show(encode(field.default_factory()))
            rows.append((prefix + field.name, _type_name(hint), default, str(field.metadata.get("help", ""))))
            for kind in nested:
                rows += kind.help(f"{prefix}{field.name}.")
        return rows


def settings_of(kind: Any, document: Any, what: str, source: str = "") -> Any:
    """The settings object of an implementation; a plain dataclass of an older plugin is read strictly too.

    Args:
        kind: the class, with `settings_kls`.
        document: plain JSON values; settings that are decoded already are given back.
        what: its kind in messages, such as `model`.
        source: the file that they came from, for messages.

    Raises:
        SettingsError: unknown or ill-typed settings, or a class without `settings_kls`.
    """
    settings_kls: Any = getattr(kind, "settings_kls", None)
    if not (isinstance(settings_kls, type) and dataclasses.is_dataclass(settings_kls)):
        raise SettingsError(f"{what} {kind.__name__}: settings_kls must be a dataclass, found {settings_kls!r}")
    if isinstance(document, settings_kls):
        return document
    if not issubclass(settings_kls, Settings):
        warnings.warn(
            f"{what} {kind.__name__}: {settings_kls.__name__} is a plain dataclass; derive it from py4cast's Settings",
            stacklevel=2,
        )
    return decode(settings_kls, dict(document), where=what, source=source)
