"""The page of scores in a browser: its controls, its colours, its print."""

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from py4cast.metrics.verification import Verification
from py4cast.workflows.page.score_page import write_page
from tests.browser import chromium
from tests.metrics.layouts import HOUR, START, VARIABLES, fields, layout


class Source:
    """The fields of the made forecasts again."""

    def __init__(self) -> None:
        self.prediction, self.truth, self.normal = fields(4, 12, members=3)
        self.grid = layout().grid

    def fields(self, init_time: np.datetime64) -> tuple[torch.Tensor, torch.Tensor]:
        place = int((init_time - START) / (6 * HOUR))
        return self.prediction[place].mean(0), self.truth[place]

    def members(self, init_time: np.datetime64) -> tuple[torch.Tensor, torch.Tensor]:
        place = int((init_time - START) / (6 * HOUR))
        return self.prediction[place], self.truth[place]

    def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = Source()
    check = Verification(layout(num_members=3), ("forecast", "persistence", "climatology"), True, True)
    for i in range(12):
        systems = {
            "forecast": source.prediction[i], "persistence": source.truth[i, :1].expand_as(source.truth[i]) + 0.5,
            "climatology": source.normal[i],
        }  # fmt: skip
        check.add(START + i * 6 * HOUR, systems, source.truth[i], source.normal[i])
    document = {"variables": [v.to_dict() for v in VARIABLES], "note": "</script><b>{{data}}</b>"}
    return write_page(
        tmp_path_factory.mktemp("page") / "report.html", check.scores(document), source, "Scores <of> a test"
    )


def test_the_page_is_one_file_that_fetches_nothing(page: Path) -> None:
    text = page.read_text()
    assert not re.search(r"(src|href)\s*=\s*[\"'](?!data:)", text), "only data: addresses"
    assert "http://" not in text.replace("http://www.w3.org/2000/svg", "") and "https://" not in text
    assert "Scores &lt;of&gt; a test" in text and "{{css}}" not in text
    data = json.loads(re.search(r'id="data">(.*?)</script>', text, re.S)[1].replace("<\\/", "</"))
    assert data["systems"] == ["forecast", "persistence", "climatology"] and data["variables"] == [
        "u",
        "v",
        "tp",
        "wind",
    ]
    assert len(data["cases"]) == 6 and set(data["maps"]["fields"]) == {"u", "v", "tp"}
    assert data["metrics"]["rmse"]["gain"][0][0][0] is not None


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium(1240, 1600) as driver:
        yield driver


@pytest.fixture
def opened(browser: Any, page: Path) -> Any:
    browser.get(page.as_uri())
    return browser


def find(browser: Any, selector: str) -> Any:
    return browser.find_element("css selector", selector)


def texts(browser: Any, selector: str) -> list[str]:
    return [e.text for e in browser.find_elements("css selector", selector)]


def test_it_shows_without_errors(opened: Any) -> None:
    assert [e for e in opened.get_log("browser") if e["level"] == "SEVERE"] == []
    assert "12 forecasts from 2020-01-01 00:00 to 2020-01-03 18:00 UTC, +1 to +2 h" in find(opened, "#summary").text
    assert texts(opened, "#scorecard tr:first-child th")[1:] == ["+1 h", "+2 h"]
    assert texts(opened, "#scorecard th[scope=row]") == ["u", "v", "tp"]
    assert "better2" in find(opened, '#scorecard td[data-variable="0"][data-lead="1"]').get_attribute("class")
    assert "▲" in find(opened, '#scorecard td[data-variable="0"][data-lead="1"]').text


def test_a_cell_chooses_variable_and_lead_time(opened: Any) -> None:
    find(opened, '#scorecard td[data-variable="2"][data-lead="0"]').click()
    assert find(opened, "#lead-text").text == "+1 h" and find(opened, "#variable").get_attribute("value") == "2"
    assert find(opened, "#curves figcaption").text == "root mean square error of tp [kg m-2]"
    assert texts(opened, "#maps figcaption") == ["mean error, +1 h [kg m-2]", "root mean square error, +1 h [kg m-2]"]
    assert len(opened.find_elements("css selector", "#curves polygon.band")) == 3
    assert "critical success index" in texts(opened, "#events th[scope=row]")
    assert len(texts(opened, "#cases h3")) == 2 and "RMSE" in texts(opened, "#cases h3")[0]
    assert "chosen" in find(opened, '#scorecard td[data-variable="2"][data-lead="0"]').get_attribute("class")


def test_the_slider_moves_the_maps(opened: Any) -> None:
    first = find(opened, "#maps img").get_attribute("src")
    opened.execute_script(
        "const s = document.getElementById('lead'); s.value = 0; s.dispatchEvent(new Event('input', {bubbles: true}));"
    )
    assert find(opened, "#lead-text").text == "+1 h"
    second = find(opened, "#maps img").get_attribute("src")
    assert first != second and second.startswith("data:image/png;base64,")
    size = opened.execute_script(
        "const i = document.querySelector('#maps img'); return [i.naturalWidth, i.naturalHeight]"
    )
    assert size == [16, 12]
    assert find(opened, "#maps path").get_attribute("d").startswith("M"), "the coast of Britain lies on this grid"


def test_metric_and_reference_change_the_card(opened: Any) -> None:
    from selenium.webdriver.support.select import Select

    before = texts(opened, "#scorecard td")
    Select(find(opened, "#reference")).select_by_visible_text("climatology")
    after = texts(opened, "#scorecard td")
    assert before != after and "forecast against climatology" in find(opened, "#card-note").text
    Select(find(opened, "#metric")).select_by_visible_text("root mean square vector error")
    assert texts(opened, "#scorecard th[scope=row]") == ["wind"]
    Select(find(opened, "#variable")).select_by_visible_text("wind")
    assert find(opened, "#curves figcaption").text == "root mean square vector error of wind [m s-1]"
    assert len(opened.find_elements("css selector", "#ranks rect")) == 0


def test_ensembles_show_ranks_and_reliability(opened: Any) -> None:
    assert len(opened.find_elements("css selector", "#ranks rect")) == 4, "three members have four ranks"
    find(opened, '#scorecard td[data-variable="2"][data-lead="1"]').click()
    assert "Reliability, +2 h" in find(opened, "#reliability figcaption").text


def test_ensembles_show_spread_coverage_and_of_a_case_its_members(opened: Any) -> None:
    assert find(opened, "#spread-skill figcaption").text == "Spread and error of u [m s-1]"
    assert len(opened.find_elements("css selector", "#spread-skill polyline")) == 2
    assert len(opened.find_elements("css selector", "#coverage circle")) == 1, "three members have one inner interval"
    first = find(opened, ".case")
    assert len(first.find_elements("css selector", ".stamps img")) == 3
    assert len(first.find_elements("css selector", ".meteogram polygon.band")) == 2
    captions = [e.text for e in first.find_elements("css selector", "figcaption")]
    assert any(c.startswith("probability of at least") for c in captions) and "member 3" in captions
    assert any("where it was most wrong [m s-1]" in c for c in captions)


def test_it_is_used_by_keyboard(opened: Any) -> None:
    cell = find(opened, '#scorecard td[data-variable="1"][data-lead="0"]')
    cell.send_keys("\n")
    assert find(opened, "#variable").get_attribute("value") == "1"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_light_and_dark(opened: Any, scheme: str) -> None:
    """WCAG 2.1: a contrast of at least 4.5 for text, of at least 3 for large or bold marks."""
    opened.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    found = opened.execute_script(
        """
        const numbers = (c) => c.match(/[\\d.]+/g).slice(0, 3).map(Number);
        const light = (c) => { const l = numbers(c).map((v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
          return 0.2126 * l[0] + 0.7152 * l[1] + 0.0722 * l[2]; };
        const ground = (e) => { while (e) { const c = getComputedStyle(e).backgroundColor; if (!/, 0\\)$|transparent/.test(c)) return c; e = e.parentElement; } return "rgb(255,255,255)"; };
        return ["body", "#summary", "#scorecard th", "#scorecard td.better2", "pre", "figcaption", "select"].map((s) => {
          const e = document.querySelector(s), a = light(getComputedStyle(e).color), b = light(ground(e));
          return [s, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)]; });
        """
    )
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    for selector, contrast in found:
        least = 3.0 if "better2" in selector else 4.5
        assert contrast >= least, f"{selector} in {scheme}: {contrast:.2f}"


def test_it_prints(opened: Any) -> None:
    printed = opened.execute_cdp_cmd("Page.printToPDF", {"printBackground": True, "preferCSSPageSize": True})
    pdf = base64.b64decode(printed["data"])
    pages = len(re.findall(rb"/Type\s*/Page[^s]", pdf))
    assert pdf.startswith(b"%PDF") and 2 <= pages <= 8
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    shown = opened.execute_script("return getComputedStyle(document.getElementById('lead')).display")
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert shown == "none", "a slider is of no use on paper"
