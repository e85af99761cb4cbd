from pathlib import Path
from typing import Any

import numpy as np
import pytest

from py4cast.errors import SettingsError
from tests.cli.parsing import Recorder, replaced, run

FILES = ("--forecast", "f1.nc", "f2.nc", "--truth", "a*.nc")


class Scores:
    """Scores of nothing."""

    def to_dict(self) -> dict[str, Any]:
        metrics = {"rmse": [1.0], "mae": [0.5]}
        return {"lead_times_h": [6.0], "units": {"t": "K"}, "num_forecasts": 2, "forecast": {"t": metrics}}


class Case:
    """Fields that are closed once."""

    closed = 0

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def case() -> Case:
    return Case()


@pytest.fixture
def workflows(case: Case, monkeypatch: pytest.MonkeyPatch) -> dict[str, Recorder]:
    places = {
        "files": "py4cast.workflows.verify.files.verify_files",
        "split": "py4cast.workflows.verify.split.verify",
        "scores": "py4cast.workflows.verify.score_files.write_scores",
        "page": "py4cast.workflows.page.score_page.write_page",
    }
    return {name: replaced(monkeypatch, place, (Scores(), case)) for name, place in places.items()}


def test_files_are_verified_and_all_is_written(
    workflows: dict[str, Recorder], case: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    run("verify", *FILES)
    (asked,) = workflows["files"].words
    assert (asked.forecast, asked.truth, asked.climatology, asked.num_steps) == (["f1.nc", "f2.nc"], ["a*.nc"], "truth", None)  # fmt: skip
    assert (asked.variables, asked.renamed, asked.references, asked.first, asked.last) == ([], {}, {}, None, None)
    assert workflows["files"].named["num_workers"] is None and workflows["split"].words == ()
    assert workflows["scores"].words[0] == Path("verify") and case.closed == 1
    page, _, source, title = workflows["page"].words
    assert (page, source, title) == (Path("verify/report.html"), case, "Scores of f1.nc")
    printed = capsys.readouterr().out
    assert "RMSE over 2 forecasts" in printed and printed.splitlines()[-1] == "verify"


def test_every_flag_of_files_reaches_the_verification(workflows: dict[str, Recorder]) -> None:
    run(
        "verify", *FILES, "--reference", "ifs=i*.grib,j.grib", "--reference", "old=o.nc", "--variables", "t2m,u10", "--rename",
        "2t=t2m", "--accumulated", "tp", "--regrid", "nearest", "--climatology", "n.nc", "--start", "2020-01-01", "--end",
        "2020-01-02", "--num_steps", "4", "--num_workers", "2", "--metrics", "rmse,bias", "--set", "scores.num_samples=10",
        "--output", "out",
    )  # fmt: skip
    (asked,) = workflows["files"].words
    assert asked.references == {"ifs": ["i*.grib", "j.grib"], "old": ["o.nc"]} and asked.renamed == {"t2m": "2t"}
    assert (asked.variables, asked.accumulated) == (["t2m", "u10"], ["tp"])
    assert (asked.regrid, asked.climatology, asked.num_steps) == ("nearest", "n.nc", 4)
    assert asked.first == np.datetime64("2020-01-01T00:00:00") and asked.last == np.datetime64("2020-01-02T23:59:59")
    assert asked.scores.metrics == ("rmse", "bias") and asked.scores.num_samples == 10
    assert workflows["files"].named["num_workers"] == 2 and workflows["scores"].words[0] == Path("out")


def test_stations_stand_in_for_analyses(workflows: dict[str, Recorder]) -> None:
    run("verify", "--forecast", "f.nc", "--stations", "s.csv", "--interpolation", "nearest", "--orography", "h.nc")
    (asked,) = workflows["files"].words
    assert (asked.truth, asked.stations, asked.interpolation, asked.orography) == ((), "s.csv", "nearest", "h.nc")


def test_a_forecaster_is_scored_on_a_split_of_its_data(workflows: dict[str, Recorder]) -> None:
    run("verify", "--forecaster", "run/f.safetensors")
    words = workflows["split"].words
    assert words[:7] == ("run/f.safetensors", None, None, "test", None, 4, []) and words[8] == "auto"
    assert workflows["split"].named == {"references": {}, "regrid": None, "num_members": None, "seed": 0}
    assert workflows["scores"].words[0] == Path("run/verify") and workflows["files"].words == ()
    assert workflows["page"].words[3] == "Scores of f.safetensors"
    run(
        "verify", "--forecaster", "f", "--dataset", "titan", "--dataset_conf", "d.json", "--split", "valid", "--num_steps", "12",
        "--batch_size", "2", "--set", "dataset.root=/x", "--set", "scores.confidence=0.9", "--climatology", "hour", "--reference",
        "ifs=i.nc", "--regrid", "linear", "--num_members", "3", "--seed", "8",
    )  # fmt: skip
    words = workflows["split"].words
    assert words[:7] == ("f", "titan", "d.json", "valid", 12, 2, ["root=/x"]) and words[8] == "hour"
    assert words[7].confidence == 0.9
    assert workflows["split"].named == {"references": {"ifs": ["i.nc"]}, "regrid": "linear", "num_members": 3, "seed": 8}  # fmt: skip


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "verify needs either --forecaster FILE or --forecast FILES"),
        (["--forecaster", "f", "--forecast", "g.nc"], "verify needs either --forecaster FILE or --forecast FILES"),
        ([*FILES, "--num_members", "2"], "--num_members: of a --forecaster"),
        *[
            ([*FILES, *words.split()], message)
            for words, message in (
                ("--dataset_conf d.json", "--dataset_conf: of a --forecaster"),
                ("--split valid", "--split: of a --forecaster"),
                ("--seed 3", "--seed: of a --forecaster"),
                ("--set dataset.root=/x", "--set root=/x: of a --forecaster"),
                ("--no_calibration", "--no_calibration: of a --forecaster"),
            )
        ],
        *[
            (["--forecaster", "f", *words.split()], message)
            for words, message in (
                ("--truth t.nc", "--truth: of --forecast FILES"),
                ("--stations s.csv", "--stations: of --forecast FILES"),
                ("--variables t2m", "--variables: of --forecast FILES"),
                ("--start 2019", "--start: of --forecast FILES"),
                ("--interpolation nearest", "--interpolation: of --forecast FILES"),
                ("--rename a=b", "--rename: of --forecast FILES"),
                ("--regrid linear", "--regrid: of --forecast FILES, and of --reference"),
            )
        ],
        ([*FILES, "--reference", "ifs"], "--reference 'ifs': expected NAME=FILES"),
        ([*FILES, "--reference", "persistence=p.nc"], "--reference persistence: the name is taken"),
        ([*FILES, "--rename", "a"], "--rename 'a': expected FORECAST=TRUTH"),
        ([*FILES, "--stations", "s.csv"], "needs either --truth FILES or --stations FILE"),
        ([*FILES, "--set", "model.width=3"], r"expected dataset\.PLACE=VALUE"),
        ([*FILES, "--start", "soon"], "soon"),
    ],
)
def test_what_does_not_go_together_is_refused(workflows: dict[str, Recorder], words: list[str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        run("verify", *words)
    assert workflows["scores"].words == ()


def test_the_table_is_of_a_metric_that_is_there(workflows: dict[str, Recorder], capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    run("verify", *FILES, "--metric", "mae")
    assert "MAE over 2 forecasts" in capsys.readouterr().out
    with pytest.raises(SettingsError, match="--metric 'mse': not in the table's scores"):
        run("verify", *FILES, "--metric", "mse")
