"""SpectraPlot: which forecasts it takes, and what it shows of them."""

from dataclasses import replace

import numpy as np
import pytest

from py4cast.observers.spectra import SpectraPlot
from py4cast.testing import make_info
from py4cast.variables import Variable
from tests.observers.watching import caught, fields, titles, watched


def curves(figure: object, place: int = 0) -> dict[str, np.ndarray]:
    axes = figure.axes[place]  # type: ignore[attr-defined]
    return {line.get_label(): np.asarray(line.get_ydata(), dtype=float) for line in axes.lines}


def test_a_forecast_of_half_the_truth_has_a_quarter_of_its_power(monkeypatch: pytest.MonkeyPatch) -> None:
    figures, seen = caught(monkeypatch, "spectra"), watched()
    truth, observer = fields(seen.info), SpectraPlot()
    forecast = truth.like(0.5 * truth.tensor)
    # but for the last lead time the forecast is nonsense
    forecast.tensor[:, :-1] = 1e3
    observer.update(seen, forecast, truth)
    observer.on_step_end(seen)
    shown = curves(figures["test_spectra"], 1)
    assert list(shown) == ["forecast", "truth", "error"]
    np.testing.assert_allclose(shown["forecast"], shown["truth"] / 4, rtol=1e-5)
    np.testing.assert_allclose(shown["error"], shown["truth"] / 4, rtol=1e-5)
    assert titles(figures["test_spectra"]) == ["a [(K)²]", "b [(m s⁻¹)²]", "d [(mm)²]"]


def test_the_first_eight_forecasts_of_an_epoch_count(monkeypatch: pytest.MonkeyPatch) -> None:
    figures, seen = caught(monkeypatch, "spectra"), watched()
    truth = fields(seen.info, 1, 10)
    shown = []
    for factor in (2.0, 7.0):
        observer, forecast = SpectraPlot(), truth.like(truth.tensor.clone())
        forecast.tensor[8:] *= factor
        for rows in (slice(0, 5), slice(5, 10)):
            observer.update(seen, forecast.like(forecast.tensor[rows]), truth.like(truth.tensor[rows]))
        observer.on_step_end(seen)
        shown.append(curves(figures["test_spectra"])["forecast"])
    np.testing.assert_array_equal(shown[0], shown[1])


def test_every_epoch_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    figures, seen, observer = caught(monkeypatch, "spectra"), watched(), SpectraPlot()
    truth = fields(seen.info, 1)
    observer.on_step_end(seen)
    assert not figures
    powers = []
    for factor in (1.0, 3.0):
        observer.update(seen, truth.like(factor * truth.tensor), truth)
        observer.on_step_end(seen)
        powers.append(curves(figures["test_spectra"])["forecast"])
    np.testing.assert_allclose(powers[1], 9 * powers[0], rtol=1e-5)


def test_a_grid_of_few_rows_has_no_spectra(monkeypatch: pytest.MonkeyPatch) -> None:
    figures, seen, observer = caught(monkeypatch, "spectra"), watched(make_info((7, 20))), SpectraPlot()
    observer.update(seen, fields(seen.info), fields(seen.info))
    observer.on_step_end(seen)
    assert not figures


def test_no_more_than_six_features_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    info = make_info((8, 8), diagnostic=False)
    many = [Variable(name=f"v{k}", units="K") for k in range(7)]
    seen = watched()
    seen.info = replace(info, variables=[*many, *[v for v in info.variables if v.role == "forcing"]])
    figures, observer = caught(monkeypatch, "spectra"), SpectraPlot()
    observer.update(seen, fields(seen.info, 1), fields(seen.info, 1))
    observer.on_step_end(seen)
    assert titles(figures["test_spectra"]) == [f"v{k} [(K)²]" for k in range(6)]
