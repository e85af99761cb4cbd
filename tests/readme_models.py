"""The README's table of models, made from the models themselves: `python -m tests.readme_models` writes it anew."""

import re

from py4cast.models import build_network, registry
from py4cast.testing import make_info
from tests.conftest import ROOT

PATTERN = re.compile(r"(<!-- models:[^\n]*-->\n)(.*?)(<!-- end of models -->)", flags=re.DOTALL)


def table() -> str:
    """A row per model: name, parameters on a grid of 64 × 64 cells, ONNX, reference."""
    info = make_info((64, 64))
    rows = ["| model | parameters | ONNX | reference |", "|---|---|---|---|"]
    for name in sorted(registry.builtin_names):
        kind = registry.get(name)
        network = build_network(name, 20, 5, {}, info.grid, info.statics)[0]
        count = f"{sum(p.numel() for p in network.parameters()):,}".replace(",", " ")
        rows.append(f"| `{name}` | {count} | {'yes' if kind.onnx_supported else 'no'} | {kind.reference} |")
    return "\n".join(rows) + "\n"


def main() -> None:
    """Writes the table into the README."""
    page = ROOT / "README.md"
    page.write_text(PATTERN.sub(lambda found: found[1] + table() + found[3], page.read_text()))


if __name__ == "__main__":
    main()
