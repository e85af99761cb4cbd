"""Contracts stand free: importing one loads none of its implementations, nor those of any other."""

import subprocess
import sys

from py4cast import datasets, formats, losses, metrics, models, observers, physics, strategies
from py4cast.cubes.foreign import registry as cubes
from py4cast.physics.closures import closures
from py4cast.planes.filters import registry as filters
from py4cast.registry import Registry

REGISTRIES: tuple[Registry, ...] = (
    datasets.registry, filters, cubes, models.registry, strategies.registry, losses.registry, metrics.registry,
    observers.registry, physics.registry, closures, formats.readers, formats.writers,
)  # fmt: skip
IMPLEMENTATIONS = {path.partition(":")[0] for r in REGISTRIES for path in (e.path for e in r._entries.values() if e.origin == "py4cast")}  # fmt: skip
IMPLEMENTATIONS |= {f"py4cast.cubes.{name}" for name in ("memory", "kept", "files", "store.store", "store.builder", "sources", "forecasts", "views")}  # fmt: skip
IMPLEMENTATIONS |= {"py4cast.datasets.files_dataset", "py4cast.datasets.preparing", "py4cast.lightning"}


CONTRACTS = (
    "cubes.base", "datasets.base", "strategies.base", "formats.base", "models.base", "losses.base", "planes.filters.base",
)  # fmt: skip


def test_no_contract_loads_an_implementation() -> None:
    """All in one interpreter: what one of them loaded would be there at the end."""
    lines = "; ".join(
        f"import py4cast.{c}; print('{c}', *[m for m in sys.modules if m.startswith('py4cast')])" for c in CONTRACTS
    )
    done = subprocess.run([sys.executable, "-c", f"import sys; {lines}"], capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) == len(CONTRACTS)
    for line in done.stdout.splitlines():
        contract, *loaded = line.split()
        assert not IMPLEMENTATIONS & set(loaded), contract


def test_there_are_twelve_registries() -> None:
    assert len({r.group for r in REGISTRIES}) == 12
