from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from py4cast.errors import SettingsError
from py4cast.workflows.forecast.request import Forecast
from tests.cli.parsing import Recorder, replaced, run

FEW = ("--forecaster", "f", "--num_steps", "2", "--init_time", "2020-01-01T06", "--output", "a.nc", "b.grib2")


@pytest.fixture
def forecast(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    return replaced(monkeypatch, "py4cast.workflows.forecast.run.forecast", [Path("a.nc"), Path("b.grib2")])


def test_what_is_not_said_is_left_to_the_forecast(forecast: Recorder, capsys: pytest.CaptureFixture[str]) -> None:
    run("forecast", *FEW)
    plain = Forecast(forecaster="f", output=["a.nc", "b.grib2"], num_steps=2, init_time="2020-01-01T06")
    given: Forecast = forecast.words[0]
    differences = {k: v for k, v in asdict(given).items() if v != asdict(plain)[k] and v}
    assert differences == {} and capsys.readouterr().out == "a.nc\nb.grib2\n"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--model", "other"], {"forecaster": "other"}),
        (["--dataset", "titan", "--dataset_conf", "d.json"], {"dataset": "titan", "path": "d.json"}),
        (["--set", "dataset.root=/x", "--set", "dataset.step=1h"], {"overrides": ["root=/x", "step=1h"]}),
        (
            ["--input", "i*.nc", "j.nc", "--rename", "2t=t2m", "--members", "3,1"],
            {"input": ["i*.nc", "j.nc"], "renamed": {"t2m": "2t"}, "members": [3, 1]},
        ),
        (
            ["--input", "i.nc", "--boundary", "b.grib", "--regrid", "mean", "--accumulated", "tp,ssr"],
            {"boundary": ["b.grib"], "regrid": "mean", "accumulated": ["tp", "ssr"]},
        ),
        (["--num_members", "5", "--seed", "9"], {"num_members": 5, "seed": 9}),
        (["--device", "cuda:1", "--precision", "bf16", "--free_border"], {"device": "cuda:1", "precision": "bf16", "free_border": True}),
        (["--stations", "s.csv", "--series", "t.csv", "--overlay", "maps"], {"stations": "s.csv", "series": "t.csv", "overlay": "maps"}),
    ],
)  # fmt: skip
def test_every_flag_reaches_the_forecast(forecast: Recorder, words: list[str], expected: dict[str, Any]) -> None:
    run("forecast", *FEW, *words)
    assert {name: getattr(forecast.words[0], name) for name in expected} == expected


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--input", "i", "--members", "1,x"], "--members 1,x: expected numbers by comma"),
        (["--input", "i", "--rename", "t2m"], "--rename 't2m': expected INPUT=FORECASTER"),
        (["--set", "model.width=3"], r"expected dataset\.PLACE=VALUE"),
        (["--boundary", "b.nc"], "go with --input FILES"),
    ],
)
def test_words_that_do_not_fit_are_refused(forecast: Recorder, words: list[str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        run("forecast", *FEW, *words)
    assert forecast.words == ()
