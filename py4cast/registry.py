"""Registry: implementations of a contract by name, from this package, entry points and plugin modules.

Names of this package are import paths, so that listing them imports nothing. Two other sources are looked
at once, when a name is first asked for: installed packages that declare an entry point in the registry's
group, and importable top-level modules `py4cast_plugin_*`, whose classes that subclass the contract are
known by their lower-cased class name. A plugin that does not import warns and breaks nothing else; a name
that two of them want is an error that names both.
"""

import importlib
import importlib.metadata
import importlib.util
import inspect
import pkgutil
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, TypeVar, cast

from py4cast.errors import SettingsError, nearest

__all__ = ["PLUGIN_PREFIX", "Entry", "Registry"]

T = TypeVar("T")
PLUGIN_PREFIX = "py4cast_plugin_"
_PLURALS = {"loss": "losses", "physics": "physics", "strategy": "strategies"}


@dataclass(slots=True)
class Entry:
    """One name of a registry: where it comes from and, once loaded, the class."""

    name: str
    path: str
    origin: str
    version: str = ""
    value: Any = None
    error: str = ""
    rivals: list[str] = field(default_factory=list)

    @property
    def state(self) -> str:
        """`ready`, or why it cannot be used."""
        if self.rivals:
            return f"name clash with {', '.join(self.rivals)}"
        return f"broken: {self.error}" if self.error else "ready"


def _import(path: str) -> Any:
    module, _, attribute = path.partition(":")
    return getattr(importlib.import_module(module), attribute)


def _cause(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]


@contextmanager
def _contained() -> Iterator[list[str]]:
    """Whatever foreign code raises within becomes the cause in the list, unless a person pressed Ctrl-C."""
    causes: list[str] = []
    pressed: list[int] = []
    former = signal.getsignal(signal.SIGINT)
    is_heard = threading.current_thread() is threading.main_thread() and callable(former)
    if is_heard:

        def hear(number: int, frame: Any) -> None:
            pressed.append(number)
            cast(Any, former)(number, frame)

        signal.signal(signal.SIGINT, hear)
    try:
        yield causes
    except BaseException as error:
        # where no signal is heard none can have come: the interrupt is the code's own
        if pressed:
            raise
        causes.append(_cause(error))
    finally:
        if is_heard:
            signal.signal(signal.SIGINT, former)


class Registry(Generic[T]):
    """Creates a registry of the implementations of one contract.

    Args:
        kind: what one of them is called in messages, such as `"model"`.
        contract: import path of the abstract class, such as `"py4cast.models.base:ModelABC"`.
        builtin: name → import path of this package's own.
        mark: a word without which a plugin module holds none of these, so that it is not imported for them.
        extras: how names start that come with an extra of this package → that extra, told where it is not installed.
    """

    def __init__(
        self,
        kind: str,
        contract: str,
        builtin: Mapping[str, str],
        mark: str = "",
        extras: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.kind, self._mark, self._extras = kind, mark, extras
        self.group = f"py4cast.{_PLURALS.get(kind, kind + 's')}"
        self._contract = contract
        self._entries = {n: Entry(n, p, "py4cast") for n, p in builtin.items()}
        self._is_discovered = False

    @property
    def builtin_names(self) -> list[str]:
        """The names of this package's own, without looking for plugins."""
        return [e.name for e in self._entries.values() if e.origin == "py4cast"]

    def names(self) -> list[str]:
        """All names that can be used."""
        return sorted(e.name for e in self.entries() if e.state == "ready")

    def entries(self) -> list[Entry]:
        """All that was found, broken ones included."""
        self._discover()
        return list(self._entries.values())

    def __contains__(self, name: str) -> bool:
        return name.lower() in self.names()

    def __getitem__(self, name: str) -> type[T]:
        return self.get(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __len__(self) -> int:
        return len(self.names())

    def keys(self) -> list[str]:
        """All names that can be used, so that a registry reads like the dict that it was in the older interface."""
        return self.names()

    def items(self) -> Iterator[tuple[str, type[T]]]:
        """Pairs of name and class; loads them."""
        return ((name, self.get(name)) for name in self.names())

    def get(self, name: str) -> type[T]:
        """The class registered as `name` (case does not matter).

        Raises:
            SettingsError: an unknown name (with the nearest one), a clash, or a plugin that does not import.
        """
        self._discover()
        entry = self._entries.get(name.lower())
        if entry is None:
            broken = "; ".join(
                f"{e.path} of {e.origin} is broken: {e.error}" for e in self._entries.values() if e.error
            )
            extra = next((e for start, e in self._extras.items() if name.lower().startswith(start)), None)
            hint = f"; it comes with pip install 'py4cast[{extra}]'" if extra else nearest(name, self.names())
            hint += f"; {broken}" if broken else ""
            raise SettingsError(f"unknown {self.kind} {name!r}{hint}")
        if entry.rivals:
            wanted = ", ".join(entry.rivals)
            raise SettingsError(f"{self.kind} {name!r} is taken by {entry.origin} and wanted by {wanted}; remove one")
        if entry.value is None and not entry.error:
            self._load(entry)
        if entry.error:
            raise SettingsError(f"{self.kind} {name!r} of {entry.origin} cannot be loaded: {entry.error}")
        return cast(type[T], entry.value)

    def builtin(self, name: str) -> type[T]:
        """The class of this package's own `name`; plugins are not looked for, and so not imported."""
        entry = self._entries[name]
        if entry.value is None:
            self._load(entry)
        return cast(type[T], entry.value)

    def register(self, name: str, value: type[T], origin: str = "this program") -> None:
        """Adds a class under `name`; SettingsError when the name is taken."""
        self._check(value)
        if (taken := self._entries.get(name.lower())) is not None:
            raise SettingsError(f"{self.kind} {name!r} is already taken by {taken.origin} ({taken.path})")
        path = f"{value.__module__}:{value.__qualname__}"
        self._entries[name.lower()] = Entry(name.lower(), path, origin, value=value)

    def unregister(self, name: str) -> None:
        """Forgets a name that `register` added."""
        self._entries.pop(name.lower(), None)

    def rediscover(self) -> None:
        """Looks for plugins again at the next use, after the import path has changed."""
        self._entries = {n: e for n, e in self._entries.items() if e.origin in ("py4cast", "this program")}
        for entry in self._entries.values():
            entry.rivals.clear()
        self._is_discovered = False

    def _check(self, value: Any) -> None:
        contract = _import(self._contract)
        if not (isinstance(value, type) and issubclass(value, contract)):
            raise TypeError(f"{value!r} does not subclass {contract.__name__}")
        missing = sorted(getattr(value, "__abstractmethods__", ()))
        if missing:
            raise TypeError(f"{value.__name__} lacks {', '.join(missing)} of {contract.__name__}")

    def _load(self, entry: Entry) -> None:
        if entry.origin == "py4cast":
            entry.value = self._checked(entry.path)
            return
        with _contained() as causes:
            entry.value = self._checked(entry.path)
        entry.error = causes[0] if causes else ""

    def _checked(self, path: str) -> Any:
        value = _import(path)
        self._check(value)
        return value

    def _add(self, entry: Entry) -> None:
        taken = self._entries.get(entry.name)
        if taken is None:
            self._entries[entry.name] = entry
        elif taken.path != entry.path:
            taken.rivals.append(f"{entry.origin} ({entry.path})")

    def _discover(self) -> None:
        if self._is_discovered:
            return
        self._is_discovered = True
        for point in importlib.metadata.entry_points(group=self.group):
            dist = point.dist
            origin, version = (dist.name, dist.version) if dist else ("an unknown package", "")
            self._add(Entry(point.name.lower(), point.value, origin, version))
        for module in plugin_modules():
            if _mentions(module, self._mark):
                self._add_module(module)

    def _add_module(self, name: str) -> None:
        contract = _import(self._contract)
        with _contained() as causes:
            module = sys.modules.get(name) or importlib.import_module(name)
            for attribute, value in dict(vars(module)).items():
                if inspect.isclass(value) and issubclass(value, contract) and value.__module__ == name:
                    self._add_class(attribute, value, name)
        for cause in causes:
            self._entries[f"{name}"] = Entry(name, name, f"module {name}", error=cause)
            warnings.warn(f"the plugin {name} does not import and is left out: {cause}", stacklevel=2)

    def _add_class(self, attribute: str, value: Any, module: str) -> None:
        entry = Entry(attribute.lower(), f"{module}:{attribute}", f"module {module}")
        try:
            self._check(value)
            entry.value = value
        except TypeError as error:
            if not attribute.endswith("ABC"):
                entry.error = str(error)
                warnings.warn(f"{attribute} of the plugin {module} cannot be used: {error}", stacklevel=2)
        if entry.value is not None or entry.error:
            self._add(entry)


def _mentions(module: str, word: str) -> bool:
    """Whether the source of a module holds a word; True where it cannot be read."""
    spec = importlib.util.find_spec(module) if word else None
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return True
    return word in Path(spec.origin).read_text(encoding="utf-8", errors="replace")


def plugin_modules() -> list[str]:
    """Names of the importable top-level modules `py4cast_plugin_*`."""
    return sorted({m.name for m in pkgutil.iter_modules() if m.name.startswith(PLUGIN_PREFIX)})
