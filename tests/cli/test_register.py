import pytest

from tests.cli.parsing import replaced, run


def test_files_are_registered_under_a_name(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    register = replaced(monkeypatch, "py4cast.workflows.catalogue.view.register", ["uk:1  abc  step", "uk:2  def  step"])  # fmt: skip
    run("register", "a.onnx", "b.onnx")
    assert register.words == (["a.onnx", "b.onnx"], None, None, "")
    assert capsys.readouterr().out == "uk:1  abc  step\nuk:2  def  step\n"
    run("register", "a.onnx", "--name", "uk", "--note", "with rain", "--catalogue", "kept")
    assert register.words == (["a.onnx"], "kept", "uk", "with rain")
