"""The picture of an experiment with ensembles: each measure of every method by lead time, beside what is right."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from py4cast.atomic import atomic_path
from py4cast.observers.style import DPI, FAINT, NOTE, PANEL, SOFT

__all__ = ["draw_ensembles"]

# what is shown, and within which limits it should be
_PANELS = {
    "crps_ratio": ("CRPS / ideal", (1.0, 1.03)),
    "spread_skill": ("spread/skill", (0.95, 1.05)),
    "pooled_spread_skill": ("spread/skill of means over 6 x 6 cells", (0.9, 1.1)),
    "energy_ratio": ("energy score / ideal", (1.0, 1.03)),
}


def draw_ensembles(document: Mapping[str, Any], path: Path) -> None:
    """Draws the rows of an experiment: a row of panels for each system, a line for each training.

    Args:
        document: with `rows` and `lead_steps`.
        path: of the picture.
    """
    from matplotlib.figure import Figure

    rows, steps = document["rows"], document["lead_steps"]
    systems = list(dict.fromkeys(row["system"] for row in rows))
    methods = list(dict.fromkeys(row["method"] for row in rows))
    figure = Figure(figsize=(3.4 * len(_PANELS), 3.2 * len(systems)), layout="constrained")
    panels = figure.subplots(len(systems), len(_PANELS), squeeze=False)
    for line, system in zip(panels, systems, strict=True):
        for panel, (key, (title, limits)) in zip(line, _PANELS.items(), strict=True):
            panel.axhspan(*limits, color=FAINT)
            panel.axhline(1.0, color=SOFT, linewidth=0.8)
            for index, method in enumerate(methods):
                of_method = [row for row in rows if (row["system"], row["method"]) == (system, method)]
                for number, row in enumerate(of_method):
                    label = method if number == 0 else None
                    panel.plot(steps, row[key], color=f"C{index}", marker="o", markersize=3, linewidth=1.2, label=label)
            panel.set_title(f"{system}: {title}", fontsize=PANEL)
            panel.set_xlabel("lead time [steps]")
    panels[0, 0].legend(fontsize=NOTE)
    with atomic_path(path, path.suffix) as temporary:
        figure.savefig(temporary, dpi=DPI)
