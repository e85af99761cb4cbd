"""graph: what the mesh of a graph network looks like over a dataset's grid, in numbers and in a picture."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from py4cast.atomic import atomic_path
from py4cast.datasets import get_datasets
from py4cast.errors import SettingsError
from py4cast.models import registry
from py4cast.models.graph.base import MeshModel
from py4cast.models.graph.cache import cached_graph, graph_path
from py4cast.models.graph.graph import Graph
from py4cast.observers.graph import draw_graph, scenes_of
from py4cast.observers.style import DPI
from py4cast.settings import apply_overrides, read_json, settings_of
from py4cast.workflows.terminal import table_of

__all__ = ["graph"]


def graph(
    dataset: str,
    dataset_path: str | os.PathLike[str] | None,
    model: str,
    model_path: str | os.PathLike[str] | None,
    overrides: Sequence[str],
    output: str | os.PathLike[str],
) -> list[Any]:
    """Builds (or finds) the graph, draws it to `output`, and returns tables and lines to show.

    Args:
        dataset: registered name.
        dataset_path: its JSON file.
        model: registered name of a graph network.
        model_path: JSON file of its settings.
        overrides: dotted settings, such as `model.mesh_levels=2`.
        output: PNG file to write.

    Raises:
        SettingsError: a model without a graph, or a grid that no mesh fits.
    """
    kind = registry.get(model)
    if not issubclass(kind, MeshModel):
        names = [n for n in registry.builtin_names if issubclass(registry.get(n), MeshModel)]
        raise SettingsError(f"model {model!r} has no graph; expected one of {', '.join(names)}")
    if not os.fspath(output).endswith(".png"):
        raise SettingsError(f"--output {output}: expected a name that ends in .png")
    of_model = [o.removeprefix("model.") for o in overrides if o.startswith("model.")]
    settings = settings_of(kind, apply_overrides(read_json(model_path) if model_path else {}, of_model), "model")
    others = [o.removeprefix("dataset.") for o in overrides if not o.startswith("model.")]
    info = get_datasets(dataset, 1, 1, 1, dataset_path, others)[0].info
    settings = kind.mesh_settings(settings, info.grid)
    mesh_graph = cached_graph(info.grid, settings, kind.is_hierarchical)
    figure = draw_graph(
        mesh_graph, *scenes_of(mesh_graph, info.grid), f"{model} over {info.name}: {info.grid.describe()}"
    )
    with atomic_path(output, suffix=".png") as temporary:
        figure.savefig(temporary, dpi=DPI)
    where = graph_path(info.grid, settings, kind.is_hierarchical)
    return [f"grid: {info.grid.describe()}", _table(mesh_graph), f"cache: {where}"]


def _table(mesh_graph: Graph) -> Any:
    nodes = [("cells", str(mesh_graph.num_cells))] + [
        (f"nodes of level {k}", str(len(n))) for k, n in enumerate(mesh_graph.nodes)
    ]
    sections = [[[what, count, "", "", "", ""] for what, count in nodes]]
    rows = []
    for name, (connections, num_senders, num_receivers) in mesh_graph.sets().items():
        degree = np.bincount(connections.receivers, minlength=num_receivers)
        silent = num_senders - np.unique(connections.senders).size
        spread = f"{degree.min()} / {degree.mean():.1f} / {degree.max()}"
        rows.append([name, str(connections.num_edges), spread, f"{connections.features[:, 0].max():.3f}", str(int((degree == 0).sum())), str(silent)])  # fmt: skip
    columns = ("edges", "number", "in-degree min / mean / max", "longest", "hear nobody", "heard by nobody")
    return table_of("graph (lengths over the longest edge of the mesh)", columns, [*sections, rows])
