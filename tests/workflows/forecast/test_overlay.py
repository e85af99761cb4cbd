from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from py4cast.errors import SettingsError
from py4cast.formats import Heading
from py4cast.grid import Grid
from py4cast.variables import Variable
from py4cast.workflows.forecast import overlay as module
from py4cast.workflows.forecast.overlay import Overlay
from tests.forecast_files import HOUR, START

GRID = Grid(np.array([51.0, 50.0]), np.array([0.0, 1.0, 2.0]))
PLAIN = Variable(name="plain", short_name="plain", units="1")
FLAT = Variable(name="flat", short_name="flat", units="1")
HEADING = Heading([PLAIN, FLAT], GRID, START, [HOUR // 2, 12 * HOUR])
STATS = {"plain": {"mean": 10.0, "std": 2.0}, "flat": {"mean": -1.0, "std": 0.0}}


class Drawn:
    """Takes what is drawn, and draws an empty sheet of one colour instead."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[tuple[str, float, str, tuple[float, float]]] = []
        monkeypatch.setattr(module, "draw_case", self.draw)
        monkeypatch.setattr(module, "write_figure", self.write)

    def draw(self, fields: dict[str, np.ndarray], variable: Variable, grid: Grid, note: str, span: tuple[float, float]) -> int:  # fmt: skip
        ((when, field),) = fields.items()
        assert field.shape == grid.shape and not note
        self.calls.append((when, float(field.mean()), variable.name, span))
        return len(self.calls)

    def write(self, path: Path, number: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4), (60 * number, 0, 0)).save(path)


def test_every_lead_time_of_every_variable_is_a_map_and_a_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn, pictures = Drawn(monkeypatch), Overlay(tmp_path / "maps", HEADING, STATS)
    for step in range(2):
        pictures.put(np.stack([np.full(GRID.shape, 10.0 + step), np.full(GRID.shape, -step)], -1).astype(np.float32))
    assert drawn.calls == [
        ("+0.5 h, 2020-01-01T00:30Z", 10.0, "plain", (4.0, 16.0)),
        ("+0.5 h, 2020-01-01T00:30Z", 0.0, "flat", (-4.0, 2.0)),
        ("+12 h, 2020-01-01T12:00Z", 11.0, "plain", (4.0, 16.0)),
        ("+12 h, 2020-01-01T12:00Z", -1.0, "flat", (-4.0, 2.0)),
    ]
    pictures.finish()
    names = ["plain_0.5.png", "flat_0.5.png", "plain_012.png", "flat_012.png", "plain.gif", "flat.gif"]
    assert [p.name for p in pictures.written] == names and all(p.is_file() for p in pictures.written)
    with Image.open(tmp_path / "maps" / "flat.gif") as image:
        assert getattr(image, "n_frames", 1) == 2


def test_of_an_ensemble_the_mean_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = Drawn(monkeypatch)
    pictures = Overlay(tmp_path, replace(HEADING, members=(0, 1)), STATS)
    pictures.put(np.stack([np.full((*GRID.shape, 2), v, dtype=np.float32) for v in (1.0, 4.0)]))
    assert [mean for _, mean, _, _ in drawn.calls] == [2.5, 2.5]


def test_the_mean_of_directions_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn, wind = Drawn(monkeypatch), Variable(name="dd", short_name="dd", units="degrees", standard_name="wind_from_direction")  # fmt: skip
    heading = replace(HEADING, variables=[wind], members=(0, 1))
    pictures = Overlay(tmp_path, heading, {"dd": {"mean": 180.0, "std": 100.0}})
    pictures.put(np.stack([np.full((*GRID.shape, 1), v, dtype=np.float32) for v in (350.0, 20.0)]))
    assert drawn.calls[0][1] == pytest.approx(5.0)


def test_what_cannot_be_written_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match=r"--overlay .*file: is a file"):
        Overlay(tmp_path / "file", HEADING, STATS)
    with pytest.raises(SettingsError, match=r"variable '\.\./t': expected letters, digits"):
        Overlay(tmp_path, replace(HEADING, variables=[replace(PLAIN, name="../t")]), STATS)
