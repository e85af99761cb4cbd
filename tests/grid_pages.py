"""The table of models and grids in doc/grids.md, made from the models: `python -m tests.grid_pages` writes it anew."""

import re

from py4cast.errors import SettingsError
from py4cast.formats.reduced import healpix, octahedral
from py4cast.grid import Grid
from py4cast.models import build_network, registry
from py4cast.testing import make_info
from tests.conftest import ROOT
from tests.contracts.test_swap import GRIDS, crowded, map_of

PATTERN = re.compile(r"(<!-- models on grids:[^\n]*-->\n)(.*?)(<!-- end of models on grids -->)", flags=re.DOTALL)
KINDS = {
    "map": lambda: map_of(18, 25), "latitude–longitude": GRIDS["latitudes and longitudes"], "globe": GRIDS["a globe"],
    "reduced Gaussian": lambda: octahedral(9), "HEALPix": lambda: healpix(7), "stretched": crowded,
    "region of points": GRIDS["points of a region"],
}  # fmt: skip


def takes(name: str, grid: Grid) -> bool:
    """Whether a network of this name is made on the grid."""
    info = make_info(grid)
    try:
        build_network(name, 5, 3, {}, info.grid, info.statics)
    except SettingsError:
        return False
    return True


def table() -> str:
    """A row per model, a column per kind of grid."""
    grids = {kind: make() for kind, make in KINDS.items()}
    rows = [f"| model | {' | '.join(grids)} |", "|---" * (1 + len(grids)) + "|"]
    for name in sorted(registry.builtin_names):
        marks = ["yes" if takes(name, grid) else "–" for grid in grids.values()]
        rows.append(f"| `{name}` | {' | '.join(marks)} |")
    return "\n".join(rows) + "\n"


def main() -> None:
    """Writes the table into the page."""
    page = ROOT / "doc" / "grids.md"
    page.write_text(PATTERN.sub(lambda match: match[1] + table() + match[3], page.read_text()))


if __name__ == "__main__":
    main()
