"""Former names: modules that have moved are still found where older plugins look for them.

`import py4cast.datasets.store` gives a module that takes its names from where they stand now, and says so once in a
DeprecationWarning. Classes are the same objects under both names.
"""

import importlib
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import ModuleType

__all__ = ["FORMER", "find_former", "offered"]

_EXPERIMENTS = "workflows.experiments"
# former module: where its names stand now, all below py4cast
FORMER: dict[str, tuple[str, ...]] = {
    "datasets.aligned": ("cubes.views.aligned",),
    "datasets.array_settings": ("planes.arrays",),
    "datasets.axis": ("axis",),
    "datasets.blocks": ("cubes.store.blocks",),
    "datasets.builder": ("cubes.store.builder", "progress"),
    "datasets.catalog": ("planes.catalog",),
    "datasets.combine": ("cubes.views",),
    "datasets.combine.view": ("cubes.views.base",),
    "datasets.cube": ("cubes.base", "cubes.memory"),
    "datasets.driver": ("cubes.driver",),
    "datasets.field_files": ("cubes.files",),
    "datasets.filters": ("planes.filters",),
    "datasets.forecasts": ("cubes.forecasts",),
    "datasets.foreign": ("cubes.foreign",),
    "datasets.heights": ("cubes.heights",),
    "datasets.layout": ("cubes.store.layout",),
    "datasets.mapping": ("cubes.store.mapped",),
    "datasets.moments": ("cubes.kept",),
    "datasets.packing": ("cubes.store.packing",),
    "datasets.planes": ("planes.reader",),
    "datasets.shard": ("cubes.store.shard",),
    "datasets.source_settings": ("cubes.source_settings",),
    "datasets.sources": ("cubes.sources", "datasets.describe"),
    "datasets.store": ("cubes.store.store",),
    "datasets.timeline": ("timeline",),
    "workflows.campaign": (f"{_EXPERIMENTS}.campaign",),
    "workflows.catalogue_view": ("workflows.catalogue.view",),
    "workflows.climatology": ("workflows.verify.climatology",),
    "workflows.closure": (f"{_EXPERIMENTS}.closure",),
    "workflows.compare": ("workflows.verify.compare",),
    "workflows.compress": ("workflows.export.compress",),
    "workflows.dataset_input": ("workflows.forecast.dataset_input", "workflows.config"),
    "workflows.export_rate": ("workflows.export.rate",),
    "workflows.file_case": ("workflows.verify.file_case",),
    "workflows.file_input": ("workflows.forecast.file_input",),
    "workflows.inspect_step": ("workflows.inspect.step",),
    "workflows.leaderboard": ("workflows.verify.leaderboard",),
    "workflows.lineage": ("workflows.train.lineage",),
    "workflows.mapping": (f"{_EXPERIMENTS}.mapping",),
    "workflows.merge": ("workflows.verify.merge",),
    "workflows.normals": ("workflows.verify.normals",),
    "workflows.onnx_graph": ("workflows.export.graph",),
    "workflows.outputs": ("workflows.forecast.outputs",),
    "workflows.overlay": ("workflows.forecast.overlay",),
    "workflows.page_data": ("workflows.page.data",),
    "workflows.register": ("workflows.catalogue.register",),
    "workflows.report": (
        "workflows.terminal", "workflows.experiments.closure.summary", "workflows.experiments.mapping.board",
    ),
    "workflows.score_files": ("workflows.verify.score_files",),
    "workflows.score_page": ("workflows.page.score_page",),
    "workflows.shares": ("workflows.verify.shares",),
    "workflows.verify_files": ("workflows.verify.files",),
    "workflows.verify_last": ("workflows.cycle.verify_last",),
    "workflows.worst": ("workflows.page.worst",),
}  # fmt: skip
_PACKAGE = "py4cast."


def _homes(module: str) -> tuple[str, ...] | None:
    """Where the names of a former module stand now; None for one that is none."""
    name = module.removeprefix(_PACKAGE)
    if name == module:
        return None
    if name in FORMER:
        return tuple(_PACKAGE + home for home in FORMER[name])
    room, _, file = name.rpartition(".")
    if room not in FORMER:
        return None
    import importlib.util

    files = [f"{_PACKAGE}{home}.{file}" for home in FORMER[room]]
    return tuple(files) if all(importlib.util.find_spec(name) is not None for name in files) else None


def offered(room: str, *modules: str) -> Callable[[str], Any]:
    """The `__getattr__` of a room that offers the names of some of its modules, loaded when one is asked for.

    Args:
        room: name of the package.
        modules: names of modules in it, looked through in this order.
    """
    return _looked_up(room, [f"{room}.{module}" for module in modules])


def _looked_up(owner: str, homes: Sequence[str]) -> Callable[[str], Any]:
    def look_up(name: str) -> Any:
        # the import system asks rooms for names of its own
        for home in () if name.startswith("__") and name != "__all__" else homes:
            module = importlib.import_module(home)
            if hasattr(module, name):
                return getattr(module, name)
        raise AttributeError(f"module {owner!r} has no attribute {name!r}")

    return look_up


class _FormerFinder:
    """Creates the finder and loader of former modules; what it needs is loaded when there is one, not at start-up."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> "ModuleSpec | None":
        if _homes(fullname) is None:
            return None
        from importlib.machinery import ModuleSpec

        return ModuleSpec(fullname, self, is_package=True)  # type: ignore[arg-type]

    def create_module(self, spec: "ModuleSpec") -> None:
        """Leaves the making of the module to the import system."""

    def exec_module(self, module: "ModuleType") -> None:
        homes = _homes(module.__name__)
        assert homes is not None, "found by this finder"
        warnings.warn(f"{module.__name__} is now {' and '.join(homes)}", DeprecationWarning, stacklevel=2)
        module.__dict__["__getattr__"] = _looked_up(module.__name__, homes)


def find_former() -> None:
    """Lets the import system find former modules, before it looks for files."""
    if not any(isinstance(finder, _FormerFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _FormerFinder())
