"""Names, notes and messages of others are shown as text, wherever they are shown; numbers of any length are read or refused."""

import csv
import io
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from py4cast.errors import SettingsError
from py4cast.formats.base import Heading
from py4cast.formats.stations import read_places, read_stations
from py4cast.formats.table_writer import TableWriter
from py4cast.grid import Grid
from py4cast.optim import OptimSettings
from py4cast.text import visible
from py4cast.variables import Variable
from py4cast.workflows.config import TrainSettings, build_config
from py4cast.workflows.page.score_page import write_page
from py4cast.workflows.terminal import table_of
from tests.workflows.page.test_data import scores

NASTY = [
    "[/red]",
    "[bold]x",
    "\x1b[2Jx",
    "a\u202eb",
    "</script>",
    "<!--<script>",
    "{{js}}",
    "=cmd|'calc'!A1",
    "\ud800",
    "a\nb",
]


@pytest.mark.parametrize("name", NASTY, ids=range(len(NASTY)))
def test_a_table_shows_every_letter_of_a_name(name: str) -> None:
    stream = io.StringIO()
    Console(file=stream, width=140, force_terminal=True, color_system="truecolor", no_color=True).print(
        table_of(name, [name], [[[name]]])
    )
    shown = stream.getvalue()
    assert shown.count(visible(name).split("\\n")[0]) >= 2 and "\u202e" not in shown and "\x1b[2J" not in shown


@given(st.text(min_size=1, max_size=30))
def test_nothing_that_is_shown_can_be_obeyed(text: str) -> None:
    assert not re.search("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", visible(text))
    visible(text).encode("utf-8")


@pytest.mark.parametrize("name", ["<!--<script>", "</script><script>alert(1)</script>", "{{js}}", "\u2028"])
def test_a_page_survives_any_name(tmp_path: Path, name: str) -> None:
    known = replace(scores(), units={name: "K", "b": "1", "pair": "1"})
    path = write_page(tmp_path / "r.html", known, None, name)
    text = path.read_text()
    block = re.search(r'id="data">(.*?)</script>', text, re.S)
    assert block is not None and "<" not in block[1]
    assert name in json.loads(block[1])["variables"]
    assert text.count("<script") == 2, "its data and its own"


def test_a_spreadsheet_executes_no_cell(tmp_path: Path) -> None:
    stations = ("=cmd|'calc'!A1", "@x", "-12", "07005", "+a")
    grid = Grid(np.zeros((1, 5)), np.arange(5.0)[None])
    heading = Heading(
        [Variable(name="=t", units="K")],
        grid,
        np.datetime64("2020-01-01T00"),
        [np.timedelta64(1, "h")],
        stations=stations,
    )
    with TableWriter().begin(tmp_path / "a.csv", heading) as put:
        put(0, np.full((1, 5, 1), 280.0, dtype=np.float32))
    rows = list(csv.reader((tmp_path / "a.csv").read_text().splitlines()))
    assert [r[0] for r in rows] == ["station", "'=cmd|'calc'!A1", "'@x", "-12", "07005", "'+a"] and rows[0][
        -1
    ] == "'=t [K]"
    assert tuple(read_places(tmp_path / "a.csv").names) == stations, "they come back as they were"
    assert tuple(read_stations(tmp_path / "a.csv").names) == stations


@pytest.mark.parametrize("digits", [300, 308, 309, 400, 5000])
def test_numbers_of_any_length_are_read_or_refused(digits: int) -> None:
    number = int("9" * digits) if digits < 4000 else "9" * digits
    for settings, key in ((OptimSettings, "lr"), (TrainSettings, "seed")):
        if digits < 309 and key == "lr":
            continue
        with pytest.raises(SettingsError, match=key):
            settings.from_dict({key: number})
    with pytest.raises(SettingsError):
        build_config({}, [f"train.seed={'9' * digits}"])


def test_an_encoding_that_lacks_letters_gets_escapes(tmp_path: Path) -> None:
    code = f"""
import sys
from py4cast.cli import main
from py4cast.workflows.terminal import show, table_of
sys.argv = ["py4cast"]
main([])
show(table_of("Größe", ["ä"], [[["☂"]]]))
main(["inspect", {str(tmp_path / "größe.nc")!r}])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, env={"PYTHONIOENCODING": "ascii", "PATH": ""}, check=False
    )
    assert done.returncode == 0 and b"Traceback" not in done.stderr, done.stderr.decode()
    assert b"Gr\\xf6\\xdfe" in done.stdout and b"gr\\xf6\\xdfe.nc" in done.stderr
