"""The table of an experiment with ensembles, as JSON, as Markdown and on the screen."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from py4cast.atomic import write_json, write_text
from py4cast.workflows.terminal import table_of

__all__ = ["board_table", "write_board"]

_COLUMNS = (
    "system", "method", "seed", "CRPS/ideal", "energy/ideal", "spread/skill", "of 6 x 6 means", "correlation", "ranks p", "train [s]",
)  # fmt: skip
# with the digits that differ
_LISTS = {"crps_ratio": 3, "energy_ratio": 3, "spread_skill": 2, "pooled_spread_skill": 2}


def _texts(row: Mapping[str, Any]) -> list[str]:
    lists = [" ".join(f"{value:.{digits}f}" for value in row[key]) for key, digits in _LISTS.items()]
    ends = [f"{row['correlation_ratio']:.2f}", f"{row['rank_p']:.2g}", f"{row['seconds']:.0f}"]
    return [row["system"], row["method"], str(row["seed"]), *lists, *ends]


def _title(lead_steps: Sequence[int]) -> str:
    return f"Members beside those of the system itself, at +{', +'.join(map(str, lead_steps))} steps"


def board_table(document: Mapping[str, Any]) -> Any:
    """The rows of an experiment for a terminal, a section for each system."""
    rows = document["rows"]
    systems = list(dict.fromkeys(row["system"] for row in rows))
    sections = [[_texts(row) for row in rows if row["system"] == system] for system in systems]
    return table_of(_title(document["lead_steps"]), _COLUMNS, sections)


def write_board(folder: Path, document: Mapping[str, Any]) -> None:
    """Writes the table to `ensembles.json` and `ensembles.md` of a folder."""
    write_json(folder / "ensembles.json", document)
    lines = [f"{_title(document['lead_steps'])}.", "", "| " + " | ".join(_COLUMNS) + " |", "|" + "---|" * len(_COLUMNS)]
    lines += ["| " + " | ".join(_texts(row)) + " |" for row in document["rows"]]
    write_text(folder / "ensembles.md", "\n".join(lines) + "\n")
