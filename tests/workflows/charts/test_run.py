"""Charts beside maps: what they are made of, and what they refuse."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from py4cast.errors import DataError, SettingsError
from py4cast.formats import Fields, writer_for
from py4cast.formats.reduced import octahedral
from py4cast.grid import Grid
from py4cast.observers.profile import _skewed_span, dew_point, dew_point_of_relative
from py4cast.projection import inverse
from py4cast.variables import Variable
from py4cast.vectors import VectorTurn
from py4cast.workflows.charts import kinds
from py4cast.workflows.charts.asked import place_on
from py4cast.workflows.charts.run import chart
from py4cast.workflows.chosen import open_shown
from py4cast.workflows.plot import plot
from tests import forecast_files as made
from tests.command import py4cast
from tests.picture_files import forecast, written


@pytest.fixture
def handed(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the drawing is handed, by the name of what draws."""
    calls: dict[str, Any] = {}

    def watch(name: str) -> None:
        plain = getattr(kinds, name)
        monkeypatch.setattr(kinds, name, lambda *a: calls.setdefault(name, a) and plain(*a))

    for name in ("draw_hovmoller", "draw_meteogram", "draw_profiles"):
        watch(name)
    return calls


def test_a_meteogram_is_the_members_at_the_nearest_cell(tmp_path: Path, handed: dict[str, Any]) -> None:
    chart("meteogram", [written(tmp_path)], tmp_path / "m.png", ["t2m", "tp"], at="49.9,5.1", units={"t2m": "degF"})
    courses, times, title, wind, south = handed["draw_meteogram"]
    assert not south
    data = forecast().sel(latitude=50, longitude=5, method="nearest").isel(init_time=0)
    np.testing.assert_allclose(courses[0].values, (data["t2m"] - 273.15) * 1.8 + 32, rtol=1e-4)
    assert courses[0].shown.title == "air temperature [°F]" and [c.is_amount for c in courses] == [False, True]
    np.testing.assert_allclose(wind, [data["u10"].mean("member"), data["v10"].mean("member")], rtol=1e-4)
    assert str(times[2]) == "2020-01-01T12:00:00" and title.startswith("50.00°N 5.00°E, forecast from 2020-01-01 00:00")


def test_a_band_is_the_mean_over_the_other_axis_and_may_be_an_error(tmp_path: Path, handed: dict[str, Any]) -> None:
    chart("hovmoller", [written(tmp_path)], tmp_path / "h.png", ["msl"], along="latitude", lead_times=["6h", "12h"])
    (band,), places, along, hours, ylabel, _ = handed.pop("draw_hovmoller")
    data = forecast()["msl"].isel(init_time=0).mean("member").isel(lead_time=[1, 2])
    np.testing.assert_allclose(band.values, data.mean("longitude") / 100, rtol=1e-6)
    assert along == "latitude" and hours.tolist() == [6, 12] and ylabel == "lead time [h]" and places[0] == 60
    chart("hovmoller", [written(tmp_path)], tmp_path / "e.png", ["msl"], against=[written(tmp_path, 2.0)])
    (band,), *_ = handed["draw_hovmoller"]
    weights = np.cos(np.deg2rad(forecast().latitude))
    apart = (forecast() - forecast(2.0))["msl"].isel(init_time=0).mean("member").weighted(weights).mean("latitude")
    np.testing.assert_allclose(band.values, apart / 100, atol=1e-3)
    assert band.shown.title == "difference of air pressure at mean sea level [hPa]"


def test_a_profile_is_every_level_from_the_top(tmp_path: Path, handed: dict[str, Any]) -> None:
    chart("profile", [written(tmp_path, names=("t",))], tmp_path / "p.png", at="50,5", lead_times=["0h", "24h"])
    (profile,), titles, _ = handed["draw_profiles"]
    assert profile.levels.tolist() == [300, 500, 700, 850, 1000] and titles == ["+0 h", "+24 h"]
    data = forecast()["t"].sel(latitude=50, longitude=5, method="nearest").isel(init_time=0, lead_time=[0, 4])
    np.testing.assert_allclose(profile.values, data - 273.15, atol=1e-3)
    assert profile.shown.title == "air temperature [°C]"


def test_the_dew_point_of_saturated_air_is_its_temperature() -> None:
    temperature = np.array([-20.0, 0.0, 25.0])
    vapour = 6.112 * np.exp(17.67 * temperature / (temperature + 243.5))
    for pressure in (500.0, 1000.0):
        humidity = 0.622 * vapour / (pressure - 0.378 * vapour)
        np.testing.assert_allclose(dew_point(humidity, pressure), temperature, atol=1e-9)
    np.testing.assert_allclose(dew_point_of_relative(np.full(3, 100.0), temperature), temperature, atol=1e-9)
    assert (dew_point_of_relative(np.full(3, 50.0), temperature) < temperature).all()


def test_a_skewt_needs_metpy_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "metpy.plots", None)
    with pytest.raises(SettingsError, match=r"--kind skewt needs MetPy: pip install 'py4cast\[skewt\]'"):
        chart("skewt", [written(tmp_path, names=("t",))], tmp_path / "s.png", at="50,5")


def test_a_skewt_is_drawn_by_metpy(tmp_path: Path) -> None:
    pytest.importorskip("metpy.plots", reason="MetPy is of the extra skewt")
    assert chart("skewt", [written(tmp_path, names=("t",))], tmp_path / "s.png", at="50,5").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("kind", "words", "told"),
    [
        ("meteo", {}, "--kind meteo; did you mean 'meteogram'"),
        ("meteogram", {}, "--at: --kind meteogram needs a place"),
        ("hovmoller", {"at": "50,5"}, "--at: --kind hovmoller has none"),
        ("meteogram", {"at": "50"}, "--at '50': expected LATITUDE,LONGITUDE"),
        ("meteogram", {"at": "95,5"}, "latitude 95 is beyond 90 degrees"),
        ("meteogram", {"at": "-50,5"}, "--at -50,5: outside of the grid"),
        ("meteogram", {"at": "50,5", "variables": ["t2n"]}, "did you mean 't2m'"),
        ("meteogram", {"at": "50,5", "units": {"t2n": "K"}}, "--units t2n: not in the files; did you mean 't2m'"),
        ("meteogram", {"at": "50,5", "against": ["x.nc"]}, "--with: --kind meteogram shows no difference"),
        ("meteogram", {"at": "50,5", "times": ["2020-01-01"]}, "--times: of a series"),
    ],
)
def test_what_does_not_fit_a_kind_is_told(tmp_path: Path, kind: str, words: dict[str, Any], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        chart(kind, [written(tmp_path)], tmp_path / "x.png", **words)
    assert not (tmp_path / "x.png").exists()


def test_files_without_levels_have_no_profile(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no variable stands on two pressure levels or more"):
        chart("profile", [written(tmp_path)], tmp_path / "x.png", at="50,5")
    with pytest.raises(DataError, match="no air temperature on pressure levels"):
        chart("skewt", [written(tmp_path)], tmp_path / "x.png", at="50,5")


def test_a_series_has_its_times_and_points_their_nearest_cell(tmp_path: Path) -> None:
    path = made.write(tmp_path, "an.nc", made.analyses())
    assert chart("meteogram", [path], tmp_path / "a.png", ["t2m"], at="53,-2", times=[str(made.TIMES[3]), str(made.TIMES[4])]).exists()  # fmt: skip
    place = place_on(octahedral(16), "-89.9,180")
    assert (place.row, octahedral(16).latitude[0, place.column]) == (0, octahedral(16).latitude.min())


def test_the_verb_draws_a_kind(tmp_path: Path) -> None:
    written(tmp_path)
    done = py4cast("plot", "msl_t2m_u10_v10_tp0.nc", "--kind", "meteogram", "--at", "50,5", "--output", "m.png", cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0 and done.stdout == "m.png\n", done.stderr
    done = py4cast("plot", "msl_t2m_u10_v10_tp0.nc", "--at", "50,5", "--output", "m.png", cwd=tmp_path)
    assert done.returncode == 2 and "--at: of --kind meteogram, profile and skewt" in done.stderr


def test_barbs_are_in_knots_whatever_the_units_and_stand_on_the_other_side_in_the_south(
    tmp_path: Path, handed: dict[str, Any]
) -> None:
    data = forecast()
    data = data.assign_coords(latitude=data["latitude"] - 100)
    for name, units, factor in (("u10", "km h-1", 3.6), ("v10", "knots", 3600 / 1852)):
        data[name] = (data[name] * factor).assign_attrs({**data[name].attrs, "units": units})
    data.to_netcdf(tmp_path / "s.nc")
    chart("meteogram", [tmp_path / "s.nc"], tmp_path / "m.png", ["t2m"], at="-50.1,5.1")
    *_, wind, south = handed["draw_meteogram"]
    there = forecast().sel(latitude=50, longitude=5, method="nearest").isel(init_time=0)
    np.testing.assert_allclose(wind, [there["u10"].mean("member"), there["v10"].mean("member")], rtol=1e-3)
    assert south


@pytest.mark.parametrize("kind", ["meteogram", "hovmoller"])
def test_a_chart_of_nothing_is_refused(tmp_path: Path, kind: str) -> None:
    data = forecast()
    data["t2m"] = data["t2m"] * np.nan
    data.to_netcdf(tmp_path / "n.nc")
    with pytest.raises(DataError, match="t2m: all values are missing"):
        chart(kind, [tmp_path / "n.nc"], tmp_path / "n.png", ["t2m"], at="50,5" if kind == "meteogram" else None)
    assert not (tmp_path / "n.png").exists()


@pytest.mark.parametrize("cells", [{"longitude": [3]}, {"latitude": [2], "longitude": [3]}], ids=["a column", "a cell"])
def test_few_cells_and_dollars_are_drawn(tmp_path: Path, cells: dict[str, list[int]]) -> None:
    data = forecast().isel(cells)
    data["x"] = data["t2m"].assign_attrs(units="$\\celsius$", standard_name="")
    data.isel(init_time=0).to_netcdf(tmp_path / "c.nc")
    for name in ("t2m", "x"):
        plot([tmp_path / "c.nc"], tmp_path / f"{name}.png", variables=[name], lead_times=["6h"])
        assert (tmp_path / f"{name}.png").stat().st_size > 1000


def direction(path: Path, *degrees: float, name: str = "wind_from_direction") -> Path:
    """A field of directions, one per row in turn, of two instants."""
    rows = np.resize(np.array(degrees, np.float32), 8)
    values = np.broadcast_to(rows[:, None], (8, 6))
    coords = {"time": np.array(["2020-01-01T00", "2020-01-01T06"], "datetime64[ns]"), "latitude": np.arange(8.0) - 3.5, "longitude": np.arange(6.0)}  # fmt: skip
    attrs = {"units": "degree", "standard_name": name}
    xr.Dataset({"wdir": (("time", "latitude", "longitude"), np.stack([values, values]), attrs)}, coords).to_netcdf(path)
    return path


def test_the_mean_of_directions_along_a_band_is_that_of_unit_vectors(tmp_path: Path, handed: dict[str, Any]) -> None:
    chart("hovmoller", [direction(tmp_path / "w.nc", 350.0, 10.0)], tmp_path / "h.png", ["wdir"])
    (band,), *_ = handed.pop("draw_hovmoller")
    np.testing.assert_allclose((band.values + 180) % 360 - 180, 0.0, atol=1e-3)
    other = direction(tmp_path / "o.nc", 2.0)
    chart("hovmoller", [direction(tmp_path / "v.nc", 358.0)], tmp_path / "e.png", ["wdir"], against=[other])
    (band,), *_ = handed["draw_hovmoller"]
    np.testing.assert_allclose(band.values, -4.0, atol=1e-3)


def test_a_course_in_time_needs_two_times(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a course in time needs two times or more"):
        chart("hovmoller", [written(tmp_path)], tmp_path / "h.png", ["msl"], lead_times=["6h"])


def test_a_wind_along_the_axes_of_a_map_is_turned_to_true_north(tmp_path: Path, handed: dict[str, Any]) -> None:
    x = y = np.linspace(-800e3, 800e3, 9)
    lambert = {
        "grid_mapping_name": "lambert_conformal_conic", "standard_parallel": 45.0,
        "longitude_of_central_meridian": 5.0, "latitude_of_projection_origin": 45.0,
    }  # fmt: skip
    grid = Grid(*inverse(lambert, *np.meshgrid(x, y)), x, y, lambert)
    parts = [
        Variable(
            name=n,
            short_name=n,
            units="m s-1",
            standard_name=f"{axis}_wind",
            level=10.0,
            type_of_level="heightAboveGround",
        )
        for n, axis in (("u10", "x"), ("v10", "y"))
    ]
    values = np.zeros((2, *grid.shape, 2), np.float32)
    values[..., 1] = 10.0  # up the map
    start, hour = np.datetime64("2020-01-01T00", "s"), np.timedelta64(3600, "s")
    path = tmp_path / "f.nc"
    writer_for(path).write(path, Fields(values, parts, grid, start, [hour, 2 * hour]))
    place = f"{grid.latitude[4, 8]:.4f},{grid.longitude[4, 8]:.4f}"
    chart("meteogram", [path], tmp_path / "m.png", at=place)
    _, _, _, wind, _ = handed["draw_meteogram"]
    east, north = VectorTurn(grid, "grid", grid, "earth")(values[0, ..., 0], values[0, ..., 1])
    np.testing.assert_allclose(wind, [[east[4, 8]] * 2, [north[4, 8]] * 2], rtol=1e-5)
    assert wind[0, 0] > 0.5, "east of the middle the map's up leans to the east"


def test_a_profile_is_chosen_by_the_name_of_all_its_levels(tmp_path: Path, handed: dict[str, Any]) -> None:
    path = written(tmp_path, names=("t",))
    names = open_shown([path]).names
    assert "t" not in names
    chart("profile", [path], tmp_path / "p.png", ["t"], at="50,5", lead_times=["0h"], units={"t": "degF"})
    (profile,), *_ = handed["draw_profiles"]
    assert profile.levels.size == len(names) and profile.shown.title == "air temperature [°F]"


@pytest.mark.parametrize("dew", [None, -60.0, -5.0])
def test_all_of_a_sounding_lies_within_the_diagram(dew: float | None) -> None:
    levels = np.array([100.0, 300.0, 500.0, 850.0, 1000.0])
    warmth = np.array([-70.0, -40.0, -12.0, 14.0, 28.0])
    curves = [warmth, *([] if dew is None else [warmth + dew])]
    low, high = _skewed_span(levels, curves, 1050.0, 100.0)
    shares = np.log(1050.0 / levels) / np.log(10.5)
    for curve in curves:
        places = (curve + shares * (high - low) - low) / (high - low)
        assert (places > 0).all() and (places < 1).all()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--kind", "hovmoller", "--wind_style", "arrows"], "--wind_style: of --kind map, not of hovmoller"),
        (
            ["--kind", "meteogram", "--at", "50,5", "--isolines", "none", "--wind", "none"],
            "--isolines, --wind: of --kind map",
        ),
        (["--along", "latitude"], "--along: of --kind hovmoller"),
    ],
)
def test_flags_of_another_kind_are_refused(tmp_path: Path, words: list[str], told: str) -> None:
    done = py4cast("plot", written(tmp_path), "--output", "x.png", *words, cwd=tmp_path)
    assert done.returncode == 2 and told in done.stderr
