"""The page of a forecast, as files make it and as a browser shows it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from py4cast.errors import DataError, SettingsError
from py4cast.workflows.view.run import view
from tests import forecast_files as made
from tests.browser import chromium
from tests.command import py4cast
from tests.workflows.view.test_layers import decoded

START = str(made.STARTS[2])


def data_of(path: Path) -> tuple[dict[str, Any], list[str]]:
    """The data of a page, and its layers."""
    text = path.read_text()
    data = json.loads(re.search(r'id="data">(.*?)</script>', text, re.S)[1])
    return data, re.findall(r'id="layer\d+">(.*?)</script>', text)


def values_of(data: dict[str, Any], layers: list[str], variable: int, source: str = "main") -> np.ndarray:
    held = data["variables"][variable][source]
    q = decoded(layers[held["layer"]], (len(data["frames"]), data["rows"], data["columns"])).astype(float)
    return np.stack([low + f * step for f, (low, step) in zip(q, held["scales"], strict=True)])


def write(folder: Path) -> str:
    return made.write(folder, "fc.nc", made.forecasts())


def test_the_page_holds_the_forecast_and_nothing_from_elsewhere(tmp_path: Path) -> None:
    path = view([write(tmp_path)], tmp_path / "fc.html", init_time=START)
    text = path.read_text()
    assert "http://" not in text.replace("http://www.w3.org/2000/svg", "") and "https://" not in text
    assert not re.search(r"(src|href)\s*=\s*[\"'](?!data:)", text) and "{{" not in text
    data, layers = data_of(path)
    assert [f["lead"] for f in data["frames"]] == [6, 12, 18]
    assert data["frames"][0]["title"] == "2020-01-02 00:00 UTC +6 h, valid 2020-01-02 06:00 UTC"
    assert [v["title"] for v in data["variables"]] == [
        "air temperature [°C]",
        "eastward wind [m s⁻¹]",
        "northward wind [m s⁻¹]",
    ]
    expected = made.forecast_of("t2m")[2] - 273.15
    shown = values_of(data, layers, 0)
    assert np.abs(shown - expected).max() < 0.51 * max(s for _, s in data["variables"][0]["main"]["scales"])
    assert data["lat"][0] == 56.0 and data["lat"][-1] == 50.5 and data["lines"] is None and data["wind"] is not None
    assert "<img" in text and "noscript" in text


def test_units_are_those_that_are_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fahrenheit = view([write(tmp_path)], tmp_path / "f.html", init_time=START, units={"t2m": "degF", "u10": "kt"})
    data, layers = data_of(fahrenheit)
    assert [v["units"] for v in data["variables"]] == ["°F", "kn", "m s⁻¹"]
    shown = values_of(data, layers, 0)
    expected = (made.forecast_of("t2m")[2] - 273.15) * 1.8 + 32
    assert np.abs(shown - expected).max() < 0.51 * max(s for _, s in data["variables"][0]["main"]["scales"])
    with pytest.raises(SettingsError, match="--units t2: not in the files; did you mean 't2m'"):
        view([write(tmp_path)], tmp_path / "g.html", init_time=START, units={"t2": "degF"})
    done = py4cast(
        "view", write(tmp_path), "--init_time", START, "--units", "t2m=hPa", "--output", "h.html", cwd=tmp_path
    )
    assert done.returncode in (2, 3) and "hPa" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "g.html").exists() and not (tmp_path / "h.html").exists()


def test_a_grid_whose_rows_run_north_is_turned(tmp_path: Path) -> None:
    turned = made.write(tmp_path, "up.nc", made.forecasts().isel(latitude=slice(None, None, -1)))
    pages = [
        data_of(view([f], tmp_path / f"{i}.html", init_time=START)) for i, f in enumerate((write(tmp_path), turned))
    ]
    np.testing.assert_allclose(values_of(*pages[0], 0), values_of(*pages[1], 0), atol=0.05)
    assert pages[0][0]["lat"] == pages[1][0]["lat"]


def test_another_one_is_held_against_it_by_valid_time(tmp_path: Path) -> None:
    truth = made.write(tmp_path, "an.nc", made.analyses().isel(time=slice(0, 10)))
    path = view([write(tmp_path)], tmp_path / "fc.html", init_time=str(made.STARTS[4]), against=[truth])
    data, layers = data_of(path)
    assert data["other"] == "an.nc"
    difference = values_of(data, layers, 0) - values_of(data, layers, 0, "other")
    step = max(s for _, s in data["variables"][0]["main"]["scales"])
    assert np.abs(difference[0] - made.BIAS["t2m"][0]).max() < 1.1 * step
    assert data["variables"][0]["other"]["scales"][2] == [0.0, 0.0], "no analysis is valid at the last time"
    low, high = data["variables"][0]["difference"]["span"]
    assert low == -high


def test_members_are_a_mean_and_quantiles(tmp_path: Path) -> None:
    one = made.forecasts().isel(init_time=slice(0, 1))
    members = xr.concat(
        [one + shift for shift in (-2.0, -1.0, 0.0, 1.0, 2.0)], xr.IndexVariable("member", np.arange(5)), join="exact"
    )
    for name in made.BIAS:
        members[name].attrs = one[name].attrs
    data, layers = data_of(view([made.write(tmp_path, "ens.nc", members)], tmp_path / "e.html", ["t2m"]))
    assert data["members"] == 5
    quantiles = data["variables"][0]["quantiles"]
    q = decoded(layers[quantiles["layer"]], (15, quantiles["rows"], quantiles["columns"])).astype(float)
    values = np.stack([low + f * step for f, (low, step) in zip(q, quantiles["scales"], strict=True)]).reshape(
        3, 5, quantiles["rows"], -1
    )
    np.testing.assert_allclose(values[:, 4] - values[:, 0], 3.2, atol=0.1)  # 10 to 90 % of five, a unit apart
    np.testing.assert_allclose(values[:, 2], values_of(data, layers, 0), atol=0.1)


def test_members_and_other_starts_of_what_it_is_held_against_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    late = made.forecasts().isel(init_time=slice(0, 2))
    members = xr.concat([late, late + 2.0], xr.IndexVariable("member", np.arange(2)), join="exact")
    for name in made.BIAS:
        members[name].attrs = late[name].attrs
    truth = made.analyses().isel(time=slice(2, 4))
    path = view(
        [made.write(tmp_path, "an.nc", truth)],
        tmp_path / "a.html",
        ["t2m"],
        against=[made.write(tmp_path, "ens.nc", members)],
    )
    data, layers = data_of(path)
    assert data["other"] == "ens.nc, mean of 2 members"
    assert "at 1 of 2 times several forecasts of another start are valid; the latest is shown" in caplog.text
    shown = values_of(data, layers, 0, "other")[1] + 273.15
    np.testing.assert_allclose(shown, made.forecast_of("t2m")[1, 0] + 1.0, atol=0.1)


def test_points_are_shown_without_gaps(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    lat, lon = rng.uniform(40, 60, 900), rng.uniform(-10, 20, 900)
    data = xr.Dataset(
        {"t2m": (("time", "cell"), np.tile(lat, (2, 1)).astype(np.float32) + 273.15, {"units": "K", "standard_name": "air_temperature"})},
        {"time": made.TIMES[:2].astype("datetime64[ns]"), "lat": ("cell", lat, {"units": "degrees_north", "standard_name": "latitude"}),
         "lon": ("cell", lon, {"units": "degrees_east", "standard_name": "longitude"})},
    )  # fmt: skip
    page, layers = data_of(view([made.write(tmp_path, "p.nc", data)], tmp_path / "p.html"))
    held, cells = page["variables"][0]["main"], page["cells"]
    assert cells["count"] == 900
    q = decoded(layers[held["layer"]], (2, 1, 900))[0, 0]
    low, step = held["scales"][0]
    planes = decoded(layers[cells["layer"]], (3, page["rows"], page["columns"])).astype(int)
    places = planes[0] + 256 * planes[1] + 65536 * planes[2]
    assert page["rows"] > 20 and (places < 900).mean() > 0.99, "next to all pixels show a point"
    pixels = np.append(low + q.astype(float) * step, np.nan)[places]
    spread = np.abs(pixels - np.array(page["lat"])[:, None])
    assert np.nanmax(spread) < 3 and np.nanmean(spread) < 0.6, "every pixel shows the nearest point"
    assert np.abs(np.diff(q.astype(int))).mean() < 20, "neighbours stand together"
    with pytest.raises(SettingsError, match="points are shown whole"):
        view([str(tmp_path / "p.nc")], tmp_path / "p.html", thinning=2)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({}, "the files hold 10 forecasts, from .* choose one by --init_time"),
        ({"init_time": START, "variables": ["t2"]}, "--variables t2: not in the files; did you mean 't2m'"),
        ({"init_time": START, "lead_times": ["7h"]}, "--lead_times 7h: not in the files, which hold 6, 12, 18"),
        ({"init_time": START, "isolines": "nothing"}, "--isolines nothing: not in the files"),
        ({"init_time": START, "wind": "t2m"}, "--wind t2m: its other component is not in the files"),
        ({"init_time": START, "thinning": 0}, "--thin 0: expected at least 1"),
        ({"init_time": START, "most_mb": 0.0001}, r"the page would hold .* leave variables out \(--variables\), or times"),
    ],
    ids=["starts", "variable", "lead", "isolines", "wind", "thin", "large"],
)  # fmt: skip
def test_what_cannot_be_shown_is_told(words: dict[str, Any], told: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=told):
        view([write(tmp_path)], tmp_path / "fc.html", **words)
    assert not (tmp_path / "fc.html").exists()
    with pytest.raises(SettingsError, match="expected a name that ends in"):
        view([write(tmp_path)], tmp_path / "fc.png", init_time=START)


def test_a_long_series_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("py4cast.workflows.view.run.Scene", None)
    with pytest.raises(SettingsError, match="would hold at least .* MB, 3 variables at 30 times of 12 x 16 cells"):
        view([made.write(tmp_path, "an.nc", made.analyses())], tmp_path / "an.html", most_mb=0.0005)


def test_what_it_cannot_be_held_against_is_told(tmp_path: Path) -> None:
    coarse = made.write(tmp_path, "coarse.nc", made.analyses().isel(latitude=slice(None, None, 2)))
    with pytest.raises(DataError, match="--with coarse.nc: its grid .* is not that of the forecast"):
        view([write(tmp_path)], tmp_path / "fc.html", init_time=START, against=[coarse])
    later = made.write(
        tmp_path, "later.nc", made.analyses().assign_coords(time=made.analyses().time + np.timedelta64(900, "D"))
    )
    with pytest.raises(SettingsError, match="--with later.nc: nothing is valid at the times of the forecast"):
        view([write(tmp_path)], tmp_path / "fc.html", init_time=START, against=[later])
    units = made.analyses()
    units["t2m"].attrs["units"] = "kg"
    with pytest.raises(SettingsError, match="t2m is in 'kg' there and in 'K' here"):
        view([write(tmp_path)], tmp_path / "fc.html", init_time=START, against=[made.write(tmp_path, "kg.nc", units)])
    empty = made.forecasts() * np.nan
    with pytest.raises(DataError, match="t2m, u10, v10: all values are missing"):
        view([made.write(tmp_path, "empty.nc", empty)], tmp_path / "fc.html", init_time=START)


def test_the_command_writes_the_page_of_a_file_one_folder_up(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "sub").mkdir()
    words = ["view", "../fc.nc", "--init_time", START, "--thin", "2", "--output", "fc.html"]
    done = py4cast(*words, cwd=tmp_path / "sub")
    assert done.returncode == 0, done.stderr
    assert data_of(tmp_path / "sub" / "fc.html")[0]["rows"] == 6
    assert py4cast("view", "nothing.nc", "--output", "x.html", cwd=tmp_path).returncode == 3


# In a browser --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as driver:
        yield driver


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("view")
    data = made.forecasts()
    rows, columns = np.mgrid[0:12, 0:16]
    low = 101325 - 3000 * np.exp(-((rows - 6) ** 2 + (columns - 8) ** 2) / 12)
    data["msl"] = (data["t2m"].dims, np.broadcast_to(low, data["t2m"].shape).astype(np.float32), {"units": "Pa", "standard_name": "air_pressure_at_mean_sea_level", "long_name": "<b>x</b>"})  # fmt: skip
    truth = made.write(folder, "an.nc", made.analyses())
    return view([made.write(folder, "<i>fc.nc", data)], folder / "fc.html", init_time=START, against=[truth])


@pytest.fixture
def opened(browser: Any, page: Path) -> Any:
    browser.get(page.as_uri())
    wait(browser, "!document.getElementById('map').hidden")
    return browser


def wait(browser: Any, script: str) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, 10).until(lambda b: b.execute_script(f"return {script}"))


def find(browser: Any, selector: str) -> Any:
    return browser.find_element("css selector", selector)


def test_it_shows_the_first_map_without_errors(opened: Any) -> None:
    assert [e for e in opened.get_log("browser") if e["level"] == "SEVERE"] == []
    assert (
        find(opened, "#map-title")
        .get_attribute("textContent")
        .startswith("air temperature [°C], 2020-01-02 00:00 UTC +6 h")
    )
    assert find(opened, "h1").text == f"<i>fc.nc, {START.replace('T', ' ')[:16]} UTC", "names are text"
    assert "map of air temperature" in find(opened, "#map").get_attribute("aria-label")
    colours = opened.execute_script(
        "const m = document.getElementById('map'), d = m.getContext('2d').getImageData(0, 0, m.width, m.height).data; const s = new Set();"
        "for (let i = 0; i < d.length; i += 4) s.add(d[i] * 65536 + d[i + 1] * 256 + d[i + 2]); return s.size"
    )
    assert colours > 50, "something is drawn"


def test_a_place_tells_its_value_with_its_error_and_its_course(opened: Any) -> None:
    for name, value in (("lat", "53"), ("lon", "-2")):
        find(opened, f"#{name}").clear()
        find(opened, f"#{name}").send_keys(value)
    find(opened, "#go button").click()
    wait(opened, "document.getElementById('readout').textContent.includes('±')")
    told = find(opened, "#readout").text
    where = re.search(r"^(\S+)° N, (\S+)° W: air temperature (\S+) ± (\S+) °C", told)
    assert where is not None, told
    row, column = np.argmin(abs(made.LATITUDE - float(where[1]))), np.argmin(abs(made.LONGITUDE + float(where[2])))
    value = made.forecast_of("t2m")[2, 0, row, column] - 273.15
    assert abs(float(where[3].replace("−", "-")) - value) <= 1.5 * float(where[4])
    assert find(opened, "#place-title").text.startswith("At 53.00° N, 2.00° W")
    assert len(opened.find_elements("css selector", "#course path")) == 2, "the forecast and the analysis"
    cells = [e.get_attribute("textContent") for e in opened.find_elements("css selector", "#course-table td")]
    assert len(cells) == 6 and abs(float(cells[2]) - float(cells[3]) - made.BIAS["t2m"][1]) < 0.2
    ticks = [
        e.get_attribute("textContent") for e in opened.find_elements("css selector", "#course text[text-anchor=end]")
    ]
    numbers = [float(t.replace("−", "-")) for t in ticks]
    steps = np.diff(numbers)
    assert len(ticks) >= 3 and np.allclose(steps, steps[0]) and round(float(steps[0]), 6) in (0.1, 0.2, 0.5, 1, 2, 5), (
        "round, and evenly apart as they stand"
    )
    places = [
        float(e.get_attribute("y")) for e in opened.find_elements("css selector", "#course text[text-anchor=end]")
    ]
    assert np.allclose(np.diff(places), np.diff(places)[0], atol=0.01)
    for lat, lon in (
        (made.LATITUDE[-1], made.LONGITUDE[-1]),
        (made.LATITUDE[0], made.LONGITUDE[-1]),
    ):  # the corners too
        for name, value in (("lat", lat), ("lon", lon)):
            find(opened, f"#{name}").clear()
            find(opened, f"#{name}").send_keys(f"{value:.2f}")
        find(opened, "#go button").click()
        wait(opened, f"document.getElementById('readout').textContent.startsWith('{lat:.2f}° N')")
    find(opened, "#lat").clear()
    find(opened, "#lat").send_keys("-60")
    find(opened, "#go button").click()
    assert find(opened, "#readout").text == "That place is not on this map."


def test_times_fields_and_the_difference_are_chosen(opened: Any) -> None:
    from selenium.webdriver.support.select import Select

    opened.execute_script(
        "const s = document.getElementById('frame'); s.value = 2; s.dispatchEvent(new Event('input'))"
    )
    wait(opened, "document.getElementById('map').dataset.drawn === '2'")
    assert find(opened, "#frame-text").text == "+18 h"
    Select(find(opened, "#source")).select_by_value("difference")
    assert find(opened, "#map-title").get_attribute("textContent").startswith("difference: air temperature")
    Select(find(opened, "#variable")).select_by_index(3)
    assert not find(opened, "#source-label").is_displayed(), "the analysis has no pressure"
    assert "air pressure at mean sea level [hPa]" in find(opened, "#map-title").get_attribute("textContent")


def test_keys_move_the_place_and_the_time_and_play(opened: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    canvas = find(opened, "#map")
    canvas.send_keys(Keys.ARROW_RIGHT)
    wait(opened, "!document.getElementById('place').hidden")
    first = find(opened, "#place-title").text
    canvas.send_keys(Keys.ARROW_RIGHT)
    assert find(opened, "#place-title").text != first
    canvas.send_keys(".")
    assert find(opened, "#frame-text").text == "+12 h"
    canvas.send_keys("+")
    canvas.send_keys(" ")
    assert find(opened, "#play").get_attribute("aria-pressed") == "true"
    wait(opened, "document.getElementById('frame').value !== '1'")
    canvas.send_keys(" ")
    assert find(opened, "#play").get_attribute("aria-pressed") == "false"


def test_isobars_and_barbs_change_the_picture(opened: Any) -> None:
    from selenium.webdriver.support.select import Select

    def dark() -> int:
        opened.execute_async_script("requestAnimationFrame(() => setTimeout(arguments[0], 150))")
        return int(opened.execute_script(
            "const m = document.getElementById('map'), d = m.getContext('2d').getImageData(0, 0, m.width, m.height).data; let n = 0;"
            "for (let i = 0; i < d.length; i += 4) if (d[i + 3] && d[i] + d[i + 1] + d[i + 2] < 120) n++; return n"
        ))  # fmt: skip

    both = dark()
    Select(find(opened, "#wind")).select_by_value("none")
    lines = dark()
    find(opened, "#lines").click()
    assert both > lines + 100 > dark() + 200


@pytest.mark.parametrize(("width", "scheme"), [(420, "light"), (1400, "dark")], ids=["narrow", "wide_dark"])
def test_it_fits_narrow_and_dark_windows(browser: Any, page: Path, width: int, scheme: str) -> None:
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    )
    browser.get(page.as_uri())
    wait(browser, "!document.getElementById('map').hidden")
    assert browser.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
    ground = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(18, 23, 29)" if scheme == "dark" else "rgb(255, 255, 255)")
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_without_a_script_there_is_a_picture(browser: Any, page: Path) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    browser.get(page.as_uri())
    assert find(browser, "#still").is_displayed() and "need JavaScript" in find(browser, "noscript").get_attribute(
        "textContent"
    )
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_the_map_keeps_its_proportions_when_a_course_comes_beside_it(opened: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    before = opened.execute_script("return document.getElementById('map').clientWidth")
    find(opened, "#map").send_keys(Keys.ARROW_RIGHT)
    wait(opened, f"document.getElementById('map').clientWidth < {before}")
    wait(
        opened,
        "(m => Math.abs(m.width / m.height - m.clientWidth / m.clientHeight) < 0.01)(document.getElementById('map'))",
    )


@pytest.mark.parametrize("downward", [False, True])
def test_the_direction_of_a_wind_is_that_on_earth_on_a_map_too(browser: Any, tmp_path: Path, downward: bool) -> None:
    """A westerly everywhere, on a map far east of its meridian, whose upward direction is not north."""
    from py4cast.formats import Heading, writer_for
    from py4cast.grid import Grid
    from py4cast.projection import inverse
    from py4cast.variables import Variable

    projection = {"grid_mapping_name": "lambert_conformal_conic", "standard_parallel": 60.0, "longitude_of_central_meridian": 0.0, "latitude_of_projection_origin": 60.0, "earth_radius": 6371229.0}  # fmt: skip
    x, y = 1.8e6 + 25e3 * np.arange(40), -2e5 + 25e3 * np.arange(30)
    y = y[::-1].copy() if downward else y
    lat, lon = inverse(projection, *np.meshgrid(x, y))
    grid = Grid(lat, lon, x, y, projection)
    variables = [
        Variable(name=name, short_name=short, units="m s-1", standard_name=f"{way}_wind", level=10, type_of_level="heightAboveGround")
        for name, short, way in (("u10", "10u", "eastward"), ("v10", "10v", "northward"))
    ]  # fmt: skip
    heading = Heading(variables, grid, np.datetime64("2020-01-01T00", "s"), [np.timedelta64(6, "h")])
    with writer_for("w.nc").open(tmp_path / "w.nc", heading) as put:
        put(np.broadcast_to(np.array([10.0, 0.0], dtype=np.float32), (*grid.shape, 2)))
    view([tmp_path / "w.nc"], tmp_path / "w.html")
    browser.get((tmp_path / "w.html").as_uri())
    for row, column in ((5, 6), (25, 35), (15, 20)):
        for name, value in (("lat", lat[row, column]), ("lon", lon[row, column])):
            find(browser, f"#{name}").clear()
            find(browser, f"#{name}").send_keys(f"{value:.3f}")
        browser.execute_script("document.getElementById('readout').textContent = ''")
        find(browser, "#go button").click()
        wait(browser, "document.getElementById('readout').textContent.includes('from')")
        told = re.search(r"; wind at 10 m (\S+) m s⁻¹ \(19 kn\) from (\d+)°$", find(browser, "#readout").text)
        assert told is not None and abs(float(told[1]) - 10) < 0.3, find(browser, "#readout").text
        assert abs(int(told[2]) - 270) <= 2, (
            f"north is {np.rad2deg(np.arctan2(x[column], 6e6)):.0f} degrees from upward"
        )


def test_what_it_is_held_against_may_have_other_names_and_rows(tmp_path: Path) -> None:
    truth = made.analyses()
    renamed = truth.rename(t2m="2t").isel(latitude=slice(None, None, -1)) - xr.zeros_like(truth["u10"]).isel(latitude=slice(None, None, -1))  # fmt: skip
    for name in renamed:
        renamed[name].attrs = truth["t2m" if name == "2t" else name].attrs
    path = view([write(tmp_path)], tmp_path / "fc.html", variables=["t2m"], init_time=START, against=[made.write(tmp_path, "an.nc", renamed)])  # fmt: skip
    document = json.loads(re.search(r'id="data">(.*?)</script>', path.read_text(), re.S)[1])  # type: ignore[index]
    assert "other" in document["variables"][0], "its difference is shown"
    nothing = made.write(tmp_path, "no.nc", truth[["u10"]])
    with pytest.raises(DataError, match="--with no.nc: has none of t2m"):
        view([write(tmp_path)], tmp_path / "fc.html", variables=["t2m"], init_time=START, against=[nothing])


def test_directions_differ_by_the_shorter_arc(browser: Any, tmp_path: Path) -> None:
    coords = {
        "time": np.array(["2020-01-01T00"], "datetime64[ns]"),
        "latitude": np.arange(8.0),
        "longitude": np.arange(9.0),
    }
    for name, value in (("a", 358.0), ("b", 2.0)):
        field = (("time", "latitude", "longitude"), np.full((1, 8, 9), value, np.float32))
        attrs = {"units": "degree", "standard_name": "wind_from_direction"}
        xr.Dataset({"wdir": (*field, attrs)}, coords).to_netcdf(tmp_path / f"{name}.nc")
    view([tmp_path / "a.nc"], tmp_path / "w.html", against=[tmp_path / "b.nc"])
    browser.get((tmp_path / "w.html").as_uri())
    wait(browser, "document.querySelectorAll('#source option').length === 3")
    browser.execute_script(
        "const s = document.getElementById('source'); s.value = 'difference'; s.dispatchEvent(new Event('change'))"
    )
    for name, value in (("lat", 4), ("lon", 4)):
        find(browser, f"#{name}").clear()
        find(browser, f"#{name}").send_keys(str(value))
    find(browser, "#go button").click()
    wait(browser, "document.getElementById('readout').textContent.includes('difference')")
    assert re.search(r"[-−]4(\.0+)? ± ", find(browser, "#readout").text), find(browser, "#readout").text


def test_a_variable_of_nothing_is_left_out_unless_it_was_asked_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = made.forecasts()
    data["t2m"] = data["t2m"] * np.nan
    path = made.write(tmp_path, "fc.nc", data)
    view([path], tmp_path / "a.html", init_time=START)
    assert "t2m: left out, all values are missing" in caplog.text
    assert '"name":"t2m"' not in (tmp_path / "a.html").read_text().replace('": ', '":')
    with pytest.raises(DataError, match="t2m: all values are missing"):
        view([path], tmp_path / "b.html", ["t2m", "u10"], init_time=START)


def test_what_it_is_held_against_may_be_brought_to_its_grid(tmp_path: Path) -> None:
    fine = made.analyses().interp(latitude=np.linspace(56, 50.5, 23), longitude=np.linspace(-6, 1.5, 31))
    for name in made.BIAS:
        fine[name].attrs = made.analyses()[name].attrs
    other = made.write(tmp_path, "fine.nc", fine)
    with pytest.raises(DataError, match="--with fine.nc: its grid .* use --regrid linear"):
        view([write(tmp_path)], tmp_path / "a.html", init_time=START, against=[other])
    page = view([write(tmp_path)], tmp_path / "b.html", ["t2m"], init_time=START, against=[other], regrid="linear")
    assert '"difference"' in page.read_text()
