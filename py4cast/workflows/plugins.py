"""plugins: what can be used by name, and where it comes from."""

from typing import Any

from py4cast import datasets, formats, losses, metrics, models, observers, physics, strategies
from py4cast.cubes.foreign import registry as foreign
from py4cast.physics.closures import closures
from py4cast.planes.filters import registry as filters
from py4cast.workflows.terminal import table_of

__all__ = ["plugins"]


def plugins(broken_only: bool = False) -> Any:
    """A table of every registered name with its kind, origin, version and state."""
    sections = []
    for registry in (
        datasets.registry,
        filters,
        foreign,
        models.registry,
        strategies.registry,
        losses.registry,
        metrics.registry,
        observers.registry,
        physics.registry,
        closures,
        formats.readers,
        formats.writers,
    ):
        entries = sorted(registry.entries(), key=lambda e: (e.origin != "py4cast", e.name))
        rows = [(registry.kind, e.name, e.origin, e.version, e.state) for e in entries]
        sections.append([row for row in rows if not broken_only or row[-1] != "ready"])
    return table_of("names that can be used", ("kind", "name", "origin", "version", "state"), sections)
