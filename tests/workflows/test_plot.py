from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from PIL import Image

from py4cast.errors import DataError, SettingsError
from py4cast.observers.display import display_of
from py4cast.observers.sheet import Row
from py4cast.variables import Variable
from py4cast.workflows import plot as module
from py4cast.workflows.plot import plot
from tests import forecast_files as made
from tests.command import py4cast


def test_a_forecast_is_a_column_per_lead_time(tmp_path: Path) -> None:
    path = made.write(tmp_path, "fc.nc", made.forecasts())
    one = plot([path], tmp_path / "a.png", ["t2m"], init_time=str(made.STARTS[0]), lead_times=["6h"])
    three = plot([path], tmp_path / "b.png", ["t2m"], init_time=str(made.STARTS[0]))
    with Image.open(one) as small, Image.open(three) as large:
        assert large.size[0] > 2 * small.size[0]
        colours = np.asarray(small.convert("RGB")).reshape(-1, 3)
    assert len(np.unique(colours, axis=0)) > 50, "something is drawn"


def test_a_series_is_drawn_at_its_times(tmp_path: Path) -> None:
    path = made.write(tmp_path, "an.nc", made.analyses())
    assert plot([path], tmp_path / "a.png", times=[str(made.TIMES[3])], wind="u10").exists()
    with pytest.raises(SettingsError, match=r"--times 2031-01-01T00:00:00: not in the files, which hold 2020-01-01"):
        plot([path], tmp_path / "x.png", times=["2031-01-01"])
    with pytest.raises(SettingsError, match="are of forecasts; the files hold a series"):
        plot([path], tmp_path / "x.png", lead_times=["6h"])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({}, "the files hold 10 forecasts, from .* choose one by --init_time"),
        ({"init_time": "2031-01-01"}, "no forecast starts then"),
        (
            {"init_time": "2020-01-01T00", "lead_times": ["7h"]},
            "--lead_times 7h: not in the files, which hold 6, 12, 18",
        ),
        ({"init_time": "2020-01-01T00", "times": ["2020-01-01"]}, "--times: of a series"),
        ({"init_time": "2020-01-01T00", "variables": ["t2n"]}, "did you mean 't2m'"),
        ({"init_time": "2020-01-01T00", "isolines": "mls"}, "--isolines mls: not in the files"),
        ({"init_time": "2020-01-01T00", "wind": "t2m"}, "its other component is not in the files"),
    ],
    ids=["starts", "start", "lead", "times", "name", "lines", "wind"],
)
def test_what_is_not_there_is_told(words: dict, told: str, tmp_path: Path) -> None:
    path = made.write(tmp_path, "fc.nc", made.forecasts())
    with pytest.raises(SettingsError, match=told):
        plot([path], tmp_path / "x.png", **words)
    assert not (tmp_path / "x.png").exists()


def test_a_field_that_is_all_missing_is_refused(tmp_path: Path) -> None:
    data = made.analyses()
    data["t2m"] = data["t2m"] * np.nan
    path = made.write(tmp_path, "an.nc", data)
    with pytest.raises(DataError, match="t2m: all values are missing"):
        plot([path], tmp_path / "x.png", ["t2m"], times=[str(made.TIMES[0])])
    with pytest.raises(SettingsError, match=r"expected a name that ends in \.png"):
        plot([path], tmp_path / "x.pdf")


def test_the_verb_draws(tmp_path: Path) -> None:
    made.write(tmp_path, "an.nc", made.analyses())
    done = py4cast("plot", "an.nc", "--times", "2020-01-01T00,2020-01-02T00", "--output", "an.png", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "an.png\n" and (tmp_path / "an.png").stat().st_size > 10_000


def ensemble(shift: float, members: int = 6) -> xr.Dataset:
    """A forecast of members about 280 K that are `shift` warmer in the east."""
    rng = np.random.default_rng(int(shift * 10) + members)
    lat, lon = np.linspace(50, 44, 20), np.linspace(0, 10, 30)
    leads = np.array([6, 12]).astype("timedelta64[h]").astype("timedelta64[ns]")
    values = 280 + rng.normal(0, 0.5, (1, 2, members, 20, 30)) + shift * (lon > 5)
    coords = {
        "init_time": ("init_time", np.array(["2020-01-01T00"], dtype="datetime64[ns]"), {"standard_name": "forecast_reference_time"}),
        "lead_time": ("lead_time", leads, {"standard_name": "forecast_period"}),
        "member": ("member", np.arange(members), {"standard_name": "realization"}),
        "latitude": ("latitude", lat, {"units": "degrees_north"}), "longitude": ("longitude", lon, {"units": "degrees_east"}),
    }  # fmt: skip
    attrs = {"units": "K", "standard_name": "air_temperature"}
    return xr.Dataset({"t2m": (("init_time", "lead_time", "member", "latitude", "longitude"), values.astype("f4"), attrs)}, coords)  # fmt: skip


def test_differences_are_marked_where_members_tell_them_from_chance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from py4cast.observers import sheet

    drawn: list[sheet.Row] = []
    plain = module.draw_sheet
    monkeypatch.setattr(module, "draw_sheet", lambda grid, rows, *rest: drawn.extend(rows) or plain(grid, rows, *rest))
    first, second = (made.write(tmp_path, f"{shift}.nc", ensemble(shift)) for shift in (2.0, 0.0))
    plot([first], tmp_path / "d.png", against=[second], units={"t2m": "degF"})
    (row,) = drawn
    assert row.shown is not None and row.shown.title == "difference of air temperature [°F]" and row.shown.offset == 0
    east = np.linspace(0, 10, 30) > 5
    for field, marks in zip(row.fields, row.marks, strict=True):
        assert abs(field[:, east].mean() - 2) < 0.1 and abs(field[:, ~east].mean()) < 0.1
        assert marks[:, east].mean() > 0.9 and marks[:, ~east].mean() < 0.1
    later = ensemble(0.0).assign_coords(init_time=ensemble(0.0).init_time + np.timedelta64(30, "D"))
    with pytest.raises(SettingsError, match="--with: nothing is valid at the times of the forecast"):
        plot([first], tmp_path / "x.png", against=[made.write(tmp_path, "later.nc", later)])
    with pytest.raises(DataError, match="grids differ"):
        plot([first], tmp_path / "x.png", against=[made.write(tmp_path, "an2.nc", made.analyses())])


@pytest.mark.parametrize("style", ["barbs", "arrows", "streamlines"])
def test_winds_are_drawn_in_three_ways(tmp_path: Path, style: str) -> None:
    path = made.write(tmp_path, "an.nc", made.analyses())
    picture = plot([path], tmp_path / f"{style}.png", ["t2m"], times=[str(made.TIMES[3])], wind="u10", wind_style=style)
    bare = plot([path], tmp_path / "bare.png", ["t2m"], times=[str(made.TIMES[3])], wind="none")
    with Image.open(picture) as drawn, Image.open(bare) as nothing:
        size = min(drawn.size[0], nothing.size[0]), min(drawn.size[1], nothing.size[1])
        pixels = [np.asarray(p.convert("L").resize(size), dtype=float) for p in (drawn, nothing)]
    assert (np.abs(pixels[0] - pixels[1]) > 60).sum() > 400


def test_units_and_styles_that_are_none_are_told(tmp_path: Path) -> None:
    path = made.write(tmp_path, "an.nc", made.analyses())
    with pytest.raises(SettingsError, match=r"--units t2m=kg: its own are \[K\]"):
        plot([path], tmp_path / "x.png", ["t2m"], units={"t2m": "kg"})
    with pytest.raises(SettingsError, match="--units t2: not in the files; did you mean 't2m'"):
        plot([path], tmp_path / "x.png", units={"t2": "degF"})
    with pytest.raises(SettingsError, match="--wind_style barb; did you mean 'barbs'"):
        plot([path], tmp_path / "x.png", wind_style="barb")
    done = py4cast("plot", "an.nc", "--units", "t2m", "--output", "a.png", cwd=tmp_path)
    assert done.returncode == 2 and "--units 't2m': expected NAME=UNITS, such as t2m=degF" in done.stderr


def test_a_variable_that_nobody_asked_for_and_that_is_missing_is_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = made.analyses()
    data["t2m"] = data["t2m"] * np.nan
    path = made.write(tmp_path, "an.nc", data)
    assert plot([path], tmp_path / "x.png", times=[str(made.TIMES[0])]).exists()
    assert "t2m: left out, all values are missing" in caplog.text


def test_rows_of_one_name_are_told_apart() -> None:
    speeds = [Variable(name=n, units="m s-1", standard_name="wind_speed") for n in ("10si", "100si")]
    warm = Variable(name="2t", units="K", standard_name="air_temperature")
    rows = [Row(v, [np.zeros((2, 2), np.float32)], display_of(v)) for v in (*speeds, warm)]
    titles = [row.shown.title for row in module._told_apart(rows) if row.shown is not None]
    assert titles == ["wind speed (10si) [m s⁻¹]", "wind speed (100si) [m s⁻¹]", "air temperature [°C]"]


def test_a_difference_says_of_what(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notes: list[str] = []
    plain = module.draw_sheet
    monkeypatch.setattr(module, "draw_sheet", lambda *a: notes.append(a[5]) or plain(*a))
    paths = [made.write(tmp_path, name, made.analyses()) for name in ("a.nc", "b.nc", "c.nc")]
    plot(paths[:1], tmp_path / "x.png", ["t2m"], times=[str(made.TIMES[3])], against=paths[1:2])
    plot(paths[:1], tmp_path / "x.png", ["t2m"], times=[str(made.TIMES[3])])
    assert notes == ["a.nc less b.nc", ""]
