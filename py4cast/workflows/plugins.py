"""plugins: what can be used by name, and where it comes from."""

from rich.table import Table

from py4cast import datasets, formats, losses, metrics, models, observers, strategies

__all__ = ["plugins"]


def plugins(broken_only: bool = False) -> Table:
    """A table of every registered name with its kind, origin, version and state."""
    table = Table(title="names that can be used", title_justify="left")
    for column in ("kind", "name", "origin", "version", "state"):
        table.add_column(column)
    registries = (
        datasets.registry, models.registry, strategies.registry, losses.registry, metrics.registry, observers.registry,
        formats.readers, formats.writers,
    )  # fmt: skip
    for registry in registries:
        for entry in sorted(registry.entries(), key=lambda e: (e.origin != "py4cast", e.name)):
            if not broken_only or entry.state != "ready":
                table.add_row(registry.kind, entry.name, entry.origin, entry.version, entry.state)
        table.add_section()
    return table
