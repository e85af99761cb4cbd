from pathlib import Path

import pytest

from py4cast.errors import SettingsError
from tests.cli.parsing import replaced, run


def test_data_are_shown_as_they_are_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    inspect = replaced(monkeypatch, "py4cast.workflows.inspect.data.inspect", ["one", "two"])
    run("inspect", str(tmp_path))
    assert inspect.words == (str(tmp_path), None, None, False, []) and capsys.readouterr().out == "one\ntwo\n"
    run("inspect", "a.nc", "--plot", "p.png", "--time", "2020", "--variables", "t,u", "--check")
    assert inspect.words == ("a.nc", "p.png", "2020", True, ["t", "u"])


@pytest.mark.parametrize("name", ["f.safetensors", "s.onnx"])
def test_forecasters_and_steps_have_no_maps(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    inspect_step = replaced(monkeypatch, "py4cast.workflows.inspect.step.inspect_step", ["a step"])
    path = tmp_path / name
    path.touch()
    run("inspect", str(path))
    assert inspect_step.words == (path,) and capsys.readouterr().out == "a step\n"
    for words in (["--plot", "p.png"], ["--time", "2020"], ["--variables", "t"], ["--check"]):
        with pytest.raises(SettingsError, match=f"{name}: --plot, --time, --check and --variables are of data, not of"):
            run("inspect", str(path), *words)
