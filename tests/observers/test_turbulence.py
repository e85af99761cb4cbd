"""Pictures of closures: which curve is drawn of which number."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from py4cast.observers.turbulence import draw_closures

QUANTILES = [0.0, 1.0, 3.0, 7.0]
TRUTH: dict[str, Any] = {
    "energy_spectrum": [99.0, 4.0, 2.0, 1.0], "enstrophy_spectrum": [99.0, 8.0, 20.0, 40.0], "energy_flux": [0.0, 0.1, 0.2, 0.3],
    "enstrophy_flux": [0.0, 0.3, 0.2, 0.1], "quantiles": QUANTILES, "interval": 0.5, "unit_time": 10.0, "enstrophy": 2.0,
}  # fmt: skip


def document(factor: float, **climate: Any) -> dict[str, Any]:
    spectra = {k: [factor * v for v in TRUTH[k]] for k in ("energy_spectrum", "energy_flux")}
    run = {
        "climate": spectra | climate,
        "correlation": [1.0, 0.9, 0.8],
        "enstrophy_series": [[0.01, 0.03], [0.05, 0.05]],
    }
    return {"found": run, "truth": TRUTH}


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Figure:
    figures: list[Figure] = []

    def keep(figure: Figure, path: Path, dpi: int) -> None:
        figures.append(figure)
        Path(path).write_bytes(b"a picture")

    monkeypatch.setattr(Figure, "savefig", keep)
    runs = {"none": [document(2.0), document(3.0)], "leith": [document(5.0, quantiles=QUANTILES)]}
    draw_closures(runs, 4, tmp_path / "closures.png")
    assert [p.name for p in tmp_path.iterdir()] == ["closures.png"]
    return figures[0]


def lines(figure: Figure, title: str) -> list[Any]:
    (panel,) = [axes for axes in figure.axes if axes.get_title() == title]
    return list(panel.lines)


@pytest.mark.parametrize(
    ("title", "name"), [("energy spectrum E(k)", "energy_spectrum"), ("energy flux Π(k)", "energy_flux")]
)
def test_a_curve_per_seed_and_the_truth_from_the_first_wave_on(drawn: Figure, title: str, name: str) -> None:
    curves = lines(drawn, title)
    for curve, factor in zip(curves, (2.0, 3.0, 5.0, 1.0, 1.0), strict=True):
        assert curve.get_xdata().tolist() == [1, 2, 3]
        np.testing.assert_allclose(curve.get_ydata(), factor * np.array(TRUTH[name][1:]))
    assert [to_rgba(c.get_color()) == to_rgba("black") for c in curves] == [False, False, False, True, True]
    assert curves[0].get_color() == curves[1].get_color() != curves[2].get_color(), "one colour a closure"


def test_what_a_closure_does_not_have_is_left_out(drawn: Figure) -> None:
    assert len(lines(drawn, "enstrophy spectrum Z(k)")) == 2, "the truth of each seed alone"
    assert len(lines(drawn, "density of vorticity")) == 3


def test_spectra_are_logarithmic_about_the_truth(drawn: Figure) -> None:
    energy, enstrophy, flux = drawn.axes[:3]
    assert (energy.get_xscale(), energy.get_yscale(), flux.get_yscale()) == ("log", "log", "linear")
    assert energy.get_ylim() == pytest.approx((0.1, 20.0)) and enstrophy.get_ylim() == pytest.approx((0.8, 200.0))


def test_density_is_the_share_of_a_quantile_over_its_width(drawn: Figure) -> None:
    curve = lines(drawn, "density of vorticity")[0]
    np.testing.assert_allclose(curve.get_xdata(), [0.5, 2.0, 5.0])
    np.testing.assert_allclose(curve.get_ydata(), [0.25, 0.125, 0.0625])


def test_correlation_is_over_time_after_the_first_interval(drawn: Figure) -> None:
    curves = lines(drawn, "correlation with the truth")
    assert len(curves) == 3
    np.testing.assert_allclose(curves[0].get_xydata(), [[0.5, 1.0], [1.0, 0.9], [1.5, 0.8]])


def test_long_runs_show_half_the_mean_square_in_the_truths_units(drawn: Figure) -> None:
    curves = lines(drawn, "enstrophy of the long runs")
    # 0.5 · 10² of the mean over runs, every 4 steps of 0.5
    np.testing.assert_allclose(curves[0].get_xydata(), [[0.0, 1.0], [2.0, 2.5]])
    assert curves[-1].get_ydata()[0] == 2.0 and len(curves) == 3 + 2
    assert drawn.axes[6].get_ylim() == (0.0, 10.0)


def test_every_closure_is_in_the_legend(drawn: Figure) -> None:
    legend = drawn.axes[7].get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["none", "leith", "truth (filtered)"]
