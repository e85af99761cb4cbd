"""Pictures of closures: spectra, fluxes, distribution of vorticity, departure from the truth and long runs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from py4cast.atomic import atomic_path
from py4cast.observers.style import DPI

__all__ = ["draw_closures"]

_TRUTH = "black"


def draw_closures(runs: Mapping[str, Sequence[Mapping[str, Any]]], every: int, path: Path) -> None:
    """Draws all closures and seeds; a thin line per seed, all of one closure in one colour.

    Args:
        runs: closure → one document per seed, with `found` and `truth`.
        every: steps between two values of a long run.
        path: of the picture.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(16, 9), layout="constrained")
    panels = np.ravel(figure.subplots(2, 4))
    colours = dict(zip(runs, _colours(len(runs)), strict=True))
    drawn = (
        ("energy_spectrum", "energy spectrum E(k)"), ("enstrophy_spectrum", "enstrophy spectrum Z(k)"),
        ("energy_flux", "energy flux Π(k)"), ("enstrophy_flux", "enstrophy flux Π(k)"),
    )  # fmt: skip
    for panel, (name, title) in zip(panels, drawn, strict=False):
        _curves(panel, runs, colours, name)
        panel.set(title=title, xlabel="wavenumber k")
        panel.set_xscale("log")
        if name.endswith("spectrum"):
            panel.set_yscale("log")
    # what has no power, or all of it, sets no scale
    for panel, name in ((panels[0], "energy_spectrum"), (panels[1], "enstrophy_spectrum")):
        levels = np.concatenate([np.array(d["truth"][name])[1:] for d in next(iter(runs.values()))])
        panel.set_ylim(levels.min() / 10, levels.max() * 5)
    _distribution(panels[4], runs, colours)
    _departure(panels[5], runs, colours)
    _long_runs(panels[6], runs, colours, every)
    _legend(panels[7], colours)
    with atomic_path(path, path.suffix) as temporary:
        figure.savefig(temporary, dpi=DPI)


def _colours(count: int) -> list[Any]:
    from matplotlib import colormaps

    return [colormaps["tab10"](i % 10) for i in range(count)]


def _curves(panel: Any, runs: Mapping[str, Any], colours: Mapping[str, Any], name: str) -> None:
    for closure, documents in runs.items():
        for document in documents:
            values = document["found"]["climate"].get(name)
            if values is not None:
                panel.plot(np.arange(1, len(values)), values[1:], color=colours[closure], linewidth=1)
    for document in next(iter(runs.values())):
        values = document["truth"][name]
        panel.plot(np.arange(1, len(values)), values[1:], color=_TRUTH, linewidth=1.4, linestyle="--")


def _distribution(panel: Any, runs: Mapping[str, Any], colours: Mapping[str, Any]) -> None:
    """The density, from the quantiles: dP/dω."""

    def draw(quantiles: Any, **style: Any) -> None:
        edges = np.array(quantiles)[:: max(1, len(quantiles) // 80)]
        share = 1.0 / len(edges)
        panel.plot((edges[1:] + edges[:-1]) / 2, share / np.maximum(np.diff(edges), 1e-9), linewidth=1, **style)

    for closure, documents in runs.items():
        for document in documents:
            if "quantiles" in document["found"]["climate"]:
                draw(document["found"]["climate"]["quantiles"], color=colours[closure])
    for document in next(iter(runs.values())):
        draw(document["truth"]["quantiles"], color=_TRUTH, linestyle="--")
    panel.set(title="density of vorticity", xlabel="ω [1/time unit]", yscale="log")


def _departure(panel: Any, runs: Mapping[str, Any], colours: Mapping[str, Any]) -> None:
    for closure, documents in runs.items():
        for document in documents:
            series = np.array(document["found"]["correlation"], dtype=float)
            time = (1 + np.arange(series.size)) * document["truth"]["interval"]
            panel.plot(time, series, color=colours[closure], linewidth=1)
    panel.set(title="correlation with the truth", xlabel="time", ylim=(0, 1.02))


def _long_runs(panel: Any, closures: Mapping[str, Any], colours: Mapping[str, Any], every: int) -> None:
    highest = 0.0
    for closure, documents in closures.items():
        for document in documents:
            unit = document["truth"]["unit_time"]
            runs = np.array(document["found"]["enstrophy_series"], dtype=float)
            time = np.arange(len(runs)) * every * document["truth"]["interval"]
            panel.plot(time, 0.5 * unit**2 * runs.mean(1), color=colours[closure], linewidth=0.8)
            highest = max(highest, document["truth"]["enstrophy"])
    for document in next(iter(closures.values())):
        panel.axhline(document["truth"]["enstrophy"], color=_TRUTH, linewidth=1, linestyle="--")
    panel.set(title="enstrophy of the long runs", xlabel="time", ylim=(0, 5 * highest))


def _legend(panel: Any, colours: Mapping[str, Any]) -> None:
    for closure, colour in colours.items():
        panel.plot([], [], color=colour, label=closure)
    panel.plot([], [], color=_TRUTH, linestyle="--", label="truth (filtered)")
    panel.legend(loc="center", fontsize="large")
    panel.set_axis_off()
