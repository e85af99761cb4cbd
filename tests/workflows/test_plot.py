from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from py4cast.errors import DataError, SettingsError
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
