import logging
from pathlib import Path

import numpy as np
import pytest

from py4cast.errors import SettingsError
from py4cast.workflows.export.run import Drift, Export
from tests.cli.parsing import replaced, run


def test_a_step_is_exported_as_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    drift = Drift([np.timedelta64(6 * 3600, "s")], [1e-5], [1e-6], [0.5])
    export = replaced(monkeypatch, "py4cast.workflows.export.run.export", drift)
    run("export", "--forecaster", "f.safetensors", "--output", "s.onnx")
    assert export.words == (Export(forecaster="f.safetensors", output="s.onnx", weights="float32", num_steps=12),)
    printed = capsys.readouterr().out
    assert "50 %" in printed and printed.splitlines()[-1] == "s.onnx"
    run("export", "--forecaster", "f", "--output", "s.onnx", "--weights", "int8", "--num_steps", "3")
    assert export.words == (Export(forecaster="f", output="s.onnx", weights="int8", num_steps=3),)


def test_a_rate_is_exported_instead(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    export_rate = replaced(monkeypatch, "py4cast.workflows.export.rate.export_rate", 2.5e-6)
    with caplog.at_level(logging.INFO):
        run("export", "--forecaster", "f", "--output", "r.onnx", "--rate")
    assert export_rate.words == (Path("f"), Path("r.onnx")) and capsys.readouterr().out == "r.onnx\n"
    assert "differs from torch by 2.5e-06 standard deviations" in caplog.text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--output", "s.pt"], r"--output s\.pt: expected a name that ends in \.onnx or \.pt2"),
        (["--output", "s.pt2", "--weights", "int8"], "--weights int8: of ONNX alone"),
        (["--output", "s.onnx", "--num_steps", "0"], "--num_steps 0: expected at least 1"),
    ],
)
def test_exports_that_cannot_be_are_refused(words: list[str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        run("export", "--forecaster", "f", *words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--output", "s.onnx"], "required: --forecaster"),
        (["--forecaster", "f", "--output", "s.onnx", "--weights", "int4"], "invalid choice: 'int4'"),
    ],
)
def test_flags_that_are_wrong_end_with_status_two(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        run("export", *words)
    assert stopped.value.code == 2 and message in capsys.readouterr().err
