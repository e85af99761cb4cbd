"""The table of metrics in doc/verification.md: `python -m tests.metric_pages` writes it anew."""

from py4cast.metrics import registry
from tests.conftest import ROOT

PAGE = ROOT / "doc" / "verification.md"
BEGIN, END = "<!-- metrics: written by `python -m tests.metric_pages` -->\n", "<!-- end of metrics -->"
GOOD = {"low": "low", "high": "high", "one": "near 1", "zero": "near 0", None: ""}


def table() -> str:
    lines = ["| name | what | good |", "|---|---|---|"]
    for name in registry.builtin_names:
        kind = registry.get(name)
        first = " ".join((kind.__doc__ or "").split("\n\n")[0].split())
        lines.append(f"| `{name}` | {first.replace('|', chr(92) + '|')} | {GOOD[kind.orientation]} |")
    return "\n".join(lines) + "\n"


def rewritten(text: str) -> str:
    head, rest = text.split(BEGIN)
    return head + BEGIN + table() + END + rest.split(END, 1)[1]


if __name__ == "__main__":
    PAGE.write_text(rewritten(PAGE.read_text()))
